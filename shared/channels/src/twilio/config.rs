//! What an account gives for a Twilio sender.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::fields::{FieldError, FieldErrors, Rule, check, is_origin, is_path_id, is_secret, parse};
use crate::sms::is_e164;

/// Where Twilio serves its API.
pub const DEFAULT_ORIGIN: &str = "https://api.twilio.com";

/// A sender's open settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The account that is charged, `AC…`.
    pub account_sid: String,
    pub from: From,
    /// Another origin than Twilio's; the path is appended.
    pub base_url: Option<String>,
    /// The webhook's address as Twilio calls it: Twilio signs it, and calls it with our reference in its
    /// query for statuses.
    pub public_webhook_url: String,
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A number in E.164, a short code, or a name where the country allows one.
    Number(String),
    /// A pool of numbers, from which Twilio chooses.
    MessagingService(String),
}

impl Config {
    /// Reads the sender's `config`.
    ///
    /// # Errors
    /// Every wrong field by name.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let rule = |name, required, valid, expected| Rule { name, required, valid, expected };
        let id = "1 to 64 letters, digits, - or _";
        let from = "a number like +5511987654321, a short code, or a name of at most 11 letters and digits";
        let url = "an http or https URL of at most 512 characters without user, query and fragment";
        let checked = check(
            value,
            &[
                rule("account_sid", true, is_path_id, id),
                rule("from", false, is_sender, from),
                rule("messaging_service_sid", false, is_path_id, id),
                rule("base_url", false, is_origin, "an origin (scheme, host and port)"),
                rule("public_webhook_url", true, is_webhook, url),
            ],
        );
        let mut errors = checked.err().map(|errors| errors.0).unwrap_or_default();
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let given = |name: &str| value.get(name).is_some_and(|value| !value.is_null());
        let wrong =
            |pointer: &str, code, detail: &str| FieldError { pointer: pointer.into(), code, detail: detail.into() };
        match (given("from"), given("messaging_service_sid")) {
            _ if !value.is_object() => {}
            (false, false) => {
                errors.push(wrong("/from", "missing_field", "is required, or messaging_service_sid"));
            }
            (true, true) => {
                errors.push(wrong("/messaging_service_sid", "invalid_value", "must not stand beside from"));
            }
            _ => {}
        }
        let from = text("from").map(From::Number).or_else(|| text("messaging_service_sid").map(From::MessagingService));
        match (text("account_sid"), from, text("public_webhook_url")) {
            (Some(account_sid), Some(from), Some(public_webhook_url)) if errors.is_empty() => {
                Ok(Self { account_sid, from, base_url: text("base_url"), public_webhook_url })
            }
            _ => Err(FieldErrors(errors)),
        }
    }

    pub(super) fn messages_url(&self) -> String {
        let origin = self.base_url.as_deref().unwrap_or(DEFAULT_ORIGIN).trim_end_matches('/');
        format!("{origin}/2010-04-01/Accounts/{}/Messages.json", self.account_sid)
    }
}

fn is_sender(text: &str) -> bool {
    let short_code = (3..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let name = (1..=11).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'_' | b'&' | b'+'))
        && text.bytes().any(|b| b.is_ascii_alphabetic());
    is_e164(text) || short_code || name
}

/// Its text is signed as it stands here, so nothing about it may be ambiguous.
fn is_webhook(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else { return false };
    matches!(url.scheme(), "http" | "https")
        && (text.starts_with("http://") || text.starts_with("https://"))
        && text.len() <= 512
        && text.bytes().all(|b| b.is_ascii_graphic())
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && !text.contains(['?', '#', '@', '\\'])
}

/// A sender's secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The account's primary auth token: password of the calls, key of the webhooks' signatures.
    pub auth_token: String,
}

impl Credentials {
    /// Reads the sender's `credentials`.
    ///
    /// # Errors
    /// Every wrong field by name, never its value.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let expected = "1 to 4096 visible ASCII characters";
        parse(value, &[Rule { name: "auth_token", required: true, valid: is_secret, expected }])
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const WEBHOOK: &str = "https://ritmo.example.com/webhooks/twilio/snd_1";

    fn named(config: Value) -> Vec<(String, &'static str)> {
        let errors = Config::parse(&config).map_or_else(|e| e.0, |_| Vec::new());
        errors.into_iter().map(|e| (e.pointer, e.code)).collect()
    }

    #[test]
    fn a_number_or_a_service_sends() {
        let config = Config::parse(&json!({"account_sid": "AC1", "from": "+15005550006", "base_url": null,
            "messaging_service_sid": null, "public_webhook_url": WEBHOOK}))
        .unwrap();
        assert_eq!(config.from, From::Number("+15005550006".into()));
        assert_eq!(config.messages_url(), "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
        let config = Config::parse(&json!({"account_sid": "AC1", "messaging_service_sid": "MG1",
            "base_url": "http://127.0.0.1:9/", "public_webhook_url": WEBHOOK}))
        .unwrap();
        assert_eq!(config.from, From::MessagingService("MG1".into()));
        assert_eq!(config.messages_url(), "http://127.0.0.1:9/2010-04-01/Accounts/AC1/Messages.json");
        let sender = |from: &str| named(json!({"account_sid": "AC1", "from": from, "public_webhook_url": WEBHOOK}));
        for good in ["+5511987654321", "28149", "Loja Um"] {
            assert_eq!(sender(good), [], "{good}");
        }
        for bad in ["", "whatsapp:+5511987654321", "5511987654321", "A name too long", "Lojão", "28"] {
            assert_eq!(sender(bad), [("/from".into(), "invalid_value")], "{bad}");
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(
            named(json!({"account_sid": "AC/1", "base_url": "https://x/y", "public_webhook_url": 7, "sid": "x"})),
            [
                ("/account_sid".into(), "invalid_value"),
                ("/base_url".into(), "invalid_value"),
                ("/public_webhook_url".into(), "invalid_type"),
                ("/sid".into(), "unknown_field"),
                ("/from".into(), "missing_field"),
            ]
        );
        let both = json!({"account_sid": "AC1", "from": "28149", "messaging_service_sid": "MG1",
            "public_webhook_url": WEBHOOK});
        assert_eq!(named(both), [("/messaging_service_sid".into(), "invalid_value")]);
        assert_eq!(named(json!([])), [(String::new(), "invalid_type")]);
        for url in [
            "ritmo.example.com",
            "ftp://x",
            "https://x/?a=1",
            "https://x/#a",
            "https://u:p@x/",
            "https:x",
            "https://x/ã",
        ] {
            let config = json!({"account_sid": "AC1", "from": "28149", "public_webhook_url": url});
            assert_eq!(named(config), [("/public_webhook_url".into(), "invalid_value")], "{url}");
        }
    }

    #[test]
    fn the_secret_is_shown_nowhere() {
        let credentials = Credentials::parse(&json!({"auth_token": "a-secret"})).unwrap();
        assert!(!format!("{credentials:?}").contains("secret"));
        for wrong in [json!({"auth_token": "a secret"}), json!({"auth_token": 7}), json!({})] {
            let errors = Credentials::parse(&wrong).unwrap_err();
            assert_eq!(errors.0[0].pointer, "/auth_token");
            assert!(!errors.to_string().contains("a secret"));
        }
    }
}
