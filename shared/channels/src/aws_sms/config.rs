//! What an account gives for a sender of AWS's. It has no secrets: the deployment's role may send.

use serde::Deserialize;
use serde_json::Value;

use crate::fields::{FieldErrors, Rule, is_region, parse};
use crate::sns::parse_topics;

/// A sender's open settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A phone number, a sender id or a pool, by its name, id or ARN.
    pub origination_identity: String,
    /// Without one AWS tells nobody what became of a message.
    #[serde(default)]
    pub configuration_set: Option<String>,
    /// Where the identity lives; without, the deployment's own region.
    #[serde(default)]
    pub region: Option<String>,
    #[serde(default)]
    pub message_type: MessageType,
    /// The SNS topics that may tell us of this sender. If left out, those of the deployment's own AWS
    /// account.
    #[serde(default)]
    pub topic_arns: Option<Vec<String>>,
}

/// What AWS routes by: promotional messages may be held back, and are forbidden to some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MessageType {
    #[default]
    Transactional,
    Promotional,
}

impl Config {
    /// Reads the sender's `config`.
    ///
    /// # Errors
    /// Every wrong field by name.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let rule = |name, required, valid, expected| Rule { name, required, valid, expected };
        let mut texts = value.clone();
        let topics = texts.as_object_mut().and_then(|object| object.remove("topic_arns")).unwrap_or_default();
        let texts: Result<Self, _> = parse(
            &texts,
            &[
                rule("origination_identity", true, is_name, "a number, id or ARN of at most 256 characters"),
                rule("configuration_set", false, is_name, "a name or ARN of at most 256 characters"),
                rule("region", false, is_region, "a region like sa-east-1"),
                rule("message_type", false, is_message_type, "TRANSACTIONAL or PROMOTIONAL"),
            ],
        );
        match (texts, parse_topics(topics)) {
            (Ok(config), Ok(topic_arns)) => Ok(Self { topic_arns, ..config }),
            (Ok(_), Err(wrong)) => Err(FieldErrors(vec![wrong])),
            (Err(errors), topics) => Err(FieldErrors(errors.0.into_iter().chain(topics.err()).collect())),
        }
    }
}

/// AWS's own pattern for both.
fn is_name(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':' | b'/' | b'+'))
}

fn is_message_type(text: &str) -> bool {
    matches!(text, "TRANSACTIONAL" | "PROMOTIONAL")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_identity_is_needed() {
        let config = Config::parse(&json!({"origination_identity": "+5511930001000", "region": null})).unwrap();
        assert_eq!((config.message_type, config.region), (MessageType::Transactional, None));
        let config = Config::parse(&json!({
            "origination_identity": "arn:aws:sms-voice:sa-east-1:123456789012:pool/pool-78ec06",
            "configuration_set": "ritmo", "region": "sa-east-1", "message_type": "PROMOTIONAL"
        }))
        .unwrap();
        assert_eq!((config.message_type, config.region.as_deref()), (MessageType::Promotional, Some("sa-east-1")));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let errors = Config::parse(&json!({
            "origination_identity": "", "configuration_set": "a b", "region": "http://x", "message_type": "promo",
            "base_url": "https://example.com", "topic_arns": "arn:aws:sns:us-east-1:123456789012:sms"
        }))
        .unwrap_err();
        let named: Vec<_> = errors.0.iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(
            named,
            [
                ("/origination_identity", "invalid_value"),
                ("/configuration_set", "invalid_value"),
                ("/region", "invalid_value"),
                ("/message_type", "invalid_value"),
                ("/base_url", "unknown_field"),
                ("/topic_arns", "invalid_type"),
            ]
        );
        assert_eq!(Config::parse(&json!({})).unwrap_err().0[0].code, "missing_field");
    }
}
