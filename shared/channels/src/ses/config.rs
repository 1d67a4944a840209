//! What an account gives for an email sender.

use serde::Deserialize;
use serde_json::Value;

use super::address::{Mailbox, is_address, is_domain};
use crate::fields::{FieldErrors, Rule, is_path_id, is_region, parse};
use crate::sns::parse_topics;

/// A sender's settings. SES is called as the deployment itself, so there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `loja@example.com` or `Loja <loja@example.com>`, of an identity that is verified at SES.
    pub from: String,
    /// Where answers go that no `inbound_domain` takes.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Its event destination tells what became of a message.
    #[serde(default)]
    pub configuration_set: Option<String>,
    /// The deployment's own, if left out.
    #[serde(default)]
    pub region: Option<String>,
    /// A domain whose mail SES receives for us: answers come back by it.
    #[serde(default)]
    pub inbound_domain: Option<String>,
    /// The domain of the Message-IDs that SES writes, should it not be what the region says.
    #[serde(default)]
    pub message_id_domain: Option<String>,
    /// The SNS topics that may tell us of this sender. If left out, those of the deployment's own AWS
    /// account.
    #[serde(default)]
    pub topic_arns: Option<Vec<String>>,
}

impl Config {
    /// Reads the sender's `config`.
    ///
    /// # Errors
    /// Every wrong field by name.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let rule = |name, valid, expected| Rule { name, required: name == "from", valid, expected };
        let mut texts = value.clone();
        let topics = texts.as_object_mut().and_then(|object| object.remove("topic_arns")).unwrap_or_default();
        let texts: Result<Self, _> = parse(
            &texts,
            &[
                rule("from", is_mailbox, "an address, or a name and an address: Loja <loja@example.com>"),
                rule("reply_to", is_address, "an email address"),
                rule("configuration_set", is_path_id, "1 to 64 letters, digits, - or _"),
                rule("region", is_region, "an AWS region like sa-east-1"),
                rule("inbound_domain", is_domain, "a domain like reply.example.com"),
                rule("message_id_domain", is_domain, "a domain like sa-east-1.amazonses.com"),
            ],
        );
        match (texts, parse_topics(topics)) {
            (Ok(config), Ok(topic_arns)) => Ok(Self { topic_arns, ..config }),
            (Ok(_), Err(wrong)) => Err(FieldErrors(vec![wrong])),
            (Err(errors), topics) => Err(FieldErrors(errors.0.into_iter().chain(topics.err()).collect())),
        }
    }

    /// Who sends.
    pub(super) fn mailbox(&self) -> Mailbox {
        Mailbox::parse(&self.from).unwrap_or_else(|| Mailbox { name: String::new(), address: self.from.clone() })
    }

    /// A Message-ID as the emails of `region` carry it; `None` for what is no id of SES's. Only us-east-1
    /// has a domain of its own kind.
    pub(super) fn message_id(&self, id: &str, region: &str) -> Option<String> {
        let domain = match (&self.message_id_domain, region) {
            (Some(domain), _) => domain.clone(),
            (None, "us-east-1") => "email.amazonses.com".to_owned(),
            (None, region) => format!("{region}.amazonses.com"),
        };
        is_message_id(id).then(|| format!("<{id}@{domain}>"))
    }
}

fn is_message_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_mailbox(text: &str) -> bool {
    Mailbox::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_smallest_sender_is_an_address() {
        let config = Config::parse(&json!({"from": "loja@example.com", "region": null, "topic_arns": null})).unwrap();
        assert_eq!((config.region.as_deref(), config.topic_arns.as_deref()), (None, None));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let errors =
            Config::parse(&json!({"from": "Loja", "reply_to": "x", "configuration_set": "a b", "region": "US",
            "inbound_domain": "localhost", "topic_arns": ["arn:aws:sqs:us-east-1:123456789012:email"], "x": 1}));
        let errors = errors.unwrap_err().0;
        let named: Vec<_> = errors.iter().map(|e| (e.pointer.as_str(), e.code)).collect();
        assert_eq!(
            named,
            [
                ("/from", "invalid_value"),
                ("/reply_to", "invalid_value"),
                ("/configuration_set", "invalid_value"),
                ("/region", "invalid_value"),
                ("/inbound_domain", "invalid_value"),
                ("/x", "unknown_field"),
                ("/topic_arns", "invalid_value"),
            ]
        );
        for topics in [json!("arn:aws:sns:us-east-1:123456789012:email"), json!([1])] {
            let errors = Config::parse(&json!({"from": "a@example.com", "topic_arns": topics})).unwrap_err();
            assert_eq!(errors.0[0].code, "invalid_type");
        }
        assert!(Config::parse(&json!({"from": "a@example.com", "topic_arns": []})).is_err());
    }

    #[test]
    fn message_ids_have_their_regions_domain() {
        let check = |config: Value, region: &str, expected: Option<&str>| {
            let config = Config::parse(&config).unwrap();
            assert_eq!(config.message_id("0100-a-000000", region).as_deref(), expected);
        };
        let plain = json!({"from": "a@example.com"});
        check(plain.clone(), "us-east-1", Some("<0100-a-000000@email.amazonses.com>"));
        check(plain, "sa-east-1", Some("<0100-a-000000@sa-east-1.amazonses.com>"));
        let named = json!({"from": "a@example.com", "message_id_domain": "mail.example.com"});
        check(named.clone(), "us-east-1", Some("<0100-a-000000@mail.example.com>"));
        let config = Config::parse(&named).unwrap();
        for id in ["", "a b", "a>\r\nBcc: <b", "<a@b>", &"a".repeat(200)] {
            assert_eq!(config.message_id(id, "us-east-1"), None);
        }
    }
}
