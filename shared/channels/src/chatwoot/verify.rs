//! Proof that a webhook comes from the account's Chatwoot.

use domain::time::Timestamp;

use super::config::Credentials;
use crate::Webhook;
use crate::signatures::{lower_hex, same_text, signs};
use crate::webhook::is_fresh;

/// `sha256=` and the HMAC-SHA256, in lower-case hex, of the timestamp, a dot and the raw body.
pub const SIGNATURE_HEADER: &str = "x-chatwoot-signature";
/// Seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "x-chatwoot-timestamp";
/// In the webhook's address, for an installation that signs nothing.
pub const TOKEN_PARAMETER: &str = "token";

/// A webhook that carries any part of a signature is proven by it alone, so that a token that leaked does
/// not help whoever cannot sign. One that carries none (Chatwoot before about 4.12) is proven by the token
/// in its address, which is the same secret.
pub fn verify(webhook: &Webhook<'_>, credentials: &Credentials, now: Timestamp) -> bool {
    let secret = &credentials.webhook_secret;
    if webhook.headers.contains_key(SIGNATURE_HEADER) || webhook.headers.contains_key(TIMESTAMP_HEADER) {
        let signature = webhook.header(SIGNATURE_HEADER).and_then(|header| header.strip_prefix("sha256="));
        let Some(signature) = signature.and_then(lower_hex) else { return false };
        let Some(time) = webhook.header(TIMESTAMP_HEADER).filter(|time| is_fresh(time, now)) else { return false };
        return signs(secret.as_bytes(), &[time.as_bytes(), b".", webhook.raw], &signature);
    }
    !secret.is_empty() && webhook.query(TOKEN_PARAMETER).is_some_and(|token| same_text(token, secret))
}
