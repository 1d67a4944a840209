//! Conversations as Chatwoot keeps them.

use std::collections::BTreeMap;

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// WhatsApp's customer service window.
const WINDOW_SECONDS: i64 = 24 * 3_600;
/// What the API shows of a conversation's messages.
const SHOWN: usize = 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Conversation {
    pub(super) id: u64,
    pub(super) account_id: String,
    /// The contact's phone, in E.164.
    pub(super) phone: String,
    pub(super) whatsapp: bool,
    pub(super) status: String,
    /// The bot that it is with.
    #[serde(default)]
    pub(super) bot: Option<u64>,
    pub(super) messages: Vec<Message>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) at: Timestamp,
    pub(super) by: By,
    pub(super) content: String,
    #[serde(default)]
    pub(super) content_attributes: Value,
    pub(super) status: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    Contact,
    /// Whoever's token posts, or an agent at the screen: Chatwoot makes no difference.
    User,
}

/// A change that must outlive a restart: the conversation as it then stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct State(BTreeMap<u64, Conversation>);

impl State {
    pub(super) fn put(&mut self, conversation: Conversation) {
        self.0.insert(conversation.id, conversation);
    }

    pub(super) fn get(&self, account_id: &str, id: u64) -> Option<&Conversation> {
        self.0.get(&id).filter(|conversation| conversation.account_id == account_id)
    }

    /// The contact's latest that is not resolved: what they write goes on there.
    pub(super) fn going_on(&self, account_id: &str, phone: &str) -> Option<&Conversation> {
        let mut theirs = self.0.values().rev();
        theirs.find(|c| c.account_id == account_id && c.phone == phone && c.status != "resolved")
    }

    pub(super) fn next_id(&self) -> u64 {
        self.0.keys().next_back().map_or(1, |last| last + 1)
    }
}

impl Conversation {
    /// Whether free text may go out.
    pub(super) fn can_reply(&self, now: Timestamp) -> bool {
        let written = self.messages.iter().filter(|message| message.by == By::Contact).map(|message| message.at);
        !self.whatsapp || written.max().is_some_and(|last| now < last.plus_seconds(WINDOW_SECONDS))
    }

    pub(super) fn latest(&self) -> &[Message] {
        &self.messages[self.messages.len().saturating_sub(SHOWN)..]
    }
}
