//! What AWS publishes of a sender, as events: one message of a topic says one thing.
//!
//! Tolerant on purpose: what is unknown, missing or of another type says nothing.

use domain::ids::AttemptRef;
use domain::message::{AttemptText, DeliveryStatus, InboundEvent, InboundKind, InboundMessage, StatusUpdate};
use domain::time::Timestamp;
use serde_json::Value;

use super::classify::classify_event;
use super::config::Config;
use crate::foreign::{MAX_TEXT, cut, id, text};
use crate::identity::of_phone;
use crate::{Malformed, sms, sns};

/// The key of `context` under which an event carries our reference.
pub(super) const REFERENCE: &str = "reference";

/// The event in a verified notification: what became of a message of ours, or a reply to our number.
///
/// # Errors
/// [`Malformed`] when SNS does not write so.
pub fn normalise(raw: &[u8], config: &Config) -> Result<Vec<InboundEvent>, Malformed> {
    let Some(told) = sns::notification(raw)? else { return Ok(Vec::new()) };
    // AWS also posts a sentence when a destination is set up.
    let Ok(message) = serde_json::from_str(&told.message) else { return Ok(Vec::new()) };
    let event = reply(&message, config, told.at).or_else(|| status(&message));
    Ok(event.into_iter().collect())
}

/// A two-way message, which has no time of its own. `messageKeyword` is the number's, not the person's.
fn reply(message: &Value, config: &Config, published: Timestamp) -> Option<InboundEvent> {
    let message_id = id(message, "inboundMessageId")?;
    // A pool or an id stands for numbers that we do not know.
    let to = text(message, "destinationNumber")?;
    if sms::is_e164(&config.origination_identity) && to != config.origination_identity {
        return None;
    }
    Some(InboundEvent::Message(InboundMessage {
        id: message_id,
        from: vec![of_phone(text(message, "originationNumber")?)?],
        at: published,
        kind: InboundKind::Text,
        text: text(message, "messageBody").map(|text| cut(text, MAX_TEXT)),
        in_reply_to: id(message, "previousPublishedMessageId"),
        name: None,
    }))
}

/// The last word on a message that was accepted by a carrier is as good as a delivery: by country AWS ends
/// with the one or the other. Only a last word is a failure, and that nobody has heard of a message for
/// three days (`TEXT_UNKNOWN`) is none.
fn status(message: &Value) -> Option<InboundEvent> {
    let event = text(message, "eventType")?;
    let last = message.get("isFinal").and_then(Value::as_bool).unwrap_or(true);
    let (status, refusal) = match event {
        "TEXT_DELIVERED" => (DeliveryStatus::Delivered, None),
        "TEXT_SUCCESSFUL" if last => (DeliveryStatus::Delivered, None),
        "TEXT_SENT" | "TEXT_SUCCESSFUL" => (DeliveryStatus::Sent, None),
        _ => (DeliveryStatus::Failed, Some(classify_event(event).filter(|_| last)?)),
    };
    let reference = message.get("context").and_then(|context| text(context, REFERENCE));
    Some(InboundEvent::Status(StatusUpdate {
        reference: reference.and_then(AttemptRef::parse).map(AttemptText),
        provider_message_id: id(message, "messageId")?,
        status,
        at: time(message)?,
        refusal,
    }))
}

/// Milliseconds since 1970.
fn time(message: &Value) -> Option<Timestamp> {
    let seconds = message.get("eventTimestamp")?.as_i64()? / 1_000;
    (1..=100_000_000_000).contains(&seconds).then_some(Timestamp(seconds))
}
