//! What publishing asks of one step besides its shape.

use super::texts::{Kind, texts};
use super::{Facts, Findings, message_templates, templates};
use crate::content::{self, Text, limits, unknown_variables};
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

/// The senders that a step may go through, by API.md's rule: its own; else the account's default
/// for the channel; else the only one of that channel. Says what is missing.
fn senders<'a>(step: &Step, at: &str, facts: &Facts<'a>, found: &mut Findings) -> Vec<&'a Sender> {
    let wanted = channels(step);
    if let Some(id) = step.sender_id {
        let pointer = format!("{at}/sender_id");
        let Some(sender) = facts.senders.iter().find(|s| s.id == id) else {
            found.problem(pointer, "unknown_reference", "there is no such sender");
            return Vec::new();
        };
        if !wanted.contains(&sender.channel) && sender.channel != Channel::Conversation {
            let detail =
                format!("the sender `{}` is for {}, not for this step's channel", sender.name, sender.channel.as_str());
            found.problem(pointer, "sender_channel_mismatch", detail);
            return Vec::new();
        }
        suspended(sender, at, found);
        return vec![sender];
    }
    let (mut picked, mut ambiguous) = (Vec::new(), None);
    for channel in &wanted {
        let default = facts.settings.default_senders.get(channel);
        if let Some(sender) = default.and_then(|id| facts.senders.iter().find(|s| s.id == *id)) {
            picked.push(sender);
            continue;
        }
        let all: Vec<_> = facts.senders.iter().filter(|s| s.channel == *channel).collect();
        match all.as_slice() {
            [] => {}
            [only] => picked.push(only),
            _ => ambiguous = ambiguous.or(Some(*channel)),
        }
    }
    match (picked.as_slice(), ambiguous) {
        ([], Some(channel)) => {
            let channel = channel.as_str();
            let detail = format!(
                "there are several {channel} senders: name one in sender_id, or set the account's default for {channel}"
            );
            found.problem(format!("{at}/sender_id"), "sender_ambiguous", detail);
        }
        ([], None) => {
            let names: Vec<_> = wanted.iter().map(|c| c.as_str()).collect();
            let detail = format!("the account has no sender for {}", names.join(", "));
            found.problem(format!("{at}/channel"), "sender_missing", detail);
        }
        (picked, _) => picked.iter().for_each(|sender| suspended(sender, at, found)),
    }
    picked
}

fn suspended(sender: &Sender, at: &str, found: &mut Findings) {
    if let Some(suspension) = &sender.suspended {
        let detail =
            format!("the sender `{}` is suspended ({}): nothing goes out through it", sender.name, suspension.code);
        found.warn(format!("{at}/channel"), "sender_suspended", detail);
    }
}

/// The channels that a step may use. The existing conversation is on WhatsApp for now: senders of
/// other channels do not exist.
pub(super) fn channels(step: &Step) -> Vec<Channel> {
    let one = |channel: &StepChannel| match channel {
        StepChannel::Whatsapp | StepChannel::SameConversation => vec![Channel::Whatsapp],
        StepChannel::Email => vec![Channel::Email],
        StepChannel::Sms => vec![Channel::Sms],
        StepChannel::Automatic => vec![Channel::Whatsapp, Channel::Email, Channel::Sms],
    };
    let wanted: Vec<Channel> = match step.channel {
        StepChannel::Automatic if !step.channel_order.is_empty() => step.channel_order.iter().flat_map(one).collect(),
        ref channel => one(channel),
    };
    let mut each = Vec::new();
    for channel in wanted {
        if !each.contains(&channel) {
            each.push(channel);
        }
    }
    each
}

/// Every AI step has a static text that goes out when AI does not.
fn static_fallback(step: &Step, at: &str, found: &mut Findings) {
    let blank = step.content.text.as_ref().is_none_or(|t| t.trim().is_empty());
    if step.compose.mode != ComposeMode::Static && step.content.type_ == ContentType::Text && blank {
        let detail = "an AI step needs a static text, which goes out when AI is off, slow or refused";
        found.problem(format!("{at}/content/text"), "static_fallback_missing", detail);
    }
}

fn bot(step: &Step, at: &str, senders: &[&Sender], found: &mut Findings) {
    if step.content.type_ == ContentType::Bot && senders.iter().any(|s| !s.has_bots()) {
        let detail = "only a helpdesk conversation can hand over to a bot";
        found.problem(format!("{at}/content/type"), "bot_needs_helpdesk", detail);
    }
}

fn audio(step: &Step, at: &str, senders: &[&Sender], found: &mut Findings) {
    let audio = step.content.media.as_ref().is_some_and(|m| m.kind == MediaKind::Audio);
    if audio && senders.iter().any(|s| s.channel == Channel::Whatsapp) {
        let detail = "WhatsApp shows no text beside an audio: only the audio goes out there";
        found.warn(format!("{at}/content/text"), "text_not_shown", detail);
    }
}

/// An email that begins a thread names its subject; one that stays in a thread has that thread's.
fn email(sequence: &Sequence, step: &Step, at: &str, senders: &[&Sender], facts: &Facts<'_>, found: &mut Findings) {
    let named = step.channel == StepChannel::Email || step.channel_order.contains(&StepChannel::Email);
    let Some(words) = content::words(&step.content, facts.templates) else { return };
    // A tone brings a subject with its words.
    if !(named || senders.iter().any(|s| s.channel == Channel::Email)) || wordless(step).is_some() {
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
        (false, true) => found.problem(pointer, "subject_missing", "an email that begins a thread needs a subject"),
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
    let parts = content::sms_segments(&text).segments;
    if plain && parts > limits::SMS_PARTS {
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
        "account.timezone" | "sender.name" | "sender.channel" | "contact.id" => true,
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
