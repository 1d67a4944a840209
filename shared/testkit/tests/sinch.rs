//! The real adapters against the stand-ins of Sinch's two APIs, over loopback HTTP: what goes out, what
//! comes back signed, and what goes wrong between.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use channels::{Providers, Webhook};
use domain::content::{RenderedParameters, RenderedTemplate};
use domain::ids::{AttemptRef, ContactId, EnrollmentId, Ids, SenderId, SequenceId, TenantId};
use domain::message::{
    Channel, DeliveryStatus, Identity, InboundEvent, InboundKind, Message, Outbound, ProviderKind, Reaction, Recipient,
    SendOutcome, StatusUpdate,
};
use domain::sender::Sender;
use domain::time::Timestamp;
use serde_json::{Value, json};
use testkit::local::{Fault, InboundBody};
use testkit::sinch::SinchStandIn;
use testkit::sinch_sms::SinchSmsStandIn;
use testkit::stand_in::{Desk, Hooks, SenderAccess, StandIn, WebhookDelivery};

const PHONE: &str = "5511987654321";

type Scheduled = Arc<Mutex<Vec<(Timestamp, WebhookDelivery)>>>;

/// One sender, its provider's stand-in and the adapters.
struct World<S> {
    desk: Desk,
    stand_in: S,
    providers: Providers,
    sender: Sender,
    credentials: Value,
    now: Arc<Mutex<Timestamp>>,
    scheduled: Scheduled,
}

async fn sinch(channel: Channel) -> World<SinchStandIn> {
    let config = json!({"project_id": "p-1", "app_id": "01APP", "region": "br"});
    let credentials = json!({"key_id": "key", "key_secret": "secret", "webhook_secret": "of-webhooks"});
    World::new(ProviderKind::Sinch, channel, config, credentials, |desk| SinchStandIn::new(desk).unwrap()).await
}

async fn sinch_sms() -> World<SinchSmsStandIn> {
    let config = json!({"service_plan_id": "sp-1", "from": "28444", "region": "br"});
    let credentials = json!({"api_token": "token", "webhook_user": "sinch", "webhook_password": "pa:ss"});
    World::new(ProviderKind::SinchSms, Channel::Sms, config, credentials, SinchSmsStandIn::new).await
}

impl<S: StandIn> World<S> {
    async fn new(
        kind: ProviderKind,
        channel: Channel,
        config: Value,
        credentials: Value,
        stand_in: impl FnOnce(Desk) -> S,
    ) -> Self {
        let now = Arc::new(Mutex::new(Timestamp::parse("2026-03-02T12:00:00Z").unwrap()));
        let scheduled = Scheduled::default();
        let hooks = Hooks {
            clock: {
                let now = now.clone();
                Arc::new(move || *now.lock().unwrap())
            },
            lookup: Arc::new(|_| Box::pin(async { None })),
            schedule: {
                let scheduled = scheduled.clone();
                Arc::new(move |at, delivery| scheduled.lock().unwrap().push((at, delivery)))
            },
        };
        let desk = Desk::new(hooks);
        let stand_in = stand_in(desk.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = stand_in.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut ids = Ids::from_seed([4; 32]);
        let id = SenderId::of(TenantId::new(&mut ids), &mut ids);
        let sender = Sender::new(id, Timestamp(0), channel, kind, config);
        let providers = Providers::new(&aws_config::SdkConfig::builder().build()).unwrap().with_origin(kind, origin);
        let world = Self { desk, stand_in, providers, sender, credentials, now, scheduled };
        world.desk.register(world.access());
        world
    }

    fn access(&self) -> SenderAccess {
        SenderAccess {
            sender_id: self.sender.id.to_string(),
            channel: self.sender.channel,
            provider: self.sender.provider,
            config: self.sender.config.clone(),
            credentials: self.credentials.clone(),
        }
    }

    async fn send(&self, outbound: &Outbound) -> SendOutcome {
        self.providers.send(&self.sender, &self.credentials, outbound).await
    }

    /// The id of what is accepted.
    async fn accepted(&self, outbound: &Outbound) -> String {
        match self.send(outbound).await {
            SendOutcome::Accepted { provider_message_id, .. } => provider_message_id,
            other => panic!("{other:?}"),
        }
    }

    /// How a refusal is reacted to, and its code.
    async fn refused(&self, outbound: &Outbound) -> (Reaction, String) {
        match self.send(outbound).await {
            SendOutcome::Refused(refusal) => (refusal.reaction, refusal.code),
            other => panic!("{other:?}"),
        }
    }

    fn fault(&self, fail: Value) {
        let fault = json!({"provider": self.sender.provider, "fail": fail});
        self.desk.add_fault(serde_json::from_value::<Fault>(fault).unwrap()).unwrap();
    }

    fn write(&self, from: &str, text: &str, details: Value) -> Vec<InboundEvent> {
        let body = json!({"channel": self.sender.channel, "from": from, "text": text, "details": details});
        let body: InboundBody = serde_json::from_value(body).unwrap();
        let deliveries = self.stand_in.inbound(&self.access(), &body).unwrap();
        deliveries.iter().flat_map(|delivery| self.receive(delivery)).collect()
    }

    /// What the API makes of a delivery: verified, then normalised. The other secret is not taken.
    fn receive(&self, delivery: &WebhookDelivery) -> Vec<InboundEvent> {
        let headers = delivery
            .headers
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let webhook = Webhook { raw: delivery.body.as_bytes(), headers: &headers, query: &[] };
        let now = *self.now.lock().unwrap();
        assert!(channels::verify(&self.sender, &webhook, &self.credentials, now));
        let mut other = self.credentials.clone();
        for name in ["webhook_secret", "webhook_password"] {
            if other.get(name).is_some() {
                other[name] = json!("another");
            }
        }
        assert!(!channels::verify(&self.sender, &webhook, &other, now));
        channels::normalise(&self.sender, &webhook, now).unwrap()
    }

    /// What was reported so far, and is not read again.
    fn reports(&self) -> Vec<StatusUpdate> {
        let scheduled = std::mem::take(&mut *self.scheduled.lock().unwrap());
        let events = scheduled.iter().flat_map(|(_, delivery)| self.receive(delivery));
        let status = |event| match event {
            InboundEvent::Status(status) => status,
            other => panic!("{other:?}"),
        };
        events.map(status).collect()
    }

    fn statuses(&self) -> Vec<DeliveryStatus> {
        self.reports().into_iter().map(|report| report.status).collect()
    }

    /// The reaction to the one report, which is of a failure.
    fn failure(&self) -> (Reaction, String) {
        let reports = self.reports();
        let [report] = reports.as_slice() else { panic!("{reports:?}") };
        assert_eq!(report.status, DeliveryStatus::Failed);
        let refusal = report.refusal.clone().unwrap();
        (refusal.reaction, refusal.code)
    }

    fn advance(&self, hours: i64) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus_hours(hours);
    }
}

fn reference() -> AttemptRef {
    let mut ids = Ids::from_seed([3; 32]);
    let enrollment = EnrollmentId {
        contact: ContactId::new(&mut ids),
        sequence: SequenceId::new(&mut ids),
        scope: ids.bytes(),
        run: 1,
    };
    AttemptRef { enrollment, generation: 2 }
}

fn outbound(message: Value) -> Outbound {
    let message: Message = serde_json::from_value(message).unwrap();
    Outbound { reference: reference(), to: Recipient::Phone(PHONE.into()), message }
}

fn text(text: &str) -> Outbound {
    outbound(json!({"text": {"text": text}}))
}

fn template(name: &str, parameters: &[&str]) -> Outbound {
    let body = RenderedParameters::Positional(parameters.iter().map(|p| (*p).into()).collect());
    let (name, language) = (name.into(), "pt_BR".into());
    let rendered = RenderedTemplate { name, language, body, header: None, buttons: vec![], blank: vec![] };
    Outbound { message: Message::WhatsappTemplate(rendered), ..text("") }
}

#[tokio::test]
async fn a_text_goes_out_in_the_window_and_its_reports_come_back() {
    let world = sinch(Channel::Whatsapp).await;
    let [InboundEvent::Message(message)] = &world.write("+55 11 98765-4321", "Olá", json!(null))[..] else { panic!() };
    assert_eq!((message.kind, message.text.as_deref()), (InboundKind::Text, Some("Olá")));
    assert_eq!(message.from, [Identity::Phone(format!("+{PHONE}")), Identity::WaId(PHONE.into())]);
    assert_eq!(message.at, *world.now.lock().unwrap());
    let id = world.accepted(&text("Tudo bem? 😮")).await;
    let messages = world.desk.messages(Some(Channel::Whatsapp), Some("+5511987654321"));
    assert_eq!((messages[0].text.as_str(), messages[0].attempt()), ("Tudo bem? 😮", Some(reference())));
    assert_eq!(messages[0].provider_message_id, id);
    let reports = world.reports();
    assert_eq!(reports.iter().map(|r| r.status).collect::<Vec<_>>(), [DeliveryStatus::Sent, DeliveryStatus::Delivered]);
    assert!(reports.iter().all(|r| r.provider_message_id == id && r.reference.map(|r| r.0) == Some(reference())));
    // A tap is a reply, by what its button carries.
    let tap = world.write(PHONE, "Sim", json!({"postback_data": "yes", "message_id": id}));
    let [InboundEvent::Message(tap)] = &tap[..] else { panic!() };
    assert_eq!((tap.kind, tap.text.as_deref()), (InboundKind::Button, Some("yes")));
    assert_eq!(tap.in_reply_to.as_deref(), Some(id.as_str()));
}

#[tokio::test]
async fn outside_the_window_sinch_takes_the_message_and_reports_why_it_failed() {
    let world = sinch(Channel::Whatsapp).await;
    let outside = (Reaction::OutsideWindow, "OUTSIDE_ALLOWED_SENDING_WINDOW".to_owned());
    world.accepted(&text("oi")).await;
    assert_eq!(world.failure(), outside);
    world.write("+5521987654321", "oi", json!(null));
    world.accepted(&text("oi")).await;
    assert_eq!(world.failure(), outside, "another person's window");
    world.write(PHONE, "oi", json!(null));
    world.advance(23);
    world.accepted(&text("oi")).await;
    assert_eq!(world.statuses(), [DeliveryStatus::Sent, DeliveryStatus::Delivered]);
    world.advance(1);
    world.accepted(&text("oi")).await;
    assert_eq!(world.failure(), outside);
    world.accepted(&template("cobranca_1", &["Ana"])).await;
    assert_eq!(world.statuses(), [DeliveryStatus::Sent, DeliveryStatus::Delivered]);
}

#[tokio::test]
async fn a_template_keeps_the_parameters_of_its_first_use() {
    let world = sinch(Channel::Whatsapp).await;
    let short = (Reaction::Template, "TEMPLATE_INSUFFICIENT_PARAMETERS".to_owned());
    world.accepted(&template("a", &["Ana", "R$ 10,00"])).await;
    assert_eq!(world.statuses().len(), 2);
    for wrong in [template("a", &["Ana"]), template("a", &["Ana", ""]), template("a", &[])] {
        world.accepted(&wrong).await;
        assert_eq!(world.failure(), short);
    }
    let rendered = json!({"name": "b", "language": "pt_BR", "body": {"positional": ["Ana"]},
        "header": {"type": "document", "value": "https://example.com/a.pdf", "filename": "a.pdf"},
        "buttons": [{"index": 0, "sub_type": "url", "value": "x1"}, {"index": 1, "sub_type": "quick_reply", "value": "S"},
            {"index": 2, "sub_type": "copy_code", "value": "PIX10"}]});
    world.accepted(&outbound(json!({"whatsapp_template": rendered}))).await;
    assert_eq!(world.statuses().len(), 2);
    let named = json!({"name": "c", "language": "pt_BR", "body": {"named": [["first_name", "Ana"]]}});
    let refused = world.refused(&outbound(json!({"whatsapp_template": named}))).await;
    assert_eq!(refused, (Reaction::Template, "named_parameters".into()));
}

#[tokio::test]
async fn rich_messages_are_taken_in_every_form() {
    let world = sinch(Channel::Whatsapp).await;
    world.write(PHONE, "oi", json!(null));
    let url = "https://example.com/a.pdf";
    let buttons = json!([{"id": "y", "title": "Sim"}, {"id": "n", "title": "Não"}, {"id": "l", "title": "Depois"}]);
    for rich in [
        json!({"text": "Pagou?", "buttons": buttons}),
        json!({"text": "Pagou?", "buttons": buttons, "media": {"kind": "image", "url": url, "caption": null}}),
        json!({"text": "A fatura", "media": {"kind": "document", "url": url, "caption": null}}),
        json!({"text": "Ouça", "media": {"kind": "audio", "url": url, "caption": null}}),
        json!({"text": "Quando?", "list": {"button": "Horários", "sections": [
            {"title": "Hoje", "rows": [{"id": "9", "title": "9h", "description": "com Bia"}]}]}}),
    ] {
        world.accepted(&outbound(json!({"rich": rich}))).await;
        assert_eq!(world.statuses(), [DeliveryStatus::Sent, DeliveryStatus::Delivered], "{rich}");
    }
    let shown: Vec<_> = world.desk.messages(None, None).into_iter().map(|message| message.text).collect();
    assert_eq!(shown, ["Pagou?", "Pagou?", "A fatura", "[media]", "Quando?"]);
}

#[tokio::test]
async fn an_sms_needs_no_window_and_is_never_read() {
    let world = sinch(Channel::Sms).await;
    world.desk.set_statuses(vec![DeliveryStatus::Sent, DeliveryStatus::Delivered, DeliveryStatus::Read]);
    world.accepted(&text("oi")).await;
    assert_eq!(world.statuses(), [DeliveryStatus::Sent, DeliveryStatus::Delivered]);
    let [InboundEvent::Message(message)] = &world.write(PHONE, "SAIR", json!(null))[..] else { panic!() };
    assert_eq!(message.from, [Identity::Phone(format!("+{PHONE}"))]);
    assert_eq!(world.refused(&template("a", &[])).await, (Reaction::Template, "not_whatsapp".into()));
}

#[tokio::test]
async fn a_token_lives_an_hour_and_a_withdrawn_one_is_fetched_again() {
    let world = sinch(Channel::Sms).await;
    world.accepted(&text("1")).await;
    world.accepted(&text("2")).await;
    assert_eq!(world.desk.requests(ProviderKind::Sinch), 2);
    // The adapter still holds it: the API's 401 tells.
    world.advance(2);
    world.accepted(&text("3")).await;
    assert_eq!(world.desk.requests(ProviderKind::Sinch), 4);
    world.stand_in.revoke_tokens();
    world.accepted(&text("4")).await;
    assert_eq!(world.desk.messages(None, None).len(), 4);
}

#[tokio::test]
async fn whose_secret_is_wrong_sends_nothing_by_anothers_token() {
    let mut world = sinch(Channel::Sms).await;
    world.accepted(&text("1")).await;
    world.credentials["key_secret"] = json!("guessed");
    assert_eq!(world.refused(&text("2")).await, (Reaction::Sender, "UNAUTHENTICATED".into()));
    world.credentials["key_secret"] = json!("secret");
    world.accepted(&text("3")).await;
    world.sender.config["app_id"] = json!("01OTHER");
    assert_eq!(world.refused(&text("4")).await, (Reaction::Sender, "NOT_FOUND".into()));
    world.sender.config["app_id"] = json!("01APP");
    world.sender.config["project_id"] = json!("p-2");
    assert_eq!(world.refused(&text("5")).await, (Reaction::Sender, "NOT_FOUND".into()));
    world.sender.config = json!({});
    assert_eq!(world.refused(&text("6")).await, (Reaction::Sender, "config".into()));
    assert_eq!(world.desk.messages(None, None).len(), 2);
}

#[tokio::test]
async fn sinchs_faults_have_their_reactions() {
    let world = sinch(Channel::Sms).await;
    world.fault(json!([{"status": 503}, {"error_code": "RESOURCE_EXHAUSTED"}, {"error_code": "PERMISSION_DENIED"}]));
    for (reaction, code) in [
        (Reaction::Transient, "http_503"),
        (Reaction::Throttled, "RESOURCE_EXHAUSTED"),
        (Reaction::Sender, "PERMISSION_DENIED"),
    ] {
        assert_eq!(world.refused(&text("oi")).await, (reaction, code.into()));
    }
    for (code, reaction) in [
        ("RECIPIENT_NOT_REACHABLE", Reaction::Recipient),
        ("CHANNEL_BAD_CONFIGURATION", Reaction::Sender),
        ("CHANNEL_FAILURE", Reaction::Transient),
        ("CHANNEL_REJECT", Reaction::Message),
    ] {
        world.fault(json!([{"error_code": code}]));
        world.accepted(&text("oi")).await;
        assert_eq!(world.failure(), (reaction, code.into()));
    }
    world.fault(json!([{"error_code": "DELIVERY_REPORT_TIME_OUT"}]));
    world.accepted(&text("oi")).await;
    assert_eq!(world.reports(), [], "perhaps it was delivered");
}

#[tokio::test]
async fn a_cut_connection_is_unknown_and_a_report_tells_what_became_of_it() {
    let world = sinch(Channel::Sms).await;
    world.fault(json!([{"timeout": "before"}, {"timeout": "after"}, {"drop_status_webhook": true}]));
    assert_eq!(world.send(&text("lost")).await, SendOutcome::Ambiguous);
    assert_eq!(world.statuses(), []);
    assert_eq!(world.send(&text("taken")).await, SendOutcome::Ambiguous);
    let reports = world.reports();
    assert!(reports.iter().all(|report| report.reference.map(|r| r.0) == Some(reference())));
    assert_eq!(reports.len(), 2);
    world.accepted(&text("unreported")).await;
    assert_eq!(world.statuses(), []);
    let texts: Vec<_> = world.desk.messages(None, None).into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["taken", "unreported"]);
}

#[tokio::test]
async fn an_sms_by_the_other_api_goes_out_and_comes_back() {
    let world = sinch_sms().await;
    world.desk.set_statuses(vec![DeliveryStatus::Sent, DeliveryStatus::Delivered, DeliveryStatus::Read]);
    let id = world.accepted(&text("Olá")).await;
    let sent = world.desk.messages(Some(Channel::Sms), Some("+5511987654321")).remove(0);
    assert_eq!((sent.body["to"][0].as_str(), sent.attempt()), (Some("+5511987654321"), Some(reference())));
    let reports = world.reports();
    assert_eq!(reports.iter().map(|r| r.status).collect::<Vec<_>>(), [DeliveryStatus::Sent, DeliveryStatus::Delivered]);
    assert!(reports.iter().all(|r| r.provider_message_id == id && r.reference.map(|r| r.0) == Some(reference())));
    let [InboundEvent::Message(message)] = &world.write("+551692318222", "Já paguei", json!(null))[..] else {
        panic!()
    };
    assert_eq!((message.kind, message.text.as_deref()), (InboundKind::Text, Some("Já paguei")));
    assert_eq!(message.from, [Identity::Phone("+5516992318222".into())]);
    // A parameter that nobody meant: taken, and aborted.
    world.accepted(&text("Custa US${10}")).await;
    assert_eq!(world.failure(), (Reaction::Message, "405".into()));
}

#[tokio::test]
async fn the_other_apis_faults_have_their_reactions() {
    let mut world = sinch_sms().await;
    world.fault(json!([{"status": 429}, {"error_code": "missing_callback_url"}, {"timeout": "before"}]));
    assert_eq!(world.refused(&text("oi")).await, (Reaction::Throttled, "http_429".into()));
    assert_eq!(world.refused(&text("oi")).await, (Reaction::Sender, "missing_callback_url".into()));
    assert_eq!(world.send(&text("oi")).await, SendOutcome::Ambiguous);
    for (code, reaction) in [(402, Reaction::Recipient), (404, Reaction::Transient), (413, Reaction::Sender)] {
        world.fault(json!([{"error_code": code}]));
        world.accepted(&text("oi")).await;
        assert_eq!(world.failure(), (reaction, code.to_string()));
    }
    world.fault(json!([{"timeout": "after"}]));
    assert_eq!(world.send(&text("oi")).await, SendOutcome::Ambiguous);
    assert_eq!(world.statuses(), [DeliveryStatus::Sent, DeliveryStatus::Delivered]);
    world.credentials["api_token"] = json!("another");
    assert_eq!(world.refused(&text("oi")).await, (Reaction::Sender, "http_401".into()));
}
