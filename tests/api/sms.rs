//! SMS from end to end: by Twilio, and by AWS End User Messaging.

use serde_json::{Value, json};

use crate::world::{DAY, World, id};

const ANA: &str = "+5511987654321";
const NUMBER: &str = "+15005550006";

/// A Twilio sender; `from` has its number or service.
async fn twilio(world: &World, from: Value) -> String {
    let mut config = json!({"account_sid": "AC0123456789abcdef0123456789abcdef",
        "public_webhook_url": "https://ritmo.example.com/webhooks/twilio/loja"});
    config.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    let sender = json!({"name": "Loja", "channel": "sms", "provider": "twilio", "config": config,
        "credentials": {"auth_token": "a-token"}});
    id(&world.post("/v1/senders", sender).await)
}

fn step(key: &str, days: u32, sender: &str) -> Value {
    json!({"key": key, "wait": {"value": days, "unit": "days"}, "channel": "sms", "sender_id": sender,
        "content": {"type": "rich", "text": format!("{key}: {{{{ contact.first_name }}}}, pagou?"),
            "buttons": [{"id": "s", "title": "Sim"}, {"id": "n", "title": "Não"}]}})
}

/// Two steps by this sender: at once, and after 3 days.
async fn two_steps(world: &World, sender: &str) -> String {
    let steps = [step("um", 0, sender), step("dois", 3, sender)];
    world.sequence(json!({"name": "SMS", "target": "contact", "steps": steps})).await
}

async fn enrolled(world: &World, sequence: &str) -> (String, String) {
    let contact = json!({"first_name": "Ana", "phone": ANA, "email": "ana@example.com"});
    let contact = id(&world.post("/v1/contacts", contact).await);
    (id(&world.enroll(sequence, &contact).await), contact)
}

async fn texts(world: &World) -> Vec<String> {
    let sent = world.get("/_local/messages?channel=sms").await;
    sent["data"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect()
}

async fn writes(world: &World, sender: &str, text: &str) {
    world.post("/_local/inbound", json!({"channel": "sms", "from": ANA, "text": text, "sender_id": sender})).await;
}

async fn fails(world: &World, provider: &str, fail: Value) {
    world.post("/_local/faults", json!({"provider": provider, "fail": [fail]})).await;
}

/// What every sender of SMS does.
async fn goes_out_and_stops(world: &World, sender: &str, provider: &str) {
    let sequence = two_steps(world, sender).await;
    let (run, contact) = enrolled(world, &sequence).await;
    world.advance(60).await;
    let first = world.enrollment(&run).await["steps"][0].clone();
    assert_eq!((&first["status"], &first["channel"]), (&json!("delivered"), &json!("sms")), "{first}");
    assert_eq!(texts(world).await, ["um: Ana, pagou?\n\n1. Sim\n2. Não"], "what is rich is said in plain words");
    let sent = world.get("/_local/messages?channel=sms").await["data"][0].clone();
    assert_eq!((&sent["provider"], &sent["sender_id"]), (&json!(provider), &json!(sender)));
    assert_eq!((&sent["enrollment_id"], &sent["step"]), (&json!(run), &json!(0)));

    writes(world, sender, "Já paguei, obrigada!").await;
    let ended = world.enrollment(&run).await;
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("finished"), &json!("replied")));
    assert_eq!(ended["steps"][0]["status"], "replied");
    let written = world.get(&format!("/v1/contacts/{contact}/messages")).await;
    assert!(written["data"].to_string().contains("Já paguei"), "{written}");
    world.advance(10 * DAY).await;
    assert_eq!(texts(world).await.len(), 1);

    // The word, in each language of the account's list, ends everything on this channel alone.
    let again = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    writes(world, sender, " Sair! ").await;
    let ended = world.enrollment(&again).await;
    assert_eq!(ended["outcome"], "unsubscribed", "{ended}");
    let suppressed = world.get("/v1/suppressions").await["data"].clone();
    let suppressed: Vec<_> = suppressed.as_array().unwrap().iter().map(|s| (&s["channel"], &s["address"])).collect();
    assert_eq!(suppressed, [(&json!("sms"), &json!(ANA))]);
    let third = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let step = world.enrollment(&third).await["steps"][0].clone();
    assert_eq!((&step["status"], &step["reason"]), (&json!("skipped"), &json!("suppressed")));
    assert_eq!(texts(world).await.len(), 2);
}

/// A provider that takes a message and does not answer: one message, and its later report tells.
async fn is_never_asked_twice(world: &World, sender: &str, provider: &str) {
    let sequence = two_steps(world, sender).await;
    fails(world, provider, json!({"timeout": "after"})).await;
    let (run, _) = enrolled(world, &sequence).await;
    world.advance(DAY).await;
    assert_eq!(texts(world).await.len(), 1);
    let step = world.enrollment(&run).await["steps"][0].clone();
    assert_eq!((&step["status"], &step["unknown"]), (&json!("delivered"), &Value::Null), "a status told: {step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_twilio_a_text_goes_out_and_a_reply_or_a_stop_ends_it() {
    let world = World::start().await;
    let sender = twilio(&world, json!({"from": NUMBER})).await;
    goes_out_and_stops(&world, &sender, "twilio").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_twilio_an_answer_that_never_came_is_no_second_message() {
    let world = World::start().await;
    let sender = twilio(&world, json!({"from": NUMBER})).await;
    is_never_asked_twice(&world, &sender, "twilio").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_told_twilio_to_stop_is_suppressed_by_its_refusal() {
    let world = World::start().await;
    let sender = twilio(&world, json!({"messaging_service_sid": "MG1"})).await;
    let sequence = two_steps(&world, &sender).await;
    fails(&world, "twilio", json!({"error_code": 21610})).await;
    let (run, _) = enrolled(&world, &sequence).await;
    world.advance(60).await;
    let ended = world.enrollment(&run).await;
    assert_eq!(ended["outcome"], "unsubscribed", "{ended}");
    assert_eq!(world.get("/v1/suppressions").await["data"][0]["channel"], "sms");
    assert_eq!(texts(&world).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_hears_what_it_understands_and_nothing_forged_gets_in() {
    let world = World::start().await;
    let sender = twilio(&world, json!({"messaging_service_sid": "MG1"})).await;
    let sequence = two_steps(&world, &sender).await;
    let (run, _) = enrolled(&world, &sequence).await;
    world.advance(60).await;
    let http = reqwest::Client::new();
    let url = format!("{}/webhooks/twilio/{sender}", world.local.base_url);
    let body = "MessageSid=SM1&From=%2B5511987654321&To=%2B15005550006&Body=oi&SmsStatus=received";
    let form = |signature: &str| {
        http.post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .header("x-twilio-signature", signature)
            .send()
    };
    assert_eq!(form("Zm9yZ2Vk").await.unwrap().status(), 401);
    assert_eq!(http.post(&url).body(body).send().await.unwrap().status(), 401);
    assert_eq!(world.enrollment(&run).await["state"], "waiting");
    // Of the address and of this form, under the sender's token.
    let signature = "Votl70RI1NflYFp0CeTYVA6Fwp0=";
    let answer = form(signature).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/xml");
    assert_eq!(answer.text().await.unwrap(), "<Response/>");
    assert_eq!(world.enrollment(&run).await["outcome"], "replied");
    // Replayed it is the same message.
    assert_eq!(form(signature).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_aws_a_text_goes_out_and_a_reply_or_a_stop_ends_it() {
    let world = World::start().await;
    let sender = world.sender_of("sms").await;
    goes_out_and_stops(&world, &sender, "aws_sms").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_aws_an_answer_that_never_came_is_no_second_message() {
    let world = World::start().await;
    let sender = world.sender_of("sms").await;
    is_never_asked_twice(&world, &sender, "aws_sms").await;
}

/// Nobody waits for a delivery: what the carrier took is enough for the next step.
#[tokio::test(flavor = "multi_thread")]
async fn by_aws_a_text_of_which_nothing_is_told_is_sent() {
    let world = World::start().await;
    let sender = json!({"name": "Loja", "channel": "sms", "provider": "aws_sms",
        "config": {"origination_identity": "pool-1", "message_type": "PROMOTIONAL"}, "credentials": {}});
    let sender = id(&world.post("/v1/senders", sender).await);
    let sequence = two_steps(&world, &sender).await;
    fails(&world, "aws_sms", json!({"timeout": "after"})).await;
    let (run, _) = enrolled(&world, &sequence).await;
    world.advance(60).await;
    let step = world.enrollment(&run).await["steps"][0].clone();
    assert_eq!((&step["status"], &step["unknown"]), (&json!("sent"), &json!(true)), "no report will come: {step}");
    world.advance(4 * DAY).await;
    let ended = world.enrollment(&run).await;
    assert_eq!((&ended["outcome"], &ended["steps"][1]["status"]), (&json!("completed"), &json!("sent")));
    let sent = world.get("/_local/messages?channel=sms").await;
    assert_eq!(sent["data"][1]["body"]["MessageType"], "PROMOTIONAL");
    assert_eq!(sent["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_beyond_its_spend_limit_parks_its_runs() {
    let world = World::start().await;
    let sender = world.sender_of("sms").await;
    let sequence = two_steps(&world, &sender).await;
    fails(&world, "aws_sms", json!({"error_code": "ServiceQuotaExceededException"})).await;
    let (run, _) = enrolled(&world, &sequence).await;
    world.advance(60).await;
    let parked = world.enrollment(&run).await;
    assert_eq!((&parked["state"], &parked["reason"]), (&json!("parked"), &json!("sender_suspended")), "{parked}");
    let config = json!({"config": {"origination_identity": "+5511930001000", "configuration_set": "local"}});
    world.client.patch(&format!("/v1/senders/{sender}"), &config).await.unwrap();
    world.advance(DAY).await;
    assert_eq!(world.enrollment(&run).await["steps"][0]["status"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_an_sms_goes_to_the_test_contact() {
    let world = World::start().await;
    let sender = world.sender_of("sms").await;
    let sequence = two_steps(&world, &sender).await;
    let contact = world.contact("Bia", "+5511912345678").await;
    world.client.patch("/v1/account", &json!({"test_contact_id": contact})).await.unwrap();
    world.post(&format!("/v1/sequences/{sequence}/test"), json!({"step": 1})).await;
    world.advance(60).await;
    assert_eq!(texts(&world).await, ["dois: Bia, pagou?\n\n1. Sim\n2. Não"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sms_without_a_sender_is_not_published() {
    let world = World::start().await;
    world.without_sender_of("sms").await;
    let mut draft = step("um", 0, "");
    draft.as_object_mut().unwrap().remove("sender_id");
    let draft = json!({"name": "SMS", "target": "contact", "steps": [draft]});
    let sequence = id(&world.post("/v1/sequences", draft).await);
    let found = world.post(&format!("/v1/sequences/{sequence}/validate"), json!({})).await;
    let problem = &found["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["pointer"]),
        (&json!("sender_missing"), &json!("/steps/0/channel")),
        "{found}"
    );
}
