//! Standard Webhooks, as the specification has it: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::stand_in::{SenderAccess, WebhookDelivery};

const TOLERANCE_SECONDS: i64 = 300;

/// Whether this sender signed the request, near `now`.
pub(super) fn is_signed(access: &SenderAccess, headers: &HeaderMap, raw: &[u8], now: Timestamp) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let parts = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let (Some(id), Some(time), Some(signature)) = parts else { return false };
    let fresh = time.parse().is_ok_and(|time: i64| (now.0 - time).abs() <= TOLERANCE_SECONDS);
    fresh && !id.contains('.') && signature == signature_of(access, id, time, raw)
}

/// Signs what the gateway tells.
pub fn sign(access: &SenderAccess, id: &str, at: Timestamp, body: &Value) -> WebhookDelivery {
    let (body, time) = (body.to_string(), at.0.to_string());
    let signature = signature_of(access, id, &time, body.as_bytes());
    WebhookDelivery {
        sender_id: access.sender_id.clone(),
        url_path: format!("/webhooks/http/{}", access.sender_id),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("webhook-id".into(), id.into()),
            ("webhook-timestamp".into(), time),
            ("webhook-signature".into(), signature),
        ],
        body,
    }
}

fn signature_of(access: &SenderAccess, id: &str, time: &str, raw: &[u8]) -> String {
    let secret = access.credential("secret").unwrap_or_default();
    let key = BASE64.decode(secret.trim_start_matches("whsec_")).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(raw);
    format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
}
