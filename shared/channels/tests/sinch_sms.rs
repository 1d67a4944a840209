//! Sinch SMS's callbacks: payload shapes as its SDKs' test resources have them, who may send them, and
//! bodies that nobody sends.
#![allow(clippy::unwrap_used)]

mod mutate;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channels::{Malformed, Webhook};
use domain::ids::{Ids, SenderId, TenantId};
use domain::message::{Channel, InboundEvent, ProviderKind};
use domain::sender::Sender;
use domain::time::Timestamp;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    body: Value,
    events: Value,
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(include_str!("fixtures/sinch_sms.json")).unwrap()
}

fn sender() -> Sender {
    let mut ids = Ids::from_seed([4; 32]);
    let id = SenderId::of(TenantId::new(&mut ids), &mut ids);
    let config = json!({"service_plan_id": "sp", "from": "28444", "region": "br"});
    Sender::new(id, Timestamp(0), Channel::Sms, ProviderKind::SinchSms, config)
}

fn normalise(raw: &[u8]) -> Result<Vec<InboundEvent>, Malformed> {
    let webhook = Webhook { raw, headers: &HeaderMap::new(), query: &[] };
    channels::normalise(&sender(), &webhook, Timestamp(1_772_500_000))
}

#[test]
fn payloads_become_these_events() {
    let cases = cases();
    assert!(cases.len() > 30);
    for (name, case) in cases {
        let raw = serde_json::to_vec(&case.body).unwrap();
        let events = normalise(&raw).unwrap();
        assert_eq!(serde_json::to_value(&events).unwrap(), case.events, "{name}");
        assert_eq!(normalise(&raw).unwrap(), events, "{name}");
    }
}

#[test]
fn json_without_meaning_is_no_error_and_no_json_is() {
    for quiet in ["{}", "[]", "null", r#"{"type":"mo_text"}"#, r#"{"type":["mo_text"]}"#] {
        assert_eq!(normalise(quiet.as_bytes()), Ok(vec![]), "{quiet}");
    }
    let deep = "[".repeat(100_000);
    for bad in ["", "{", "type=mo_text", &deep] {
        assert_eq!(normalise(bad.as_bytes()), Err(Malformed), "{}", &bad[..bad.len().min(20)]);
    }
}

#[test]
fn only_our_user_and_password_count() {
    let verify = |authorization: &[&str], user: &str, password: &str| {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append("authorization", value.parse().unwrap());
        }
        let credentials = json!({"api_token": "t", "webhook_user": user, "webhook_password": password});
        let webhook = Webhook { raw: b"{}", headers: &headers, query: &[] };
        channels::verify(&sender(), &webhook, &credentials, Timestamp(0))
    };
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let good = basic("sinch:pa:ss");
    assert!(verify(&[&good], "sinch", "pa:ss"));
    assert!(verify(&[&good.replace("Basic", "basic")], "sinch", "pa:ss"));
    for wrong in [
        &[][..],
        &[""],
        &["Basic"],
        &["Basic "],
        &["Basic !"],
        &[&basic("sinch:pa:s")],
        &[&basic("sinch:pa:sss")],
        &[&basic("Sinch:pa:ss")],
        &[&basic("sinch")],
        &[&basic(":")],
        &[&good.replace("Basic", "Bearer")],
        &[&good, &good],
        &[&format!("Basic {}", STANDARD.encode([0xff, 0xfe]))],
    ] {
        assert!(!verify(wrong, "sinch", "pa:ss"), "{wrong:?}");
    }
    // Stored credentials that no longer parse prove nothing.
    assert!(!verify(&[&basic(":")], "", ""));
    assert!(!verify(&[&good], "sinch:pa", "ss"));
}

#[test]
fn mutated_bodies_are_survived() {
    let seeds: Vec<Value> = cases().into_values().map(|case| case.body).collect();
    for seed in 0..mutate::count(20_000) {
        let (raw, _) = mutate::body(&seeds, seed);
        if let Ok(events) = normalise(&raw) {
            assert!(events.len() <= 1);
            assert!(serde_json::to_vec(&events).unwrap().len() < 200_000, "seed {seed}");
        }
    }
}
