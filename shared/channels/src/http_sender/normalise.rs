//! A gateway's webhooks as events. What is unknown says nothing.

use domain::ids::AttemptRef;
use domain::message::{AttemptText, Channel, DeliveryStatus, InboundEvent, InboundKind, InboundMessage, StatusUpdate};
use domain::time::Timestamp;
use serde_json::Value;

use super::classify::classify;
use super::send::code;
use crate::foreign::{MAX_NAME, MAX_TEXT, cut, id, instant, text};
use crate::{Malformed, Webhook, identity, standard_webhooks};

/// The event of a verified webhook. Without a `timestamp` it is of `now`; a message without a `data.id` is
/// known by the webhook's own id, which stays the same when it is repeated.
///
/// # Errors
/// [`Malformed`] when the body is no JSON.
pub fn normalise(webhook: &Webhook<'_>, channel: Channel, now: Timestamp) -> Result<Option<InboundEvent>, Malformed> {
    let body: Value = serde_json::from_slice(webhook.raw).map_err(|_| Malformed)?;
    let at = instant(&body, "timestamp").unwrap_or(now);
    let Some(data) = body.get("data") else { return Ok(None) };
    Ok(match text(&body, "type") {
        Some("message.received") => {
            let own = id(data, "id").or_else(|| webhook.header(standard_webhooks::ID).map(str::to_owned));
            own.and_then(|own| message(data, own, channel, at))
        }
        Some("message.status") => status(data, at),
        _ => None,
    })
}

fn message(data: &Value, own: String, channel: Channel, at: Timestamp) -> Option<InboundEvent> {
    let from = text(data, "from")?;
    let from = match channel {
        Channel::Whatsapp => identity::of_wa_id(from),
        _ => identity::of_phone(from).into_iter().collect(),
    };
    if from.is_empty() {
        return None;
    }
    let said = text(data, "text").map(|said| cut(said, MAX_TEXT));
    Some(InboundEvent::Message(InboundMessage {
        id: own,
        from,
        at,
        kind: if said.is_some() { InboundKind::Text } else { InboundKind::Media },
        text: said,
        in_reply_to: id(data, "in_reply_to"),
        name: text(data, "name").map(|name| cut(name, MAX_NAME)),
    }))
}

fn status(data: &Value, at: Timestamp) -> Option<InboundEvent> {
    let status = match text(data, "status")? {
        "sent" => DeliveryStatus::Sent,
        "delivered" => DeliveryStatus::Delivered,
        "read" => DeliveryStatus::Read,
        "failed" => DeliveryStatus::Failed,
        _ => return None,
    };
    let reference = text(data, "reference").and_then(AttemptRef::parse).map(AttemptText);
    let named = id(data, "id").or_else(|| reference.map(|AttemptText(reference)| reference.to_string()));
    Some(InboundEvent::Status(StatusUpdate {
        reference,
        provider_message_id: named?,
        status,
        at,
        refusal: (status == DeliveryStatus::Failed).then(|| classify(code(data), None, None)),
    }))
}
