//! Proof that a webhook comes from Sinch.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::time::Timestamp;

use super::config::Credentials;
use crate::Webhook;
use crate::signatures::signs;
use crate::webhook::is_fresh;

/// The base64 of the HMAC-SHA256 of raw body, nonce and time, with points between.
const SIGNATURE: &str = "x-sinch-webhook-signature";
const ALGORITHM: &str = "x-sinch-webhook-signature-algorithm";
const NONCE: &str = "x-sinch-webhook-signature-nonce";
const TIMESTAMP: &str = "x-sinch-webhook-signature-timestamp";

/// Whether the webhook is signed with the sender's secret, at a time near `now`. No other algorithm
/// counts, whatever the header says.
///
/// Nonces are not kept: within the five minutes a repeat is the same event, which its id (a message, an
/// opt-out) or its rank (a report) already makes harmless, and Sinch's own retries would have to pass.
pub fn verify(webhook: &Webhook<'_>, credentials: &Credentials, now: Timestamp) -> bool {
    let signed = || {
        if webhook.header(ALGORITHM)? != "HmacSHA256" {
            return None;
        }
        let (nonce, time) = (webhook.header(NONCE)?, webhook.header(TIMESTAMP)?);
        let signature = STANDARD.decode(webhook.header(SIGNATURE)?).ok()?;
        let parts = [webhook.raw, b".", nonce.as_bytes(), b".", time.as_bytes()];
        Some(is_fresh(time, now) && signs(credentials.webhook_secret.as_bytes(), &parts, &signature))
    };
    signed().unwrap_or(false)
}
