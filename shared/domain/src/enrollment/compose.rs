//! What a step says to somebody by one channel and sender ([`super::choice`] picks them), or why nothing.

use serde_json::json;

use super::choice::{Left, Passed, Way, has_templates};
use super::plan::Context;
use super::schedule::target_dates;
use super::types::{Enrollment, MessageForm, ParkReason, StepReason};
use crate::account::User;
use crate::contact::Contact;
use crate::content::{self, ContentError, Said, Templates, Variables};
use crate::follow_ups;
use crate::guard;
use crate::message::{Channel, Message, Recipient};
use crate::sender::Sender;
use crate::sequence::{ContentType, EmailThread, Sequence, Step, StepChannel, WhatsappTemplate};
use crate::time::Timestamp;

/// WhatsApp's customer service window, less a margin for clocks that differ.
const REPLY_WINDOW_SECONDS: i64 = 24 * 3600 - 5 * 60;

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
    pub(crate) left: Left,
    /// Variables that rendered blank.
    pub(crate) blank: Vec<String>,
    /// An SMS before its accents were taken away.
    pub(crate) accented: Option<String>,
}

/// Why a step does not go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Not {
    Skip(StepReason),
    Fail(StepReason),
    Park(ParkReason),
}

impl<'a> Context<'a> {
    pub(super) fn sender(&self, id: crate::ids::SenderId) -> Option<&'a Sender> {
        self.senders.iter().find(|s| s.id == id)
    }

    pub(crate) fn target_dates(&self, e: &Enrollment) -> std::collections::BTreeMap<String, String> {
        let target = e.target.as_ref().and_then(|t| self.person.target(t));
        target_dates(self.sequence, target.map(|t| &t.attributes))
    }

    /// What the step says that way.
    pub(super) fn compose(
        &self,
        e: &Enrollment,
        step: &Step,
        way: &Way<'_>,
        template_only: bool,
        now: Timestamp,
    ) -> Result<Composed, Passed> {
        let sender = way.sender;
        let variables = &self.variables(e, Some(sender));
        let composed = |form, message, window_closes, why: &str, blank| Composed {
            sender: sender.id,
            channel: sender.channel,
            form,
            to: way.to.clone(),
            message,
            window_closes,
            why: why.to_owned(),
            blank,
            accented: None,
            left: Left::default(),
        };
        if step.content.type_ == ContentType::WhatsappTemplate {
            let template = step.content.whatsapp_template().ok_or(Passed::TemplateRejected)?;
            let (message, blank) = render_template(&template, variables)?;
            return Ok(composed(MessageForm::Template, message, None, "; the step is an approved template", blank));
        }
        let last = self.person.contact.last_inbound.get(&sender.id).filter(|_| sender.has_reply_window());
        let closes = last.map(|at| at.plus_seconds(REPLY_WINDOW_SECONDS));
        let closed = sender.has_reply_window() && guard!(ReplyWindow, closes.is_none_or(|closes| now >= closes));
        let template = step.falls_back_to().filter(|_| has_templates(sender, way.conversation));
        if !closed && !template_only {
            let mut said = self.say(step, sender.channel, variables)?;
            if let Message::Email(email) = &mut said.message {
                email.continues = e.thread(self.sequence, step, sender.id, self.templates);
                email.unsubscribe_url = self.links.unsubscribe.get(&sender.channel).cloned();
                email.reply_token.clone_from(&self.links.reply);
            }
            let why = match closes {
                Some(_) => "; the contact wrote within the last 24 hours, so free text may go out",
                None => "",
            };
            let left = Left { template: template.is_some(), channel: false };
            let accented = said.accented;
            let composed = composed(MessageForm::Text, said.message, closes, why, said.blank);
            return Ok(Composed { left, accented, ..composed });
        }
        let (message, blank) = render_template(template.ok_or(Passed::OutsideWindow)?, variables)?;
        let why = "; outside the 24 hour window only an approved template goes out";
        Ok(composed(MessageForm::FallbackTemplate, message, None, why, blank))
    }

    /// How dates and amounts are written, and what a step says that leaves its words to a tone: the
    /// sequence's language, else the contact's, else the account's country's.
    fn language(&self) -> &str {
        let profile = &self.person.contact.profile;
        let named = self.sequence.language.as_deref().or(profile.language.as_deref());
        named.unwrap_or_else(|| self.settings.language())
    }

    /// The step's words in the channel's own form, where they may go out as they are.
    pub(crate) fn say(&self, step: &Step, channel: Channel, variables: &Variables) -> Result<Said, Passed> {
        let said = self.said(step, channel, variables).map_err(|_| Passed::MessageRejected)?;
        if self.sequence.strict_variables && !said.blank.is_empty() {
            return Err(Passed::BlankVariable);
        }
        Ok(said)
    }

    /// The step's words, holes and all.
    pub(crate) fn said(&self, step: &Step, channel: Channel, variables: &Variables) -> Result<Said, ContentError> {
        let worded = |step| follow_ups::worded(self.sequence, step, self.language());
        let first = first_of_thread(self.sequence, step, self.templates).map(worded);
        let first = first.as_ref().map(|first| &first.content);
        content::say(&worded(step).content, first, channel, self.templates, variables)
    }

    /// Everything that content may name. Without a sender (a preview before there is one) its names are
    /// blank.
    pub(crate) fn variables(&self, e: &Enrollment, sender: Option<&Sender>) -> Variables {
        let contact = &self.person.contact;
        let profile = &contact.profile;
        let user = |user: Option<&User>| {
            json!({
                "name": user.map(|u| &u.name),
                "first_name": user.and_then(|u| u.name.split_whitespace().next()),
                "email": user.map(|u| &u.email),
            })
        };
        let conversation = e.conversation.as_deref().and_then(|id| self.person.conversation(id));
        let asked = conversation.and_then(|c| c.assignee.as_ref());
        let name =
            [profile.first_name.as_deref(), profile.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>();
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
            "assignee": user(profile.assignee.as_ref()),
            "unsubscribe_url": sender.and_then(|s| self.links.unsubscribe.get(&s.channel)),
            "attributes": profile.attributes,
        });
        // Who looks after the person, else after the conversation.
        let agent = user(profile.assignee.as_ref().or(asked));
        let conversation = conversation.map_or(json!({}), |c| {
            json!({
                "id": c.id,
                "status": c.status,
                "channel": c.channel,
                "assignee": user(asked),
                "attributes": c.attributes,
            })
        });
        let mut target = json!({});
        if let Some(t) = e.target.as_ref().and_then(|t| self.person.target(t)) {
            target = json!({"id": t.id, "kind": t.kind, "attributes": t.attributes});
        }
        let zone = self.settings.calendar(profile.timezone.as_deref()).zone;
        Variables::new()
            .with_zone(zone.name())
            .with_decimal_mark(self.settings.decimal_mark())
            .with_language(self.language())
            .with("contact", person)
            .with("agent", agent)
            .with("conversation", conversation)
            .with("target", target)
            .with("account", json!({"name": self.settings.name, "timezone": self.settings.timezone}))
            .with("sender", json!({"name": sender.map(|s| &s.name), "channel": sender.map(|s| s.channel)}))
    }
}

/// The step with which the thread of a step's email began: of those before it that go by email alone, the
/// last one that begins a thread.
fn first_of_thread<'s>(sequence: &'s Sequence, step: &Step, templates: &Templates) -> Option<&'s Step> {
    let before = sequence.steps.iter().take_while(|s| s.key != step.key);
    let mut emails = before.filter(|s| s.channel == StepChannel::Email);
    let first = emails.next()?;
    Some(emails.filter(|s| content::thread(&s.content, templates) == EmailThread::New).last().unwrap_or(first))
}

fn render_template(template: &WhatsappTemplate, variables: &Variables) -> Result<(Message, Vec<String>), Passed> {
    let rendered = content::render_template(template, variables).map_err(|_| Passed::TemplateRejected)?;
    // WhatsApp refuses an empty parameter: a hole is never sent, `strict_variables` or not.
    if !rendered.blank.is_empty() {
        return Err(Passed::BlankVariable);
    }
    Ok((Message::WhatsappTemplate(rendered), Vec::new()))
}

/// Where a channel reaches this contact.
pub(super) fn address(contact: &Contact, channel: Channel) -> Option<Recipient> {
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
