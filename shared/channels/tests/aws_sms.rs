//! AWS End User Messaging SMS conformance: events and two-way messages in AWS's documented shapes, and
//! messages that nobody publishes.
#![allow(clippy::unwrap_used)]

mod mutate;

use std::collections::BTreeMap;

use channels::Malformed;
use channels::aws_sms::{Config, normalise};
use domain::message::InboundEvent;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    message: Value,
    events: Value,
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(include_str!("fixtures/aws_sms.json")).unwrap()
}

fn config(identity: &str) -> Config {
    Config::parse(&json!({"origination_identity": identity, "configuration_set": "ritmo"})).unwrap()
}

/// As SNS posts it.
fn posted(message: &str) -> Vec<u8> {
    let body = json!({"Type": "Notification", "MessageId": "5f0d2f0a", "Message": message, "Signature": "eA==",
        "TopicArn": "arn:aws:sns:sa-east-1:123456789012:sms", "Timestamp": "2026-03-02T12:01:40.123Z",
        "SignatureVersion": "2", "SigningCertURL": "https://sns.sa-east-1.amazonaws.com/x.pem"});
    serde_json::to_vec(&body).unwrap()
}

#[test]
fn messages_become_these_events() {
    let cases = cases();
    assert!(cases.len() > 30);
    let config = config("+5511930001000");
    for (name, case) in cases {
        let raw = posted(&case.message.to_string());
        let events = normalise(&raw, &config).unwrap();
        assert_eq!(serde_json::to_value(&events).unwrap(), case.events, "{name}");
        // The same event again is the same event.
        assert_eq!(normalise(&raw, &config).unwrap(), events, "{name}");
    }
}

#[test]
fn a_pool_hears_all_its_numbers() {
    let raw = posted(&cases()["a reply to another number"].message.to_string());
    for pool in ["pool-78ec06", "arn:aws:sms-voice:sa-east-1:123456789012:pool/pool-78ec06"] {
        assert_eq!(normalise(&raw, &config(pool)).unwrap().len(), 1, "{pool}");
    }
}

#[test]
fn what_says_nothing_is_no_error_and_what_sns_does_not_write_is() {
    let deep = "[".repeat(100_000);
    for quiet in ["", "{", "You have chosen to subscribe to the topic", &deep, "null", "7", "{}", "\"text\""] {
        assert_eq!(normalise(&posted(quiet), &config("pool-1")), Ok(vec![]));
    }
    let mut question: Value = serde_json::from_slice(&posted("Confirm?")).unwrap();
    question["Type"] = json!("SubscriptionConfirmation");
    assert_eq!(normalise(&serde_json::to_vec(&question).unwrap(), &config("pool-1")), Ok(vec![]));
    for bad in ["", "{", "{}", "null", &deep] {
        assert_eq!(normalise(bad.as_bytes(), &config("pool-1")), Err(Malformed));
    }
}

/// Mutated messages never panic, never give more than one event, and never one without someone it is from.
#[test]
fn mutated_messages_are_survived() {
    let seeds: Vec<Value> = cases().into_values().map(|case| case.message).collect();
    let config = config("pool-1");
    for seed in 0..mutate::count(20_000) {
        let (raw, _) = mutate::body(&seeds, seed);
        let raw = if seed % 4 == 0 { raw } else { posted(&String::from_utf8_lossy(&raw)) };
        let events = normalise(&raw, &config).unwrap_or_default();
        assert!(events.len() <= 1, "seed {seed}");
        for event in events {
            match event {
                InboundEvent::Message(message) => {
                    assert!(!message.id.is_empty() && message.from.len() == 1, "seed {seed}");
                }
                InboundEvent::Status(status) => assert!(!status.provider_message_id.is_empty(), "seed {seed}"),
                other => panic!("seed {seed}: {other:?}"),
            }
        }
    }
}
