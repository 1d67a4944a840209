//! What is published of a message and of a reply.

use domain::content::{Encoding, sms_segments};
use domain::message::DeliveryStatus;
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::request::Request;
use crate::sms::is_number;

/// The number of a pool from which or to which a message went.
const POOL_NUMBER: &str = "+5511930001000";

/// One event of a message; `None` for what an SMS never reports.
pub(super) fn status(
    request: &Request,
    id: &str,
    requested: Timestamp,
    status: DeliveryStatus,
    at: Timestamp,
) -> Option<Value> {
    let (word, is_final, description) = match status {
        DeliveryStatus::Sent => ("SUCCESSFUL", false, "Message has been accepted by phone carrier"),
        DeliveryStatus::Delivered => ("DELIVERED", true, "Message has been delivered"),
        DeliveryStatus::Failed => ("UNREACHABLE", true, "Phone is currently unreachable/unavailable"),
        DeliveryStatus::Read => return None,
    };
    let parts = sms_segments(&request.text);
    Some(json!({
        "eventType": format!("TEXT_{word}"),
        "eventVersion": "1.0",
        "eventTimestamp": at.0 * 1_000,
        "isFinal": is_final,
        "originationPhoneNumber": number(&request.identity),
        "destinationPhoneNumber": request.to,
        "messageId": id,
        "messageRequestTimestamp": requested.0 * 1_000,
        "messageEncoding": if parts.encoding == Encoding::Gsm7 { "GSM" } else { "Unicode" },
        "messageType": request.message_type,
        "messageStatus": word,
        "messageStatusDescription": description,
        "context": request.context,
        "totalMessageParts": parts.segments,
        "totalMessagePrice": 0.03,
        "totalCarrierFee": 0.0,
    }))
}

/// A two-way message.
pub(super) fn reply(identity: &str, from: &str, id: &str, text: &str) -> Value {
    json!({
        "originationNumber": from,
        "destinationNumber": number(identity),
        "messageKeyword": "KEYWORD_100000000001",
        "messageBody": text,
        "inboundMessageId": id,
    })
}

fn number(identity: &str) -> &str {
    if is_number(identity) { identity } else { POOL_NUMBER }
}
