//! What people and providers do, and what comes of it, through the deployed functions. Between them these
//! make every function use every permission of its role.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::local::{ErrorCode, Failure, Fault};
use testkit::whatsapp::sign;

use crate::stack::{api, queue_arn, resource, wait_for};
use crate::stand_in::{WHATSAPP, now, post};
use crate::world::{World, id, step};

const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn a_cadence_goes_out_and_a_reply_ends_it() {
    const ANA: &str = "+5511987650001";
    let world = World::start("Cadência").await;
    let contact = world.contact("Ana", ANA).await;
    let sequence =
        world.sequence(json!([step("um", 0, "minutes"), step("dois", 3, "days"), step("tres", 7, "days")])).await;
    let enrolled = world.enroll(&sequence, &contact).await;

    // API → step queue → step → send queue → send → provider, and the provider's statuses back.
    let sent = world.messages(ANA, 1).await;
    assert_eq!(sent[0].body["template"]["name"], "modelo_um", "the 24 h window is closed");
    assert_eq!(sent[0].enrollment_id.as_deref(), Some(enrolled.as_str()));
    let seen = world.until(&enrolled, "delivered", |e| e["steps"][0]["status"] == "delivered").await;
    assert_eq!((&seen["state"], &seen["step"]), (&json!("waiting"), &json!(1)), "{seen}");
    assert!(seen["timeline"].to_string().contains("delivered"), "{seen}");

    // Three days are beyond what a queue can wait: the send function has made a schedule.
    let schedule = world.schedule(&enrolled).await;
    let target = schedule.target().unwrap();
    let due = world.stored(&enrolled).await.due.unwrap();
    assert!((due.seconds_since(now()) - 3 * DAY).abs() < 120, "{due}");
    let at = due.to_chrono().format("at(%Y-%m-%dT%H:%M:%S)").to_string();
    assert_eq!(schedule.schedule_expression(), Some(at.as_str()));
    assert_eq!(schedule.schedule_expression_timezone(), Some("UTC"));
    assert_eq!(schedule.group_name(), Some(resource("ScheduleGroup")));
    assert_eq!(schedule.action_after_completion().map(|a| a.as_str()), Some("DELETE"));
    assert_eq!(target.arn(), queue_arn("StepQueue"));
    assert_eq!(target.role_arn(), format!("arn:aws:iam::000000000000:role/{}", resource("SchedulerRole")));
    let dead_letters = target.dead_letter_config().and_then(|d| d.arn());
    assert_eq!(dead_letters, Some(queue_arn("SchedulerDeadLetterQueue").as_str()));

    // Three days later it fires.
    world.pass_time(&enrolled, 0).await;
    world.fire(&schedule).await;
    assert_eq!(world.messages(ANA, 2).await[1].body["template"]["name"], "modelo_dois");
    world.fired(&schedule).await;
    world.until(&enrolled, "delivered", |e| e["steps"][1]["status"] == "delivered").await;

    // A forged word changes nothing, a true one ends the cadence before it is answered.
    let before = world.get(&format!("/v1/enrollments/{enrolled}")).await;
    let mut forged = world.inbound(ANA, "Já paguei");
    forged.body = forged.body.replace("paguei", "pagou");
    assert_eq!(post(&forged).await, 401);
    assert_eq!(world.get(&format!("/v1/enrollments/{enrolled}")).await, before);
    let last = world.schedule(&enrolled).await;
    assert_eq!(world.reply(ANA, "Já paguei, obrigada!").await, 200);
    let ended = world.get(&format!("/v1/enrollments/{enrolled}")).await;
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("finished"), &json!("replied")), "{ended}");

    // The third step's schedule still stands. It fires into nothing.
    world.fire(&last).await;
    world.fired(&last).await;
    wait_for("the step queue to be empty", 30, async || {
        (world.stack.on_queue("StepQueue").await + world.stack.on_queue("SendQueue").await == 0).then_some(())
    })
    .await;
    assert_eq!(world.messages(ANA, 2).await.len(), 2);
    assert_eq!(world.get(&format!("/v1/enrollments/{enrolled}")).await, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_makes_up_for_a_lost_timer() {
    const BIA: &str = "+5511987650002";
    let world = World::start("Varredura").await;
    let contact = world.contact("Bia", BIA).await;
    let sequence = world.sequence(json!([step("um", 0, "minutes"), step("dois", 3, "days")])).await;
    let enrolled = world.enroll(&sequence, &contact).await;
    world.messages(BIA, 1).await;
    world.until(&enrolled, "delivered", |e| e["steps"][0]["status"] == "delivered").await;

    // Three days later, and its schedule has not fired: more than the two minutes' grace overdue.
    world.pass_time(&enrolled, 150).await;
    assert_eq!(world.messages(BIA, 2).await[1].body["template"]["name"], "modelo_dois");
    let ended = world.until(&enrolled, "the end", |e| e["state"] == "finished").await;
    assert_eq!(ended["outcome"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_passed_over() {
    let world = World::start("Sem número").await;
    let contact = id(&world.post("/v1/contacts", json!({"first_name": "Caio", "email": "caio@example.com"})).await);
    let steps = json!([step("um", 0, "minutes"), step("dois", 0, "minutes"), step("tres", 3, "days")]);
    let sequence = world.sequence(steps).await;
    let enrolled = world.enroll(&sequence, &contact).await;
    // Twice the step function itself goes on: by the queue, and by a schedule.
    let seen = world.until(&enrolled, "the third step", |e| e["step"] == 2).await;
    assert_eq!((&seen["steps"][1]["status"], &seen["steps"][1]["reason"]), (&json!("skipped"), &json!("no_address")));
    world.schedule(&enrolled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_imported_and_enrolled_by_jobs() {
    let world = World::start("Importação").await;
    let old = world.post("/v1/contacts", json!({"external_id": "d1", "phone": "+5511987650003"})).await;

    // A file in two parts. Its first row gives a known person another number.
    let first = "external_id,first_name,phone\nd1,Davi,+5511987650004\nd2,Elisa,+5511987650005\n";
    let started = world.client.import("?last=false", first.into()).await.unwrap();
    let job = started["job_id"].as_str().unwrap();
    let second = "external_id,first_name,phone\nd3,Fabio,+5511987650006\n";
    world.client.import(&format!("?job_id={job}&last=true"), second.into()).await.unwrap();
    let report = world.job(&started).await;
    assert_eq!((&report["created"], &report["updated"]), (&json!(2), &json!(1)), "{report}");
    assert_eq!(world.get(&format!("/v1/contacts/{}", id(&old))).await["phone"], "+5511987650004");
    // A list of an index that lags.
    let all = wait_for("the list of contacts", 20, async || {
        let page = world.get("/v1/contacts").await;
        let ids: Vec<String> = page["data"].as_array().unwrap().iter().map(id).collect();
        (ids.len() == 3).then_some(ids)
    })
    .await;

    let now = world.sequence(json!([step("um", 0, "minutes")])).await;
    let later = world.sequence(json!([step("um", 2, "days")])).await;
    for sequence in [&now, &later] {
        let bulk = json!({"sequence_id": sequence, "contact_ids": all});
        let report = world.job(&world.post("/v1/enrollments/bulk", bulk).await).await;
        assert_eq!((&report["enrolled"], &report["failed"]), (&json!(3), &json!(0)), "{report}");
    }
    for to in ["+5511987650004", "+5511987650005", "+5511987650006"] {
        assert_eq!(world.messages(to, 1).await.len(), 1);
    }
    // Days ahead: a schedule of the enroll function's.
    let enrolled = world.get(&format!("/v1/enrollments?sequence_id={later}")).await;
    world.schedule(&id(&enrolled["data"][0])).await;
    // They move to the next version: each page of that job is queued by the one before.
    let published = world.post(&format!("/v1/sequences/{later}/publish"), json!({"running": "migrate"})).await;
    let report = world.job(&published).await;
    assert_eq!((&report["moved"], &report["failed"]), (&json!(3), &json!(0)), "{report}");

    // By hand it is the API that makes the schedule. And what is deleted is gone.
    let contact = world.contact("Gil", "+5511987650007").await;
    let enrolled = world.enroll(&later, &contact).await;
    world.schedule(&enrolled).await;
    let key = id(&world.post("/v1/api-keys", json!({"name": "painel", "role": "viewer"})).await);
    let (status, _) = world.client.call(Method::DELETE, &format!("/v1/api-keys/{key}"), None).await.unwrap();
    assert_eq!(status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_sender_is_mended_and_people_go_on() {
    const HUGO: &str = "+5511987650008";
    let world = World::start("Suspenso").await;
    let contact = world.contact("Hugo", HUGO).await;
    let sequence = world.sequence(json!([step("um", 0, "minutes"), step("dois", 0, "minutes")])).await;
    WHATSAPP.1.add_fault(fault(Failure::ErrorCode(ErrorCode::Number(190)), HUGO)).unwrap();
    let enrolled = world.enroll(&sequence, &contact).await;
    let parked = world.until(&enrolled, "parked", |e| e["state"] == "parked").await;
    assert_eq!(parked["reason"], "sender_suspended");
    let sender = format!("/v1/senders/{}", world.access.sender_id);
    assert_eq!(world.get(&sender).await["suspended"]["code"], "190");

    // A new token lifts it; the job that lets people go on is the enroll function's.
    let mut access = world.access.clone();
    access.credentials["access_token"] = json!("renovado");
    WHATSAPP.1.register(access.clone());
    world.client.patch(&sender, &json!({"credentials": access.credentials})).await.unwrap();
    // The second step's wait is short: the send function puts its timer on the queue.
    assert_eq!(world.messages(HUGO, 2).await.len(), 2);
}

#[tokio::test]
async fn parameter_store_keeps_what_the_port_promises() {
    let sdk = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let secrets = aws::SsmSecrets::new(aws_sdk_ssm::Client::new(&sdk), "/ritmo/contract".into());
    testkit::contract::secrets_are_read_as_they_were_put(&secrets, [7; 32]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_a_parameter_that_goes_with_its_sender() {
    let world = World::start("Segredos").await;
    let sender = json!({"name": "Outra", "channel": "whatsapp", "provider": "whatsapp_cloud",
        "config": {"phone_number_id": "3", "waba_id": "4"}, "credentials": world.access.credentials});
    let made = world.post("/v1/senders", sender).await;
    let id = made["id"].as_str().unwrap();
    let name = format!("/ritmo/ritmo/{}/{id}", world.tenant);
    let asked = async || world.stack.ssm.get_parameter().name(&name).send().await;
    let parameter = asked().await.unwrap().parameter.unwrap();
    assert_eq!(parameter.r#type.map(|kind| kind.as_str().to_owned()).as_deref(), Some("SecureString"));
    assert!(!parameter.value.unwrap().contains("segredo"), "encrypted");
    let deleted = world.client.call(reqwest::Method::DELETE, &format!("/v1/senders/{id}"), None).await.unwrap();
    assert_eq!(deleted.0, 204);
    assert!(asked().await.unwrap_err().into_service_error().is_parameter_not_found());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_replies_leaves_their_message_of_the_day_to_others() {
    const JOAO: &str = "+5511987650010";
    const KARLA: &str = "+5511987650011";
    let world = World::start("Limites").await;
    let sender = format!("/v1/senders/{}", world.access.sender_id);
    world.client.patch(&sender, &json!({"limits": {"per_day": 1}})).await.unwrap();
    let sequence = world.sequence(json!([step("um", 0, "minutes")])).await;
    let contact = world.contact("João", JOAO).await;
    world.enroll(&sequence, &contact).await;
    assert_eq!(world.messages(JOAO, 1).await.len(), 1);

    let contact = world.contact("Karla", KARLA).await;
    let enrolled = world.enroll(&sequence, &contact).await;
    let is_limited = |e: &Value| e["timeline"].as_array().unwrap().iter().any(|line| line["code"] == "limited");
    world.until(&enrolled, "limited", is_limited).await;
    // The webhook ends the run and gives tomorrow's message back, in one transaction.
    assert_eq!(world.reply(KARLA, "Oi!").await, 200);
    let ended = world.get(&format!("/v1/enrollments/{enrolled}")).await;
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("finished"), &json!("replied")), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_come_back_through_the_webhook_and_its_queue() {
    const IARA: &str = "+5511987650009";
    let world = World::start("Estados").await;
    let url = format!(
        "{}/webhooks/whatsapp_cloud/{}?hub.mode=subscribe&hub.verify_token=confere&hub.challenge=42",
        api(),
        world.access.sender_id
    );
    assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), "42");

    let contact = world.contact("Iara", IARA).await;
    assert_eq!(world.reply(IARA, "Oi!").await, 200, "opens the 24 h window");
    let sequence = world.sequence(json!([step("um", 0, "minutes"), step("dois", 3, "days")])).await;
    WHATSAPP.1.add_fault(fault(Failure::DropStatusWebhook(true), IARA)).unwrap();
    let enrolled = world.enroll(&sequence, &contact).await;
    let text = world.messages(IARA, 1).await.remove(0);
    assert_eq!(text.body["type"], "text", "{}", text.body);

    // WhatsApp says late that the window was closed: the step is sent again, as its template.
    let errors = json!([{"code": 131_047, "title": "Re-engagement message"}]);
    let mut failed = status(&text.provider_message_id, "failed", &text.body["biz_opaque_callback_data"]);
    failed["errors"] = errors;
    assert_eq!(post(&sign(&world.access, &envelope(&world, &[failed]))).await, 200);
    let template = world.messages(IARA, 2).await.remove(1);
    assert_eq!(template.body["template"]["name"], "modelo_um");
    world.until(&enrolled, "delivered", |e| e["steps"][0]["status"] == "delivered").await;

    // Beyond 50 statuses in a body the rest is queued. The one that matters is the last.
    let mut many = vec![status("wamid.other", "read", &json!("of somebody else")); 60];
    many.push(status(&template.provider_message_id, "read", &template.body["biz_opaque_callback_data"]));
    assert_eq!(post(&sign(&world.access, &envelope(&world, &many))).await, 200);
    world.until(&enrolled, "read", |e| e["steps"][0]["status"] == "read").await;

    // An opt-out suppresses, plans again whoever waits (the second step is days away), and ends.
    assert_eq!(world.reply(IARA, "Sair").await, 200);
    let ended = world.get(&format!("/v1/enrollments/{enrolled}")).await;
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("finished"), &json!("unsubscribed")), "{ended}");
    assert_eq!(world.get("/v1/suppressions").await["data"].as_array().unwrap().len(), 1);
}

/// One failure, for the next request to this number.
fn fault(failure: Failure, to: &str) -> Fault {
    Fault {
        provider: domain::message::ProviderKind::WhatsappCloud,
        fail: vec![failure],
        count: None,
        to: Some(to.into()),
    }
}

fn status(message: &str, status: &str, reference: &Value) -> Value {
    json!({"id": message, "status": status, "timestamp": now().0.to_string(), "recipient_id": "1",
        "biz_opaque_callback_data": reference})
}

fn envelope(world: &World, statuses: &[Value]) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": world.access.config["waba_id"], "changes": [
        {"field": "messages", "value": {"messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "1", "phone_number_id": world.access.config["phone_number_id"]},
            "statuses": statuses}}]}]})
}
