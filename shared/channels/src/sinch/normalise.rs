//! Sinch's callbacks as events. A body holds one, and does not name its trigger: the key that it has does.

use domain::ids::AttemptRef;
use domain::message::{
    AttemptText, Channel, DeliveryStatus, Identity, InboundEvent, InboundKind, InboundMessage, Reaction, Refusal,
    StatusUpdate,
};
use domain::time::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::body::channel_name;
use super::classify::classify;
use super::config::Config;
use crate::Malformed;
use crate::foreign::{MAX_TEXT, cut, id, instant, text};
use crate::identity::{of_bsuid, of_phone, of_wa_id};

/// The event of a verified body, if it is for our app and channel: several senders may share an app, and
/// each is told everything. Other triggers (contacts, conversations, submissions, channel events)
/// give none. `now` dates what comes without a time.
///
/// # Errors
/// [`Malformed`] when the body is no JSON.
pub fn normalise(
    raw: &[u8],
    config: &Config,
    channel: Channel,
    now: Timestamp,
) -> Result<Option<InboundEvent>, Malformed> {
    let body: Value = serde_json::from_slice(raw).map_err(|_| Malformed)?;
    if text(&body, "app_id") != Some(config.app_id.as_str()) {
        return Ok(None);
    }
    // When it happened, as the channel said; when Sinch took it; when Sinch sent this.
    let at = |part: &Value| {
        let accepted = || instant(part, "accept_time").or_else(|| instant(&body, "accepted_time"));
        instant(&body, "event_time").or_else(accepted).unwrap_or(now)
    };
    let part = |name: &str| body.get(name).filter(|part| part.is_object());
    Ok(if let Some(message) = part("message") {
        inbound(message, channel, at(message)).map(InboundEvent::Message)
    } else if let Some(event) = part("event") {
        reaction(event, channel, at(event)).map(InboundEvent::Message)
    } else if let Some(report) = part("message_delivery_report") {
        status(report, channel, at(report)).map(InboundEvent::Status)
    } else if let Some(notice) = part("opt_out_notification") {
        opt_out(notice, channel, at(notice))
    } else if let Some(notice) = part("opt_in_notification") {
        opt_in(notice, channel, at(notice))
    } else {
        None
    })
}

/// A message by the contact. What its kind is not known counts as writing too: a follow-up that stops
/// too early is better than one that goes on over an answer.
fn inbound(message: &Value, channel: Channel, at: Timestamp) -> Option<InboundMessage> {
    if text(message, "direction").is_some_and(|direction| direction != "TO_APP") {
        return None;
    }
    let said = message.get("contact_message")?;
    let field = |part: &str, name: &str| said.get(part).and_then(|part| text(part, name));
    let has = |part: &str| said.get(part).is_some_and(Value::is_object);
    let (kind, words) = if has("text_message") {
        (InboundKind::Text, field("text_message", "text"))
    } else if has("choice_response_message") {
        // Of a tap only what its button carries comes back, not its title.
        (InboundKind::Button, field("choice_response_message", "postback_data"))
    } else if has("media_message") || has("media_card_message") {
        (InboundKind::Media, field("media_card_message", "caption"))
    } else {
        (InboundKind::Other, field("location_message", "title"))
    };
    let answered = |part: &str| said.get(part).and_then(|part| id(part, "message_id"));
    Some(InboundMessage {
        id: id(message, "id")?,
        from: identities(message.get("channel_identity")?, channel)?,
        at,
        kind,
        text: words.map(|words| cut(words, MAX_TEXT)),
        in_reply_to: answered("choice_response_message").or_else(|| answered("reply_to")),
        name: None,
    })
}

/// An emoji on a message; of other events (typing, comments) there is nothing to tell.
fn reaction(event: &Value, channel: Channel, at: Timestamp) -> Option<InboundMessage> {
    let reaction = event.get("contact_message_event")?.get("reaction_event")?;
    Some(InboundMessage {
        id: id(event, "id")?,
        from: identities(event.get("channel_identity")?, channel)?,
        at,
        kind: InboundKind::Reaction,
        text: None,
        in_reply_to: id(reaction, "message_id"),
        name: None,
    })
}

/// Who somebody is on our channel; `None` on another, or when nothing can be an address.
fn identities(identity: &Value, channel: Channel) -> Option<Vec<Identity>> {
    if text(identity, "channel") != Some(channel_name(channel)) {
        return None;
    }
    of(text(identity, "identity")?, channel)
}

fn of(identity: &str, channel: Channel) -> Option<Vec<Identity>> {
    let found = match channel {
        Channel::Sms => of_phone(identity).into_iter().collect(),
        _ if identity.contains('.') => of_bsuid(identity).into_iter().collect(),
        _ => of_wa_id(identity),
    };
    (!found.is_empty()).then_some(found)
}

fn status(report: &Value, channel: Channel, at: Timestamp) -> Option<StatusUpdate> {
    let theirs = report.get("channel_identity").and_then(|identity| text(identity, "channel"));
    if theirs.is_some_and(|theirs| theirs != channel_name(channel)) {
        return None;
    }
    let reason = report.get("reason").and_then(|reason| text(reason, "code"));
    let rank = match text(report, "status")? {
        "QUEUED_ON_CHANNEL" => DeliveryStatus::Sent,
        "DELIVERED" => DeliveryStatus::Delivered,
        "READ" => DeliveryStatus::Read,
        // Nobody has reported a delivery, which is not to say that there was none.
        "FAILED" if reason == Some("DELIVERY_REPORT_TIME_OUT") => return None,
        "FAILED" => DeliveryStatus::Failed,
        _ => return None,
    };
    let refusal = (rank == DeliveryStatus::Failed).then(|| match reason {
        Some(code) => classify(code, None),
        None => Refusal { reaction: Reaction::Recipient, code: "failed".into(), retry_after: None },
    });
    Some(StatusUpdate {
        reference: text(report, "metadata").and_then(AttemptRef::parse).map(AttemptText),
        provider_message_id: id(report, "message_id")?,
        status: rank,
        at,
        refusal,
    })
}

/// Who is meant by a notice of consent on our channel, unless it failed.
fn took_effect<'a>(notice: &'a Value, channel: Channel, failed: &str) -> Option<&'a str> {
    let ours = text(notice, "channel") == Some(channel_name(channel));
    text(notice, "identity").filter(|_| ours && text(notice, "status") != Some(failed))
}

fn opt_in(notice: &Value, channel: Channel, at: Timestamp) -> Option<InboundEvent> {
    let from = of(took_effect(notice, channel, "OPT_IN_FAILED")?, channel)?;
    Some(InboundEvent::OptIn { from, at })
}

/// An opt-out that took effect at Sinch. One without an address (`contact_id` alone) names nobody that we
/// know. Its id is hashed where Sinch gives none, because ids end up in logs.
fn opt_out(notice: &Value, channel: Channel, at: Timestamp) -> Option<InboundEvent> {
    let identity = took_effect(notice, channel, "OPT_OUT_FAILED")?;
    let from = of(identity, channel)?;
    let derived = || {
        let hash = Sha256::digest(format!("{identity} {} opt-out", at.0).as_bytes());
        hash[..16].iter().fold(String::from("opt-out-"), |id, byte| format!("{id}{byte:02x}"))
    };
    Some(InboundEvent::OptOut {
        from,
        at,
        id: id(notice, "request_id").filter(|id| !id.is_empty()).unwrap_or_else(derived),
    })
}
