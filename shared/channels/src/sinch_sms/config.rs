//! What an account gives for a Sinch SMS sender.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::fields::{FieldErrors, Rule, is_origin, is_path_id, is_secret, parse};

/// A sender's open settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub service_plan_id: String,
    /// A number, a short code, or a name that nobody can answer.
    pub from: String,
    /// Where the plan was made: `us`, `eu`, `br`, `au` or `ca`.
    pub region: String,
    /// Another origin than the region's; the path is appended.
    #[serde(default)]
    pub base_url: Option<String>,
}

impl Config {
    /// Reads the sender's `config`.
    ///
    /// # Errors
    /// Every wrong field by name.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let id = "1 to 64 letters, digits, - or _";
        let from = "a phone number, a short code, or a name of at most 11 letters, digits and spaces";
        let origin = "an origin (scheme, host and port)";
        parse(
            value,
            &[
                Rule { name: "service_plan_id", required: true, valid: is_path_id, expected: id },
                Rule { name: "from", required: true, valid: is_originator, expected: from },
                Rule { name: "region", required: true, valid: is_region, expected: "us, eu, br, au or ca" },
                Rule { name: "base_url", required: false, valid: is_origin, expected: origin },
            ],
        )
    }

    pub(super) fn send_url(&self) -> String {
        let regional = || format!("https://{}.sms.api.sinch.com", self.region);
        let origin = self.base_url.clone().unwrap_or_else(regional);
        format!("{}/xms/v1/{}/batches", origin.trim_end_matches('/'), self.service_plan_id)
    }
}

fn is_region(text: &str) -> bool {
    matches!(text, "us" | "eu" | "br" | "au" | "ca")
}

fn is_originator(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let number = (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let name = (1..=11).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
    number || name
}

/// A sender's secrets. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Bearer token of the service plan.
    pub api_token: String,
    /// With the password, what callbacks say who they are by.
    pub webhook_user: String,
    pub webhook_password: String,
}

impl Credentials {
    /// Reads the sender's `credentials`.
    ///
    /// # Errors
    /// Every wrong field by name, never its value.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let secret = "1 to 4096 visible ASCII characters";
        let user = "1 to 4096 visible ASCII characters without a colon";
        parse(
            value,
            &[
                Rule { name: "api_token", required: true, valid: is_secret, expected: secret },
                Rule { name: "webhook_user", required: true, valid: is_user, expected: user },
                Rule { name: "webhook_password", required: true, valid: is_secret, expected: secret },
            ],
        )
    }
}

/// The colon ends a user's name.
fn is_user(text: &str) -> bool {
    is_secret(text) && !text.contains(':')
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

    #[test]
    fn a_region_is_an_origin() {
        let config = Config::parse(&json!({"service_plan_id": "sp", "from": "+15550001", "region": "br"})).unwrap();
        assert_eq!(config.send_url(), "https://br.sms.api.sinch.com/xms/v1/sp/batches");
        let config = Config { base_url: Some("http://127.0.0.1:9/".into()), ..config };
        assert_eq!(config.send_url(), "http://127.0.0.1:9/xms/v1/sp/batches");
    }

    #[test]
    fn an_originator_is_a_number_or_a_name() {
        for (from, valid) in [
            ("+5511987654321", true),
            ("28444", true),
            ("Loja Azul", true),
            ("", false),
            ("+", false),
            ("Loja Azul Ltda", false),
            ("Loja ", false),
            ("Café", false),
            ("+55 11", false),
        ] {
            assert_eq!(is_originator(from), valid, "{from}");
        }
    }

    #[test]
    fn every_wrong_field_is_named_and_no_secret_is_shown() {
        let errors = Config::parse(&json!({"service_plan_id": "a/b", "region": "de", "to": "x"})).unwrap_err();
        let named: Vec<_> = errors.0.iter().map(|e| format!("{} {}", e.pointer, e.code)).collect();
        let expected =
            ["/service_plan_id invalid_value", "/from missing_field", "/region invalid_value", "/to unknown_field"];
        assert_eq!(named, expected);
        let value = json!({"api_token": "t-secret", "webhook_user": "a:secret", "webhook_password": "p-secret"});
        let errors = Credentials::parse(&value).unwrap_err();
        assert_eq!(errors.0[0].pointer, "/webhook_user");
        assert!(!errors.to_string().contains("secret"));
        let value = json!({"api_token": "t-secret", "webhook_user": "u-secret", "webhook_password": "p:secret"});
        assert!(!format!("{:?}", Credentials::parse(&value).unwrap()).contains("secret"));
    }
}
