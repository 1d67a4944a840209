//! Proof that a callback comes from Sinch.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::config::Credentials;
use crate::Webhook;
use crate::signatures::same_text;

/// Whether the callback has the sender's user and password (RFC 7617).
pub fn verify(webhook: &Webhook<'_>, credentials: &Credentials) -> bool {
    let given = || {
        let (scheme, encoded) = webhook.header("authorization")?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let given = String::from_utf8(decoded).ok()?;
        scheme.eq_ignore_ascii_case("basic").then_some(given)
    };
    let Credentials { webhook_user, webhook_password, .. } = credentials;
    let known = !webhook_user.is_empty() && !webhook_password.is_empty();
    known && given().is_some_and(|given| same_text(&given, &format!("{webhook_user}:{webhook_password}")))
}
