//! What an account gives for a WhatsApp sender.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::fields::{FieldError, FieldErrors, Rule, check, is_origin, is_path_id, is_secret};

/// Where Meta serves the Graph API.
pub const DEFAULT_ORIGIN: &str = "https://graph.facebook.com";
/// The version that this adapter was written against.
pub const DEFAULT_API_VERSION: &str = "v24.0";

/// A sender's open settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Meta's id of the business number (not the number itself).
    pub phone_number_id: String,
    /// The WhatsApp Business Account that owns the number and its templates.
    pub waba_id: String,
    /// Graph API version, `v24.0`.
    #[serde(default = "default_api_version")]
    pub api_version: String,
    /// Another origin than Meta's; the path is appended.
    #[serde(default)]
    pub base_url: Option<String>,
}

fn default_api_version() -> String {
    DEFAULT_API_VERSION.into()
}

impl Config {
    /// Reads the sender's `config`.
    ///
    /// # Errors
    /// Every wrong field by name.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let id = "1 to 64 letters, digits, - or _";
        check(
            value,
            &[
                Rule { name: "phone_number_id", required: true, valid: is_path_id, expected: id },
                Rule { name: "waba_id", required: true, valid: is_path_id, expected: id },
                Rule { name: "api_version", required: false, valid: is_version, expected: "a version like v24.0" },
                Rule {
                    name: "base_url",
                    required: false,
                    valid: is_origin,
                    expected: "an origin (scheme, host and port)",
                },
            ],
        )?;
        deserialize(value)
    }

    /// `{origin}/{version}/{node}/{edge}`.
    pub(super) fn url(&self, node: &str, edge: &str) -> String {
        let origin = self.base_url.as_deref().unwrap_or(DEFAULT_ORIGIN).trim_end_matches('/');
        format!("{origin}/{}/{node}/{edge}", self.api_version)
    }
}

fn is_version(text: &str) -> bool {
    let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| digits(major) && digits(minor))
}

/// A sender's secrets. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Bearer token of a system user.
    pub access_token: String,
    /// Key of the webhook signatures.
    pub app_secret: String,
    /// What Meta must repeat when it verifies the webhook's address.
    pub verify_token: String,
}

impl Credentials {
    /// Reads the sender's `credentials`.
    ///
    /// # Errors
    /// Every wrong field by name, never its value.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let secret = "1 to 4096 visible ASCII characters";
        check(
            value,
            &["access_token", "app_secret", "verify_token"].map(|name| Rule {
                name,
                required: true,
                valid: is_secret,
                expected: secret,
            }),
        )?;
        deserialize(value)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// An explicit null of an optional field counts as left out, for the rules and so for serde.
fn deserialize<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, FieldErrors> {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, field| !field.is_null());
    }
    // The rules above are narrower than the types; serde's own error is kept in case they drift.
    serde_json::from_value(value).map_err(|_| {
        FieldErrors(vec![FieldError {
            pointer: String::new(),
            code: "invalid_value",
            detail: "does not have the provider's shape".into(),
        }])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_metas() {
        let config = Config::parse(&json!({"phone_number_id": "1", "waba_id": "2", "base_url": null})).unwrap();
        assert_eq!(config.url("1", "messages"), "https://graph.facebook.com/v24.0/1/messages");
        let config = Config { base_url: Some("http://127.0.0.1:9/".into()), ..config };
        assert_eq!(config.url("1", "messages"), "http://127.0.0.1:9/v24.0/1/messages");
    }

    #[test]
    fn every_wrong_field_is_named() {
        let errors = Config::parse(&json!({
            "phone_number_id": "1/../2", "api_version": "24", "base_url": "https://x/y", "phone": 1
        }))
        .unwrap_err();
        let named: Vec<_> = errors.0.iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(
            named,
            [
                ("/phone_number_id", "invalid_value"),
                ("/waba_id", "missing_field"),
                ("/api_version", "invalid_value"),
                ("/base_url", "invalid_value"),
                ("/phone", "unknown_field")
            ]
        );
        assert_eq!(Config::parse(&json!([])).unwrap_err().0[0].code, "invalid_type");
    }

    #[test]
    fn secrets_are_shown_nowhere() {
        let value = json!({"access_token": "EAAG-secret", "app_secret": "s-secret", "verify_token": "v-secret"});
        let credentials = Credentials::parse(&value).unwrap();
        assert!(!format!("{credentials:?}").contains("secret"));
        let errors =
            Credentials::parse(&json!({"access_token": "a secret", "app_secret": "", "verify_token": 7})).unwrap_err();
        assert_eq!(errors.0.len(), 3);
        assert!(!errors.to_string().contains("a secret"));
    }
}
