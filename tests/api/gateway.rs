//! A company's own gateway (provider `http`), such as one for WhatsApp Web.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{DAY, World, id};

const ANA: &str = "+5511987654321";

/// A world whose WhatsApp is a gateway, and the sender's id.
async fn world() -> (World, String) {
    let world = World::start().await;
    let stand_ins = world.get("/_local/stand-ins").await;
    let gateway = stand_ins["data"].as_array().unwrap().iter().find(|s| s["provider"] == "http").unwrap().clone();
    let url = format!("{}/caixa", gateway["origin"].as_str().unwrap());
    let sender = json!({"name": "Web", "channel": "whatsapp", "provider": "http", "config": {"url": url, "window": "none"},
        "credentials": {"secret": "whsec_c2VncmVkby1kZS10ZXN0ZQ=="}});
    let sender = id(&world.post("/v1/senders", sender).await);
    world.client.patch("/v1/account", &json!({"default_senders": {"whatsapp": sender}})).await.unwrap();
    (world, sender)
}

fn steps() -> Value {
    let step = |key: &str, days: u32| {
        json!({"key": key, "wait": {"value": days, "unit": "days"}, "channel": "whatsapp",
            "content": {"type": "text", "text": format!("{key}: oi, {{{{ contact.first_name }}}}")}})
    };
    json!({"name": "Dois", "target": "contact", "steps": [step("um", 0), step("dois", 3)]})
}

async fn fault(world: &World, fail: Value) {
    world.post("/_local/faults", json!({"provider": "http", "fail": [fail]})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn free_text_goes_out_to_whom_never_wrote_and_a_reply_ends_the_run() {
    let (world, sender) = world().await;
    let contact = world.contact("Ana", ANA).await;
    let sequence = world.sequence(steps()).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let sent = world.messages().await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(
        (&sent[0]["provider"], &sent[0]["to"], &sent[0]["text"]),
        (&json!("http"), &json!(ANA), &json!("um: oi, Ana"))
    );
    assert_eq!(
        (&sent[0]["enrollment_id"], &sent[0]["step"], &sent[0]["sender_id"]),
        (&json!(enrolled), &json!(0), &json!(sender))
    );
    assert_eq!(sent[0]["body"]["type"], "message.send");
    let seen = world.enrollment(&enrolled).await;
    assert_eq!(seen["steps"][0]["status"], "delivered", "{seen}");

    // What nobody signed changes nothing.
    let forged = json!({"type": "message.received", "data": {"id": "1", "from": ANA, "text": "Oi"}});
    assert_eq!(world.call(Method::POST, &format!("/webhooks/http/{sender}"), forged).await.0, 401);
    assert_eq!(world.enrollment(&enrolled).await["state"], "waiting");
    world.inbound(ANA, "Oi!").await;
    let ended = world.enrollment(&enrolled).await;
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("finished"), &json!("replied")), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_after_acceptance_is_one_message_and_known_by_its_status() {
    let (world, _) = world().await;
    let contact = world.contact("Ana", ANA).await;
    let sequence = world.sequence(steps()).await;
    fault(&world, json!({"timeout": "after"})).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(2).await;
    let seen = world.enrollment(&enrolled).await;
    assert_eq!(seen["steps"][0]["status"], "delivered", "{seen}");
    world.advance(DAY).await;
    assert_eq!(world.messages().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_own_consequence() {
    let (world, sender) = world().await;
    let contact = world.contact("Ana", ANA).await;
    let sequence = world.sequence(steps()).await;

    fault(&world, json!({"error_code": "recipient_unreachable"})).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let seen = world.enrollment(&enrolled).await;
    assert_eq!(seen["steps"][0]["reason"], "recipient_unreachable", "{seen}");
    assert_eq!(seen["state"], "waiting", "the next step has its own chance");

    // Whatever is not there any more is the sender's fault, and parks until it is mended.
    fault(&world, json!({"status": 410})).await;
    world.advance(4 * DAY).await;
    assert_eq!(world.enrollment(&enrolled).await["reason"], "sender_suspended");
    let path = format!("/v1/senders/{sender}");
    assert_eq!(world.get(&path).await["suspended"]["code"], "http_410");
    let credentials = json!({"credentials": {"secret": "whsec_b3V0cm8tc2VncmVkby1ub3Zv"}});
    world.client.patch(&path, &credentials).await.unwrap();
    world.advance(60).await;
    let sent = world.messages().await;
    assert_eq!((sent.len(), &sent[0]["text"]), (1, &json!("dois: oi, Ana")), "{sent:?}");

    let mut wrong = json!({"name": "Web", "channel": "sms", "provider": "http", "config": {"url": "gateway"},
        "credentials": {"secret": "curto"}});
    let (status, problem) = world.call(Method::POST, "/v1/senders", wrong.clone()).await;
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!((status, pointers), (422, vec![json!("/config/url"), json!("/credentials/secret")]));
    wrong["channel"] = json!("email");
    assert_eq!(world.call(Method::POST, "/v1/senders", wrong).await.0, 422);
}

/// To somebody who never wrote: without a template the step fails and the cadence goes on, with one the template
/// goes out, and WhatsApp Web takes free text.
#[tokio::test(flavor = "multi_thread")]
async fn outside_the_window_each_whatsapp_does_what_it_can() {
    let (world, web) = world().await;
    let senders = world.get("/v1/senders").await;
    let cloud = senders["data"].as_array().unwrap().iter().find(|s| s["provider"] == "whatsapp_cloud").map(id).unwrap();
    let step = |key: &str, days: u32, sender: &str| {
        json!({"key": key, "wait": {"value": days, "unit": "days"}, "channel": "whatsapp", "sender_id": sender,
            "outside_window": "fail", "content": {"type": "text", "text": format!("{key}: oi")}})
    };
    let mut steps = [step("sem", 0, &cloud), step("com", 1, &cloud), step("web", 1, &web)];
    steps[1]["outside_window"] = json!("template");
    steps[1]["fallback_template"] = json!({"name": "lembrete", "language": "pt_BR"});
    let sequence = world.sequence(json!({"name": "Três", "target": "contact", "steps": steps})).await;
    let contact = world.contact("Ana", ANA).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(4 * DAY).await;
    let seen = world.enrollment(&enrolled).await;
    let said = |at: usize| (seen["steps"][at]["status"].as_str().unwrap(), seen["steps"][at]["reason"].as_str());
    assert_eq!(said(0), ("failed", Some("outside_window_no_template")), "{seen}");
    assert_eq!([said(1), said(2)], [("delivered", None); 2], "{seen}");
    let sent = world.messages().await;
    let sent: Vec<_> =
        sent.iter().map(|m| (m["provider"].as_str().unwrap(), m["body"]["type"].as_str().unwrap())).collect();
    assert_eq!(sent, [("whatsapp_cloud", "template"), ("http", "message.send")]);
}
