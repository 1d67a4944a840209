//! AWS End User Messaging SMS conformance: events and two-way messages in AWS's documented shapes, and
//! messages that nobody publishes.
#![allow(clippy::unwrap_used)]

mod mutate;

use std::collections::BTreeMap;

use channels::Malformed;
use channels::aws_sms::{Config, normalise};
use domain::message::InboundEvent;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

const PUBLISHED: Timestamp = Timestamp(1_772_452_900);

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

#[test]
fn messages_become_these_events() {
    let cases = cases();
    assert!(cases.len() > 30);
    let config = config("+5511930001000");
    for (name, case) in cases {
        let raw = serde_json::to_vec(&case.message).unwrap();
        let events = normalise(&raw, &config, PUBLISHED).unwrap();
        assert_eq!(serde_json::to_value(&events).unwrap(), case.events, "{name}");
        // The same event again is the same event.
        assert_eq!(normalise(&raw, &config, PUBLISHED).unwrap(), events, "{name}");
    }
}

#[test]
fn a_pool_hears_all_its_numbers() {
    let raw = serde_json::to_vec(&cases()["a reply to another number"].message).unwrap();
    for pool in ["pool-78ec06", "arn:aws:sms-voice:sa-east-1:123456789012:pool/pool-78ec06"] {
        assert_eq!(normalise(&raw, &config(pool), PUBLISHED).unwrap().len(), 1, "{pool}");
    }
}

#[test]
fn no_json_is_malformed() {
    let deep = "[".repeat(100_000);
    for bad in ["", "{", "You have chosen to subscribe to the topic", &deep] {
        assert_eq!(normalise(bad.as_bytes(), &config("pool-1"), PUBLISHED), Err(Malformed));
    }
    for quiet in ["null", "7", "{}", "\"text\""] {
        assert_eq!(normalise(quiet.as_bytes(), &config("pool-1"), PUBLISHED), Ok(vec![]), "{quiet}");
    }
}

/// Mutated messages never panic, never give more than one event, and never one without someone it is from.
#[test]
fn mutated_messages_are_survived() {
    let seeds: Vec<Value> = cases().into_values().map(|case| case.message).collect();
    let config = config("pool-1");
    for seed in 0..mutate::count(20_000) {
        let (raw, _) = mutate::body(&seeds, seed);
        let events = normalise(&raw, &config, PUBLISHED).unwrap_or_default();
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
