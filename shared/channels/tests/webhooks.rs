//! Webhook conformance: payload shapes as Meta sends them, signature vectors, and bodies that
//! nobody sends.
#![allow(clippy::unwrap_used)]

mod mutate;

use std::collections::BTreeMap;

use channels::whatsapp_cloud::{Config, Credentials, MAX_EVENTS, normalise, verify_signature, verify_subscription};
use channels::{Denied, Malformed, Webhook};
use domain::ids::{Ids, SenderId, TenantId};
use domain::message::{Channel, InboundEvent, ProviderKind};
use domain::sender::Sender;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

const FIXTURES: [&str; 3] = [
    include_str!("fixtures/messages.json"),
    include_str!("fixtures/notices.json"),
    include_str!("fixtures/statuses.json"),
];

#[derive(Deserialize)]
struct Case {
    body: Value,
    events: Value,
}

fn cases() -> BTreeMap<String, Case> {
    FIXTURES.iter().flat_map(|file| serde_json::from_str::<BTreeMap<String, Case>>(file).unwrap()).collect()
}

fn config() -> Config {
    Config::parse(&json!({"phone_number_id": "106540352242922", "waba_id": "102290129340398"})).unwrap()
}

/// Its configuration no longer parses.
fn sender() -> Sender {
    let mut ids = Ids::from_seed([4; 32]);
    let id = SenderId::of(TenantId::new(&mut ids), &mut ids);
    Sender::new(id, Timestamp(0), Channel::Whatsapp, ProviderKind::WhatsappCloud, json!({}))
}

fn credentials(app_secret: &str) -> Credentials {
    Credentials::parse(&json!({"access_token": "t", "app_secret": app_secret, "verify_token": "right-token"})).unwrap()
}

#[test]
fn payloads_become_these_events() {
    let cases = cases();
    assert!(cases.len() > 60);
    for (name, case) in cases {
        let raw = serde_json::to_vec(&case.body).unwrap();
        let events = normalise(&raw, &config()).unwrap();
        assert_eq!(serde_json::to_value(&events).unwrap(), case.events, "{name}");
        // The same event again is the same event.
        assert_eq!(normalise(&raw, &config()).unwrap(), events, "{name}");
    }
}

/// AWS's relay tells of one entry at a time, as a text within the text that SNS posts.
#[test]
fn what_aws_relays_reads_as_what_meta_writes() {
    let relayed = Config::parse(&json!({"phone_number_id": "106540352242922", "waba_id": "102290129340398",
        "relay_phone_number_id": "phone-number-id-01"}))
    .unwrap();
    let posted = |message: &str| {
        let posted = json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:sa-east-1:123456789012:w",
            "Message": message, "Timestamp": "2026-03-02T12:00:00.000Z", "SignatureVersion": "1", "Signature": "x",
            "SigningCertURL": "https://sns.sa-east-1.amazonaws.com/x.pem"});
        normalise(&serde_json::to_vec(&posted).unwrap(), &relayed)
    };
    let told = |entry: String| {
        json!({"context": {"MetaWabaIds": [{"wabaId": "102290129340398", "arn": "arn:aws:social-messaging:sa-east-1:123456789012:waba/fb"}],
            "MetaPhoneNumberIds": [{"metaPhoneNumberId": "106540352242922", "arn": "arn:aws:x"}]},
            "whatsAppWebhookEntry": entry, "aws_account_id": "123456789012",
            "message_timestamp": "2026-03-02T12:00:00.271279391Z", "messageId": "6d69f07a"})
        .to_string()
    };
    for (name, case) in cases() {
        let entries = case.body["entry"].as_array().cloned().unwrap_or_default();
        let [entry] = entries.as_slice() else { continue };
        // What kind of object it is AWS does not say: it relays WhatsApp alone.
        if case.body["object"] != "whatsapp_business_account" {
            continue;
        }
        let events = posted(&told(entry.to_string())).unwrap();
        assert_eq!(serde_json::to_value(&events).unwrap(), case.events, "{name}");
    }
    assert_eq!(posted(&told("{}".into())), Ok(vec![]));
    assert_eq!(posted("{}"), Ok(vec![]));
    assert_eq!(posted("Successfully validated SNS topic"), Err(Malformed));
    assert_eq!(posted(&told("{".into())), Err(Malformed));
    assert_eq!(normalise(b"{}", &relayed), Err(Malformed));
    // SNS's own question tells of nobody; and Meta's body is none of a relay's.
    let question = json!({"Type": "SubscriptionConfirmation", "MessageId": "1", "TopicArn": "arn:aws:sns:a:1:w",
        "Message": "You have chosen", "Timestamp": "2026-03-02T12:00:00.000Z", "SignatureVersion": "1", "Signature": "x",
        "SigningCertURL": "https://sns.sa-east-1.amazonaws.com/x.pem", "SubscribeURL": "https://x", "Token": "t"});
    assert_eq!(normalise(&serde_json::to_vec(&question).unwrap(), &relayed), Ok(vec![]));
    let case = cases().remove("text").unwrap();
    assert_eq!(normalise(&serde_json::to_vec(&case.body).unwrap(), &relayed), Err(Malformed));
}

#[test]
fn json_without_meaning_is_no_error_and_no_json_is() {
    for quiet in ["{}", "[]", "null", "7", r#"{"object":"whatsapp_business_account"}"#, r#"{"entry":[{"changes":7}]}"#]
    {
        assert_eq!(normalise(quiet.as_bytes(), &config()), Ok(vec![]), "{quiet}");
    }
    let deep = "[".repeat(100_000);
    for bad in ["", "{", "{\"object\":", "\u{0}", &deep] {
        assert_eq!(normalise(bad.as_bytes(), &config()), Err(Malformed), "{}", &bad[..bad.len().min(20)]);
    }
    assert_eq!(normalise(&[0xff, 0xfe], &config()), Err(Malformed));
    let webhook = Webhook { raw: b"{}", headers: &http::HeaderMap::new(), query: &[] };
    assert_eq!(channels::normalise(&sender(), &webhook, Timestamp(0)), Ok(vec![]));
}

#[test]
fn a_body_gives_at_most_a_thousand_events_and_messages_are_kept() {
    let status = |n: usize| json!({"id": format!("wamid.{n}"), "status": "sent", "timestamp": "1772452800"});
    let body = json!({"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": {
        "metadata": {"phone_number_id": "106540352242922"},
        "statuses": (0..1_500).map(status).collect::<Vec<_>>(),
        "messages": [{"from": "5511987654321", "id": "wamid.m", "timestamp": "1772452800", "type": "text"}],
    }}]}]});
    let events = normalise(&serde_json::to_vec(&body).unwrap(), &config()).unwrap();
    assert_eq!(events.len(), MAX_EVENTS);
    assert!(matches!(&events[0], InboundEvent::Message(message) if message.id == "wamid.m"));
}

#[test]
fn only_the_signature_of_these_very_bytes_counts() {
    #[derive(Deserialize)]
    struct Vectors {
        app_secret: String,
        cases: Vec<Vector>,
    }
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        body: String,
        header: Option<String>,
        valid: bool,
    }
    let vectors: Vectors = serde_json::from_str(include_str!("fixtures/signatures.json")).unwrap();
    let credentials = credentials(&vectors.app_secret);
    for case in &vectors.cases {
        let valid = verify_signature(case.body.as_bytes(), case.header.as_deref(), &credentials);
        assert_eq!(valid, case.valid, "{}", case.name);
    }
    // Every single bit of body and signature matters.
    let good = &vectors.cases[0];
    let header = good.header.as_deref().unwrap();
    for bit in 0..good.body.len() * 8 {
        let mut raw = good.body.clone().into_bytes();
        raw[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify_signature(&raw, Some(header), &credentials), "bit {bit}");
    }
    let empty = Credentials { app_secret: String::new(), ..credentials };
    let of_empty_key = vectors.cases.iter().find(|case| case.name == "an empty secret").unwrap();
    assert!(!verify_signature(of_empty_key.body.as_bytes(), of_empty_key.header.as_deref(), &empty));
}

#[test]
fn two_signature_headers_are_none() {
    let vectors: Value = serde_json::from_str(include_str!("fixtures/signatures.json")).unwrap();
    let secret = json!({"access_token": "t", "app_secret": vectors["app_secret"], "verify_token": "v"});
    let raw = vectors["cases"][0]["body"].as_str().unwrap().as_bytes();
    let good: http::HeaderValue = vectors["cases"][0]["header"].as_str().unwrap().parse().unwrap();
    let mut headers = http::HeaderMap::new();
    let verify_with = |headers: &http::HeaderMap, secret: &Value| {
        channels::verify(&sender(), &Webhook { raw, headers, query: &[] }, secret, Timestamp(0))
    };
    let verify = |headers: &http::HeaderMap| verify_with(headers, &secret);
    assert!(!verify(&headers));
    headers.append("X-Hub-Signature-256", good);
    assert!(verify(&headers));
    headers.append("X-Hub-Signature-256", "sha256=00".parse().unwrap());
    assert!(!verify(&headers));
    assert!(!verify_with(&headers, &json!({})));
}

#[test]
fn the_address_is_confirmed_only_with_our_token() {
    let ask = |pairs: &[(&str, &str)]| {
        let query: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        verify_subscription(&query, &credentials("s"))
    };
    let (mode, token, challenge) =
        (("hub.mode", "subscribe"), ("hub.verify_token", "right-token"), ("hub.challenge", "1158201444"));
    assert_eq!(ask(&[challenge, mode, token]), Ok("1158201444".into()));
    for wrong in [
        &[mode, token][..],
        &[mode, challenge],
        &[token, challenge],
        &[("hub.mode", "unsubscribe"), token, challenge],
        &[mode, ("hub.verify_token", "right-toke"), challenge],
        &[mode, ("hub.verify_token", "right-token "), challenge],
        &[mode, ("hub.verify_token", ""), challenge],
        &[],
    ] {
        assert_eq!(ask(wrong), Err(Denied), "{wrong:?}");
    }
    assert_eq!(ask(&[mode, token, ("hub.challenge", &"1".repeat(257))]), Err(Denied));
}

/// Mutated payloads never panic, never give more than the bound, and never an event without
/// someone it is from.
#[test]
fn mutated_bodies_are_survived() {
    let seeds: Vec<Value> = cases().into_values().map(|case| case.body).collect();
    let config = config();
    for seed in 0..mutate::count(20_000) {
        let (raw, _) = mutate::body(&seeds, seed);
        for event in normalise(&raw, &config).unwrap_or_default() {
            let (id, from) = match &event {
                InboundEvent::Message(message) => (&message.id, Some(&message.from)),
                InboundEvent::Status(status) => (&status.provider_message_id, None),
                InboundEvent::OptOut { from, id, .. } | InboundEvent::NumberChanged { from, id, .. } => {
                    (id, Some(from))
                }
                InboundEvent::OptIn { from, .. } => {
                    assert!(!from.is_empty(), "seed {seed}");
                    continue;
                }
                InboundEvent::Conversation(_) | InboundEvent::Identified { .. } => panic!("seed {seed}: {event:?}"),
                InboundEvent::Template(told) => (&told.name, None),
                other => panic!("seed {seed}: no event of WhatsApp's: {other:?}"),
            };
            assert!(!id.is_empty() && from.is_none_or(|from| !from.is_empty()), "seed {seed}");
        }
        // The signature check sees foreign bytes first.
        let header = String::from_utf8_lossy(&raw[..raw.len().min(71)]).into_owned();
        assert!(!verify_signature(&raw, Some(&header), &credentials("s")), "seed {seed}");
    }
}
