//! What Chatwoot writes: the same objects in the API's answers and in webhooks, but for a message's type and
//! time, which are numbers in the one and words in the other.

use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::state::{By, Conversation, Message};
use crate::stand_in::{SenderAccess, WebhookDelivery};

/// Signs a body for a sender's webhook: `X-Chatwoot-Signature` over the time, a dot and the bytes.
pub(super) fn sign(access: &SenderAccess, body: &Value, at: Timestamp) -> WebhookDelivery {
    let (body, time) = (body.to_string(), at.0.to_string());
    let secret = access.credential("webhook_secret").unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    [time.as_bytes(), b".", body.as_bytes()].iter().for_each(|part| mac.update(part));
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    WebhookDelivery {
        sender_id: access.sender_id.clone(),
        url_path: format!("/webhooks/chatwoot/{}", access.sender_id),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("x-chatwoot-timestamp".into(), time),
            ("x-chatwoot-signature".into(), format!("sha256={signature}")),
        ],
        body,
    }
}

fn sender(by: By, phone: &str) -> Value {
    match by {
        By::Contact => json!({"id": 55, "name": "Stand-in contact", "phone_number": phone, "type": "contact"}),
        By::User => json!({"id": 2, "name": "Stand-in agent", "email": "agent@example.com", "type": "user"}),
    }
}

/// A message in an answer of the API.
pub(super) fn shown_message(of: &Conversation, message: &Message) -> Value {
    json!({
        "id": message.id,
        "content": message.content,
        "inbox_id": 3,
        "conversation_id": of.id,
        "message_type": match message.by { By::Contact => 0, By::User => 1 },
        "content_type": "text",
        "status": message.status,
        "content_attributes": message.content_attributes,
        "created_at": message.at.0,
        "private": false,
        "source_id": null,
        "sender": sender(message.by, &of.phone),
    })
}

/// A conversation, in an answer of the API and in webhooks.
pub(super) fn shown(of: &Conversation, now: Timestamp) -> Value {
    let channel = if of.whatsapp { "Channel::Whatsapp" } else { "Channel::Api" };
    let last = of.messages.last();
    let assignee = of.bot.map(|bot| json!({"id": bot, "name": "Stand-in bot", "type": "agent_bot"}));
    json!({
        "id": of.id,
        "account_id": of.account_id.parse::<u64>().unwrap_or_default(),
        "inbox_id": 3,
        "status": of.status,
        "can_reply": of.can_reply(now),
        "channel": channel,
        "contact_inbox": {"source_id": if of.whatsapp { of.phone.trim_start_matches('+') } else { "8a9e" }},
        "messages": last.map(|message| shown_message(of, message)).into_iter().collect::<Vec<_>>(),
        "labels": [],
        "custom_attributes": {},
        "meta": {
            "sender": sender(By::Contact, &of.phone),
            "channel": channel,
            "assignee": assignee,
            "assignee_type": of.bot.map(|_| "AgentBot"),
            "hmac_verified": false,
        },
        "timestamp": last.map_or(of.created_at, |message| message.at).0,
        "last_activity_at": last.map_or(of.created_at, |message| message.at).0,
        "created_at": of.created_at.0,
        "updated_at": of.updated_at.0 as f64 + 0.5,
    })
}

fn account(of: &Conversation) -> Value {
    json!({"id": of.account_id.parse::<u64>().unwrap_or_default(), "name": "Stand-in account"})
}

/// `conversation_created`, `conversation_updated`, `conversation_status_changed`.
pub(super) fn conversation(access: &SenderAccess, of: &Conversation, event: &str, at: Timestamp) -> WebhookDelivery {
    let mut body = shown(of, at);
    body["event"] = json!(event);
    body["account"] = account(of);
    sign(access, &body, at)
}

/// `message_created`, `message_updated`. The message itself does not say its status: the conversation shows
/// its last one with it.
pub(super) fn message(
    access: &SenderAccess,
    of: &Conversation,
    message: &Message,
    event: &str,
    at: Timestamp,
) -> WebhookDelivery {
    let mut conversation = shown(of, at);
    conversation["messages"] = json!([shown_message(of, message)]);
    let body = json!({
        "event": event,
        "id": message.id,
        "content": message.content,
        "created_at": message.at.to_string(),
        "message_type": match message.by { By::Contact => "incoming", By::User => "outgoing" },
        "content_type": "text",
        "content_attributes": message.content_attributes,
        "additional_attributes": {},
        "private": false,
        "source_id": null,
        "sender": sender(message.by, &of.phone),
        "inbox": {"id": 3, "name": "Stand-in inbox"},
        "conversation": conversation,
        "account": account(of),
    });
    sign(access, &body, at)
}
