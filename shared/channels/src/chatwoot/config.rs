//! What an account gives for a Chatwoot sender.

use std::fmt;

use reqwest::RequestBuilder;
use serde_json::Value;

use crate::fields::{FieldErrors, Rule, check, is_origin, is_secret};

/// Chatwoot's own installation.
pub const DEFAULT_ORIGIN: &str = "https://app.chatwoot.com";

/// A sender's open settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Another installation's origin; the path is appended.
    pub base_url: Option<String>,
    pub account_id: String,
}

impl Config {
    /// Reads the sender's `config`.
    ///
    /// # Errors
    /// Every wrong field by name.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        check(
            value,
            &[
                Rule {
                    name: "base_url",
                    required: false,
                    valid: is_origin,
                    expected: "an origin (scheme, host and port)",
                },
                Rule { name: "account_id", required: true, valid: is_number, expected: "the account's number" },
            ],
        )?;
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Ok(Self { base_url: text("base_url"), account_id: text("account_id").unwrap_or_default() })
    }

    /// `{origin}/api/v1/accounts/{account}/conversations/{id}{edge}`. The id is digits ([`is_number`]).
    pub(super) fn conversation(&self, id: &str, edge: &str) -> String {
        let origin = self.base_url.as_deref().unwrap_or(DEFAULT_ORIGIN).trim_end_matches('/');
        format!("{origin}/api/v1/accounts/{}/conversations/{id}{edge}", self.account_id)
    }
}

/// Chatwoot's ids of accounts, conversations and messages.
pub(super) fn is_number(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// A sender's secrets. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Of a user, not of an agent bot: only a user may assign conversations.
    pub api_access_token: String,
    /// Key of the webhooks' signatures; on an installation that signs none the `token` of their address.
    pub webhook_secret: String,
}

impl Credentials {
    /// Reads the sender's `credentials`.
    ///
    /// # Errors
    /// Every wrong field by name, never its value.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let rule =
            |name| Rule { name, required: true, valid: is_secret, expected: "1 to 4096 visible ASCII characters" };
        check(value, &["api_access_token", "webhook_secret"].map(rule))?;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Ok(Self { api_access_token: text("api_access_token"), webhook_secret: text("webhook_secret") })
    }

    pub(super) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("api_access_token", &self.api_access_token)
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
    fn the_path_follows_the_origin() {
        let config = Config::parse(&json!({"base_url": "https://chat.example.com/", "account_id": "7"})).unwrap();
        let url = "https://chat.example.com/api/v1/accounts/7/conversations/42/messages";
        assert_eq!(config.conversation("42", "/messages"), url);
        let config = Config::parse(&json!({"account_id": "7"})).unwrap();
        assert_eq!(config.conversation("42", ""), "https://app.chatwoot.com/api/v1/accounts/7/conversations/42");
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = json!({"base_url": "https://x/y", "account_id": "1/../2", "inbox": 1});
        let named: Vec<_> = Config::parse(&wrong).unwrap_err().0.into_iter().map(|e| (e.pointer, e.code)).collect();
        let expected = [("/base_url", "invalid_value"), ("/account_id", "invalid_value"), ("/inbox", "unknown_field")];
        assert_eq!(named, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
        assert_eq!(Config::parse(&json!({"account_id": 7})).unwrap_err().0.len(), 1);
    }

    #[test]
    fn secrets_are_shown_nowhere() {
        let good = json!({"api_access_token": "a-secret", "webhook_secret": "b-secret"});
        assert!(!format!("{:?}", Credentials::parse(&good).unwrap()).contains("secret"));
        let errors = Credentials::parse(&json!({"api_access_token": "a secret", "webhook_secret": ""})).unwrap_err();
        assert_eq!((errors.0.len(), errors.to_string().contains("a secret")), (2, false));
    }
}
