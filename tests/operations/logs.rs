//! Logs name ids and codes. Whatever a person wrote, is called or can be reached by, and whatever is
//! secret, never appears: not even with `RUST_LOG=trace`.

use std::io;
use std::sync::{Mutex, OnceLock};

use engine::queue::{EnrollWork, StepDue, encode};
use reqwest::Method;
use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::nowhere;
use crate::world::{DAY, World, id, three_steps};

/// What must not be found. All lower case.
const PERSONAL: [&str; 11] = [
    "zoraide",
    "quitéria",
    "5511998877665",
    "11998877665",
    "zoraide@example.com",
    "crisântemo",
    "begônia",
    "token-secreto",
    "segredo-do-app",
    "verifica-secreto",
    "cliente-4711",
];
const PHONE: &str = "+5511998877665";

static CAPTURED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Capture;

impl io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAPTURED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The logs of a deployment, as verbose as they can be asked to be.
fn capture() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let layer = runtime::log_layer(tracing_subscriber::EnvFilter::new("trace"), || Capture);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        // Only the panic hook is new: a subscriber is there. A failed test is to say why all the same.
        let tests = std::panic::take_hook();
        runtime::init_logs();
        let deployments = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            deployments(panic);
            tests(panic);
        }));
    });
}

/// Everything logged so far, a line each.
fn lines() -> Vec<Value> {
    let captured = CAPTURED.lock().unwrap();
    let text = String::from_utf8(captured.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

fn assert_impersonal() {
    for line in lines() {
        let text = line.to_string().to_lowercase();
        for word in PERSONAL {
            assert!(!text.contains(word), "`{word}` is in the log: {line}");
        }
    }
}

fn logged(message: &str) -> Vec<Value> {
    lines().into_iter().filter(|line| line["message"] == message).collect()
}

async fn sender(world: &World) -> String {
    let sender = json!({
        "name": "Loja", "channel": "whatsapp", "provider": "whatsapp_cloud",
        "config": {"phone_number_id": "1555", "waba_id": "1777"},
        "credentials": {"access_token": "token-secreto", "app_secret": "segredo-do-app", "verify_token": "verifica-secreto"}});
    let sender = id(&world.post("/v1/senders", sender).await);
    world.client.patch("/v1/account", &json!({"default_senders": {"whatsapp": sender}})).await.unwrap();
    sender
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_cadence_is_logged_without_a_person_in_it() {
    capture();
    let world = World::start().await;
    let sender = sender(&world).await;
    let contact = json!({"first_name": "Zoraide", "last_name": "Quitéria", "phone": PHONE,
        "email": "zoraide@example.com", "external_id": "cliente-4711", "attributes": {"flor": "crisântemo"}});
    let contact = id(&world.post("/v1/contacts", contact).await);
    let mut definition = three_steps();
    for step in definition["steps"].as_array_mut().unwrap() {
        step["content"]["text"] = json!("Begônia para {{ contact.name }}: {{ contact.attributes.flor }}");
        step["fallback_template"]["body"] = json!(["{{ contact.first_name }}"]);
    }
    let sequence = world.sequence(definition).await;
    // The window is open: texts go out as written. Every kind of failure, then a sender at fault.
    world.inbound(PHONE, "Oi, aqui é Zoraide, quero a begônia").await;
    for fault in [
        json!({"status": 503}),
        json!({"error_code": 130_429}),
        json!({"timeout": "after"}),
        json!({"error_code": 131_026}),
        json!({"error_code": 190}),
    ] {
        world.fault(fault, 1).await;
    }
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(12 * DAY).await;
    assert_eq!(world.enrollment(&enrolled).await["state"], "parked");
    let fixed = json!({"credentials": {"access_token": "token-secreto-2", "app_secret": "segredo-do-app", "verify_token": "verifica-secreto"}});
    world.client.patch(&format!("/v1/senders/{sender}"), &fixed).await.unwrap();
    world.advance(DAY).await;
    // Webhooks: forged, signed nonsense, asked for with a wrong token; then an opt-out.
    let url = format!("{}/webhooks/whatsapp_cloud/{sender}", world.local.base_url);
    let http = reqwest::Client::new();
    let body = r#"{"zoraide": "+5511998877665 begônia"#;
    let signature = sign("segredo-do-app", body);
    for signature in ["sha256=00", signature.as_str()] {
        http.post(&url).header("x-hub-signature-256", signature).body(body).send().await.unwrap();
    }
    http.get(format!("{url}?hub.mode=subscribe&hub.verify_token=zoraide&hub.challenge=4")).send().await.unwrap();
    world.inbound(PHONE, "SAIR").await;
    // Requests that are refused, an import, a restart in the middle.
    world.call(Method::POST, "/v1/contacts", json!({"first_name": 5, "email": "zoraide@example.com"})).await;
    world.call(Method::POST, "/v1/events", json!({"type": "x", "contact_id": "zoraide"})).await;
    let csv = format!("first_name,phone,email\nZoraide,{PHONE},zoraide@example.com\nQuitéria,12,crisântemo\n");
    world.client.import("", csv).await.unwrap();
    world.enroll(&sequence, &contact).await;
    world.post("/_local/restart", json!({})).await;
    world.advance(30 * DAY).await;

    assert_impersonal();
    for message in ["message accepted", "message refused", "answer unknown", "webhook with a wrong signature"] {
        assert!(!logged(message).is_empty(), "`{message}` was not logged: is anything captured?");
    }
    let suspended = logged("sender suspended");
    assert_eq!((&suspended[0]["sender"], &suspended[0]["code"]), (&json!(sender), &json!("190")), "{suspended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_record_is_named_by_ids_and_a_code() {
    capture();
    let planned = include_str!("../../events/send-planned.json");
    let planned: Value = serde_json::from_str(planned).unwrap();
    let planned = planned["Records"][0]["body"]
        .as_str()
        .unwrap()
        .replace("Ana", "Zoraide")
        .replace("5511987654321", "5511998877665");
    let body: Value = serde_json::from_str(&planned).unwrap();
    let (tenant, enrollment) = (body["body"]["tenant"].clone(), body["body"]["enrollment"].clone());
    let due: StepDue =
        serde_json::from_value(json!({"tenant": tenant, "enrollment": enrollment, "generation": 1})).unwrap();
    let mut ids = domain::ids::Ids::from_seed([3; 32]);
    let job = domain::ids::JobId::new(&mut ids);
    let work = encode(&EnrollWork { tenant: due.tenant, job, part: 0, not_before: None });
    let inbound = json!({"v": "1", "body": {"tenant": tenant, "sender": body["body"]["sender"], "events": [
        {"opt_out": {"from": [{"phone": PHONE}], "at": 1_773_059_400, "id": "zoraide"}}]}})
    .to_string();
    let garbage = "{\"v\": \"1\", \"body\": \"Zoraide Quitéria, +5511998877665: begônia\"}";
    nowhere::all_queues([&[&work, garbage], &[&encode(&due), garbage], &[&planned, garbage], &[&inbound, garbage]])
        .await;
    let failed = logged("queue message failed");
    for subject in [json!(job), enrollment, body["body"]["sender"].clone()] {
        let named = failed
            .iter()
            .any(|line| line["subject"] == subject && line["message_id"] == "message-0" && line["code"] == "transient");
        assert!(named, "nothing about {subject}: {failed:?}");
    }
    assert!(failed.iter().any(|line| line["message_id"] == "message-1" && line["code"] == "unreadable"));
    assert_impersonal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_logged_by_its_place() {
    capture();
    let due = |generation: u32| {
        let text = r#"{"tenant": "acc_6dqG01HPmnZC", "enrollment": "enr_CT59X9uqz6kkSIYbvzfHwghxfW1fFhyRSYguDgAAAAE", "generation": 0}"#;
        let due: StepDue = serde_json::from_str(text).unwrap();
        encode(&StepDue { generation, ..due })
    };
    let mut metrics = runtime::Metrics::new("step", domain::time::Timestamp(1_773_059_400));
    let (one, other) = (due(1), due(2));
    let (response, done) =
        runtime::batch(nowhere::batch(&[&one, &other]), 2, &mut metrics, |due: StepDue| async move {
            assert_eq!(due.generation, 2, "Zoraide Quitéria wants begônia at {PHONE}");
            Ok(())
        })
        .await;
    assert_eq!((response.batch_item_failures.len(), done.len()), (1, 1));
    let panicked: Vec<_> =
        logged("panicked").into_iter().filter(|line| line["span"]["message_id"] == "message-0").collect();
    assert!(panicked[0]["place"].as_str().unwrap().contains("logs.rs"), "{panicked:?}");
    assert!(logged("queue message failed").iter().any(|line| line["code"] == "panicked"));
    assert_impersonal();
}

fn sign(secret: &str, body: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

#[tokio::test(flavor = "multi_thread")]
async fn emails_and_sms_are_logged_without_a_person_in_them() {
    capture();
    let world = World::start().await;
    let twilio = json!({"name": "Avisos", "channel": "sms", "provider": "twilio",
        "config": {"account_sid": "AC1", "from": "+15005550006", "public_webhook_url": "https://ritmo.example.com/x"},
        "credentials": {"auth_token": "token-secreto"}});
    let twilio = id(&world.post("/v1/senders", twilio).await);
    let contact = json!({"first_name": "Zoraide", "phone": PHONE, "email": "zoraide@example.com"});
    let contact = id(&world.post("/v1/contacts", contact).await);
    let step = |key: &str, channel: &str, sender: Value| {
        json!({"key": key, "wait": {"value": 1, "unit": "days"}, "channel": channel, "sender_id": sender,
            "content": {"type": "text", "text": "Begônia para {{ contact.first_name }}",
                "email": {"subject": "Crisântemo, {{ contact.first_name }}"}}})
    };
    let steps = [
        step("a", "email", Value::Null),
        step("b", "sms", Value::Null),
        step("c", "sms", json!(twilio)),
        step("d", "sms", json!(twilio)),
    ];
    let sequence = world.sequence(json!({"name": "Flores", "target": "contact", "steps": steps})).await;
    for (provider, refusal) in [
        ("ses", json!("MessageRejected")),
        ("aws_sms", json!("DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION")),
        ("twilio", json!(30_007)),
    ] {
        let fail = json!([{"status": 503}, {"error_code": refusal}, {"timeout": "after"}]);
        world.post("/_local/faults", json!({"provider": provider, "fail": fail})).await;
    }
    world.enroll(&sequence, &contact).await;
    world.advance(6 * DAY).await;
    let again = id(&world.enroll(&sequence, &contact).await);
    world.advance(3 * DAY + 60).await;
    world.post("/_local/inbound", json!({"channel": "sms", "from": PHONE, "text": "Zoraide quer begônia"})).await;
    assert_eq!(world.enrollment(&again).await["outcome"], "replied");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for sender in ["ses", "aws_sms", "twilio"] {
        let id = match sender {
            "twilio" => twilio.clone(),
            "ses" => world.sender_of("email").await,
            _ => world.sender_of("sms").await,
        };
        let url = format!("{}/webhooks/{sender}/{id}", world.local.base_url);
        let forged =
            http.post(url).header("x-twilio-signature", "token-secreto").body("From=%2B5511998877665&Body=Zoraide");
        assert_eq!(forged.send().await.unwrap().status(), 401, "{sender}");
    }
    assert!(logged("message refused").len() >= 6, "503 and a refusal of each");
    assert!(logged("webhook with a wrong signature").len() >= 3);
    assert_impersonal();
}
