//! Sinch Conversation's webhooks: payload shapes as its SDKs' test resources have them, the signature
//! vector of its Node SDK, and bodies that nobody sends.
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
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use rand::Rng as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

const NOW: Timestamp = Timestamp(1_772_500_000);

#[derive(Deserialize)]
struct Case {
    channel: Channel,
    body: Value,
    events: Value,
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(include_str!("fixtures/sinch.json")).unwrap()
}

fn sender(channel: Channel) -> Sender {
    let mut ids = Ids::from_seed([4; 32]);
    let id = SenderId::of(TenantId::new(&mut ids), &mut ids);
    let config = json!({"project_id": "p", "app_id": "01APP00000000000000000000A", "region": "br"});
    Sender::new(id, Timestamp(0), channel, ProviderKind::Sinch, config)
}

fn normalise(channel: Channel, raw: &[u8]) -> Result<Vec<InboundEvent>, Malformed> {
    channels::normalise(&sender(channel), &Webhook { raw, headers: &HeaderMap::new(), query: &[] }, NOW)
}

#[test]
fn payloads_become_these_events() {
    let cases = cases();
    assert!(cases.len() > 45);
    for (name, case) in cases {
        let raw = serde_json::to_vec(&case.body).unwrap();
        let events = normalise(case.channel, &raw).unwrap();
        assert_eq!(serde_json::to_value(&events).unwrap(), case.events, "{name}");
        // The same callback again is the same event.
        assert_eq!(normalise(case.channel, &raw).unwrap(), events, "{name}");
    }
}

#[test]
fn json_without_meaning_is_no_error_and_no_json_is() {
    for quiet in ["{}", "[]", "null", "7", r#"{"app_id":"01APP00000000000000000000A","message":7}"#] {
        assert_eq!(normalise(Channel::Whatsapp, quiet.as_bytes()), Ok(vec![]), "{quiet}");
    }
    let deep = "[".repeat(100_000);
    for bad in ["", "{", "app_id=1", &deep] {
        assert_eq!(normalise(Channel::Whatsapp, bad.as_bytes()), Err(Malformed), "{}", &bad[..bad.len().min(20)]);
    }
}

/// The public vector: a body with its nonce, time, secret and signature.
const BODY: &str = r#"{"app_id":"","accepted_time":"2021-10-18T17:49:13.813615Z","project_id":"e2df3a34-a71b-4448-9db5-a8d2baad28e4","contact_create_notification":{"contact":{"id":"01FJA8B466Y0R2GNXD78MD9SM1","channel_identities":[{"channel":"SMS","identity":"48123456789","app_id":""}],"display_name":"New Test Contact","email":"new.contact@email.com","external_id":"","metadata":"","language":"EN_US"}},"message_metadata":""}"#;
const NONCE: &str = "01FJA8B4A7BM43YGWSG9GBV067";
const TIME: i64 = 1_634_579_353;
const SECRET: &str = "foo_secret1234";
const SIGNATURE: &str = "6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE=";

fn headers(signature: &str, algorithm: &str, nonce: &str, time: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-sinch-webhook-signature", signature.parse().unwrap());
    headers.insert("x-sinch-webhook-signature-algorithm", algorithm.parse().unwrap());
    headers.insert("x-sinch-webhook-signature-nonce", nonce.parse().unwrap());
    headers.insert("x-sinch-webhook-signature-timestamp", time.parse().unwrap());
    headers
}

fn verify(raw: &[u8], headers: &HeaderMap, secret: &str, now: i64) -> bool {
    let credentials = json!({"key_id": "k", "key_secret": "s", "webhook_secret": secret});
    let webhook = Webhook { raw, headers, query: &[] };
    channels::verify(&sender(Channel::Sms), &webhook, &credentials, Timestamp(now))
}

#[test]
fn only_the_signature_of_these_very_bytes_counts() {
    let time = TIME.to_string();
    let good = headers(SIGNATURE, "HmacSHA256", NONCE, &time);
    let raw = BODY.as_bytes();
    assert!(verify(raw, &good, SECRET, TIME));
    for bit in 0..raw.len() * 8 {
        let mut flipped = raw.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify(&flipped, &good, SECRET, TIME), "bit {bit}");
    }
    let again = serde_json::to_vec_pretty(&serde_json::from_str::<Value>(BODY).unwrap()).unwrap();
    assert!(!verify(&again, &good, SECRET, TIME), "written again");
    assert!(!verify(raw, &good, "another_secret", TIME));
    let hex = "e9ba49a1198";
    for (name, wrong) in [
        ("another nonce", headers(SIGNATURE, "HmacSHA256", "01FJA8B4A7BM43YGWSG9GBV068", &time)),
        ("another time", headers(SIGNATURE, "HmacSHA256", NONCE, &(TIME + 1).to_string())),
        ("another algorithm", headers(SIGNATURE, "HmacSHA512", NONCE, &time)),
        ("the algorithm in lower case", headers(SIGNATURE, "hmacsha256", NONCE, &time)),
        ("no algorithm", headers(SIGNATURE, "none", NONCE, &time)),
        ("hex", headers(hex, "HmacSHA256", NONCE, &time)),
        ("without padding", headers(SIGNATURE.trim_end_matches('='), "HmacSHA256", NONCE, &time)),
        ("a shorter signature", headers("6bpJoRmFoXVjfJIVglMoJw==", "HmacSHA256", NONCE, &time)),
    ] {
        assert!(!verify(raw, &wrong, SECRET, TIME), "{name}");
    }
    for name in good.keys() {
        let mut missing = good.clone();
        missing.remove(name);
        assert!(!verify(raw, &missing, SECRET, TIME), "without {name}");
        let mut doubled = good.clone();
        doubled.append(name, good[name].clone());
        assert!(!verify(raw, &doubled, SECRET, TIME), "{name} twice");
    }
}

#[test]
fn a_signature_is_good_for_five_minutes_on_either_side() {
    let good = headers(SIGNATURE, "HmacSHA256", NONCE, &TIME.to_string());
    for (now, valid) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
        assert_eq!(verify(BODY.as_bytes(), &good, SECRET, TIME + now), valid, "{now}");
    }
    // Signed, at a time that is none.
    for time in ["", "1634579353.5", "-1634579353", "1634579353000", "x"] {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{BODY}.{NONCE}.{time}").as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let headers = headers(&signature, "HmacSHA256", NONCE, time);
        assert!(!verify(BODY.as_bytes(), &headers, SECRET, TIME), "{time}");
    }
}

#[test]
fn mutated_bodies_are_survived() {
    let seeds: Vec<Value> = cases().into_values().map(|case| case.body).collect();
    for seed in 0..mutate::count(20_000) {
        let (raw, mut random) = mutate::body(&seeds, seed);
        let channel = if random.random_bool(0.8) { Channel::Whatsapp } else { Channel::Sms };
        if let Ok(events) = normalise(channel, &raw) {
            assert!(events.len() <= 1);
            assert!(serde_json::to_vec(&events).unwrap().len() < 200_000, "seed {seed}");
        }
        // The signature check sees foreign bytes first.
        let mut header = raw[..raw.len().min(44)].to_vec();
        header.retain(u8::is_ascii_graphic);
        let header = String::from_utf8(header).unwrap();
        assert!(!verify(&raw, &headers(&header, "HmacSHA256", &header, &TIME.to_string()), SECRET, TIME));
    }
}
