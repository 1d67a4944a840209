//! What publishing asks of one step besides its shape.

use super::texts::{Kind, texts};
use super::{Facts, Findings, message_templates, templates};
use crate::content::{self, Text, limits, unknown_variables};
use crate::enrollment::choice::{candidates, channel_of};
use crate::follow_ups::wordless;
use crate::message::Channel;
use crate::sender::Sender;
use crate::sequence::{ComposeMode, ContentType, EmailThread, MediaKind, Sequence, Step, StepChannel, TargetKind};
use crate::time::{Anchor, Calendar, Due, DueInput, Timestamp, Unit, due, next_allowed};

pub(super) fn step(sequence: &Sequence, step: &Step, at: &str, facts: &Facts<'_>, found: &mut Findings) {
    let senders = senders(step, at, facts, found);
    templates::check(step, at, &senders, found);
    bot(step, at, &senders, found);
    audio(step, at, &senders, found);
    email(sequence, step, at, &senders, facts, found);
    replies(sequence, at, &senders, found);
    message_templates::usage(sequence, step, at, facts, found);
    sms(step, at, facts, found);
    static_fallback(step, at, found);
    variables(sequence, step, at, facts, found);
    when(sequence, step, at, facts, found);
    if step.channel != StepChannel::Automatic && !step.channel_order.is_empty() {
        let detail = "the order of channels only counts for the channel automatic";
        found.warn(format!("{at}/channel_order"), "ignored", detail);
    }
}

/// The senders that a step may go through.
pub(super) struct Senders<'a> {
    /// By its own channels: its `sender_id`; else the account's default for the channel; else the only one
    /// of that channel (API.md, Senders).
    pub(super) own: Vec<&'a Sender>,
    /// Through which the contact's conversation may run that it would go on with.
    pub(super) conversation: Vec<&'a Sender>,
}

impl<'a> Senders<'a> {
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Sender> {
        let more = self.conversation.iter().filter(|sender| !self.own.iter().any(|own| own.id == sender.id));
        self.own.iter().chain(more).copied()
    }
}

/// Says what is missing: a step is refused if nothing carries it, and a channel of an order that nothing
/// carries is a warning.
fn senders<'a>(step: &Step, at: &str, facts: &Facts<'a>, found: &mut Findings) -> Senders<'a> {
    let mut senders = Senders { own: Vec::new(), conversation: Vec::new() };
    let (wanted, automatic) = (candidates(step), step.channel == StepChannel::Automatic);
    let mut named = None;
    if let Some(id) = step.sender_id {
        let pointer = format!("{at}/sender_id");
        named = facts.senders.iter().find(|s| s.id == id);
        let Some(sender) = named else {
            found.problem(pointer, "unknown_reference", "there is no such sender");
            return senders;
        };
        if !wanted.iter().any(|asked| channel_of(*asked).is_none_or(|channel| channel == sender.channel)) {
            let detail =
                format!("the sender `{}` is for {}, not for this step's channel", sender.name, sender.channel.as_str());
            found.problem(pointer, "sender_channel_mismatch", detail);
            return senders;
        }
        if !automatic {
            suspended(sender, at, found);
            senders.own.push(sender);
            return senders;
        }
    }
    let (mut ambiguous, mut missing) = (Vec::new(), Vec::new());
    for asked in wanted {
        let Some(channel) = channel_of(*asked) else {
            senders.conversation = facts.senders.iter().collect();
            continue;
        };
        let default = facts.settings.default_senders.get(&channel);
        let default = default.and_then(|id| facts.senders.iter().find(|s| s.id == *id));
        let all: Vec<_> = facts.senders.iter().filter(|s| s.channel == channel).collect();
        match (named.filter(|s| s.channel == channel).or(default), all.as_slice()) {
            (Some(sender), _) => senders.own.push(sender),
            (None, []) => missing.push((*asked, channel.as_str())),
            (None, [only]) => senders.own.push(only),
            (None, _) => ambiguous.push((*asked, channel.as_str())),
        }
    }
    senders.own.iter().for_each(|sender| suspended(sender, at, found));
    let helpdesk = senders.conversation.iter().any(|s| s.channel == Channel::Conversation);
    let only_conversation = wanted.iter().all(|asked| channel_of(*asked).is_none());
    let carried = !senders.own.is_empty() || helpdesk || (only_conversation && !senders.conversation.is_empty());
    let several = |channel: &str| {
        format!(
            "there are several {channel} senders: name one in sender_id, or set the account's default for {channel}"
        )
    };
    let in_order = |asked| step.channel_order.iter().position(|c| *c == asked);
    for (asked, channel) in &ambiguous {
        match in_order(*asked).filter(|_| carried) {
            Some(i) => found.warn(format!("{at}/channel_order/{i}"), "sender_ambiguous", several(channel)),
            None if carried => found.warn(format!("{at}/channel"), "sender_ambiguous", several(channel)),
            None => {
                found.problem(format!("{at}/sender_id"), "sender_ambiguous", several(channel));
                return senders;
            }
        }
    }
    if carried {
        for (asked, channel) in &missing {
            if let Some(i) = in_order(*asked).filter(|_| automatic) {
                let detail = format!("the account has no sender for {channel}: the step never goes by it");
                found.warn(format!("{at}/channel_order/{i}"), "sender_missing", detail);
            }
        }
    } else {
        let names: Vec<_> = missing.iter().map(|(_, channel)| *channel).collect();
        let names = if names.is_empty() { "any conversation".to_owned() } else { names.join(", ") };
        found.problem(format!("{at}/channel"), "sender_missing", format!("the account has no sender for {names}"));
    }
    senders
}

fn suspended(sender: &Sender, at: &str, found: &mut Findings) {
    if let Some(suspension) = &sender.suspended {
        let detail =
            format!("the sender `{}` is suspended ({}): nothing goes out through it", sender.name, suspension.code);
        found.warn(format!("{at}/channel"), "sender_suspended", detail);
    }
}

/// Every AI step has a static text that goes out when AI does not.
fn static_fallback(step: &Step, at: &str, found: &mut Findings) {
    let blank = step.content.text.as_ref().is_none_or(|t| t.trim().is_empty());
    if step.compose.mode != ComposeMode::Static && step.content.type_ == ContentType::Text && blank {
        let detail = "an AI step needs a static text, which goes out when AI is off, slow or refused";
        found.problem(format!("{at}/content/text"), "static_fallback_missing", detail);
    }
}

fn bot(step: &Step, at: &str, senders: &Senders<'_>, found: &mut Findings) {
    let mut all = senders.all().peekable();
    if step.content.type_ == ContentType::Bot && all.peek().is_some() && !all.any(Sender::has_bots) {
        let detail = "only a helpdesk conversation can hand over to a bot";
        found.problem(format!("{at}/content/type"), "bot_needs_helpdesk", detail);
    }
}

fn audio(step: &Step, at: &str, senders: &Senders<'_>, found: &mut Findings) {
    let audio = step.content.media.as_ref().is_some_and(|m| m.kind == MediaKind::Audio);
    if audio && senders.all().any(|s| s.channel == Channel::Whatsapp) {
        let detail = "WhatsApp shows no text beside an audio: only the audio goes out there";
        found.warn(format!("{at}/content/text"), "text_not_shown", detail);
    }
}

/// An email that begins a thread names its subject; one that stays in a thread has that thread's.
/// A run that ends on replies does not end on those that nobody tells us of.
fn replies(sequence: &Sequence, at: &str, senders: &Senders<'_>, found: &mut Findings) {
    for sender in senders.own.iter().filter(|sender| sequence.exit.on_reply && !sender.sees_replies()) {
        let detail = format!("answers to `{}` do not come back: give it an inbound_domain", sender.name);
        found.warn(format!("{at}/channel"), "email_replies_not_seen", detail);
    }
}

fn email(sequence: &Sequence, step: &Step, at: &str, senders: &Senders<'_>, facts: &Facts<'_>, found: &mut Findings) {
    let named = step.channel == StepChannel::Email || step.channel_order.contains(&StepChannel::Email);
    let Some(words) = content::words(&step.content, facts.templates) else { return };
    // A tone brings a subject with its words.
    if !(named || senders.own.iter().any(|s| s.channel == Channel::Email)) || wordless(step).is_some() {
        return;
    }
    let pointer = match step.content.type_ {
        ContentType::Template => format!("{at}/content/template_id"),
        _ => format!("{at}/content/email/subject"),
    };
    let variant = words.email;
    let subject = variant.and_then(|e| e.subject.as_deref()).is_some_and(|s| !s.trim().is_empty());
    let new = variant.is_some_and(|e| e.thread == EmailThread::New);
    let earlier = sequence.steps.iter().take_while(|s| s.key != step.key).any(|s| s.channel == StepChannel::Email);
    match (subject, new || !earlier) {
        (false, true) if named => {
            found.problem(pointer, "subject_missing", "an email that begins a thread needs a subject");
        }
        (false, true) => {
            let detail = "an email needs a subject: without one the step never goes by email";
            found.warn(pointer, "subject_missing", detail);
        }
        (true, false) => {
            let detail =
                "this email stays in the thread of the one before, with its subject; set thread to new for another";
            found.warn(pointer, "ignored", detail);
        }
        _ => {}
    }
}

/// An SMS that says the same to everyone is counted before it is sent.
fn sms(step: &Step, at: &str, facts: &Facts<'_>, found: &mut Findings) {
    let Some(words) = content::words(&step.content, facts.templates).filter(|_| step.channel == StepChannel::Sms)
    else {
        return;
    };
    let (source, field) = match (words.sms, step.content.type_) {
        (_, ContentType::Template) => (words.sms.map_or(words.text, |s| &s.text), "template_id"),
        (Some(sms), _) => (sms.text.as_str(), "sms/text"),
        (None, _) => (words.text, "text"),
    };
    let plain = Text::parse(source).is_ok_and(|t| t.is_plain());
    let text = match words.sms.is_some_and(|s| s.transliterate) {
        true => content::transliterate(source),
        false => source.to_owned(),
    };
    let (parts, length) = (content::sms_segments(&text).segments, text.chars().count());
    if plain && length > limits::SMS_TEXT {
        let detail = format!("an SMS may have {} characters, this one has {length}", limits::SMS_TEXT);
        found.problem(format!("{at}/content/{field}"), "too_long", detail);
    } else if plain && parts > limits::SMS_PARTS {
        let detail = format!("it goes out in {parts} parts, each of which is billed");
        found.warn(format!("{at}/content/{field}"), "sms_long", detail);
    }
}

fn variables(sequence: &Sequence, step: &Step, at: &str, facts: &Facts<'_>, found: &mut Findings) {
    let of_template = message_templates::used(step, at, facts.templates);
    let bare = message_templates::bare(&of_template);
    let own = texts(step, at).into_iter().map(|place| (place, true));
    for (place, of_step) in own.chain(of_template.into_iter().map(|place| (place, false))) {
        // A text that does not parse has been reported as such.
        let Ok(text) = Text::parse(&place.source) else { continue };
        let unknown = unknown_variables(&text, sequence.target, facts.attributes);
        // A template's own names, and those that it cannot name, are reported by themselves.
        for name in unknown.iter().filter(|_| of_step) {
            found.problem(&place.pointer, "unknown_variable", name.to_string());
        }
        // A value that the template has a default for may be blank.
        if place.kind == Kind::Value && !bare.iter().any(|name| place.pointer.ends_with(&format!("/{name}"))) {
            continue;
        }
        let mut warned: Vec<&str> = Vec::new();
        for used in text.uses().iter().filter(|u| u.shown && !u.has_default) {
            let name = used.name.as_str();
            let known = unknown.iter().all(|u| u.name != used.name);
            if !known || always_there(name, sequence.target, facts) || warned.contains(&name) {
                continue;
            }
            warned.push(name);
            let effect = match (place.kind, sequence.strict_variables) {
                (Kind::Address, _) => "then nobody gets this copy",
                (Kind::Link { parameter: false }, false) => "then the step fails",
                (kind, false) if !kind.is_parameter() => "then a hole is sent",
                _ => "then the step is skipped",
            };
            let detail = format!(
                "`{name}` may be blank, and {effect}; give it a default, as in `{{{{ {name} | default: '…' }}}}`"
            );
            found.warn(&place.pointer, "blank_variable", detail);
        }
    }
}

fn always_there(name: &str, target: TargetKind, facts: &Facts<'_>) -> bool {
    match name {
        "account.timezone" | "sender.name" | "sender.channel" | "contact.id" | "contact.unsubscribe_url" => true,
        "account.name" => !facts.settings.name.trim().is_empty(),
        "target.id" | "target.kind" => target.is_object(),
        _ => false,
    }
}

fn when(sequence: &Sequence, step: &Step, at: &str, facts: &Facts<'_>, found: &mut Findings) {
    for (name, field) in [("before", &step.wait.before), ("after", &step.wait.after)] {
        if field.is_some() && !sequence.target.is_object() {
            let detail = format!(
                "a {} carries no dates: without a deal, appointment or charge the enrollment waits here for ever",
                sequence.target.as_str()
            );
            found.warn(format!("{at}/wait/{name}"), "no_target_date", detail);
        }
    }
    let calendar = facts.settings.calendar(None);
    let window_is_valid = step.window.as_ref().is_none_or(|w| w.is_valid());
    if window_is_valid && never_allowed(step, &calendar, facts.now) {
        let (pointer, detail) = match &step.window {
            Some(_) => (
                format!("{at}/window"),
                "nothing can ever be sent: the window never opens outside the account's quiet hours, on a day that is allowed",
            ),
            None => (at.to_owned(), "nothing can ever be sent: the account's quiet hours and holidays leave no time"),
        };
        found.problem(pointer, "never_allowed", detail);
    }
}

/// Whether the step finds no allowed instant within 400 days (TIME.md section 2).
fn never_allowed(step: &Step, calendar: &Calendar, now: Timestamp) -> bool {
    let business = step.wait.unit == Unit::BusinessDays;
    if next_allowed(calendar, step.window.as_ref(), business, now).is_none() {
        return true;
    }
    let input = DueInput {
        previous: now,
        wait: &step.wait,
        at: step.at,
        window: step.window.as_ref(),
        target_date: None,
        skip_if_late: None,
        spread_seed: 0,
        caught_up: false,
    };
    // What waits for a date has no base yet.
    step.wait.anchor() == Anchor::Previous && due(&input, calendar, now) == Due::NeverAllowed
}
