//! Chatwoot conformance: webhooks as its presenters write them (re-created from chatwoot's
//! `app/presenters/conversations/event_data_presenter.rb`, `app/models/message.rb`), signatures as
//! `lib/webhooks/trigger.rb` makes them, and bodies that nobody sends.
#![allow(clippy::unwrap_used)]

mod mutate;

use std::collections::BTreeMap;

use channels::chatwoot::{Config, Credentials, SIGNATURE_HEADER, TIMESTAMP_HEADER, normalise, verify};
use channels::{Malformed, Webhook};
use domain::conversation::InConversation;
use domain::message::InboundEvent;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

const NOW: Timestamp = Timestamp(1_772_452_800);

#[derive(Deserialize)]
struct Case {
    body: Value,
    events: Value,
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(include_str!("fixtures/chatwoot.json")).unwrap()
}

fn config() -> Config {
    Config::parse(&json!({"base_url": "https://app.chatwoot.com", "account_id": "7"})).unwrap()
}

fn known(webhook_secret: &str) -> Credentials {
    Credentials::parse(&json!({"api_access_token": "t", "webhook_secret": webhook_secret})).unwrap()
}

fn hex(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(http::HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn every_kind_of_webhook_is_read() {
    for (name, case) in cases() {
        let raw = case.body.to_string();
        let events = normalise(raw.as_bytes(), &config(), NOW).unwrap();
        assert_eq!(serde_json::to_value(&events).unwrap(), case.events, "{name}");
        assert_eq!(normalise(raw.as_bytes(), &config(), NOW).unwrap(), events, "{name}, delivered again");
    }
    assert_eq!(normalise(b"<html>", &config(), NOW), Err(Malformed));
}

/// The sample of chatwoot's own `spec/lib/webhooks/trigger_spec.rb`: `{"hello":"hello"}`.
#[test]
fn only_a_signature_over_time_and_body_counts() {
    let body = br#"{"hello":"hello"}"#;
    let time = NOW.0.to_string();
    let good = format!("sha256={}", hex("s3cret", &[time.as_bytes(), b".", body]));
    let check = |raw: &[u8], pairs: &[(&str, &str)], query: &[(&str, &str)], now: i64| {
        let query: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let headers = headers(pairs);
        verify(&Webhook { raw, headers: &headers, query: &query }, &known("s3cret"), Timestamp(now))
    };
    let signed = |signature: &str, time: &str| {
        check(body, &[(SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, time)], &[], NOW.0)
    };
    assert!(signed(&good, &time));
    for (skew, fresh) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let pairs = [(SIGNATURE_HEADER, good.as_str()), (TIMESTAMP_HEADER, time.as_str())];
        assert_eq!(check(body, &pairs, &[], NOW.0 + skew), fresh, "{skew}");
    }
    let later = (NOW.0 + 1).to_string();
    assert!(!signed(&good, &later), "another time");
    assert!(!signed(&good, ""), "no time");
    assert!(!signed(&good, &format!("{time}.0")), "a time that is no number");
    let flipped =
        if good.ends_with('0') { good.replacen("=", "=0", 1) } else { format!("{}0", &good[..good.len() - 1]) };
    for (name, signature) in [
        ("a flipped digit", flipped),
        ("another secret", format!("sha256={}", hex("other", &[time.as_bytes(), b".", body]))),
        ("the body alone", format!("sha256={}", hex("s3cret", &[body]))),
        ("another separator", format!("sha256={}", hex("s3cret", &[time.as_bytes(), b":", body]))),
        ("another algorithm's name", good.replace("sha256", "sha1")),
        ("no algorithm", good.replace("sha256=", "")),
        ("upper case", good.to_uppercase().replace("SHA256", "sha256")),
        ("nothing", String::new()),
    ] {
        assert!(!signed(&signature, &time), "{name}");
    }
    let both = [(SIGNATURE_HEADER, good.as_str()), (TIMESTAMP_HEADER, time.as_str())];
    assert!(!check(br#"{"hello": "hello"}"#, &both, &[], NOW.0), "written again");
    let doubled = [both[0], both[1], (SIGNATURE_HEADER, good.as_str())];
    assert!(!check(body, &doubled, &[], NOW.0), "two signatures");
    assert!(!check(body, &both[..1], &[], NOW.0), "a signature without a time");
    assert!(!check(body, &both[1..], &[], NOW.0), "a time without a signature");
}

#[test]
fn a_token_counts_where_nothing_is_signed() {
    let check = |pairs: &[(&str, &str)], query: &[(&str, &str)]| {
        let query: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let headers = headers(pairs);
        verify(&Webhook { raw: b"{}", headers: &headers, query: &query }, &known("s3cret"), NOW)
    };
    assert!(check(&[], &[("token", "s3cret")]));
    assert!(!check(&[], &[]), "no proof at all");
    assert!(!check(&[], &[("token", "S3cret")]));
    assert!(!check(&[], &[("token", "")]));
    assert!(!check(&[], &[("token", "s3cret"), ("token", "s3cret")]), "which of two?");
    // Whoever signs is held to it.
    let (time, wrong) = (NOW.0.to_string(), format!("sha256={}", "0".repeat(64)));
    for pairs in [
        &[(SIGNATURE_HEADER, wrong.as_str()), (TIMESTAMP_HEADER, time.as_str())][..],
        &[(SIGNATURE_HEADER, wrong.as_str())],
        &[(TIMESTAMP_HEADER, time.as_str())],
    ] {
        assert!(!check(pairs, &[("token", "s3cret")]), "{pairs:?}");
    }
}

/// Mutated payloads never panic, and never give an event that nobody can be found by or told apart.
#[test]
fn mutated_bodies_are_survived() {
    let seeds: Vec<Value> = cases().into_values().map(|case| case.body).collect();
    let (config, known) = (config(), known("s3cret"));
    for seed in 0..mutate::count(20_000) {
        let (raw, _) = mutate::body(&seeds, seed);
        let events = normalise(&raw, &config, NOW).unwrap_or_default();
        assert!(events.len() <= 2, "seed {seed}");
        for event in events {
            match event {
                InboundEvent::Conversation(event) => {
                    assert!(event.conversation.bytes().all(|b| b.is_ascii_digit()), "seed {seed}");
                    assert!(event.at.0 > 0, "seed {seed}");
                    if let InConversation::Received(message) = event.what {
                        assert!(message.id.starts_with("chatwoot:7:") && message.at == event.at, "seed {seed}");
                    }
                }
                InboundEvent::Status(update) => assert!(update.reference.is_some(), "seed {seed}"),
                InboundEvent::Identified { identities } => assert!(identities.len() > 1, "seed {seed}"),
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        // The signature check sees foreign bytes first.
        let signature = String::from_utf8_lossy(&raw[..raw.len().min(71)]).replace(|c: char| c.is_control(), "");
        if let (Ok(signature), Ok(time)) = (HeaderValue::from_str(&signature), HeaderValue::from_str("1772452800")) {
            let headers = HeaderMap::from_iter([
                (SIGNATURE_HEADER.parse().unwrap(), signature),
                (TIMESTAMP_HEADER.parse().unwrap(), time),
            ]);
            assert!(!verify(&Webhook { raw: &raw, headers: &headers, query: &[] }, &known, NOW), "seed {seed}");
        }
    }
}
