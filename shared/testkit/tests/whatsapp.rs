//! The real adapter against the stand-in, over loopback HTTP.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels::{Providers, Webhook};
use domain::content::{RenderedButton, RenderedHeader, RenderedParameters, RenderedTemplate};
use domain::ids::{AttemptRef, ContactId, EnrollmentId, Ids, SenderId, SequenceId, TenantId};
use domain::message::{
    Channel, DeliveryStatus, Identity, InboundEvent, InboundKind, Message, Outbound, ProviderKind, Reaction, Recipient,
    Refusal, SendOutcome,
};
use domain::sender::Sender;
use domain::sequence::{TemplateButtonType, TemplateHeaderType};
use domain::time::Timestamp;
use serde_json::{Value, json};
use testkit::local::{Fault, InboundBody, TemplatesBody};
use testkit::stand_in::{Desk, Hooks, SenderAccess, SenderKey, StandIn as _, WebhookDelivery};
use testkit::whatsapp::WhatsappStandIn;

const KIND: ProviderKind = ProviderKind::WhatsappCloud;
const PHONE: &str = "5511987654321";

type Scheduled = Arc<Mutex<Vec<(Timestamp, WebhookDelivery)>>>;

struct World {
    desk: Desk,
    stand_in: WhatsappStandIn,
    providers: Providers,
    config: Value,
    credentials: Value,
    now: Arc<Mutex<Timestamp>>,
    scheduled: Scheduled,
}

fn access() -> SenderAccess {
    SenderAccess {
        sender_id: "snd_one".into(),
        channel: Channel::Whatsapp,
        provider: KIND,
        config: json!({"phone_number_id": "106540352242922", "waba_id": "102290129340398"}),
        credentials: json!({"access_token": "EAAG-token", "app_secret": "app-secret", "verify_token": "v"}),
    }
}

fn hooks(now: &Arc<Mutex<Timestamp>>, scheduled: &Scheduled) -> Hooks {
    let (now, scheduled) = (Arc::clone(now), Arc::clone(scheduled));
    Hooks {
        clock: Arc::new(move || *now.lock().unwrap()),
        // The one sender is found by callback, as the local runner does it.
        lookup: Arc::new(|key| Box::pin(async move { Some(access()).filter(|access| access.fits(&key)) })),
        schedule: Arc::new(move |at, delivery| scheduled.lock().unwrap().push((at, delivery))),
    }
}

fn sender(config: &Value) -> Sender {
    let mut ids = Ids::from_seed([4; 32]);
    let tenant = TenantId::new(&mut ids);
    Sender::new(SenderId::of(tenant, &mut ids), Timestamp(0), Channel::Whatsapp, KIND, config.clone())
}

async fn serve(stand_in: &WhatsappStandIn) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = stand_in.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

fn inbound(stand_in: &WhatsappStandIn, from: &str, text: &str) -> WebhookDelivery {
    let body = json!({"channel": "whatsapp", "from": from, "text": text});
    let body = serde_json::from_value::<InboundBody>(body).unwrap();
    stand_in.inbound(&access(), &body).unwrap().remove(0)
}

impl World {
    async fn new() -> Self {
        let now = Arc::new(Mutex::new(Timestamp::parse("2026-03-02T12:00:00Z").unwrap()));
        let scheduled = Scheduled::default();
        let desk = Desk::new(hooks(&now, &scheduled));
        let stand_in = WhatsappStandIn::new(desk.clone()).unwrap();
        let origin = serve(&stand_in).await;
        let SenderAccess { mut config, credentials, .. } = access();
        config["base_url"] = json!(origin);
        let providers = Providers::new(&aws_config::SdkConfig::builder().build()).unwrap();
        Self { desk, stand_in, providers, config, credentials, now, scheduled }
    }

    async fn send(&self, outbound: &Outbound) -> SendOutcome {
        self.providers.send(&sender(&self.config), &self.credentials, outbound).await
    }

    fn fault(&self, fault: Value) {
        self.desk.add_fault(serde_json::from_value::<Fault>(fault).unwrap()).unwrap();
    }

    fn advance(&self, hours: i64) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus_hours(hours);
    }

    /// What the API would make of a delivery: verified, then normalised.
    fn receive(&self, delivery: &WebhookDelivery) -> Vec<InboundEvent> {
        let headers = delivery
            .headers
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let webhook = Webhook { raw: delivery.body.as_bytes(), headers: &headers, query: &[] };
        let now = *self.now.lock().unwrap();
        assert!(channels::verify(&sender(&self.config), &webhook, &self.credentials, now));
        channels::normalise(&sender(&self.config), &webhook, now).unwrap()
    }
}

fn reference(generation: u32) -> AttemptRef {
    let mut ids = Ids::from_seed([3; 32]);
    let enrollment = EnrollmentId {
        contact: ContactId::new(&mut ids),
        sequence: SequenceId::new(&mut ids),
        scope: ids.bytes(),
        run: 1,
    };
    AttemptRef { enrollment, generation }
}

fn text(text: &str) -> Outbound {
    Outbound {
        reference: reference(2),
        to: Recipient::Phone(PHONE.into()),
        message: Message::Text { text: text.into() },
    }
}

fn template(name: &str, parameters: &[&str]) -> Outbound {
    let body = RenderedParameters::Positional(parameters.iter().map(|p| (*p).into()).collect());
    let rendered = RenderedTemplate {
        name: name.into(),
        language: "pt_BR".into(),
        body,
        header: None,
        buttons: vec![],
        blank: vec![],
    };
    Outbound { message: Message::WhatsappTemplate(rendered), ..text("") }
}

fn refusal(outcome: SendOutcome) -> Refusal {
    match outcome {
        SendOutcome::Refused(refusal) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn reaction(outcome: SendOutcome) -> (Reaction, String) {
    let refusal = refusal(outcome);
    (refusal.reaction, refusal.code)
}

#[tokio::test]
async fn a_text_goes_out_in_the_window_and_its_statuses_come_back() {
    let world = World::new().await;
    inbound(&world.stand_in, "+55 11 98765-4321", "Olá");
    let outcome = world.send(&text("Tudo bem? 😮")).await;
    let SendOutcome::Accepted { provider_message_id, recipient_id } = outcome else { panic!("{outcome:?}") };
    assert_eq!(recipient_id.as_deref(), Some(PHONE));

    let messages = world.desk.messages(Some(Channel::Whatsapp), Some("+5511987654321"));
    assert_eq!(
        serde_json::to_value(&messages).unwrap(),
        json!([{
            "at": "2026-03-02T12:00:00Z", "channel": "whatsapp", "provider": "whatsapp_cloud",
            "sender_id": "snd_one", "to": "+5511987654321", "text": "Tudo bem? 😮",
            "body": {
                "messaging_product": "whatsapp", "recipient_type": "individual", "to": PHONE, "type": "text",
                "text": {"body": "Tudo bem? 😮", "preview_url": false},
                "biz_opaque_callback_data": reference(2).to_string(),
            },
            "provider_message_id": provider_message_id,
            "enrollment_id": reference(2).enrollment.to_string(), "step": null,
            "reference": reference(2).to_string(),
        }])
    );
    assert_eq!(messages[0].attempt(), Some(reference(2)));

    let scheduled = world.scheduled.lock().unwrap().clone();
    let sent_at = messages[0].at;
    assert_eq!(scheduled.iter().map(|(at, _)| at.seconds_since(sent_at)).collect::<Vec<_>>(), [1, 2]);
    let statuses: Vec<_> = scheduled
        .iter()
        .flat_map(|(_, delivery)| world.receive(delivery))
        .map(|event| match event {
            InboundEvent::Status(status) => status,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        statuses.iter().map(|s| s.status).collect::<Vec<_>>(),
        [DeliveryStatus::Sent, DeliveryStatus::Delivered]
    );
    assert!(statuses.iter().all(|s| s.reference.map(|r| r.0) == Some(reference(2))));
    assert!(statuses.iter().all(|s| s.provider_message_id == provider_message_id));
}

#[tokio::test]
async fn an_inbound_message_is_verified_and_normalised() {
    let world = World::new().await;
    let delivery = inbound(&world.stand_in, "+551692318222", "Quero saber / preço é?");
    assert_eq!(delivery.url_path, "/webhooks/whatsapp_cloud/snd_one");
    assert!(delivery.body.is_ascii() && delivery.body.contains("\\/"));
    let [InboundEvent::Message(message)] = &world.receive(&delivery)[..] else { panic!() };
    assert_eq!(message.kind, InboundKind::Text);
    assert_eq!(message.text.as_deref(), Some("Quero saber / preço é?"));
    assert_eq!(message.from, [Identity::Phone("+5516992318222".into()), Identity::WaId("551692318222".into())]);
    assert_eq!(message.at, *world.now.lock().unwrap());

    let delivery = inbound(&world.stand_in, "US.13491208655302741918", "hi");
    let [InboundEvent::Message(second)] = &world.receive(&delivery)[..] else { panic!() };
    assert_eq!(second.from, [Identity::Bsuid("US.13491208655302741918".into())]);
    assert_ne!(second.id, message.id);
    assert_eq!(world.desk.sender(SenderKey::Id("snd_other".into())).await, None);
}

#[tokio::test]
async fn free_text_needs_the_window_of_its_pair() {
    let world = World::new().await;
    let outside = (Reaction::OutsideWindow, "131047".to_owned());
    assert_eq!(reaction(world.send(&text("oi")).await), outside);
    inbound(&world.stand_in, "+5521987654321", "oi");
    assert_eq!(reaction(world.send(&text("oi")).await), outside);
    inbound(&world.stand_in, PHONE, "oi");
    world.advance(23);
    assert!(matches!(world.send(&text("oi")).await, SendOutcome::Accepted { .. }));
    world.advance(1);
    assert_eq!(reaction(world.send(&text("oi")).await), outside);
    assert!(matches!(world.send(&template("a", &[])).await, SendOutcome::Accepted { .. }));
    let bsuid = Outbound { to: Recipient::Bsuid("US.134912".into()), ..text("oi") };
    assert_eq!(reaction(world.send(&bsuid).await), outside);
    inbound(&world.stand_in, "US.134912", "oi");
    assert!(matches!(world.send(&bsuid).await, SendOutcome::Accepted { .. }));
    assert_eq!(world.desk.messages(None, Some("US.134912")).len(), 1);
}

#[tokio::test]
async fn a_template_learns_its_shape_at_first_use() {
    let world = World::new().await;
    let full = Outbound {
        message: Message::WhatsappTemplate(RenderedTemplate {
            name: "cobranca_1".into(),
            language: "pt_BR".into(),
            body: RenderedParameters::Named(vec![("first_name".into(), "Ana".into())]),
            header: Some(RenderedHeader {
                type_: TemplateHeaderType::Document,
                value: "https://example.com/boleto.pdf".into(),
                name: None,
                filename: Some("boleto.pdf".into()),
            }),
            buttons: vec![
                RenderedButton { index: 0, sub_type: TemplateButtonType::Url, value: "abc".into() },
                RenderedButton { index: 1, sub_type: TemplateButtonType::QuickReply, value: "STOP".into() },
                RenderedButton { index: 2, sub_type: TemplateButtonType::CopyCode, value: "PIX10".into() },
            ],
            blank: vec![],
        }),
        ..text("")
    };
    assert!(matches!(world.send(&full).await, SendOutcome::Accepted { .. }));
    assert_eq!(
        world.desk.messages(None, None)[0].body["template"],
        json!({"name": "cobranca_1", "language": {"code": "pt_BR"}, "components": [
            {"type": "header", "parameters": [
                {"type": "document", "document": {"link": "https://example.com/boleto.pdf", "filename": "boleto.pdf"}}]},
            {"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ana"}]},
            {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "abc"}]},
            {"type": "button", "sub_type": "quick_reply", "index": "1",
             "parameters": [{"type": "payload", "payload": "STOP"}]},
            {"type": "button", "sub_type": "copy_code", "index": "2",
             "parameters": [{"type": "coupon_code", "coupon_code": "PIX10"}]},
        ]})
    );
    // What was learned is what the list tells, in Meta's words and back.
    let listed = world.providers.templates(&sender(&world.config), &world.credentials).await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].body_parameters), ("cobranca_1", 1));
    assert_eq!(
        serde_json::to_value(&listed[0].parts).unwrap(),
        json!({"body_names": ["first_name"], "header": "document", "buttons": [
            {"index": 0, "sub_type": "url"}, {"index": 1, "sub_type": "quick_reply"}, {"index": 2, "sub_type": "copy_code"}]})
    );
    let changed = |change: fn(&mut RenderedTemplate)| {
        let mut other = full.clone();
        let Message::WhatsappTemplate(rendered) = &mut other.message else { panic!() };
        change(rendered);
        other
    };
    for (change, code) in [
        ((|t| t.header = None) as fn(&mut RenderedTemplate), "132000"),
        (|t| t.header.as_mut().unwrap().type_ = TemplateHeaderType::Image, "132012"),
        (|t| t.body = RenderedParameters::Named(vec![("name".into(), "Ana".into())]), "100"),
        (|t| drop(t.buttons.remove(0)), "132000"),
        (|t| t.buttons[2].index = 4, "132012"),
        (|t| t.buttons[2].value = "X".repeat(16), "100"),
    ] {
        assert_eq!(refusal(world.send(&changed(change)).await).code, code);
    }
    let no_payload = changed(|t| drop(t.buttons.remove(1)));
    assert!(matches!(world.send(&no_payload).await, SendOutcome::Accepted { .. }));
    let count = (Reaction::Template, "132000".to_owned());
    assert_eq!(reaction(world.send(&template("cobranca_1", &["Ana"])).await), count);
    assert!(matches!(world.send(&template("b", &["1", "2"])).await, SendOutcome::Accepted { .. }));
    assert_eq!(reaction(world.send(&template("b", &["1"])).await), count);
    assert_eq!(reaction(world.send(&template("c", &["1\n2"])).await), (Reaction::Template, "132012".into()));
}

#[tokio::test]
async fn a_set_template_list_decides() {
    let world = World::new().await;
    let body: TemplatesBody = serde_json::from_value(json!({"templates": [
        {"name": "good", "language": "pt_BR", "status": "APPROVED", "body_parameters": 1},
        {"name": "bad", "language": "pt_BR", "status": "REJECTED", "body_parameters": 1},
        {"name": "paused", "language": "pt_BR", "status": "PAUSED", "body_parameters": 0},
        {"name": "english", "language": "en_US", "status": "APPROVED", "body_parameters": 0},
    ]}))
    .unwrap();
    world.stand_in.set_templates(body).unwrap();
    assert!(matches!(world.send(&template("good", &["1"])).await, SendOutcome::Accepted { .. }));
    for (name, parameters, code) in [
        ("good", &["1", "2"][..], "132000"),
        ("bad", &["1"], "132001"),
        ("paused", &[], "132015"),
        ("english", &[], "132001"),
    ] {
        assert_eq!(
            reaction(world.send(&template(name, parameters)).await),
            (Reaction::Template, code.into()),
            "{name}"
        );
    }
    assert!(matches!(world.send(&template("other", &["1", "2"])).await, SendOutcome::Accepted { .. }));

    let listed = world.providers.templates(&sender(&world.config), &world.credentials).await.unwrap();
    let listed: Vec<_> =
        listed.iter().map(|t| (t.name.as_str(), t.language.as_str(), t.status.as_str(), t.body_parameters)).collect();
    assert_eq!(
        listed,
        [
            ("good", "pt_BR", "APPROVED", 1),
            ("bad", "pt_BR", "REJECTED", 1),
            ("paused", "pt_BR", "PAUSED", 0),
            ("english", "en_US", "APPROVED", 0),
            ("other", "pt_BR", "APPROVED", 2)
        ]
    );
}

#[tokio::test]
async fn only_what_the_synced_list_calls_marketing_goes_by_the_marketing_endpoint() {
    let mut world = World::new().await;
    let body = json!({"templates": [
        {"name": "promo", "language": "pt_BR", "category": "MARKETING", "body_parameters": 1},
        {"name": "fatura", "language": "pt_BR", "body_parameters": 0}]});
    world.stand_in.set_templates(serde_json::from_value(body).unwrap()).unwrap();
    world.config["marketing"] = json!("marketing_messages");
    let mut sender = sender(&world.config);
    let send =
        async |sender: &Sender, outbound: &Outbound| world.providers.send(sender, &world.credentials, outbound).await;
    let by = |nth: usize| world.desk.messages(None, None)[nth].body.get("product_policy").cloned();
    // Never synced, nobody knows the category.
    assert!(matches!(send(&sender, &template("promo", &["1"])).await, SendOutcome::Accepted { .. }));
    assert_eq!(by(0), None);
    sender.templates = Some(world.providers.templates(&sender, &world.credentials).await.unwrap());
    assert!(matches!(send(&sender, &template("promo", &["1"])).await, SendOutcome::Accepted { .. }));
    assert_eq!(by(1), Some(json!("CLOUD_API_FALLBACK")));
    assert!(matches!(send(&sender, &template("fatura", &[])).await, SendOutcome::Accepted { .. }));
    assert_eq!(by(2), None);
    // Meta calls it otherwise meanwhile: the endpoint refuses what it is not for.
    sender.templates.iter_mut().flatten().for_each(|known| known.category = Some("MARKETING".into()));
    assert_eq!(reaction(send(&sender, &template("fatura", &[])).await), (Reaction::Message, "100".into()));
}

#[tokio::test]
async fn long_template_lists_are_read_over_all_pages() {
    let world = World::new().await;
    let templates: Vec<Value> =
        (0..250).map(|n| json!({"name": format!("t{n}"), "language": "pt_BR", "body_parameters": n % 3})).collect();
    world.stand_in.set_templates(serde_json::from_value(json!({"templates": templates})).unwrap()).unwrap();
    let listed = world.providers.templates(&sender(&world.config), &world.credentials).await.unwrap();
    assert_eq!(listed.len(), 250);
    assert!(listed.iter().enumerate().all(|(n, t)| t.name == format!("t{n}") && t.body_parameters as usize == n % 3));
    let wrong = json!({"access_token": "other", "app_secret": "s", "verify_token": "v"});
    let refused = world.providers.templates(&sender(&world.config), &wrong).await.unwrap_err();
    assert_eq!((refused.reaction, refused.code.as_str()), (Reaction::Sender, "190"));
}

#[tokio::test]
async fn senders_faults_are_the_senders() {
    let world = World::new().await;
    let send = async |config: &Value, credentials: &Value| {
        reaction(world.providers.send(&sender(config), credentials, &template("a", &[])).await)
    };
    let wrong_token = json!({"access_token": "other", "app_secret": "s", "verify_token": "v"});
    assert_eq!(send(&world.config, &wrong_token).await, (Reaction::Sender, "190".into()));
    let mut elsewhere = world.config.clone();
    elsewhere["phone_number_id"] = json!("999");
    assert_eq!(send(&elsewhere, &world.credentials).await, (Reaction::Message, "100".into()));
    assert_eq!(send(&json!({}), &world.credentials).await, (Reaction::Sender, "config".into()));
    assert!(world.desk.messages(None, None).is_empty());
}

#[tokio::test]
async fn planned_faults_hit_in_turn_and_only_their_recipient() {
    let world = World::new().await;
    world.fault(json!({"provider": "whatsapp_cloud", "count": 4, "to": "+55 11 98765-4321",
        "fail": [{"status": 429}, {"status": 503}, {"error_code": 131026}]}));
    let other = Outbound { to: Recipient::Phone("5521987654321".into()), ..template("a", &[]) };
    assert!(matches!(world.send(&other).await, SendOutcome::Accepted { .. }));
    for expected in [
        (Reaction::Throttled, "http_429"),
        (Reaction::Transient, "http_503"),
        (Reaction::Recipient, "131026"),
        (Reaction::Throttled, "http_429"),
    ] {
        let (reaction, code) = reaction(world.send(&template("a", &[])).await);
        assert_eq!((reaction, code.as_str()), expected);
    }
    assert!(matches!(world.send(&template("a", &[])).await, SendOutcome::Accepted { .. }));
    assert_eq!(world.desk.messages(None, None).len(), 2);
}

#[tokio::test]
async fn error_codes_come_as_meta_answers_them() {
    let world = World::new().await;
    for (code, expected) in [
        (190, Reaction::Sender),
        (131031, Reaction::Sender),
        (4, Reaction::Throttled),
        (130429, Reaction::Throttled),
        (131056, Reaction::Pair),
        (131000, Reaction::Transient),
        (131016, Reaction::Transient),
        (131050, Reaction::OptedOut),
        (131047, Reaction::OutsideWindow),
        (131049, Reaction::Recipient),
        (132015, Reaction::Template),
        (100, Reaction::Message),
    ] {
        world.fault(json!({"provider": "whatsapp_cloud", "fail": [{"error_code": code}]}));
        assert_eq!(reaction(world.send(&template("a", &[])).await), (expected, code.to_string()));
    }
}

#[tokio::test]
async fn a_cut_connection_is_ambiguous_on_either_side_and_never_repeated() {
    let world = World::new().await;
    // A first send leaves a connection in the pool: a cut on a reused one must not be repeated either.
    assert!(matches!(world.send(&template("a", &[])).await, SendOutcome::Accepted { .. }));
    let started = Instant::now();
    world.fault(json!({"provider": "whatsapp_cloud", "fail": [{"timeout": "before"}, {"timeout": "after"}]}));
    assert_eq!(world.send(&template("a", &[])).await, SendOutcome::Ambiguous);
    assert_eq!(world.desk.messages(None, None).len(), 1);
    assert_eq!(world.send(&template("a", &[])).await, SendOutcome::Ambiguous);
    assert_eq!(world.desk.messages(None, None).len(), 2);
    assert_eq!(world.scheduled.lock().unwrap().len(), 4);
    assert_eq!(world.desk.requests(KIND), 3);
    assert!(started.elapsed() < Duration::from_secs(5), "a cut must not be waited for");
}

#[tokio::test]
async fn a_cut_connection_carries_no_byte_of_an_answer() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new().await;
    world.fault(json!({"provider": "whatsapp_cloud", "fail": [{"timeout": "before"}]}));
    let origin = world.config["base_url"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(origin).await.unwrap();
    let body = channels::whatsapp_cloud::body(&template("a", &[])).to_string();
    let request = format!(
        "POST /v24.0/106540352242922/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer EAAG-token\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn no_connection_is_a_known_refusal() {
    let world = World::new().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for origin in [closed.as_str(), "http://ritmo.invalid"] {
        let mut config = world.config.clone();
        config["base_url"] = json!(origin);
        let outcome = world.providers.send(&sender(&config), &world.credentials, &text("oi")).await;
        assert_eq!(reaction(outcome), (Reaction::Transient, "connect".into()), "{origin}");
    }
}

#[tokio::test]
async fn a_delay_holds_up_no_one_else_and_dropped_statuses_stay_away() {
    let world = World::new().await;
    world.fault(json!({"provider": "whatsapp_cloud", "fail": [{"delay_ms": 400}], "to": PHONE}));
    let other = Outbound { to: Recipient::Phone("5521987654321".into()), ..template("a", &[]) };
    let started = Instant::now();
    let mine = template("a", &[]);
    let (slow, fast) = tokio::join!(world.send(&mine), async {
        let outcome = world.send(&other).await;
        (outcome, started.elapsed())
    });
    assert!(matches!(slow, SendOutcome::Accepted { .. }) && started.elapsed() >= Duration::from_millis(400));
    assert!(matches!(fast.0, SendOutcome::Accepted { .. }) && fast.1 < Duration::from_millis(400));

    world.scheduled.lock().unwrap().clear();
    world.fault(json!({"provider": "whatsapp_cloud", "fail": [{"drop_status_webhook": true}]}));
    assert!(matches!(world.send(&mine).await, SendOutcome::Accepted { .. }));
    assert!(world.scheduled.lock().unwrap().is_empty());
    world.desk.set_statuses(vec![DeliveryStatus::Sent, DeliveryStatus::Failed]);
    world.send(&mine).await;
    let scheduled = world.scheduled.lock().unwrap().clone();
    let [InboundEvent::Status(failed)] = &world.receive(&scheduled[1].1)[..] else { panic!() };
    assert_eq!(failed.refusal.as_ref().map(|r| (r.reaction, r.code.as_str())), Some((Reaction::Recipient, "131026")));
}

#[tokio::test]
async fn the_log_survives_a_restart_and_a_torn_last_line() {
    let world = World::new().await;
    let path = std::env::temp_dir().join(format!("ritmo-stand-in-{}-{:?}.log", std::process::id(), Instant::now()));
    let open = || {
        let desk = Desk::new(hooks(&world.now, &world.scheduled)).with_journal(Some(&path)).unwrap();
        (WhatsappStandIn::new(desk.clone()).unwrap(), desk)
    };
    let run = async |stand_in: &WhatsappStandIn, outbound: &Outbound| {
        let mut config = world.config.clone();
        config["base_url"] = json!(serve(stand_in).await);
        world.providers.send(&sender(&config), &world.credentials, outbound).await
    };
    let (first, desk) = open();
    inbound(&first, PHONE, "oi");
    assert!(matches!(run(&first, &text("um")).await, SendOutcome::Accepted { .. }));
    assert!(matches!(run(&first, &template("a", &["1"])).await, SendOutcome::Accepted { .. }));
    let before = desk.messages(None, None);
    drop((first, desk));

    let torn = std::fs::read_to_string(&path).unwrap() + "{\"accepted\":{\"at\":";
    std::fs::write(&path, torn).unwrap();
    let (second, desk) = open();
    assert_eq!(desk.messages(None, None), before);
    // Window and learned template are still known, and no id comes twice.
    assert!(matches!(run(&second, &text("dois")).await, SendOutcome::Accepted { .. }));
    assert_eq!(reaction(run(&second, &template("a", &[])).await), (Reaction::Template, "132000".into()));
    let third = open().1.messages(None, None);
    assert_eq!(third.len(), 3);
    assert_ne!(third[2].provider_message_id, third[0].provider_message_id);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn aws_relays_metas_bodies_both_ways() {
    let mut world = World::new().await;
    let relayed = SenderAccess {
        config: json!({"phone_number_id": "777", "waba_id": "888", "relay_phone_number_id": "phone-number-id-01"}),
        credentials: json!({}),
        ..access()
    };
    world.desk.register(SenderAccess { sender_id: "snd_two".into(), ..relayed.clone() });
    let origin = serve(&world.stand_in).await;
    let keys = aws_credential_types::Credentials::new("id", "secret", None, None, "test");
    let sdk = aws_config::SdkConfig::builder()
        .region(aws_config::Region::from_static("us-east-1"))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(keys))
        .build();
    world.providers = Providers::new(&sdk).unwrap().with_account(testkit::sns::ACCOUNT).with_origin(KIND, origin);
    (world.config, world.credentials) = (relayed.config.clone(), json!({}));
    // Proven by the certificate that SNS names, which is fetched; the app secret of nobody signs here.
    let receive = async |delivery: &WebhookDelivery| {
        let headers = http::HeaderMap::new();
        let now = *world.now.lock().unwrap();
        let sender = sender(&world.config);
        let check = async |raw: &[u8]| {
            let webhook = Webhook { raw, headers: &headers, query: &[] };
            world.providers.verify(&sender, &webhook, &world.credentials, now).await.unwrap()
        };
        assert!(check(delivery.body.as_bytes()).await);
        assert!(!check(delivery.body.replace("biz_opaque", "biz_0paque").replace("Ol", "ol").as_bytes()).await);
        let webhook = Webhook { raw: delivery.body.as_bytes(), headers: &headers, query: &[] };
        channels::normalise(&sender, &webhook, now).unwrap()
    };
    let failure = async || {
        let scheduled = std::mem::take(&mut *world.scheduled.lock().unwrap());
        let [InboundEvent::Status(status)] = &receive(&scheduled[0].1).await[..] else { panic!() };
        assert_eq!((scheduled.len(), status.status), (1, DeliveryStatus::Failed));
        assert_eq!(status.reference.map(|r| r.0), Some(reference(2)));
        let refusal = status.refusal.clone().unwrap();
        (refusal.reaction, refusal.code)
    };
    assert!(matches!(world.send(&text("oi")).await, SendOutcome::Accepted { .. }));
    assert_eq!(failure().await, (Reaction::OutsideWindow, "131047".into()));
    let body = serde_json::from_value(json!({"channel": "whatsapp", "from": PHONE, "text": "Olá"})).unwrap();
    let inbound = world.stand_in.inbound(&relayed, &body).unwrap().remove(0);
    let [InboundEvent::Message(message)] = &receive(&inbound).await[..] else { panic!() };
    assert_eq!(message.text.as_deref(), Some("Olá"));
    assert!(matches!(world.send(&text("Tudo bem?")).await, SendOutcome::Accepted { .. }));
    let sent = world.desk.messages(None, None).remove(0);
    assert_eq!((sent.text.as_str(), sent.attempt()), ("Tudo bem?", Some(reference(2))));
    let scheduled = std::mem::take(&mut *world.scheduled.lock().unwrap());
    for ((_, delivery), expected) in scheduled.iter().zip([DeliveryStatus::Sent, DeliveryStatus::Delivered]) {
        let [InboundEvent::Status(status)] = &receive(delivery).await[..] else { panic!() };
        assert_eq!((status.status, status.reference.map(|r| r.0)), (expected, Some(reference(2))));
    }
    world.fault(json!({"provider": "whatsapp_cloud", "fail": [{"error_code": 131026},
        {"error_code": "ThrottledRequestException"}, {"error_code": "AccessDeniedException"}, {"timeout": "after"}]}));
    assert!(matches!(world.send(&text("oi")).await, SendOutcome::Accepted { .. }));
    assert_eq!(failure().await, (Reaction::Recipient, "131026".into()));
    assert_eq!(reaction(world.send(&text("oi")).await), (Reaction::Throttled, "ThrottledRequestException".into()));
    assert_eq!(reaction(world.send(&text("oi")).await), (Reaction::Sender, "AccessDeniedException".into()));
    assert_eq!(world.send(&text("oi")).await, SendOutcome::Ambiguous);
    world.config["relay_phone_number_id"] = json!("phone-number-id-02");
    assert_eq!(reaction(world.send(&text("oi")).await), (Reaction::Sender, "ResourceNotFoundException".into()));
}
