//! Proof that a webhook comes from Meta.

use super::config::Credentials;
use crate::Denied;
use crate::signatures::{lower_hex, same_text, signs};

/// `sha256=` and the HMAC-SHA256 of the raw body under the app secret, in lower-case hex.
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";

/// Meta's challenge is a short number.
const MAX_CHALLENGE: usize = 256;

/// Answers the `GET` by which Meta verifies a webhook's address: with `hub.mode=subscribe` and our
/// token, the challenge to send back as plain text.
///
/// # Errors
/// [`Denied`] (403) for another mode or token, or without a challenge.
pub fn verify_subscription(query: &[(String, String)], credentials: &Credentials) -> Result<String, Denied> {
    let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).ok_or(Denied);
    let known = !credentials.verify_token.is_empty()
        && same_text(get("hub.verify_token")?, &credentials.verify_token)
        && get("hub.mode")? == "subscribe";
    let challenge = get("hub.challenge")?;
    if known && challenge.len() <= MAX_CHALLENGE { Ok(challenge.into()) } else { Err(Denied) }
}

/// Whether `header` signs exactly these raw bytes with the app secret. Anything but one `sha256=`
/// and 64 lower-case hex digits is refused. Meta escapes its bodies in its own way, so they must
/// never be parsed and written again before this.
pub fn verify_signature(raw: &[u8], header: Option<&str>, credentials: &Credentials) -> bool {
    let Some(signature) = header.and_then(|header| header.strip_prefix("sha256=")).and_then(lower_hex) else {
        return false;
    };
    signs(credentials.app_secret.as_bytes(), &[raw], &signature)
}
