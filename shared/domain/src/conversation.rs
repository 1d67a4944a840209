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
            if of_kind().next_back().is_some_and(|latest| is_news(&latest)) {
                news.extend(of_kind().filter(is_news).cloned());
            }
        }
        news.extend(look.events.iter().filter(|e| e.is_resolved() && !self.is_resolved).cloned());
        news.sort_by_key(|event| event.at);
        news
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::message::InboundKind;

    const SINCE: Timestamp = Timestamp(1_000);

    fn at(at: i64, what: InConversation) -> ConversationEvent {
        ConversationEvent { conversation: "42".into(), of: Vec::new(), at: Timestamp(at), what }
    }

    fn received(id: &str, time: i64) -> ConversationEvent {
        let message = InboundMessage {
            id: id.into(),
            from: Vec::new(),
            at: Timestamp(time),
            kind: InboundKind::Text,
            text: None,
            in_reply_to: None,
            name: None,
        };
        at(time, InConversation::Received(message))
    }

    fn agent(id: &str, time: i64) -> ConversationEvent {
        at(time, InConversation::SentByAgent { id: id.into() })
    }

    fn is(status: ConversationStatus, time: i64) -> ConversationEvent {
        let attributes = BTreeMap::new();
        let described = Description { status, is_change: false, channel: None, assignee: None, attributes };
        at(time, InConversation::Described(described))
    }

    fn heard(marks: &[(bool, &str, i64)]) -> Heard {
        let mark = |(by_agent, id, at): &(bool, &str, i64)| HeardMark {
            by_agent: *by_agent,
            id: (*id).into(),
            at: Timestamp(*at),
        };
        Heard { since: SINCE, is_resolved: false, marks: marks.iter().map(mark).collect(), earlier: Vec::new() }
    }

    fn news(heard: &Heard, events: &[ConversationEvent]) -> Vec<String> {
        let look = Look { events: events.to_vec(), ..Look::QUIET };
        let id = |e: ConversationEvent| match &e.what {
            InConversation::Described(d) => format!("{:?}", d.status),
            _ => e.said().unwrap().1.to_owned(),
        };
        heard.news(&look).into_iter().map(id).collect()
    }

    #[test]
    fn only_what_the_run_has_not_heard_is_news() {
        use ConversationStatus::{Open, Resolved};
        let none = heard(&[]);
        assert_eq!(news(&none, &[is(Open, 900), received("a", 999)]), [""; 0], "before the run");
        assert_eq!(news(&none, &[received("a", 1_000)]), ["a"], "in its second");
        assert_eq!(news(&none, &[received("a", 999), received("b", 1_005), agent("c", 1_003)]), ["c", "b"]);
        let knows = heard(&[(false, "a", 1_005)]);
        assert_eq!(news(&knows, &[received("a", 1_005)]), [""; 0]);
        assert_eq!(news(&knows, &[received("a", 1_005), received("b", 1_005)]), ["b"], "in the same second");
        assert_eq!(news(&knows, &[received("0", 1_004), received("a", 1_005)]), [""; 0], "a later one was heard");
        assert_eq!(news(&knows, &[received("a", 1_005), agent("c", 1_002)]), ["c"], "another kind");
        assert_eq!(news(&none, &[is(Resolved, 1_010), received("a", 1_005)]), ["a", "Resolved"]);
        let resolved = Heard { is_resolved: true, ..heard(&[]) };
        assert_eq!(news(&resolved, &[is(Resolved, 1_010)]), [""; 0]);
        assert_eq!(news(&resolved, &[is(Open, 1_010)]), [""; 0], "nothing that could end a run");
    }

    /// Whatever is shown, what was applied is not shown as news again: a step never waits for ever.
    #[test]
    fn what_was_applied_is_no_news() {
        let mut chance = 7_u64;
        let mut draw = |below: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) % below
        };
        for round in 0..2_000 {
            let now = Timestamp(1_010);
            let mut marks = crate::signal::Marks::default();
            let mut events = Vec::new();
            // The helpdesk's clock may be ahead of ours.
            let mut times: Vec<_> = (0..draw(12)).map(|_| 990 + draw(40) as i64).collect();
            times.sort_unstable();
            for (n, time) in times.into_iter().enumerate() {
                let id = format!("{n}");
                events.push(if draw(2) == 0 { received(&id, time) } else { agent(&id, time) });
            }
            let heard = |marks: &crate::signal::Marks| {
                let mark = |m: &crate::signal::Signal| HeardMark {
                    by_agent: m.kind == SENT_BY_AGENT,
                    id: m.id.clone(),
                    at: m.at,
                };
                Heard { marks: marks.iter().map(mark).collect(), ..heard(&[]) }
            };
            let look = Look { events, ..Look::QUIET };
            for event in heard(&marks).news(&look) {
                let (kind, id) = event.said().unwrap();
                marks.add(&crate::signal::Signal {
                    id: id.to_owned(),
                    kind: kind.to_owned(),
                    at: event.at.min(now),
                    target: None,
                    conversation: Some("42".into()),
                    data: serde_json::Map::new(),
                    decimal_mark: None,
                });
            }
            assert_eq!(heard(&marks).news(&look), [], "round {round}");
        }
    }

    #[test]
    fn a_call_whose_end_is_known_is_not_made() {
        let reference = |generation| AttemptRef::parse(&format!("enr_{}.{generation}", "A".repeat(43))).unwrap();
        let text = Message::Text { text: "oi".into() };
        let template: Message = serde_json::from_value(serde_json::json!({"whatsapp_template":
            {"name": "a", "language": "pt_BR", "body": {"positional": []}}}))
        .unwrap();
        let bot = |text: Option<&str>| Message::Bot { bot_id: "4".into(), text: text.map(str::to_owned) };
        let refused = |reaction, code: &str| {
            Some(SendOutcome::Refused(Refusal { reaction, code: code.into(), retry_after: None }))
        };
        let there = Look { ours: vec![(reference(3), "9010".into())], ..Look::QUIET };
        let accepted = SendOutcome::Accepted { provider_message_id: "9010".into(), recipient_id: None };
        assert_eq!(there.foretells(&text, &[AttemptText(reference(3))]), Some(accepted));
        assert_eq!(there.foretells(&text, &[AttemptText(reference(5))]), None, "another step's");
        let closed = Look { takes_text: false, ..Look::QUIET };
        assert_eq!(closed.foretells(&text, &[]), refused(Reaction::OutsideWindow, "cannot_reply"));
        assert_eq!(closed.foretells(&bot(Some("oi")), &[]), refused(Reaction::OutsideWindow, "cannot_reply"));
        assert_eq!(closed.foretells(&bot(None), &[]), None);
        assert_eq!(closed.foretells(&template, &[]), None);
        let other = Look { takes_templates: false, ..Look::QUIET };
        assert_eq!(other.foretells(&template, &[]), refused(Reaction::Template, "not_whatsapp"));
        assert_eq!(other.foretells(&text, &[]), None);
    }
}
