//! Chatwoot's webhook bodies as events. One body is one event of Chatwoot's.
//!
//! Tolerant on purpose: Chatwoot sends each body once, and what cannot be read of it is lost.

use domain::conversation::{ConversationEvent, InConversation};
use domain::message::{AttemptText, DeliveryStatus, InboundEvent, StatusUpdate};
use domain::time::Timestamp;
use serde_json::Value;

use super::classify::failure;
use super::config::Config;
use super::conversation::{self, text};
use super::message;
use crate::Malformed;

/// The events of a verified body that is of our account. `now` dates what Chatwoot does not.
///
/// # Errors
/// [`Malformed`] when the body is no JSON.
pub fn normalise(raw: &[u8], config: &Config, now: Timestamp) -> Result<Vec<InboundEvent>, Malformed> {
    let body: Value = serde_json::from_slice(raw).map_err(|_| Malformed)?;
    let account = body.get("account").and_then(|account| conversation::number(account.get("id")?));
    if account.is_some_and(|account| account != config.account_id) {
        return Ok(Vec::new());
    }
    Ok(match text(&body, "event") {
        Some("message_created") => created(&body, config, now),
        Some("message_updated") => status(&body, now, None).into_iter().collect(),
        Some(event @ ("conversation_created" | "conversation_updated" | "conversation_status_changed")) => {
            let is_change = event == "conversation_status_changed";
            described(&body, now, is_change).into_iter().collect()
        }
        Some("contact_created" | "contact_updated") => {
            let identities = conversation::identities_of_contact(&body);
            // One alone joins nothing.
            if identities.len() > 1 { vec![InboundEvent::Identified { identities }] } else { Vec::new() }
        }
        _ => Vec::new(),
    })
}

/// What we have posted comes back, and tells that it is there.
fn created(body: &Value, config: &Config, now: Timestamp) -> Vec<InboundEvent> {
    if message::reference(body).is_some() {
        return status(body, message::at(body).unwrap_or(now), Some(DeliveryStatus::Sent)).into_iter().collect();
    }
    let Some(of) = body.get("conversation") else { return Vec::new() };
    let Some(id) = conversation::id(of) else { return Vec::new() };
    let Some(written) = message::event(body, &id, &conversation::identities(of), config) else { return Vec::new() };
    let first = described(of, written.at, false);
    first.into_iter().chain([InboundEvent::Conversation(written)]).collect()
}

fn described(conversation: &Value, otherwise: Timestamp, is_change: bool) -> Option<InboundEvent> {
    event(conversation, otherwise, is_change).map(InboundEvent::Conversation)
}

/// A conversation as it stands.
pub(super) fn event(conversation: &Value, otherwise: Timestamp, is_change: bool) -> Option<ConversationEvent> {
    Some(ConversationEvent {
        conversation: conversation::id(conversation)?,
        of: conversation::identities(conversation),
        at: conversation::changed_at(conversation).unwrap_or(otherwise),
        what: InConversation::Described(conversation::description(conversation, is_change)?),
    })
}

/// What became of a message of ours. Not every version says it of the message itself, but the conversation
/// shows its last one with its status.
fn status(body: &Value, at: Timestamp, otherwise: Option<DeliveryStatus>) -> Option<InboundEvent> {
    let reference = message::reference(body)?;
    let provider_message_id = message::id(body)?;
    let of = body.get("conversation").unwrap_or(&Value::Null);
    let shown = of.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let shown = shown.iter().find(|shown| message::id(shown).as_ref() == Some(&provider_message_id));
    let error = body.get("content_attributes").and_then(|attributes| text(attributes, "external_error"));
    let said = text(body, "status").or_else(|| text(shown?, "status"));
    let status = match said {
        _ if error.is_some() => DeliveryStatus::Failed,
        Some("failed") => DeliveryStatus::Failed,
        Some("delivered") => DeliveryStatus::Delivered,
        Some("read") => DeliveryStatus::Read,
        Some("sent") => DeliveryStatus::Sent,
        _ => otherwise?,
    };
    let refusal = (status == DeliveryStatus::Failed).then(|| failure(error, conversation::is_whatsapp(of)));
    let reference = Some(AttemptText(reference));
    Some(InboundEvent::Status(StatusUpdate { reference, provider_message_id, status, at, refusal }))
}
