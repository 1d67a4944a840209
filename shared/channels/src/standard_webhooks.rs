//! Standard Webhooks (standardwebhooks.com), symmetric `v1`: base64 of HMAC-SHA256 over
//! `id.timestamp.body`. The key is what the secret says in base64, not its text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::signatures::signs;
use crate::webhook::{Webhook, is_fresh};

pub(crate) const ID: &str = "webhook-id";
pub(crate) const TIMESTAMP: &str = "webhook-timestamp";
pub(crate) const SIGNATURE: &str = "webhook-signature";

const SECRET_PREFIX: &str = "whsec_";
/// Of one header that are looked at.
const MAX_SIGNATURES: usize = 16;
const MAX_ID: usize = 255;

/// Whether it is signed with one of the secrets, near `now`. The header may hold several signatures behind
/// blanks.
pub(crate) fn verify(webhook: &Webhook<'_>, secrets: &[&str], now: Timestamp) -> bool {
    let headers = [ID, TIMESTAMP, SIGNATURE].map(|name| webhook.header(name));
    let [Some(id), Some(time), Some(signatures)] = headers else { return false };
    if id.is_empty() || id.len() > MAX_ID || !is_fresh(time, now) {
        return false;
    }
    let of_scheme = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
    let signatures: Vec<_> = of_scheme.filter_map(|text| BASE64.decode(text).ok()).take(MAX_SIGNATURES).collect();
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", webhook.raw];
    let keys = secrets.iter().filter_map(|secret| signing_key(secret));
    keys.into_iter().any(|key| signatures.iter().any(|signature| signs(&key, &parts, signature)))
}

/// The headers of a body that is sent now. An id must have no `.`: it ends there.
pub(crate) fn sign(secret: &str, id: &str, now: Timestamp, body: &[u8]) -> Option<[(&'static str, String); 3]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&signing_key(secret)?).ok()?;
    mac.update(format!("{id}.{}.", now.0).as_bytes());
    mac.update(body);
    let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
    Some([(ID, id.to_owned()), (TIMESTAMP, now.0.to_string()), (SIGNATURE, signature)])
}

fn signing_key(secret: &str) -> Option<Vec<u8>> {
    BASE64.decode(secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret)).ok()
}

/// The specification asks for 24 to 64 bytes; not everybody keeps to it.
pub(crate) fn is_secret(secret: &str) -> bool {
    signing_key(secret).is_some_and(|key| (16..=128).contains(&key.len()))
}

/// [`is_secret`] in words.
pub(crate) const SECRET: &str = "`whsec_` and the base64 of 16 to 128 bytes";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The vector of the specification.
    #[test]
    fn a_signature_is_the_specifications() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let at = Timestamp(1_614_265_330);
        let signed = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signed[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(sign("not base64!", "msg_1", at, b""), None);
    }
}
