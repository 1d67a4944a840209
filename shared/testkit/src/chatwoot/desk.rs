//! The handle: what the local runner and tests hold.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use domain::message::{DeliveryStatus, ProviderKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::state::{By, Conversation, Message, State};
use super::{routes, webhook};
use crate::local::InboundBody;
use crate::stand_in::{Desk, SenderAccess, StandIn, WebhookDelivery, recipient_key};

const KIND: ProviderKind = ProviderKind::Chatwoot;

/// Chatwoot in this process. Clones are the same stand-in.
#[derive(Clone)]
pub struct ChatwootStandIn {
    pub(super) desk: Desk,
    state: Arc<Mutex<State>>,
}

/// What may be said of something that happens in a conversation (`details` of `POST /_local/inbound`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Details {
    /// Left out: the contact's that is not resolved, or a new one.
    conversation_id: Option<u64>,
    /// Who writes: `contact` or `agent`.
    #[serde(rename = "as")]
    by: Who,
    /// What the conversation becomes after it: `open`, `pending`, `resolved` or `snoozed`.
    status: Option<String>,
    /// A new conversation is WhatsApp's, with its 24 h window.
    whatsapp: bool,
    /// Its webhooks are lost.
    lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    #[default]
    Contact,
    Agent,
}

impl ChatwootStandIn {
    /// Takes up the conversations that the desk kept.
    ///
    /// # Errors
    /// When they cannot be understood.
    pub fn new(desk: Desk) -> io::Result<Self> {
        let mut state = State::default();
        desk.take_kept::<Conversation>(KIND)?.into_iter().for_each(|conversation| state.put(conversation));
        Ok(Self { desk, state: Arc::new(Mutex::new(state)) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before the lock is given back, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a conversation down as it stands now.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn put(&self, conversation: Conversation) -> io::Result<()> {
        let mut state = self.state();
        self.desk.keep(KIND, &conversation)?;
        state.put(conversation);
        Ok(())
    }

    /// Reports what becomes of a message that was taken: a failure, or what the desk reports by itself.
    pub(super) fn report(&self, access: &SenderAccess, of: &Conversation, message: &Message, error: Option<String>) {
        let updated = |status, at| {
            let mut message = Message { status: routes::word(status).into(), ..message.clone() };
            if let Some(error) = &error {
                message.content_attributes["external_error"] = json!(error);
            }
            webhook::message(access, of, &message, "message_updated", at)
        };
        if error.is_some() {
            let at = message.at.plus_seconds(1);
            return self.desk.schedule(at, updated(DeliveryStatus::Failed, at));
        }
        // That it was sent, its creation has told.
        self.desk.report(message.at, |status, at| (status != DeliveryStatus::Sent).then(|| updated(status, at)));
    }

    fn happens(&self, access: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        let details = if inbound.details.is_null() { json!({}) } else { inbound.details.clone() };
        let details: Details = serde_json::from_value(details).map_err(|error| error.to_string())?;
        let account_id = config_text(access, "account_id").ok_or("the sender has no account")?;
        let (phone, now) = (recipient_key(&inbound.from), self.desk.now());
        let known = match details.conversation_id {
            Some(id) => Some(self.state().get(&account_id, id).cloned().ok_or("there is no such conversation")?),
            None => self.state().going_on(&account_id, &phone).cloned(),
        };
        let mut webhooks = Vec::new();
        let is_new = known.is_none();
        let mut conversation = known.unwrap_or_else(|| Conversation {
            id: self.state().next_id(),
            account_id,
            phone,
            whatsapp: details.whatsapp,
            status: "open".into(),
            bot: None,
            messages: Vec::new(),
            created_at: now,
            updated_at: now,
        });
        conversation.updated_at = now;
        if is_new {
            webhooks.push(webhook::conversation(access, &conversation, "conversation_created", now));
        }
        let mut changed = false;
        if !inbound.text.is_empty() {
            let message = Message {
                id: self.desk.number().map_err(|error| error.to_string())?,
                at: now,
                by: if details.by == Who::Agent { By::User } else { By::Contact },
                content: inbound.text.clone(),
                content_attributes: json!({}),
                status: "sent".into(),
            };
            changed = details.by == Who::Contact && conversation.status == "resolved";
            if changed {
                conversation.status = "open".into();
            }
            conversation.messages.push(message.clone());
            webhooks.push(webhook::message(access, &conversation, &message, "message_created", now));
        }
        if let Some(status) = details.status {
            if !["open", "pending", "resolved", "snoozed"].contains(&status.as_str()) {
                return Err(format!("{status} is no status of a conversation"));
            }
            changed |= conversation.status != status;
            conversation.status = status;
        }
        if changed {
            webhooks.push(webhook::conversation(access, &conversation, "conversation_status_changed", now));
        }
        self.put(conversation).map_err(|error| error.to_string())?;
        Ok(if details.lost { Vec::new() } else { webhooks })
    }
}

/// A text or a number of the configuration.
fn config_text(access: &SenderAccess, field: &str) -> Option<String> {
    match access.config.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl StandIn for ChatwootStandIn {
    fn provider(&self) -> ProviderKind {
        KIND
    }

    fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// The contact with the phone `from` writes, or an agent does (`details.as`), or the conversation's status
    /// changes (`details.status`).
    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        self.happens(sender, inbound)
    }
}
