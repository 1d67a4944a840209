//! What an account gives for a Sinch sender.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::fields::{FieldErrors, Rule, is_origin, is_path_id, is_secret, parse};

/// Where Sinch gives out tokens.
const AUTH_ORIGIN: &str = "https://auth.sinch.com";

/// A sender's open settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub project_id: String,
    /// The Conversation app that has the number.
    pub app_id: String,
    /// Where the app was made: `us`, `eu` or `br`. Nowhere else is it known.
    pub region: String,
    /// Another origin than the region's; the path is appended.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Another origin for tokens.
    #[serde(default)]
    pub auth_url: Option<String>,
}

impl Config {
    /// Reads the sender's `config`.
    ///
    /// # Errors
    /// Every wrong field by name.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let id = "1 to 64 letters, digits, - or _";
        let origin = "an origin (scheme, host and port)";
        parse(
            value,
            &[
                Rule { name: "project_id", required: true, valid: is_path_id, expected: id },
                Rule { name: "app_id", required: true, valid: is_path_id, expected: id },
                Rule { name: "region", required: true, valid: is_region, expected: "us, eu or br" },
                Rule { name: "base_url", required: false, valid: is_origin, expected: origin },
                Rule { name: "auth_url", required: false, valid: is_origin, expected: origin },
            ],
        )
    }

    pub(super) fn send_url(&self) -> String {
        let regional = || format!("https://{}.conversation.api.sinch.com", self.region);
        let origin = self.base_url.clone().unwrap_or_else(regional);
        format!("{}/v1/projects/{}/messages:send", origin.trim_end_matches('/'), self.project_id)
    }

    pub(super) fn token_url(&self) -> String {
        let origin = self.auth_url.as_deref().unwrap_or(AUTH_ORIGIN);
        format!("{}/oauth2/token", origin.trim_end_matches('/'))
    }
}

fn is_region(text: &str) -> bool {
    matches!(text, "us" | "eu" | "br")
}

/// A sender's secrets. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Access key of the project.
    pub key_id: String,
    pub key_secret: String,
    /// Key of the webhook's signatures.
    pub webhook_secret: String,
}

impl Credentials {
    /// Reads the sender's `credentials`.
    ///
    /// # Errors
    /// Every wrong field by name, never its value.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let secret = "1 to 4096 visible ASCII characters";
        let names = ["key_id", "key_secret", "webhook_secret"];
        parse(value, &names.map(|name| Rule { name, required: true, valid: is_secret, expected: secret }))
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

    #[test]
    fn a_region_is_an_origin() {
        let config = Config::parse(&json!({"project_id": "p", "app_id": "a", "region": "br"})).unwrap();
        assert_eq!(config.send_url(), "https://br.conversation.api.sinch.com/v1/projects/p/messages:send");
        assert_eq!(config.token_url(), "https://auth.sinch.com/oauth2/token");
        let config = Config { base_url: Some("http://127.0.0.1:9/".into()), ..config };
        let config = Config { auth_url: Some("http://127.0.0.1:8/".into()), ..config };
        assert_eq!(config.send_url(), "http://127.0.0.1:9/v1/projects/p/messages:send");
        assert_eq!(config.token_url(), "http://127.0.0.1:8/oauth2/token");
    }

    #[test]
    fn every_wrong_field_is_named() {
        let errors = Config::parse(&json!({"project_id": "a/b", "region": "de", "auth_url": "https://x/y"}));
        let named: Vec<_> = errors.unwrap_err().0.into_iter().map(|e| format!("{} {}", e.pointer, e.code)).collect();
        let expected =
            ["/project_id invalid_value", "/app_id missing_field", "/region invalid_value", "/auth_url invalid_value"];
        assert_eq!(named, expected);
        let errors = Credentials::parse(&json!({"key_id": "a secret", "key_secret": "", "token": 7})).unwrap_err();
        assert_eq!(errors.0.len(), 4);
        assert!(!errors.to_string().contains("a secret"));
    }

    #[test]
    fn secrets_are_shown_nowhere() {
        let value = json!({"key_id": "k-secret", "key_secret": "s-secret", "webhook_secret": "w-secret"});
        assert!(!format!("{:?}", Credentials::parse(&value).unwrap()).contains("secret"));
    }
}
