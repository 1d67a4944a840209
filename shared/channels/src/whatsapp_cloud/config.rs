//! What an account gives for a WhatsApp sender.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::fields::{FieldError, FieldErrors, Rule, check, deserialize, is_origin, is_path_id, is_secret, parse};
use crate::sns::Topic;

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
    /// How templates of the category MARKETING go out.
    #[serde(default)]
    pub marketing: Marketing,
    /// AWS's id of the number (`phone-number-id-…`): messages go out through AWS End User Messaging Social,
    /// which is called as the deployment itself, and come in through a topic of SNS.
    #[serde(default)]
    pub relay_phone_number_id: Option<String>,
    /// The deployment's own, if left out.
    #[serde(default)]
    pub relay_region: Option<String>,
    /// The topic to which AWS tells all of the business account. If left out, those of the deployment's own
    /// AWS account count.
    #[serde(default)]
    pub relay_topic_arn: Option<String>,
}

/// The endpoint for templates that the synced list calls MARKETING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marketing {
    /// As all others. An account may have turned that off (131063).
    #[default]
    Cloud,
    /// Meta's Marketing Messages API.
    MarketingMessages,
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
        let origin = "an origin (scheme, host and port)";
        let ways = "cloud or marketing_messages";
        let rule = |name, required, valid, expected| Rule { name, required, valid, expected };
        let checked = check(
            value,
            &[
                rule("phone_number_id", true, is_path_id as fn(&str) -> bool, id),
                rule("waba_id", true, is_path_id, id),
                rule("api_version", false, is_version, "a version like v24.0"),
                rule("base_url", false, is_origin, origin),
                rule("marketing", false, is_marketing, ways),
                rule("relay_phone_number_id", false, is_relay_id, "AWS's id: phone-number-id-…"),
                rule("relay_region", false, is_path_id, "an AWS region like sa-east-1"),
                rule("relay_topic_arn", false, is_topic, "the ARN of an SNS topic"),
            ],
        );
        let mut errors = checked.err().map(|errors| errors.0).unwrap_or_default();
        let relayed = value["relay_phone_number_id"].is_string();
        if relayed && value["marketing"] == "marketing_messages" {
            let detail = "AWS relays to the Cloud API alone".into();
            errors.push(FieldError { pointer: "/marketing".into(), code: "invalid_value", detail });
        }
        if errors.is_empty() { deserialize(value) } else { Err(FieldErrors(errors)) }
    }

    /// `{origin}/{version}/{node}/{edge}`.
    pub(super) fn url(&self, node: &str, edge: &str) -> String {
        let origin = self.base_url.as_deref().unwrap_or(DEFAULT_ORIGIN).trim_end_matches('/');
        format!("{origin}/{}/{node}/{edge}", self.api_version)
    }
}

fn is_relay_id(text: &str) -> bool {
    text.starts_with("phone-number-id-") && is_path_id(text)
}

fn is_topic(text: &str) -> bool {
    Topic::parse(text).is_some()
}

fn is_marketing(text: &str) -> bool {
    matches!(text, "cloud" | "marketing_messages")
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
        parse(
            value,
            &["access_token", "app_secret", "verify_token"].map(|name| Rule {
                name,
                required: true,
                valid: is_secret,
                expected: secret,
            }),
        )
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
    fn a_relay_is_awss_and_has_no_marketing_endpoint() {
        let parse = |more: Value| {
            let mut config = json!({"phone_number_id": "1", "waba_id": "2"});
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Config::parse(&config).map_err(|errors| {
                errors.0.into_iter().map(|e| format!("{} {}", e.pointer, e.code)).collect::<Vec<_>>().join(", ")
            })
        };
        assert_eq!(parse(json!({"marketing": null})).unwrap().marketing, Marketing::Cloud);
        let own = parse(json!({"marketing": "marketing_messages"})).unwrap();
        assert_eq!((own.marketing, own.relay_phone_number_id), (Marketing::MarketingMessages, None));
        let relay = json!({"relay_phone_number_id": "phone-number-id-01", "marketing": "cloud"});
        assert_eq!(parse(relay).unwrap().relay_phone_number_id.as_deref(), Some("phone-number-id-01"));
        for (more, wrong) in [
            (json!({"relay_phone_number_id": "1"}), "/relay_phone_number_id invalid_value"),
            (
                json!({"relay_region": "sa east", "relay_topic_arn": "social"}),
                "/relay_region invalid_value, /relay_topic_arn invalid_value",
            ),
            (
                json!({"relay_phone_number_id": "phone-number-id-01", "marketing": "marketing_messages"}),
                "/marketing invalid_value",
            ),
            (json!({"marketing": "mm"}), "/marketing invalid_value"),
        ] {
            assert_eq!(parse(more).unwrap_err(), wrong);
        }
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
