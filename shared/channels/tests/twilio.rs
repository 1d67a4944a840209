//! Twilio conformance: the public signature vectors, webhook forms as Twilio writes them, and bodies that
//! nobody sends.
#![allow(clippy::unwrap_used)]

mod mutate;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channels::twilio::{Config, Credentials, MAX_PAIRS, normalise, verify_signature};
use channels::{Malformed, Webhook};
use domain::message::InboundEvent;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::Sha1;

const NOW: Timestamp = Timestamp(1_772_452_800);

#[derive(Deserialize)]
struct Case {
    query: Vec<(String, String)>,
    form: BTreeMap<String, String>,
    events: Value,
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(include_str!("fixtures/twilio.json")).unwrap()
}

fn config(public_webhook_url: &str) -> Config {
    let sid = "AC0123456789abcdef0123456789abcdef";
    let config = json!({"account_sid": sid, "from": "+15005550006", "public_webhook_url": public_webhook_url});
    Config::parse(&config).unwrap()
}

fn token(auth_token: &str) -> Credentials {
    Credentials::parse(&json!({"auth_token": auth_token})).unwrap()
}

fn encoded<'f>(form: impl IntoIterator<Item = (&'f String, &'f String)>) -> Vec<u8> {
    let mut url = reqwest::Url::parse("http://x").unwrap();
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().as_bytes().to_vec()
}

fn pairs(query: &str) -> Vec<(String, String)> {
    reqwest::Url::parse(&format!("http://x?{query}")).unwrap().query_pairs().into_owned().collect()
}

fn signed(signature: &str) -> HeaderMap {
    HeaderMap::from_iter([("x-twilio-signature".parse().unwrap(), HeaderValue::from_str(signature).unwrap())])
}

/// Twilio's own vectors (twilio-python, `tests/unit/test_request_validator.py`), and what must not pass.
#[test]
fn only_the_signature_of_this_very_request_counts() {
    let call = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    let doubled = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
    let body = r#"{"property": "value", "boolean": true}"#;
    let hashed = "foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let (https, http) = ("https://mycompany.com/myapp.php", "http://mycompany.com/myapp.php");
    let (https_1234, http_1234) = ("https://mycompany.com:1234/myapp.php", "http://mycompany.com:1234/myapp.php");
    let check = |url: &str, query: &str, body: &[u8], signature: &str, secret: &str| {
        let (query, headers) = (pairs(query), signed(signature));
        let webhook = Webhook { raw: body, headers: &headers, query: &query };
        verify_signature(&webhook, &config(url), &token(secret))
    };
    let query = "foo=1&bar=2";
    for (name, url, query, body, signature) in [
        ("a form", https, query, call, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (
            "the pairs in another order",
            https,
            query,
            &call.split('&').rev().collect::<Vec<_>>().join("&"),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        ("repeated keys", https, query, doubled, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        ("signed without our port", https_1234, query, call, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("signed with our port", http_1234, query, call, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("signed with port 443", https, query, call, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("signed with port 80", http, query, call, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("a hashed body", https, hashed, body, "a9nBmqA0ju/hNViExpshrM61xv4="),
    ] {
        assert!(check(url, query, body.as_bytes(), signature, "12345"), "{name}");
        assert!(!check(url, query, body.as_bytes(), signature, "12346"), "{name}: another secret");
        assert!(!check(url, "foo=1", body.as_bytes(), signature, "12345"), "{name}: another query");
        assert!(!check("https://mycompany.com/other", query, body.as_bytes(), signature, "12345"), "{name}: elsewhere");
        for bit in 0..body.len() * 8 {
            let mut raw = body.as_bytes().to_vec();
            raw[bit / 8] ^= 1 << (bit % 8);
            // `%2B` and `%2b` are one byte, and so are `+` and `%20`: what was signed is the same.
            let same = reqwest::Url::parse("http://x").is_ok_and(|mut url| {
                url.set_query(std::str::from_utf8(&raw).ok());
                let mut other = url.clone();
                other.set_query(Some(body));
                !query.contains("bodySHA256") && url.query_pairs().eq(other.query_pairs())
            });
            assert!(same || !check(url, query, &raw, signature, "12345"), "{name}: bit {bit}");
        }
    }
    let good = "a9nBmqA0ju/hNViExpshrM61xv4=";
    // The same JSON, written again.
    assert!(!check(https, hashed, br#"{"property":"value","boolean":true}"#, good, "12345"));
    assert!(!check(https, &hashed.to_uppercase().replace("BODYSHA256", "bodySHA256"), body.as_bytes(), good, "12345"));
    for wrong in
        ["", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "sha1=RSOYDt4T1cUTdK1PDd93/VVr8B8=", "RSOYDt4T1cUTdK1PDd93VVr8B8=="]
    {
        assert!(!check(https, query, call.as_bytes(), wrong, "12345"), "{wrong}");
    }
    let none = Webhook { raw: call.as_bytes(), headers: &HeaderMap::new(), query: &pairs(query) };
    assert!(!verify_signature(&none, &config(https), &token("12345")));
    let mut twice = signed("RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    twice.append("x-twilio-signature", HeaderValue::from_static("RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    let twice = Webhook { raw: call.as_bytes(), headers: &twice, query: &pairs(query) };
    assert!(!verify_signature(&twice, &config(https), &token("12345")));
    let nobody = Credentials { auth_token: String::new() };
    let mac = Hmac::<Sha1>::new_from_slice(b"").unwrap().chain_update(https);
    let of_empty_key = signed(&STANDARD.encode(mac.finalize().into_bytes()));
    let empty = Webhook { raw: b"", headers: &of_empty_key, query: &[] };
    assert!(!verify_signature(&empty, &config(https), &nobody));
}

#[test]
fn forms_become_these_events() {
    let cases = cases();
    assert!(cases.len() > 35);
    let config = config("https://ritmo.example.com/webhooks/twilio/snd_1");
    for (name, case) in cases {
        let raw = encoded(&case.form);
        let webhook = Webhook { raw: &raw, headers: &HeaderMap::new(), query: &case.query };
        let events = normalise(&webhook, &config, NOW).unwrap();
        assert_eq!(serde_json::to_value(&events).unwrap(), case.events, "{name}");
        // The same event again is the same event.
        assert_eq!(normalise(&webhook, &config, NOW).unwrap(), events, "{name}");
    }
}

#[test]
fn a_messaging_service_hears_all_its_numbers() {
    let service = json!({"account_sid": "AC0123456789abcdef0123456789abcdef", "messaging_service_sid": "MG1",
        "public_webhook_url": "https://ritmo.example.com/x"});
    let service = Config::parse(&service).unwrap();
    let case = &cases()["a reply to another number of the account"];
    let raw = encoded(&case.form);
    let webhook = Webhook { raw: &raw, headers: &HeaderMap::new(), query: &[] };
    assert_eq!(normalise(&webhook, &service, NOW).unwrap().len(), 1);
}

#[test]
fn what_is_no_form_of_twilios_says_nothing() {
    let config = config("https://ritmo.example.com/x");
    let read = |raw: &[u8]| normalise(&Webhook { raw, headers: &HeaderMap::new(), query: &[] }, &config, NOW);
    for quiet in ["", "{}", r#"{"MessageSid":"SM1"}"#, "&&&", "====", "MessageSid", "\u{0}"] {
        assert_eq!(read(quiet.as_bytes()), Ok(vec![]), "{quiet}");
    }
    assert_eq!(read(&b"a=1&".repeat(MAX_PAIRS + 1)), Err(Malformed));
}

/// Mutated forms never panic, never give more than two events, and never one without someone it is from.
#[test]
fn mutated_bodies_are_survived() {
    let config = config("https://ritmo.example.com/x");
    let seeds: Vec<Case> = cases().into_values().collect();
    for seed in 0..mutate::count(20_000) {
        let Case { form, query, .. } = &seeds[usize::try_from(seed).unwrap() % seeds.len()];
        let mut raw = encoded(form);
        let mut random = mutate::random(seed);
        mutate::bytes(&mut raw, &mut random);
        let header = STANDARD.encode(&raw[..raw.len().min(20)]);
        let webhook = Webhook { raw: &raw, headers: &signed(&header), query };
        assert!(!verify_signature(&webhook, &config, &token("s")), "seed {seed}");
        let events = normalise(&webhook, &config, NOW).unwrap_or_default();
        assert!(events.len() <= 2, "seed {seed}");
        for event in events {
            let (id, from) = match &event {
                InboundEvent::Message(message) => (&message.id, message.from.len()),
                InboundEvent::Status(status) => (&status.provider_message_id, 1),
                InboundEvent::OptOut { from, id, .. } => (id, from.len()),
                InboundEvent::OptIn { from, .. } => {
                    assert_eq!(from.len(), 1, "seed {seed}");
                    continue;
                }
                other => panic!("seed {seed}: {other:?}"),
            };
            assert!(!id.is_empty() && from == 1, "seed {seed}");
        }
    }
}
