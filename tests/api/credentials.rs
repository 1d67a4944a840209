//! Credentials that expire, and credentials that are replaced.

use std::collections::BTreeSet;

use local::client::Client;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::stand_in::SenderAccess;

use crate::world::{DAY, World, id, step};

const NEW: &str = "novo-segredo";

fn replaced() -> Value {
    json!({"credentials": {"access_token": "novo", "app_secret": NEW, "verify_token": "novo"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_holds_everybody_and_a_new_one_lets_them_go_apart() {
    const PEOPLE: usize = 12;
    let world = World::start().await;
    world.client.patch("/v1/account", &json!({"spread_minutes": 60})).await.unwrap();
    let sequence = world.sequence(json!({"name": "Um", "target": "contact", "steps": [step("um", 1, "days")]})).await;
    let mut enrolled = Vec::new();
    for n in 0..PEOPLE {
        let contact = world.contact("Ana", &format!("+55119876543{n:02}")).await;
        enrolled.push(id(&world.enroll(&sequence, &contact).await));
        if n == 0 {
            world.advance(60).await;
        }
    }
    world.fault(json!({"error_code": 190}), 1).await;
    world.advance(2 * DAY).await;
    for id in &enrolled {
        let held = world.enrollment(id).await;
        assert_eq!((&held["state"], &held["reason"]), (&json!("parked"), &json!("sender_suspended")), "{held}");
    }
    // Seen by whoever looks, and by the alarm.
    let sender = format!("/v1/senders/{}", world.default_sender().await);
    assert_eq!(world.get(&sender).await["suspended"]["code"], "190");
    let metrics = world.get("/_local/metrics").await.to_string();
    assert!(metrics.contains("SenderSuspended"), "{metrics}");
    assert_eq!(world.get("/_local/calls").await["accepted"], 0, "one was refused, the others were not tried");

    world.client.patch(&sender, &replaced()).await.unwrap();
    assert_eq!(world.get(&sender).await["suspended"], Value::Null);
    let mended = world.client.now().await.unwrap();
    world.advance(3_601).await;
    let sent = world.messages().await;
    let times: BTreeSet<_> = sent.iter().map(|message| message["at"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sent.len(), PEOPLE, "{times:?}");
    let minutes: BTreeSet<_> = times.iter().map(|at| at[..16].to_owned()).collect();
    assert!(minutes.len() > PEOPLE / 2, "within an hour, and not in one moment: {times:?}");
    assert!(times.last().unwrap() <= &Client::add_hours(&mended, 1).unwrap(), "{times:?}");
    world.advance(7 * DAY).await;
    assert_eq!(world.messages().await.len(), PEOPLE, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_secret_proves_webhooks_for_a_day_and_sends_nothing() {
    let world = World::start().await;
    let sender = world.default_sender().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(json!({"name": "Um", "target": "contact", "steps": [step("um", 3, "days")]})).await;
    let path = format!("/v1/senders/{sender}");
    let answer = world.client.patch(&path, &replaced()).await.unwrap().to_string();
    let read = world.get(&path).await.to_string();
    for secret in [NEW, "local-app-secret", "previous"] {
        assert!(!answer.contains(secret) && !read.contains(secret), "{answer} {read}");
    }

    let posted = async |secret: &str, message: &str| {
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "200000000000001", "changes": [
            {"field": "messages", "value": {"messaging_product": "whatsapp",
                "metadata": {"display_phone_number": "1", "phone_number_id": "100000000000001"},
                "contacts": [{"wa_id": "5511987654321"}],
                "messages": [{"id": message, "from": "5511987654321", "type": "text", "text": {"body": "Oi"},
                    "timestamp": "1772500000"}]}}]}]});
        let access = SenderAccess {
            sender_id: sender.clone(),
            channel: domain::message::Channel::Whatsapp,
            provider: domain::message::ProviderKind::WhatsappCloud,
            config: json!({}),
            credentials: json!({"app_secret": secret}),
        };
        let signed = testkit::whatsapp::sign(&access, &body);
        let mut request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(format!("{}{}", world.local.base_url, signed.url_path));
        for (name, value) in &signed.headers {
            request = request.header(name, value);
        }
        request.body(signed.body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(posted("another", "wamid.0").await, 401);
    // What Meta signed before it was told of the new secret ends the run as ever.
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(DAY - 60).await;
    assert_eq!(posted("local-app-secret", "wamid.1").await, 200);
    assert_eq!(world.enrollment(&enrolled).await["outcome"], "replied");
    assert_eq!(posted(NEW, "wamid.2").await, 200);
    let verify = |token: &str| {
        format!("/webhooks/whatsapp_cloud/{sender}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=42")
    };
    let empty = json!({});
    assert_eq!(world.call(Method::GET, &verify("novo"), empty.clone()).await.0, 200);
    assert_eq!(world.call(Method::GET, &verify("local-verify-token"), empty).await.0, 403, "that one is asked for now");
    world.advance(60).await;
    assert_eq!(posted("local-app-secret", "wamid.3").await, 401, "its day is over");
    assert_eq!(posted(NEW, "wamid.4").await, 200);
    // Calls are made with the new token alone: the stand-in takes no other.
    let other = world.contact("Bia", "+5511987654322").await;
    world.enroll(&sequence, &other).await;
    world.advance(4 * DAY).await;
    assert_eq!(world.messages().await.len(), 1);
}
