//! Twilio's webhooks as events. One request says one thing; its form has no time, so ours dates it.
//!
//! Tolerant on purpose: parameters come and go without notice, and what is unknown says nothing.

use domain::ids::AttemptRef;
use domain::message::{
    AttemptText, DeliveryStatus, InboundEvent, InboundKind, InboundMessage, Reaction, Refusal, StatusUpdate,
};
use domain::time::Timestamp;

use super::classify::classify;
use super::config::{Config, From};
use super::form::Form;
use crate::foreign::{MAX_TEXT, cut};
use crate::identity::of_phone;
use crate::{Malformed, Webhook};

/// Where a status carries our reference, in the query of its address.
pub(super) const REFERENCE: &str = "reference";

/// Bytes of an id that is kept: a store's key must hold it.
const MAX_ID: usize = 512;

/// The event of a verified webhook that is for our account and number: a status of a message of ours, or a
/// message. The opt-out that a message was to Twilio comes before it.
///
/// # Errors
/// [`Malformed`] when the body is no form that Twilio writes.
pub fn normalise(webhook: &Webhook<'_>, config: &Config, now: Timestamp) -> Result<Vec<InboundEvent>, Malformed> {
    let form = Form::parse(webhook.raw).ok_or(Malformed)?;
    let id = form.get("MessageSid").or_else(|| form.get("SmsSid")).filter(|id| id.len() <= MAX_ID);
    let ours = form.get("AccountSid").is_none_or(|account| account == config.account_sid);
    let Some(id) = id.filter(|_| ours) else { return Ok(Vec::new()) };
    Ok(match form.get("MessageStatus").or_else(|| form.get("SmsStatus")) {
        None | Some("received" | "receiving") => message(&form, id, config, now),
        Some(word) => status(&form, id, word, webhook, now).into_iter().collect(),
    })
}

fn message(form: &Form, id: &str, config: &Config, now: Timestamp) -> Vec<InboundEvent> {
    let to_us = match &config.from {
        From::Number(number) => form.get("To").is_some_and(|to| to == number),
        From::MessagingService(_) => form.get("To").is_some(),
    };
    let Some(from) = form.get("From").and_then(of_phone).filter(|_| to_us) else { return Vec::new() };
    let has_media = form.get("NumMedia").is_some_and(|count| count != "0");
    let message = InboundMessage {
        id: id.into(),
        from: vec![from.clone()],
        at: now,
        kind: if has_media { InboundKind::Media } else { InboundKind::Text },
        text: form.get("Body").map(|text| cut(text, MAX_TEXT)),
        in_reply_to: None,
        name: None,
    };
    let choice = match form.get("OptOutType").map(str::to_ascii_uppercase).as_deref() {
        Some("STOP") => Some(InboundEvent::OptOut { from: vec![from], at: now, id: id.into() }),
        Some("START") => Some(InboundEvent::OptIn { from: vec![from], at: now }),
        _ => None,
    };
    choice.into_iter().chain([InboundEvent::Message(message)]).collect()
}

fn status(form: &Form, id: &str, word: &str, webhook: &Webhook<'_>, now: Timestamp) -> Option<InboundEvent> {
    let refusal = |reaction, code: &str| Some(Refusal { reaction, code: code.into(), retry_after: None });
    let (status, refusal) = match word {
        "sent" => (DeliveryStatus::Sent, None),
        "delivered" => (DeliveryStatus::Delivered, None),
        "read" => (DeliveryStatus::Read, None),
        "failed" | "undelivered" => {
            let code = form.get("ErrorCode").and_then(|code| code.parse().ok());
            let refusal = code.map(|code| classify(code, None)).or_else(|| refusal(Reaction::Recipient, word));
            (DeliveryStatus::Failed, refusal)
        }
        // Somebody took it back at Twilio.
        "canceled" => (DeliveryStatus::Failed, refusal(Reaction::Message, word)),
        // On its way (accepted, scheduled, queued, sending), or a word that we do not know.
        _ => return None,
    };
    Some(InboundEvent::Status(StatusUpdate {
        reference: webhook.query(REFERENCE).and_then(AttemptRef::parse).map(AttemptText),
        provider_message_id: id.into(),
        status,
        at: now,
        refusal,
    }))
}
