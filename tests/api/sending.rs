use serde_json::json;

use crate::world::{DAY, START, World, id, step, three_steps};

#[tokio::test(flavor = "multi_thread")]
async fn three_messages_go_out_when_preview_said_with_their_real_bodies() {
    let world = World::start().await;
    let settings = json!({
        "timezone": "America/Sao_Paulo", "quiet_hours": [{"from": "20:00", "to": "08:00"}], "default_country": "BR"});
    world.client.patch("/v1/account", &settings).await.unwrap();
    let sender = json!({
        "name": "Loja", "channel": "whatsapp", "provider": "whatsapp_cloud",
        "config": {"phone_number_id": "1555", "waba_id": "1777"},
        "credentials": {"access_token": "token-of-1555", "app_secret": "s", "verify_token": "v"}});
    let sender = id(&world.post("/v1/senders", sender).await);
    let contact = id(&world.post("/v1/contacts", json!({"first_name": "Ana", "phone": "(11) 98765-4321"})).await);
    let mut definition = three_steps();
    definition["steps"][1] = step("dois", 3, "business_days");
    definition["steps"][1]["at"] = json!("09:30");
    definition["steps"][2]["window"] = json!({"days": ["sat"], "from": "10:00", "to": "12:00"});
    for step in definition["steps"].as_array_mut().unwrap() {
        step["sender_id"] = json!(sender);
    }
    let sequence = world.sequence(definition).await;
    let enrolled = world.enroll(&sequence, &contact).await;
    let preview = json!({"sequence_id": sequence, "version": 1, "contact_id": contact, "start_at": START,
        "enrollment_seed": enrolled["id"]});
    let preview = world.post("/v1/preview", preview).await;
    world.advance(30 * DAY).await;

    let messages = world.messages().await;
    let sent: Vec<_> = messages.iter().map(|m| m["at"].clone()).collect();
    let planned: Vec<_> = preview["steps"].as_array().unwrap().iter().map(|s| s["at"].clone()).collect();
    assert_eq!(sent, planned);
    assert_eq!(planned, [json!("2026-03-02T12:00:00Z"), json!("2026-03-05T12:30:00Z"), json!("2026-03-14T13:00:00Z")]);
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(message["enrollment_id"], enrolled["id"]);
        assert_eq!(message["step"], json!(index));
        assert_eq!(message["sender_id"], json!(sender));
        assert_eq!(message["to"], json!("+5511987654321"));
        let body = &message["body"];
        assert_eq!(body["messaging_product"], "whatsapp");
        assert_eq!(body["to"], "5511987654321");
        assert_eq!(body["type"], "template");
        assert_eq!(body["template"]["language"]["code"], "pt_BR");
        assert_eq!(body["template"]["components"][0]["parameters"][0]["text"], "Ana");
    }
    let end = world.enrollment(&id(&enrolled)).await;
    assert_eq!((&end["state"], &end["outcome"]), (&json!("finished"), &json!("completed")));
    assert!(end["steps"].as_array().unwrap().iter().all(|s| s["status"] == "delivered"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_between_two_steps_leaves_one_message() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(DAY).await;
    world.inbound("+5511987654321", "Pode ser amanhã?").await;
    let after = world.enrollment(&enrolled).await;
    assert_eq!((&after["state"], &after["outcome"]), (&json!("finished"), &json!("replied")));
    assert_eq!(after["steps"][0]["status"], "replied");
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 1);
    assert_eq!(world.enrollment(&enrolled).await["outcome"], "replied");
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_the_window_free_text_goes_out_and_an_opt_out_word_suppresses() {
    let world = World::start().await;
    let phone = "+5511987654321";
    let contact = world.contact("Ana", phone).await;
    world.inbound(phone, "Oi!").await;
    let sequence = world.sequence(three_steps()).await;
    world.advance(60).await;
    let first = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let messages = world.messages().await;
    assert_eq!(messages[0]["body"]["type"], "text");
    assert_eq!(messages[0]["body"]["text"]["body"], "um: Ana");
    world.inbound(phone, "SAIR").await;
    assert_eq!(world.enrollment(&first).await["outcome"], "unsubscribed");
    // Enrolling a suppressed contact is accepted; its steps are skipped.
    let again = id(&world.enroll(&sequence, &contact).await);
    world.advance(30 * DAY).await;
    let again = world.enrollment(&again).await;
    assert!(again["steps"].as_array().unwrap().iter().all(|s| s["reason"] == "suppressed"), "{again}");
    assert_eq!(world.messages().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_is_no_reply_and_events_are() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let event = json!({"id": "helpdesk-1", "type": "message.received", "contact_id": contact, "data": {}});
    let answer = world.post("/v1/events", event.clone()).await;
    assert_eq!(answer["exited"], json!([enrolled]));
    let again = world.post("/v1/events", event).await;
    assert_eq!(again["exited"], json!([]), "the same event again does nothing");
    assert_eq!(world.enrollment(&enrolled).await["outcome"], "replied");
}
