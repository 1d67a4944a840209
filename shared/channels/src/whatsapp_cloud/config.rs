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
    /// Messages go out through AWS, and come in through its topics.
    #[serde(default)]
    pub relay: Option<Relay>,
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

/// A number that belongs to AWS End User Messaging Social. AWS is called as the deployment itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// AWS's id of the number: `phone-number-id-…`.
    pub phone_number_id: String,
    /// The deployment's own, if left out.
    #[serde(default)]
    pub region: Option<String>,
    /// The SNS topic to which AWS tells all of the business account. If left out, those of the deployment's
    /// own AWS account count.
    #[serde(default)]
    pub topic_arn: Option<String>,
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
        let mut texts = value.clone();
        let relay = texts.as_object_mut().and_then(|object| object.remove("relay")).filter(|relay| !relay.is_null());
        let of_texts = check(
            &texts,
            &[
                Rule { name: "phone_number_id", required: true, valid: is_path_id, expected: id },
                Rule { name: "waba_id", required: true, valid: is_path_id, expected: id },
                Rule { name: "api_version", required: false, valid: is_version, expected: "a version like v24.0" },
                Rule { name: "base_url", required: false, valid: is_origin, expected: origin },
                Rule { name: "marketing", required: false, valid: is_marketing, expected: ways },
            ],
        );
        let mut errors = of_texts.err().map(|errors| errors.0).unwrap_or_default();
        if let Some(relay) = &relay {
            errors.extend(wrong_relay(relay));
            if texts["marketing"] == "marketing_messages" {
                let detail = "AWS relays to the Cloud API alone".into();
                errors.push(FieldError { pointer: "/marketing".into(), code: "invalid_value", detail });
            }
        }
        if errors.is_empty() { deserialize(value) } else { Err(FieldErrors(errors)) }
    }

    /// `{origin}/{version}/{node}/{edge}`.
    pub(super) fn url(&self, node: &str, edge: &str) -> String {
        let origin = self.base_url.as_deref().unwrap_or(DEFAULT_ORIGIN).trim_end_matches('/');
        format!("{origin}/{}/{node}/{edge}", self.api_version)
    }
}

fn wrong_relay(relay: &Value) -> Vec<FieldError> {
    let rules = [
        Rule { name: "phone_number_id", required: true, valid: is_relay_id, expected: "AWS's id: phone-number-id-…" },
        Rule { name: "region", required: false, valid: is_path_id, expected: "an AWS region like sa-east-1" },
        Rule { name: "topic_arn", required: false, valid: is_topic, expected: "the ARN of an SNS topic" },
    ];
    let wrong = check(relay, &rules).err().map(|errors| errors.0).unwrap_or_default();
    wrong.into_iter().map(|error| FieldError { pointer: format!("/relay{}", error.pointer), ..error }).collect()
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
        let parse = |relay: Value, marketing: Value| {
            let config = json!({"phone_number_id": "1", "waba_id": "2", "relay": relay, "marketing": marketing});
            Config::parse(&config).map_err(|errors| {
                errors.0.into_iter().map(|e| format!("{} {}", e.pointer, e.code)).collect::<Vec<_>>().join(", ")
            })
        };
        assert_eq!(parse(json!(null), json!(null)).unwrap().relay, None);
        assert_eq!(parse(json!(null), json!("marketing_messages")).unwrap().marketing, Marketing::MarketingMessages);
        let relay = parse(json!({"phone_number_id": "phone-number-id-01"}), json!("cloud")).unwrap().relay.unwrap();
        assert_eq!((relay.phone_number_id.as_str(), relay.region), ("phone-number-id-01", None));
        for (relay, marketing, wrong) in [
            (json!({"phone_number_id": "1"}), "cloud", "/relay/phone_number_id invalid_value"),
            (
                json!({"region": "sa east"}),
                "cloud",
                "/relay/phone_number_id missing_field, /relay/region invalid_value",
            ),
            (json!("phone-number-id-01"), "cloud", "/relay invalid_type"),
            (json!({"phone_number_id": "phone-number-id-01"}), "marketing_messages", "/marketing invalid_value"),
            (json!(null), "mm", "/marketing invalid_value"),
        ] {
            assert_eq!(parse(relay, json!(marketing)).unwrap_err(), wrong);
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
