//! The real adapter against Twilio's stand-in, over loopback HTTP.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use channels::{Providers, Webhook};
use domain::ids::{AttemptRef, Ids, SenderId, TenantId};
use domain::message::{
    AttemptText, Channel, DeliveryStatus, Identity, InboundEvent, InboundKind, Message, Outbound, ProviderKind,
    Reaction, Recipient, Refusal, SendOutcome,
};
use domain::sender::Sender;
use domain::time::Timestamp;
use serde_json::{Value, json};
use testkit::local::{Fault, InboundBody};
use testkit::stand_in::{Desk, Hooks, SenderAccess, StandIn as _, WebhookDelivery};
use testkit::twilio::TwilioStandIn;

const KIND: ProviderKind = ProviderKind::Twilio;
const PHONE: &str = "5511987654321";
const NOW: Timestamp = Timestamp(1_772_452_800);

type Scheduled = Arc<Mutex<Vec<(Timestamp, WebhookDelivery)>>>;

struct World {
    desk: Desk,
    stand_in: TwilioStandIn,
    providers: Providers,
    access: SenderAccess,
    scheduled: Scheduled,
}

impl World {
    /// `from` has the sender's number or its service.
    async fn new(from: Value) -> Self {
        let mut config = json!({"account_sid": "AC0123456789abcdef0123456789abcdef",
            "public_webhook_url": "https://ritmo.example.com/webhooks/twilio/snd_one"});
        config.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
        let access = SenderAccess {
            sender_id: "snd_one".into(),
            channel: Channel::Sms,
            provider: KIND,
            config,
            credentials: json!({"auth_token": "a-token"}),
        };
        let (known, scheduled) = (access.clone(), Scheduled::default());
        let later = Arc::clone(&scheduled);
        let desk = Desk::new(Hooks {
            clock: Arc::new(|| NOW),
            lookup: Arc::new(move |key| {
                let known = known.clone();
                Box::pin(async move { Some(known).filter(|access| access.fits(&key)) })
            }),
            schedule: Arc::new(move |at, delivery| later.lock().unwrap().push((at, delivery))),
        });
        let stand_in = TwilioStandIn::new(desk.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = stand_in.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let providers = Providers::new(&aws_config::SdkConfig::builder().build()).unwrap().with_origin(KIND, origin);
        Self { desk, stand_in, providers, access, scheduled }
    }

    async fn of_number() -> Self {
        Self::new(json!({"from": "+15005550006"})).await
    }

    fn sender(&self, config: &Value) -> Sender {
        let mut ids = Ids::from_seed([4; 32]);
        let id = SenderId::of(TenantId::new(&mut ids), &mut ids);
        Sender::new(id, Timestamp(0), Channel::Sms, KIND, config.clone())
    }

    async fn send(&self, outbound: &Outbound) -> SendOutcome {
        self.send_as(&self.access.config, &self.access.credentials, outbound).await
    }

    async fn send_as(&self, config: &Value, credentials: &Value, outbound: &Outbound) -> SendOutcome {
        self.providers.send(&self.sender(config), credentials, outbound).await
    }

    fn fault(&self, fail: Value) {
        let fault = json!({"provider": "twilio", "fail": [fail]});
        self.desk.add_fault(serde_json::from_value::<Fault>(fault).unwrap()).unwrap();
    }

    fn inbound(&self, from: &str, text: &str) -> Result<Vec<InboundEvent>, String> {
        let body = json!({"channel": "sms", "from": from, "text": text});
        let body = serde_json::from_value::<InboundBody>(body).unwrap();
        let deliveries = self.stand_in.inbound(&self.access, &body)?;
        Ok(deliveries.iter().flat_map(|delivery| self.receive(delivery)).collect())
    }

    /// What the API would make of a delivery: verified, then normalised.
    fn receive(&self, delivery: &WebhookDelivery) -> Vec<InboundEvent> {
        let headers = delivery
            .headers
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let query = delivery.url_path.split_once("?reference=").map(|(_, value)| ("reference".into(), value.into()));
        let query: Vec<(String, String)> = query.into_iter().collect();
        let webhook = Webhook { raw: delivery.body.as_bytes(), headers: &headers, query: &query };
        let sender = self.sender(&self.access.config);
        assert!(channels::verify(&sender, &webhook, &self.access.credentials, NOW));
        assert!(!channels::verify(&sender, &webhook, &json!({"auth_token": "another"}), NOW));
        channels::normalise(&sender, &webhook, NOW).unwrap()
    }
}

fn reference() -> AttemptRef {
    AttemptRef::parse(&format!("enr_{}.3", "A".repeat(43))).unwrap()
}

fn text(text: &str) -> Outbound {
    let message = Message::Text { text: text.into() };
    Outbound { reference: reference(), to: Recipient::Phone(PHONE.into()), message }
}

fn refused(reaction: Reaction, code: &str) -> SendOutcome {
    SendOutcome::Refused(Refusal { reaction, code: code.into(), retry_after: None })
}

#[tokio::test]
async fn a_text_goes_out_and_its_statuses_come_back_under_our_reference() {
    let world = World::of_number().await;
    let outcome = world.send(&text("Olá & até já + tudo = 100%!")).await;
    let accepted = world.desk.messages(None, None);
    let [message] = &accepted[..] else { panic!("{accepted:?}") };
    let id = message.provider_message_id.clone();
    assert_eq!(outcome, SendOutcome::Accepted { provider_message_id: id.clone(), recipient_id: None });
    assert_eq!((message.text.as_str(), message.to.as_str()), ("Olá & até já + tudo = 100%!", "+5511987654321"));
    assert_eq!(
        message.body,
        json!({"To": "+5511987654321", "From": "+15005550006", "Body": "Olá & até já + tudo = 100%!",
            "ValidityPeriod": "14400", "StatusCallback":
                format!("https://ritmo.example.com/webhooks/twilio/snd_one?reference={}", reference())})
    );
    assert_eq!(message.attempt(), Some(reference()));
    let statuses: Vec<_> = world.scheduled.lock().unwrap().iter().flat_map(|(_, d)| world.receive(d)).collect();
    let ranks: Vec<_> = statuses
        .iter()
        .map(|event| match event {
            InboundEvent::Status(update) => {
                assert_eq!((update.reference, &update.provider_message_id), (Some(AttemptText(reference())), &id));
                update.status
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ranks, [DeliveryStatus::Sent, DeliveryStatus::Delivered]);
}

#[tokio::test]
async fn a_message_that_is_not_delivered_says_why() {
    let world = World::of_number().await;
    world.desk.set_statuses(vec![DeliveryStatus::Failed]);
    world.send(&text("oi")).await;
    let (_, delivery) = world.scheduled.lock().unwrap().remove(0);
    let [InboundEvent::Status(update)] = &world.receive(&delivery)[..] else { panic!("{delivery:?}") };
    let refusal = update.refusal.clone().unwrap();
    assert_eq!(
        (update.status, refusal.reaction, &*refusal.code),
        (DeliveryStatus::Failed, Reaction::Recipient, "30003")
    );
}

#[tokio::test]
async fn twilio_refuses_what_is_not_allowed() {
    let world = World::of_number().await;
    let (config, credentials) = (world.access.config.clone(), world.access.credentials.clone());
    let with = |field: &str, value: &str| {
        let mut config = config.clone();
        config[field] = json!(value);
        config
    };
    let wrong = json!({"auth_token": "wrong"});
    assert_eq!(world.send_as(&config, &wrong, &text("oi")).await, refused(Reaction::Sender, "20003"));
    let other = with("account_sid", "AC9");
    assert_eq!(world.send_as(&other, &credentials, &text("oi")).await, refused(Reaction::Sender, "20404"));
    let unknown = with("from", "+15005550001");
    assert_eq!(world.send_as(&unknown, &credentials, &text("oi")).await, refused(Reaction::Sender, "21606"));
    assert_eq!(world.send(&text(&"x".repeat(1_601))).await, refused(Reaction::Message, "21617"));
    assert_eq!(world.send(&text("")).await, refused(Reaction::Message, "21602"));
    let nobody = Outbound { to: Recipient::Phone("55".into()), ..text("oi") };
    assert_eq!(world.send(&nobody).await, refused(Reaction::Recipient, "21211"));
    assert_eq!(world.desk.messages(None, None), []);
}

#[tokio::test]
async fn faults_are_what_they_are_at_twilio() {
    let world = World::of_number().await;
    world.fault(json!({"error_code": 20429}));
    assert_eq!(world.send(&text("oi")).await, refused(Reaction::Throttled, "20429"));
    world.fault(json!({"status": 503}));
    assert_eq!(world.send(&text("oi")).await, refused(Reaction::Transient, "http_503"));
    world.fault(json!({"timeout": "before"}));
    assert_eq!(world.send(&text("oi")).await, SendOutcome::Ambiguous);
    assert_eq!(world.desk.messages(None, None).len(), 0);
    world.fault(json!({"timeout": "after"}));
    assert_eq!(world.send(&text("oi")).await, SendOutcome::Ambiguous);
    assert_eq!(world.desk.messages(None, None).len(), 1);
    assert_eq!(world.scheduled.lock().unwrap().len(), 2);
    world.fault(json!({"drop_status_webhook": true}));
    assert!(matches!(world.send(&text("oi")).await, SendOutcome::Accepted { .. }));
    assert_eq!(world.scheduled.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn somebody_who_said_stop_gets_nothing_more() {
    let world = World::of_number().await;
    let events = world.inbound("+5511987654321", "Já paguei, obrigada! 👍").unwrap();
    let [InboundEvent::Message(message)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(message.from, [Identity::Phone("+5511987654321".into())]);
    assert_eq!((message.kind, message.text.as_deref()), (InboundKind::Text, Some("Já paguei, obrigada! 👍")));
    // A number of its own tells only what was written.
    assert_eq!(world.inbound("+5511987654321", "stop").unwrap().len(), 1);
    assert_eq!(world.send(&text("oi")).await, refused(Reaction::OptedOut, "21610"));
    let other = Outbound { to: Recipient::Phone("5511912345678".into()), ..text("oi") };
    assert!(matches!(world.send(&other).await, SendOutcome::Accepted { .. }));
    world.inbound("+5511987654321", "START").unwrap();
    assert!(matches!(world.send(&text("oi")).await, SendOutcome::Accepted { .. }));
    assert!(world.inbound("5511987654321", "oi").is_err());
}

#[tokio::test]
async fn a_messaging_service_says_that_it_was_an_opt_out() {
    let world = World::new(json!({"messaging_service_sid": "MG1"})).await;
    assert!(matches!(world.send(&text("oi")).await, SendOutcome::Accepted { .. }));
    let body = world.desk.messages(None, None).remove(0).body;
    assert_eq!((&body["MessagingServiceSid"], &body["From"]), (&json!("MG1"), &Value::Null));
    let events = world.inbound("+5511987654321", "STOP").unwrap();
    assert!(matches!(&events[..], [InboundEvent::OptOut { .. }, InboundEvent::Message(_)]), "{events:?}");
    assert_eq!(world.send(&text("oi")).await, refused(Reaction::OptedOut, "21610"));
}
