//! Callbacks as Sinch writes and signs them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::message::Channel;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::request::Request;
use crate::stand_in::{SenderAccess, WebhookDelivery};

/// Signs a body for a sender's webhook: raw body, nonce and time with points between, under the webhook's
/// secret.
pub(super) fn sign(access: &SenderAccess, body: &Value, nonce: &str, at: Timestamp) -> WebhookDelivery {
    let body = body.to_string();
    let secret = access.credential("webhook_secret").unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{body}.{nonce}.{}", at.0).as_bytes());
    let header = |name: &str, value: &str| (format!("x-sinch-webhook-signature{name}"), value.to_owned());
    WebhookDelivery {
        sender_id: access.sender_id.clone(),
        url_path: format!("/webhooks/sinch/{}", access.sender_id),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            header("", &STANDARD.encode(mac.finalize().into_bytes())),
            header("-algorithm", "HmacSHA256"),
            header("-nonce", nonce),
            header("-timestamp", &at.0.to_string()),
        ],
        body,
    }
}

fn envelope(access: &SenderAccess, at: Timestamp, name: &str, part: Value) -> Value {
    let mut body = json!({
        "app_id": access.config("app_id"), "project_id": access.config("project_id"), "accepted_time": at.to_string(),
        "event_time": at.to_string(), "message_metadata": "", "correlation_id": "",
    });
    body[name] = part;
    body
}

fn identity(channel: Channel, identity: &str) -> Value {
    let channel = if channel == Channel::Sms { "SMS" } else { "WHATSAPP" };
    json!({"channel": channel, "identity": identity.trim_start_matches('+'), "app_id": ""})
}

/// A person's message.
pub(super) fn inbound(access: &SenderAccess, from: &str, id: &str, at: Timestamp, said: Value) -> WebhookDelivery {
    let message = json!({
        "id": id, "direction": "TO_APP", "contact_message": said, "conversation_id": "", "contact_id": "",
        "channel_identity": identity(access.channel, from), "metadata": "", "accept_time": at.to_string(),
        "sender_id": "", "processing_mode": "DISPATCH",
    });
    sign(access, &envelope(access, at, "message", message), id, at)
}

/// What became of a message. `reason`: of a failure.
pub(super) fn report(
    access: &SenderAccess,
    request: &Request,
    message_id: &str,
    (status, reason): (&str, Option<&str>),
    at: Timestamp,
) -> WebhookDelivery {
    let mut report = json!({
        "message_id": message_id, "conversation_id": "", "contact_id": "", "status": status,
        "channel_identity": identity(request.channel, &request.identity),
        "metadata": request.metadata.as_deref().unwrap_or_default(), "processing_mode": "DISPATCH",
    });
    if let Some(code) = reason {
        report["reason"] =
            json!({"code": code, "description": "as the stand-in was told", "sub_code": "UNSPECIFIED_SUB_CODE"});
    }
    let nonce = format!("{message_id}{status}");
    sign(access, &envelope(access, at, "message_delivery_report", report), &nonce, at)
}
