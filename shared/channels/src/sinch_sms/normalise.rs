//! Sinch's SMS callbacks as events. A body holds one.

use domain::ids::AttemptRef;
use domain::message::{AttemptText, DeliveryStatus, InboundEvent, InboundKind, InboundMessage, StatusUpdate};
use domain::time::Timestamp;
use serde_json::Value;

use super::classify::classify;
use crate::Malformed;
use crate::foreign::{MAX_TEXT, cut, id, instant, integer, text};
use crate::identity::of_phone;

/// The event of a verified body: a message to any number of the service plan, for which there is one
/// callback address (whoever answers has answered), or a report. `now` dates what comes without a time.
///
/// # Errors
/// [`Malformed`] when the body is no JSON.
pub fn normalise(raw: &[u8], now: Timestamp) -> Result<Option<InboundEvent>, Malformed> {
    let body: Value = serde_json::from_slice(raw).map_err(|_| Malformed)?;
    let words = |part: &Value, name: &str| text(part, name).map(|words| cut(words, MAX_TEXT));
    Ok(match text(&body, "type") {
        Some("mo_text") => inbound(&body, InboundKind::Text, words(&body, "body"), now),
        Some("mo_media") => {
            let said = body.get("body").and_then(|media| words(media, "message").or_else(|| words(media, "subject")));
            inbound(&body, InboundKind::Media, said, now)
        }
        Some("mo_binary") => inbound(&body, InboundKind::Other, None, now),
        Some("recipient_delivery_report_sms" | "recipient_delivery_report_mms") => status(&body, now),
        // Reports of whole batches, which are not asked for.
        _ => None,
    })
}

fn inbound(body: &Value, kind: InboundKind, text_: Option<String>, now: Timestamp) -> Option<InboundEvent> {
    Some(InboundEvent::Message(InboundMessage {
        id: id(body, "id")?,
        from: vec![of_phone(text(body, "from")?)?],
        at: instant(body, "received_at").or_else(|| instant(body, "sent_at")).unwrap_or(now),
        kind,
        text: text_,
        in_reply_to: None,
        name: None,
    }))
}

fn status(body: &Value, now: Timestamp) -> Option<InboundEvent> {
    let rank = match text(body, "status")? {
        "Dispatched" => DeliveryStatus::Sent,
        "Delivered" => DeliveryStatus::Delivered,
        "Failed" | "Rejected" | "Expired" | "Aborted" | "Cancelled" | "Deleted" => DeliveryStatus::Failed,
        // `Queued` says no more than the answer did. `Unknown`: with the network, and no report came; that
        // is not to say that it was not delivered.
        _ => return None,
    };
    let refusal = (rank == DeliveryStatus::Failed).then(|| {
        let code = body.get("code").and_then(integer).map(|code| code.to_string());
        classify(code.as_deref().unwrap_or("failed"), None)
    });
    Some(InboundEvent::Status(StatusUpdate {
        reference: text(body, "client_reference").and_then(AttemptRef::parse).map(AttemptText),
        provider_message_id: id(body, "batch_id")?,
        status: rank,
        at: instant(body, "at").unwrap_or(now),
        refusal,
    }))
}
