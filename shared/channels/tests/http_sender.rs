//! A gateway of one's own: what it is sent, what it may send, and what must not pass.
#![allow(clippy::unwrap_used)]

mod mutate;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use channels::http_sender::{Credentials, body, normalise, verify};
use channels::{Malformed, Webhook};
use domain::ids::AttemptRef;
use domain::message::{Channel, InboundEvent, Message, Outbound, Recipient};
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use serde_json::{Value, json};
use sha2::Sha256;

const NOW: Timestamp = Timestamp(1_772_452_800);
const KEY: &[u8] = b"um segredo de gateway";

fn reference() -> AttemptRef {
    AttemptRef::parse(&format!("enr_{}.2", "A".repeat(43))).unwrap()
}

fn credentials() -> Credentials {
    Credentials::parse(&json!({"secret": format!("whsec_{}", BASE64.encode(KEY))})).unwrap()
}

/// Signed by the words of the specification, not by ours.
fn signed(key: &[u8], time: i64, body: &str) -> HeaderMap {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("msg_1.{time}.{body}").as_bytes());
    let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
    let header = |name: &'static str, value: &str| (name.parse().unwrap(), value.parse().unwrap());
    HeaderMap::from_iter([
        header("webhook-id", "msg_1"),
        header("webhook-timestamp", &time.to_string()),
        header("webhook-signature", &signature),
    ])
}

fn events(body: &Value, channel: Channel) -> Option<InboundEvent> {
    let headers = signed(KEY, NOW.0, "");
    let raw = body.to_string();
    normalise(&Webhook { raw: raw.as_bytes(), headers: &headers, query: &[] }, channel, NOW).unwrap()
}

#[test]
fn only_the_gateways_own_signature_counts() {
    let body = r#"{"type": "message.received", "data": {"from": "+5511987654321", "text": "Oi"}}"#;
    let proven = |headers: &HeaderMap, raw: &str, now| {
        verify(&Webhook { raw: raw.as_bytes(), headers, query: &[] }, &credentials(), now)
    };
    let good = signed(KEY, NOW.0, body);
    assert!(proven(&good, body, NOW) && proven(&good, body, NOW.plus_seconds(300)));
    assert!(!proven(&good, body, NOW.plus_seconds(301)) && !proven(&good, body, NOW.plus_seconds(-301)));
    assert!(!proven(&good, &body.replace("Oi", "Oj"), NOW), "a flipped bit");
    let again: Value = serde_json::from_str(body).unwrap();
    assert!(!proven(&good, &again.to_string(), NOW), "written again");
    assert!(!proven(&signed(b"um outro segredo qualquer", NOW.0, body), body, NOW));
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut without = good.clone();
        without.remove(name);
        assert!(!proven(&without, body, NOW), "{name}");
        let mut twice = good.clone();
        twice.append(name, good[name].clone());
        assert!(!proven(&twice, body, NOW), "{name} twice");
    }
    let mut v1a = good.clone();
    let named = good["webhook-signature"].to_str().unwrap().replace("v1,", "v1a,");
    v1a.insert("webhook-signature", named.parse().unwrap());
    assert!(!proven(&v1a, body, NOW), "another scheme");
}

#[test]
fn a_message_is_its_plain_text_with_its_parts_beside_it() {
    let outbound = |message: Value| Outbound {
        reference: reference(),
        to: Recipient::Phone("5511987654321".into()),
        message: serde_json::from_value::<Message>(message).unwrap(),
    };
    let sent = |message: Value| body(&outbound(message), NOW).unwrap();
    let id = reference().to_string().replace('.', "_");
    assert_eq!(
        sent(json!({"text": {"text": "Olá"}})),
        json!({"type": "message.send", "timestamp": "2026-03-02T12:00:00Z",
            "data": {"id": id, "reference": reference().to_string(), "to": "+5511987654321", "text": "Olá"}})
    );
    let rich = json!({"text": "Escolha", "media": {"kind": "image", "url": "https://x.example/a.png"},
        "buttons": [{"id": "sim", "title": "Sim"}]});
    let data = &sent(json!({"rich": rich}))["data"];
    assert_eq!((&data["rich"]["media"]["url"], &data["rich"]["buttons"]), (&rich["media"]["url"], &rich["buttons"]));
    let plain = data["text"].as_str().unwrap();
    assert!(
        plain.contains("Escolha") && plain.contains("Sim") && plain.ends_with("https://x.example/a.png"),
        "{plain}"
    );
    for (parameters, body) in [
        (json!({"positional": ["Ana"]}), json!(["Ana"])),
        (json!({"named": [["name", "Ana"]]}), json!({"name": "Ana"})),
    ] {
        let template = json!({"name": "aviso", "language": "pt_BR", "body": parameters});
        let data = &sent(json!({"whatsapp_template": template}))["data"];
        let expected = json!({"name": "aviso", "language": "pt_BR", "body": body, "header": null, "buttons": []});
        assert_eq!((&data["template"], data.get("text")), (&expected, None));
    }
}

#[test]
fn what_a_gateway_says_becomes_events() {
    let received = json!({"type": "message.received", "timestamp": "2026-03-02T11:59:00Z",
        "data": {"id": "in-1", "from": "551692318222", "text": "Oi", "name": "Ana", "in_reply_to": "out-1"}});
    assert_eq!(
        json!(events(&received, Channel::Whatsapp)),
        json!({"message": {"id": "in-1", "from": [{"phone": "+5516992318222"}, {"wa_id": "551692318222"}],
            "at": 1_772_452_740, "kind": "text", "text": "Oi", "in_reply_to": "out-1", "name": "Ana"}})
    );
    // A repeat is the same event; without ids and times of its own, too.
    let bare = json!({"type": "message.received", "data": {"from": "+5511987654321"}});
    let event = json!(events(&bare, Channel::Sms));
    assert_eq!((&event["message"]["id"], &event["message"]["at"]), (&json!("msg_1"), &json!(NOW.0)));
    assert_eq!(event["message"]["from"], json!([{"phone": "+5511987654321"}]));
    assert_eq!(event, json!(events(&bare, Channel::Sms)));

    let status = |data: Value| json!(events(&json!({"type": "message.status", "data": data}), Channel::Whatsapp));
    let seen = status(json!({"id": "out-1", "reference": reference().to_string(), "status": "delivered"}));
    assert_eq!(seen["status"]["reference"], reference().to_string());
    assert_eq!(
        (&seen["status"]["status"], &seen["status"]["provider_message_id"]),
        (&json!("delivered"), &json!("out-1"))
    );
    let failed =
        status(json!({"reference": reference().to_string(), "status": "failed", "code": "recipient_unreachable"}));
    assert_eq!(failed["status"]["refusal"], json!({"reaction": "recipient", "code": "recipient_unreachable"}));
    assert_eq!(failed["status"]["provider_message_id"], reference().to_string());
    for quiet in [json!({"status": "sent"}), json!({"id": "1", "status": "typing"}), json!({"id": "1"}), json!(7)] {
        assert_eq!(status(quiet.clone()), Value::Null, "{quiet}");
    }
    for quiet in
        [json!({"type": "message.deleted", "data": {"id": "1"}}), json!([]), json!({"type": "message.received"})]
    {
        assert_eq!(events(&quiet, Channel::Whatsapp), None, "{quiet}");
    }
    for nobody in ["", "VIVO", "5511"] {
        let from = json!({"type": "message.received", "data": {"id": "1", "from": nobody, "text": "x"}});
        assert_eq!(events(&from, Channel::Sms), None, "{nobody}");
    }
    let headers = HeaderMap::new();
    for bad in ["", "{", "{} {}", &"[".repeat(100_000)] {
        let webhook = Webhook { raw: bad.as_bytes(), headers: &headers, query: &[] };
        assert_eq!(normalise(&webhook, Channel::Whatsapp, NOW), Err(Malformed));
    }
}

/// A million by `RITMO_FUZZ_CASES=1000000`: no panic, and nothing that a store's key could not hold.
#[test]
fn bodies_that_nobody_sends_do_no_harm() {
    let seeds = [
        json!({"type": "message.received", "timestamp": "2026-03-02T11:59:00Z",
            "data": {"id": "in-1", "from": "551692318222", "text": "Oi", "name": "Ana", "in_reply_to": "out-1"}}),
        json!({"type": "message.status", "timestamp": "2026-03-02T11:59:00Z",
            "data": {"id": "out-1", "reference": reference().to_string(), "status": "failed", "code": "opted_out"}}),
    ];
    let headers = signed(KEY, NOW.0, "");
    for seed in 0..mutate::count(20_000) {
        let (raw, _) = mutate::body(&seeds, seed);
        let webhook = Webhook { raw: &raw, headers: &headers, query: &[] };
        for channel in [Channel::Whatsapp, Channel::Sms] {
            match normalise(&webhook, channel, NOW) {
                Ok(Some(InboundEvent::Message(message))) => {
                    assert!((1..=512).contains(&message.id.len()) && !message.from.is_empty(), "seed {seed}");
                    assert!(message.text.is_none_or(|text| text.len() <= 64 * 1024), "seed {seed}");
                }
                Ok(Some(InboundEvent::Status(status))) => {
                    assert!((1..=512).contains(&status.provider_message_id.len()), "seed {seed}");
                }
                Ok(None) | Err(Malformed) => {}
                Ok(Some(other)) => panic!("seed {seed}: {other:?}"),
            }
        }
    }
}
