//! Proof that a webhook comes from Twilio.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::config::{Config, Credentials};
use super::form::Form;
use crate::Webhook;
use crate::signatures::lower_hex;

/// The HMAC-SHA1 under the auth token, in base64, of the address that Twilio called and of what it says.
pub const SIGNATURE_HEADER: &str = "x-twilio-signature";

/// What Twilio is told when a webhook was taken, as `application/xml`: nothing to do. An answer without
/// TwiML counts as a failure of ours in its console.
pub const ANSWER: &str = "<Response/>";

/// Carries the SHA-256 of a body that is no form, in the signed address.
const BODY_HASH: &str = "bodySHA256";

/// Whether the signature covers exactly this webhook: the configured address with the query as it came,
/// and the form's pairs behind it, or the hash of another body within it. Twilio signs the address now
/// with its port and now without.
pub fn verify_signature(webhook: &Webhook<'_>, config: &Config, credentials: &Credentials) -> bool {
    let signature = webhook.header(SIGNATURE_HEADER).and_then(|header| STANDARD.decode(header).ok());
    let Some(signature) = signature else { return false };
    let form = match webhook.query(BODY_HASH) {
        Some(hash) if lower_hex(hash).is_some_and(|hash| hash[..] == Sha256::digest(webhook.raw)[..]) => None,
        Some(_) => return false,
        None => match Form::parse(webhook.raw) {
            Some(form) => Some(form),
            None => return false,
        },
    };
    let query = query(webhook);
    addresses(&config.public_webhook_url).iter().any(|address| {
        let Some(mut mac) = keyed(credentials) else { return false };
        mac.update(address.as_bytes());
        mac.update(query.as_bytes());
        for (key, value) in form.iter().flat_map(Form::distinct) {
            mac.update(key);
            mac.update(value);
        }
        mac.verify_slice(&signature).is_ok()
    })
}

/// An empty token would make everybody a signer: it signs nothing.
fn keyed(credentials: &Credentials) -> Option<Hmac<Sha1>> {
    let token = credentials.auth_token.as_bytes();
    (!token.is_empty()).then(|| Hmac::new_from_slice(token).ok()).flatten()
}

/// With its question mark. Ours needs no escapes, so writing it again gives what was signed.
fn query(webhook: &Webhook<'_>) -> String {
    let mut url = reqwest::Url::parse("http://x").expect("a constant that is a URL");
    url.query_pairs_mut().extend_pairs(webhook.query);
    url.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default()
}

/// The address as configured, without its port, and with the scheme's own where it names none.
fn addresses(url: &str) -> Vec<String> {
    let mut found = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return found };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // The colons of an IPv6 address stand in brackets.
    let host_ends = authority.rfind(']').unwrap_or(0);
    match authority[host_ends..].find(':') {
        Some(colon) => found.push(format!("{scheme}://{}{path}", &authority[..host_ends + colon])),
        None => {
            let port = if scheme == "https" { 443 } else { 80 };
            found.push(format!("{scheme}://{authority}:{port}{path}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_tried_with_and_without_its_port() {
        for (url, other) in [
            ("https://a.com/x", "https://a.com:443/x"),
            ("http://a.com/x", "http://a.com:80/x"),
            ("https://a.com:8443/x:y", "https://a.com/x:y"),
            ("https://a.com:443", "https://a.com"),
            ("https://a.com", "https://a.com:443"),
            ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"),
            ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]/x"),
        ] {
            assert_eq!(addresses(url), [url, other]);
        }
    }
}
