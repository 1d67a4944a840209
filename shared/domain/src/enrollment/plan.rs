//! A timer fired: what now? The one place that decides whether a message goes out, by which
//! channel and sender, and what it says.

use serde_json::json;

use super::rate::{Reservation, paced};
use super::schedule::{Planning, target_dates};
use super::settle::{lapse, resolve};
use super::types::{Enrollment, MessageForm, ParkReason, PlannedSend, State, StepReason, StepStatus};
use crate::account::Settings;
use crate::contact::{Contact, Person};
use crate::content::{self, Text, Variables};
use crate::guard;
use crate::ids::TenantId;
use crate::message::{Channel, Message, ProviderKind, Recipient};
use crate::sender::Sender;
use crate::sequence::{ContentType, OutsideWindow, Sequence, Step, StepChannel, WhatsappTemplate};
use crate::time::{Due, Timestamp, Unit, allowed_until, next_allowed};

/// WhatsApp's customer service window, less a margin for clocks that differ.
const REPLY_WINDOW_SECONDS: i64 = 24 * 3600 - 5 * 60;
/// A send that waits longer than this in the queue is planned again.
const MAX_BUFFERED_SECONDS: i64 = 3600;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub tenant: TenantId,
    pub person: &'a Person,
    pub sequence: &'a Sequence,
    /// The version that the run is to move to, if it is.
    pub moves_to: Option<&'a Sequence>,
    pub settings: &'a Settings,
    pub senders: &'a [Sender],
}

#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Another generation's timer, or nothing to do: see to the current one's timer.
    Stale,
    /// Too early, or a live lease: come back at this instant under the same generation.
    NotBefore(Timestamp),
    Send(Box<PlannedSend>),
    /// It may go out, as soon as its sender's rate has a slot for it.
    Reserve(Box<Reservation>),
    /// Write this, then arm its timer.
    Change(Box<Enrollment>),
}

/// Decides for the enrollment's current step. Pure: the same input gives the same plan, so a
/// message that comes twice plans the same send and one claim wins.
pub fn plan(e: &Enrollment, generation: u32, context: &Context<'_>, now: Timestamp) -> Plan {
    if e.generation != generation {
        return Plan::Stale;
    }
    let settings = context.settings;
    let calendar = settings.calendar(context.person.contact.profile.timezone.as_deref());
    let dates = context.target_dates(e);
    let planning = Planning { sequence: context.sequence, calendar: &calendar, target_dates: &dates };

    if let Some(lease) = &e.lease {
        return match lease.resolve_at {
            Some(at) if now < at => Plan::NotBefore(at),
            Some(_) => Plan::Change(Box::new(resolve(e, &planning, now))),
            None if now < lease.expires_at => Plan::NotBefore(lease.expires_at),
            None => {
                let has_statuses = context.sender(lease.sender).is_none_or(|s| s.provider.has_statuses());
                Plan::Change(Box::new(lapse(e, has_statuses, &planning, now)))
            }
        };
    }
    if e.state != State::Waiting {
        return Plan::Stale;
    }
    if guard!(MigrateInPlan, true)
        && let (Some(to), Some(sequence)) = (e.migrate_to, context.moves_to)
    {
        let there = Context { sequence, ..*context };
        let dates = there.target_dates(e);
        let planning = Planning { sequence, calendar: &calendar, target_dates: &dates };
        let moved = e.migrated(to, context.sequence, &planning, now);
        return moved.map_or(Plan::Stale, |next| Plan::Change(Box::new(next)));
    }
    if guard!(MarksInPlan, true)
        && let Some((outcome, _)) = context.person.ended_by_mark(e, &context.sequence.exit)
    {
        return change(e, |next| next.end(outcome, None, now));
    }
    let Some(step) = planning.step(e.step) else {
        return match e.closes_at(context.sequence).filter(|at| now < *at) {
            Some(at) => Plan::NotBefore(at),
            None => change(e, |next| next.schedule(&planning, now)),
        };
    };
    if !settings.enabled {
        return change(e, |next| next.park(ParkReason::ModuleDisabled, None, now));
    }
    if let Some(due) = e.due.filter(|due| now < *due) {
        return Plan::NotBefore(due);
    }
    // A step that was opened again, and whose first message has arrived after all.
    if e.has_possibly_sent(&step.key) {
        return change(e, |next| next.schedule(&planning, now));
    }
    match when(e, step, &planning, now) {
        When::Now => {}
        When::At(at, caught_up) => {
            return change(e, |next| {
                next.due = Some(at);
                next.wake = Some(at);
                next.caught_up |= caught_up;
            });
        }
        When::Reschedule => return change(e, |next| next.schedule(&planning, now)),
    }
    match context.compose(e, step, now) {
        Ok(composed) => {
            let allowed = allowed_until(&calendar, step.window.as_ref(), is_business(step), now).end();
            let mut not_after = now.plus_seconds(MAX_BUFFERED_SECONDS);
            if let Some(end) = allowed {
                not_after = not_after.min(end.plus_seconds(-1));
            }
            if let Some(closes) = composed.window_closes {
                not_after = not_after.min(closes);
            }
            let planned = PlannedSend {
                tenant: context.tenant,
                enrollment: e.id,
                generation: e.generation,
                step: e.step,
                version: e.version,
                sender: composed.sender,
                channel: composed.channel,
                form: composed.form,
                to: composed.to,
                message: composed.message,
                not_before: None,
                not_after,
                contact_zone: context.person.contact.profile.timezone.clone(),
                target_dates: dates.clone(),
            };
            let Some(spacing) = context.sender(composed.sender).and_then(|s| s.limits.spacing()) else {
                return Plan::Send(Box::new(planned));
            };
            let reopens = allowed.map(|end| next_allowed(&calendar, step.window.as_ref(), is_business(step), end));
            paced(e, planned, spacing, allowed, reopens.flatten(), now)
        }
        Err(Not::Skip(reason)) => change(e, |next| {
            next.pass_over(&step.key, StepStatus::Skipped, reason, now);
            next.schedule(&planning, now);
        }),
        Err(Not::Fail(reason)) => change(e, |next| next.fail(&step.key, step.on_failure, reason, &planning, now)),
        Err(Not::Park(reason)) => change(e, |next| next.park(reason, None, now)),
    }
}

pub(super) fn change(e: &Enrollment, apply: impl FnOnce(&mut Enrollment)) -> Plan {
    let mut next = e.clone();
    apply(&mut next);
    next.rev += 1;
    next.next_generation();
    Plan::Change(Box::new(next))
}

fn is_business(step: &Step) -> bool {
    step.wait.unit == Unit::BusinessDays
}

enum When {
    Now,
    At(Timestamp, bool),
    /// Passed, too late, or impossible: scheduling decides which and goes on.
    Reschedule,
}

fn when(e: &Enrollment, step: &Step, planning: &Planning<'_>, now: Timestamp) -> When {
    if !guard!(AllowedHours, true) {
        return When::Now;
    }
    if e.send_now {
        return match next_allowed(planning.calendar, step.window.as_ref(), is_business(step), now) {
            Some(at) if at <= now => When::Now,
            Some(at) => When::At(at, true),
            None => When::Reschedule,
        };
    }
    match planning.due(e, step, now) {
        Due::At(planned) if planned.at <= now => When::Now,
        Due::At(planned) => When::At(planned.at, planned.caught_up),
        _ => When::Reschedule,
    }
}

/// What would keep the current step from going out if it were due now: (code, words).
pub fn why_not(e: &Enrollment, context: &Context<'_>, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    if !context.settings.enabled {
        all.push((ParkReason::ModuleDisabled.as_str(), ParkReason::ModuleDisabled.explain().to_owned()));
    }
    let Some(step) = context.sequence.steps.get(e.step as usize) else { return all };
    match context.compose(e, step, now) {
        Ok(_) => {}
        Err(Not::Skip(reason)) => {
            all.push((reason.as_str(), format!("the step will be skipped: {}", reason.explain())))
        }
        Err(Not::Fail(reason)) => all.push((reason.as_str(), format!("the step will fail: {}", reason.explain()))),
        Err(Not::Park(reason)) => all.push((reason.as_str(), reason.explain().to_owned())),
    }
    all
}

/// A message ready to go, before it is a [`PlannedSend`].
pub(crate) struct Composed {
    pub(crate) sender: crate::ids::SenderId,
    pub(crate) channel: Channel,
    pub(crate) form: MessageForm,
    pub(crate) to: Recipient,
    pub(crate) message: Message,
    pub(crate) window_closes: Option<Timestamp>,
    /// Why this channel and this form, for people.
    pub(crate) why: String,
    /// Variables that rendered blank.
    pub(crate) blank: Vec<String>,
}

/// Why a step does not go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Not {
    Skip(StepReason),
    Fail(StepReason),
    Park(ParkReason),
}

impl Context<'_> {
    fn sender(&self, id: crate::ids::SenderId) -> Option<&Sender> {
        self.senders.iter().find(|s| s.id == id)
    }

    pub(crate) fn target_dates(&self, e: &Enrollment) -> std::collections::BTreeMap<String, String> {
        let target = e.target.as_ref().and_then(|t| self.person.target(t));
        target_dates(self.sequence, target.map(|t| &t.attributes))
    }

    /// Picks channel, sender and form, and renders.
    pub(crate) fn compose(&self, e: &Enrollment, step: &Step, now: Timestamp) -> Result<Composed, Not> {
        let contact = &self.person.contact;
        let sender = self.pick_sender(step)?;
        if sender.suspended.is_some() {
            return Err(Not::Park(ParkReason::SenderSuspended));
        }
        if guard!(Suppressed, contact.suppressed.contains(&sender.channel)) {
            return Err(Not::Skip(StepReason::Suppressed));
        }
        let to = address(contact, sender.channel).ok_or(Not::Skip(StepReason::NoAddress))?;
        let variables = self.variables(e, sender);
        match sender.provider {
            ProviderKind::WhatsappCloud => self.compose_whatsapp(e, step, sender, to, &variables, now),
        }
    }

    /// The step's own sender; else the account's default for the channel; else the only one.
    pub(crate) fn pick_sender(&self, step: &Step) -> Result<&Sender, Not> {
        let missing = Not::Park(ParkReason::SenderMissing);
        if let Some(id) = step.sender_id {
            return self.sender(id).ok_or(missing);
        }
        for channel in wanted_channels(step, self.person) {
            if let Some(sender) = self.settings.default_senders.get(&channel).and_then(|id| self.sender(*id)) {
                return Ok(sender);
            }
            let mut of_channel = self.senders.iter().filter(|s| s.channel == channel);
            if let (Some(only), None) = (of_channel.next(), of_channel.next()) {
                return Ok(only);
            }
        }
        Err(missing)
    }

    fn compose_whatsapp(
        &self,
        e: &Enrollment,
        step: &Step,
        sender: &Sender,
        to: Recipient,
        variables: &Variables,
        now: Timestamp,
    ) -> Result<Composed, Not> {
        let contact = &self.person.contact;
        let strict = self.sequence.strict_variables;
        let last = contact.last_inbound.get(&sender.id);
        let closes = last.map(|at| at.plus_seconds(REPLY_WINDOW_SECONDS));
        let template_only = e.records.iter().any(|r| r.key == step.key && r.template_only);
        let closed = guard!(ReplyWindow, closes.is_none_or(|closes| now >= closes));
        let open = !closed && !template_only;
        let composed = |form, message, window_closes, why: &str, blank| Composed {
            sender: sender.id,
            channel: sender.channel,
            form,
            to,
            message,
            window_closes,
            why: why.to_owned(),
            blank,
        };
        if step.content.type_ == ContentType::WhatsappTemplate {
            let template = step.content.whatsapp_template().ok_or(Not::Fail(StepReason::TemplateRejected))?;
            let (message, blank) = render_template(&template, variables)?;
            return Ok(composed(MessageForm::Template, message, None, "the step is an approved template", blank));
        }
        if open {
            let text = step.content.text.as_deref().unwrap_or_default();
            let rendered = Text::parse(text)
                .ok()
                .and_then(|t| t.render(variables).ok())
                .filter(|r| r.check_whatsapp().is_ok() && !r.text.trim().is_empty())
                .ok_or(Not::Fail(StepReason::MessageRejected))?;
            if strict && !rendered.blank.is_empty() {
                return Err(Not::Skip(StepReason::BlankVariable));
            }
            let message = Message::Text { text: rendered.text };
            let why = "the contact wrote within the last 24 hours, so free text may go out";
            return Ok(composed(MessageForm::Text, message, closes, why, rendered.blank));
        }
        match (&step.fallback_template, step.outside_window) {
            (Some(template), OutsideWindow::Template) => {
                let (message, blank) = render_template(template, variables)?;
                let why = "outside the 24 hour window only an approved template goes out";
                Ok(composed(MessageForm::FallbackTemplate, message, None, why, blank))
            }
            _ => Err(Not::Fail(StepReason::OutsideWindowNoTemplate)),
        }
    }

    /// Everything that content may name.
    pub(crate) fn variables(&self, e: &Enrollment, sender: &Sender) -> Variables {
        let contact = &self.person.contact;
        let profile = &contact.profile;
        let assignee = profile.assignee.as_ref();
        let name =
            [profile.first_name.as_deref(), profile.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>();
        let agent = json!({
            "name": assignee.map(|a| &a.name),
            "first_name": assignee.and_then(|a| a.name.split_whitespace().next()),
            "email": assignee.map(|a| &a.email),
        });
        let person = json!({
            "id": contact.id,
            "external_id": profile.external_id,
            "first_name": profile.first_name,
            "last_name": profile.last_name,
            "name": (!name.is_empty()).then(|| name.join(" ")),
            "email": profile.email,
            "phone": profile.phone,
            "timezone": profile.timezone,
            "country": profile.country,
            "language": profile.language,
            "assignee": agent,
            "attributes": profile.attributes,
        });
        let mut conversation = json!({});
        if let Some(c) = e.conversation.as_deref().and_then(|id| self.person.conversation(id)) {
            conversation = json!({"id": c.id, "status": c.status, "attributes": c.attributes});
        }
        let mut target = json!({});
        if let Some(t) = e.target.as_ref().and_then(|t| self.person.target(t)) {
            target = json!({"id": t.id, "kind": t.kind, "attributes": t.attributes});
        }
        let zone = self.settings.calendar(profile.timezone.as_deref()).zone;
        let language = self.sequence.language.as_deref().or(profile.language.as_deref()).unwrap_or_default();
        Variables::new()
            .with_zone(zone.name())
            .with_language(language)
            .with("contact", person)
            .with("agent", agent)
            .with("conversation", conversation)
            .with("target", target)
            .with("account", json!({"name": self.settings.name, "timezone": self.settings.timezone}))
            .with("sender", json!({"name": sender.name, "channel": sender.channel}))
    }
}

/// The channels that a step may use, the wanted one first.
pub(crate) fn wanted_channels(step: &Step, person: &Person) -> Vec<Channel> {
    let one = |channel: StepChannel| match channel {
        StepChannel::Whatsapp => Some(Channel::Whatsapp),
        StepChannel::Email => Some(Channel::Email),
        StepChannel::Sms => Some(Channel::Sms),
        // The channel of the last exchange.
        StepChannel::SameConversation => (!person.contact.last_inbound.is_empty()).then_some(Channel::Whatsapp),
        StepChannel::Automatic => None,
    };
    let order = match step.channel {
        StepChannel::Automatic if step.channel_order.is_empty() => {
            &[StepChannel::SameConversation, StepChannel::Whatsapp, StepChannel::Email, StepChannel::Sms][..]
        }
        StepChannel::Automatic => &step.channel_order[..],
        ref channel => std::slice::from_ref(channel),
    };
    order.iter().filter_map(|c| one(*c)).collect()
}

fn render_template(template: &WhatsappTemplate, variables: &Variables) -> Result<(Message, Vec<String>), Not> {
    let rendered =
        content::render_template(template, variables).map_err(|_| Not::Fail(StepReason::TemplateRejected))?;
    // WhatsApp refuses an empty parameter: a hole is never sent, `strict_variables` or not.
    if !rendered.blank.is_empty() {
        return Err(Not::Skip(StepReason::BlankVariable));
    }
    Ok((Message::WhatsappTemplate(rendered), Vec::new()))
}

/// Where a channel reaches this contact.
fn address(contact: &Contact, channel: Channel) -> Option<Recipient> {
    match channel {
        Channel::Whatsapp => whatsapp_address(contact),
        Channel::Sms => contact.profile.phone.as_ref().map(|p| Recipient::Phone(p.trim_start_matches('+').to_owned())),
        Channel::Email => contact.profile.email.clone().map(Recipient::Email),
        Channel::Conversation => None,
    }
}

/// The raw id that WhatsApp itself used wins over our canonical phone.
fn whatsapp_address(contact: &Contact) -> Option<Recipient> {
    if let Some(wa_id) = contact.wa_ids.first() {
        return Some(Recipient::Phone(wa_id.clone()));
    }
    if let Some(phone) = &contact.profile.phone {
        return Some(Recipient::Phone(phone.trim_start_matches('+').to_owned()));
    }
    contact.bsuids.first().cloned().map(Recipient::Bsuid)
}
