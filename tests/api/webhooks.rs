use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, id, three_steps};

const SECRET: &str = "segredo-do-app";

async fn own_sender(world: &World) -> String {
    let sender = json!({
        "name": "Loja", "channel": "whatsapp", "provider": "whatsapp_cloud",
        "config": {"phone_number_id": "1555", "waba_id": "1777"},
        "credentials": {"access_token": "t", "app_secret": SECRET, "verify_token": "confere"}});
    id(&world.post("/v1/senders", sender).await)
}

fn message(phone_number_id: &str) -> String {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1777", "changes": [{"field": "messages", "value": {
        "messaging_product": "whatsapp", "metadata": {"display_phone_number": "1", "phone_number_id": phone_number_id},
        "contacts": [{"profile": {"name": "Ana"}, "wa_id": "5511987654321"}],
        "messages": [{"from": "5511987654321", "id": "wamid.in.1", "timestamp": "1772452900", "type": "text",
            "text": {"body": "Oi"}}]}}]}]})
    .to_string()
}

pub(crate) fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_webhook_changes_nothing_and_a_true_one_stops_the_run() {
    let world = World::start().await;
    let sender = own_sender(&world).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence({
        let mut definition = three_steps();
        for step in definition["steps"].as_array_mut().unwrap() {
            step["sender_id"] = json!(sender);
        }
        definition
    });
    let enrolled = id(&world.enroll(&sequence.await, &contact).await);
    world.advance(3_600).await;
    let before = world.enrollment(&enrolled).await;

    let url = format!("{}/webhooks/whatsapp_cloud/{sender}", world.local.base_url);
    let post = async |body: &str, signature: Option<String>| {
        let mut request = reqwest::Client::new().post(&url).body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let body = message("1555");
    let flipped = body.replace("Oi", "Ei");
    for forged in [
        post(&body, None).await,
        post(&body, Some(sign("other", &body))).await,
        post(&flipped, Some(sign(SECRET, &body))).await,
        post(&body, Some(sign(SECRET, &body).replace("sha256", "sha1"))).await,
        post(&body, Some("sha256=".into())).await,
    ] {
        assert!(forged == 401 || forged == 403, "{forged}");
    }
    assert_eq!(world.enrollment(&enrolled).await, before);
    // Verified, but for another number, or unreadable: 200 and nothing changed.
    let other = message("9999");
    assert_eq!(post(&other, Some(sign(SECRET, &other))).await, 200);
    let nonsense = "{\"object\": 5";
    assert_eq!(post(nonsense, Some(sign(SECRET, nonsense))).await, 200);
    assert_eq!(world.enrollment(&enrolled).await, before);

    assert_eq!(post(&body, Some(sign(SECRET, &body))).await, 200);
    let after = world.enrollment(&enrolled).await;
    assert_eq!(after["outcome"], "replied", "the effect is visible before the answer");
    assert_eq!(post(&body, Some(sign(SECRET, &body))).await, 200);
    assert_eq!(world.enrollment(&enrolled).await, after, "delivered twice, applied once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subscription_is_verified_by_its_token() {
    let world = World::start().await;
    let sender = own_sender(&world).await;
    let get = async |token: &str| {
        let url = format!(
            "{}/webhooks/whatsapp_cloud/{sender}?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=42",
            world.local.base_url
        );
        let answer = reqwest::get(url).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("confere").await, (200, "42".into()));
    assert_eq!(get("errado").await.0, 403);
    let (status, shown) = world.client.call(Method::GET, &format!("/v1/senders/{sender}"), None).await.unwrap();
    assert_eq!(status, 200);
    assert!(!shown.to_string().contains(SECRET), "credentials are write-only");
    assert_eq!(shown["credentials"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_a_phone_is_reached_by_user_id() {
    let world = World::start().await;
    let sender = own_sender(&world).await;
    let contact =
        id(&world.post("/v1/contacts", json!({"first_name": "Kai", "whatsapp_id": "US.13491208655302741918"})).await);
    let mut definition = three_steps();
    for step in definition["steps"].as_array_mut().unwrap() {
        step["sender_id"] = json!(sender);
    }
    let sequence = world.sequence(definition).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let messages = world.messages().await;
    assert_eq!(messages[0]["body"]["recipient"], "US.13491208655302741918");
    assert!(messages[0]["body"]["to"].is_null());
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1777", "changes": [{"field": "messages",
        "value": {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1555"},
        "contacts": [{"profile": {"name": "Kai", "username": "kai"}, "user_id": "US.13491208655302741918"}],
        "messages": [{"from_user_id": "US.13491208655302741918", "id": "wamid.b1", "timestamp": "1772452900",
            "type": "text", "text": {"body": "hi"}}]}}]}]})
    .to_string();
    let url = format!("{}/webhooks/whatsapp_cloud/{sender}", world.local.base_url);
    let request = reqwest::Client::new().post(&url).header("x-hub-signature-256", sign(SECRET, &body)).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(world.enrollment(&enrolled).await["outcome"], "replied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_message_that_is_reported_as_failed_goes_out_as_template() {
    let world = World::start().await;
    let sender = own_sender(&world).await;
    world.post("/_local/statuses", json!({"auto": ["sent"]})).await;
    let (ana, bia) = (world.contact("Ana", "+5511987654321").await, world.contact("Bia", "+5511987650002").await);
    let mut definition = three_steps();
    definition["steps"].as_array_mut().unwrap().truncate(1);
    definition["steps"][0]["sender_id"] = json!(sender);
    let sequence = world.sequence(definition).await;
    // Outside the window, where there is no other way: done when sent. The stand-in knows the sender now.
    let first = id(&world.enroll(&sequence, &bia).await);
    world.advance(60).await;
    assert_eq!(world.enrollment(&first).await["outcome"], "completed");
    // Whoever has just written gets free text.
    let inbound = json!({"channel": "whatsapp", "from": "+5511987654321", "text": "Oi", "sender_id": sender});
    world.post("/_local/inbound", inbound).await;
    world.advance(60).await;
    let enrolled = id(&world.enroll(&sequence, &ana).await);
    world.advance(60).await;
    let sent = world.messages().await.remove(1);
    assert_eq!(sent["body"]["type"], "text", "{sent}");
    let closing = world.enrollment(&enrolled).await;
    assert_eq!((&closing["state"], &closing["step"], &closing["due_at"]), (&json!("waiting"), &json!(1), &Value::Null));
    let explained = world.get(&format!("/v1/enrollments/{enrolled}/explain")).await;
    assert_eq!(explained["blocking"][0]["code"], "closing", "{explained}");
    assert_eq!(explained["blocking"][0]["until"], "2026-03-02T13:02:00Z", "an hour after it was sent");

    let failed = json!({"id": sent["provider_message_id"], "status": "failed", "timestamp": "1772453000",
        "recipient_id": "5511987654321", "biz_opaque_callback_data": sent["body"]["biz_opaque_callback_data"],
        "errors": [{"code": 131047, "title": "Re-engagement message"}]});
    let value = json!({"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1555"}, "statuses": [failed]});
    let change = json!({"field": "messages", "value": value});
    let entry = json!({"id": "1777", "changes": [change]});
    let body = json!({"object": "whatsapp_business_account", "entry": [entry]}).to_string();
    let url = format!("{}/webhooks/whatsapp_cloud/{sender}", world.local.base_url);
    let request = reqwest::Client::new().post(&url).header("x-hub-signature-256", sign(SECRET, &body)).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    world.advance(60).await;
    let messages = world.messages().await;
    assert_eq!((messages.len(), &messages[2]["body"]["type"]), (3, &json!("template")));
    assert_eq!(world.enrollment(&enrolled).await["outcome"], "completed", "there is no third way");
}
