//! Conversations of a helpdesk: what happens in them, and what of it nobody has told.
//!
//! A helpdesk may tell each thing once only, and never again if that is lost (Chatwoot's account webhooks,
//! CHANNELS.md 6.2). So a message that goes into a conversation carries what was known when it was planned
//! ([`Heard`]), and whoever is about to send it looks first: what is [`news`](Heard::news) is applied as if
//! it had been told, and the step is planned again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::User;
use crate::contact::{ConversationStatus, Person};
use crate::enrollment::{AttemptResult, Enrollment};
use crate::ids::AttemptRef;
use crate::message::{AttemptText, Channel, Identity, InboundMessage, Message, Reaction, Refusal, SendOutcome};
use crate::signal::{MESSAGE_RECEIVED, SENT_BY_AGENT};
use crate::time::Timestamp;

/// Something about one conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationEvent {
    /// The helpdesk's own id.
    pub conversation: String,
    /// Every identity that the helpdesk vouches for, of the contact whose conversation it is.
    pub of: Vec<Identity>,
    pub at: Timestamp,
    pub what: InConversation,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InConversation {
    /// The contact wrote.
    Received(InboundMessage),
    /// One of the account's people answered; by the helpdesk's id of the message.
    SentByAgent { id: String },
    /// As it stands.
    Described(Description),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    pub status: ConversationStatus,
    /// It is told because its status has changed: that counts, whatever was known of it.
    #[serde(default)]
    pub is_change: bool,
    /// What it goes over, as far as the helpdesk says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<User>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
}

impl ConversationEvent {
    fn is_resolved(&self) -> bool {
        matches!(&self.what, InConversation::Described(d) if d.status == ConversationStatus::Resolved)
    }

    /// The kind of event that it is, and the id by which it never counts twice.
    fn said(&self) -> Option<(&'static str, &str)> {
        match &self.what {
            InConversation::Received(message) => Some((MESSAGE_RECEIVED, &message.id)),
            InConversation::SentByAgent { id } => Some((SENT_BY_AGENT, id)),
            InConversation::Described(_) => None,
        }
    }
}

/// What a helpdesk shows of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// How it stands, and who wrote, in order: of people only, nothing of ours.
    pub events: Vec<ConversationEvent>,
    /// Messages of ours that are there and have not failed, with the helpdesk's id.
    pub ours: Vec<(AttemptRef, String)>,
    /// Free text may go into it now: it is not WhatsApp's, or within its 24 h window.
    pub takes_text: bool,
    /// It is WhatsApp's, where templates are known.
    pub takes_templates: bool,
}

impl Look {
    /// Where nothing has happened.
    pub const QUIET: Self = Self { events: Vec::new(), ours: Vec::new(), takes_text: true, takes_templates: true };

    /// What a call made now is known to come to, where that is known without making it.
    /// `earlier`: attempts of the same step that were refused.
    pub fn foretells(&self, message: &Message, earlier: &[AttemptText]) -> Option<SendOutcome> {
        let refused = |reaction, code: &str| {
            Some(SendOutcome::Refused(Refusal { reaction, code: code.to_owned(), retry_after: None }))
        };
        // An answer that refuses may follow what has been stored all the same.
        if let Some((_, id)) = self.ours.iter().find(|(ours, _)| earlier.iter().any(|e| e.0 == *ours)) {
            return Some(SendOutcome::Accepted { provider_message_id: id.clone(), recipient_id: None });
        }
        match message {
            Message::WhatsappTemplate(_) if self.takes_templates => None,
            Message::WhatsappTemplate(_) => refused(Reaction::Template, "not_whatsapp"),
            Message::Bot { text: None, .. } => None,
            _ if self.takes_text => None,
            _ => refused(Reaction::OutsideWindow, "cannot_reply"),
        }
    }
}

/// What was known of a conversation when a message for it was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Of the run: what was before is not about it.
    pub since: Timestamp,
    #[serde(default)]
    pub is_resolved: bool,
    /// The marks of who wrote.
    #[serde(default)]
    pub marks: Vec<HeardMark>,
    /// Attempts of the step that were refused.
    #[serde(default)]
    pub earlier: Vec<AttemptText>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeardMark {
    pub by_agent: bool,
    pub id: String,
    pub at: Timestamp,
}

impl Heard {
    pub(crate) fn of(person: &Person, conversation: &str, e: &Enrollment, step: &str) -> Self {
        let written = person.marks().filter(|m| m.kind == MESSAGE_RECEIVED || m.kind == SENT_BY_AGENT);
        let mark =
            |m: &crate::signal::Signal| HeardMark { by_agent: m.kind == SENT_BY_AGENT, id: m.id.clone(), at: m.at };
        let attempts = e.records.iter().filter(|r| r.key == step).flat_map(|r| &r.attempts);
        let refused = attempts.filter(|a| matches!(a.result, AttemptResult::Refused(_)));
        let status = person.conversation(conversation).map(|c| c.status);
        Self {
            since: e.since,
            is_resolved: status == Some(ConversationStatus::Resolved),
            marks: written.map(mark).collect(),
            earlier: refused.map(|a| AttemptText(AttemptRef { enrollment: e.id, generation: a.generation })).collect(),
        }
    }

    /// What of a look was not known: in order, as it happened.
    ///
    /// Applied once, it is known: of each kind the latest decides, whose mark is kept the longest. An older
    /// one that was missed could do nothing that the later one has not done.
    pub fn news(&self, look: &Look) -> Vec<ConversationEvent> {
        let mut news: Vec<ConversationEvent> = Vec::new();
        for by_agent in [false, true] {
            let known = || self.marks.iter().filter(|m| m.by_agent == by_agent);
            let last = known().map(|m| m.at).max().map_or(self.since, |last| last.max(self.since));
            let is_of_kind =
                |event: &&ConversationEvent| event.said().is_some_and(|(kind, _)| (kind == SENT_BY_AGENT) == by_agent);
            let is_news = |event: &&ConversationEvent| {
                event.at >= last && event.said().is_some_and(|(_, id)| known().all(|m| m.id != id))
            };
            let of_kind = || look.events.iter().filter(is_of_kind);
            if of_kind().last().is_some_and(|latest| is_news(&latest)) {
                news.extend(of_kind().filter(is_news).cloned());
            }
        }
        news.extend(look.events.iter().filter(|e| e.is_resolved() && !self.is_resolved).cloned());
        news.sort_by_key(|event| event.at);
        news
    }
}
