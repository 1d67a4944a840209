//! The real adapter against the stand-in of AWS End User Messaging SMS, over loopback HTTP.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use channels::{Providers, Webhook};
use domain::ids::{AttemptRef, Ids, SenderId, TenantId};
use domain::message::{
    AttemptText, Channel, DeliveryStatus, Identity, InboundEvent, Message, Outbound, ProviderKind, Reaction, Recipient,
    Refusal, SendOutcome,
};
use domain::sender::Sender;
use domain::time::Timestamp;
use serde_json::{Value, json};
use testkit::aws_sms::AwsSmsStandIn;
use testkit::local::{Fault, InboundBody};
use testkit::sns;
use testkit::stand_in::{Desk, Hooks, SenderAccess, StandIn as _, WebhookDelivery};

const KIND: ProviderKind = ProviderKind::AwsSms;
const PHONE: &str = "5511987654321";
const NOW: Timestamp = Timestamp(1_772_452_800);

type Scheduled = Arc<Mutex<Vec<(Timestamp, WebhookDelivery)>>>;

struct World {
    desk: Desk,
    stand_in: AwsSmsStandIn,
    providers: Providers,
    scheduled: Scheduled,
}

fn access() -> SenderAccess {
    SenderAccess {
        sender_id: "snd_one".into(),
        channel: Channel::Sms,
        provider: KIND,
        config: json!({"origination_identity": "+5511930001000", "configuration_set": "ritmo"}),
        credentials: json!({}),
    }
}

fn sender(config: &Value) -> Sender {
    let mut ids = Ids::from_seed([4; 32]);
    let id = SenderId::of(TenantId::new(&mut ids), &mut ids);
    Sender::new(id, Timestamp(0), Channel::Sms, KIND, config.clone())
}

fn sdk() -> SdkConfig {
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"));
    SdkConfig::builder().region(Region::from_static("sa-east-1")).credentials_provider(credentials).build()
}

impl World {
    async fn new() -> Self {
        let scheduled = Scheduled::default();
        let later = Arc::clone(&scheduled);
        let desk = Desk::new(Hooks {
            clock: Arc::new(|| NOW),
            lookup: Arc::new(|key| Box::pin(async move { Some(access()).filter(|access| access.fits(&key)) })),
            schedule: Arc::new(move |at, delivery| later.lock().unwrap().push((at, delivery))),
        });
        let stand_in = AwsSmsStandIn::new(desk.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = stand_in.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let providers = Providers::new(&sdk()).unwrap().with_origin(KIND, origin).with_account(sns::ACCOUNT);
        Self { desk, stand_in, providers, scheduled }
    }

    async fn send(&self, outbound: &Outbound) -> SendOutcome {
        self.send_as(&access().config, outbound).await
    }

    async fn send_as(&self, config: &Value, outbound: &Outbound) -> SendOutcome {
        self.providers.send(&sender(config), &json!({}), outbound).await
    }

    fn fault(&self, fail: Value) {
        let fault = json!({"provider": "aws_sms", "fail": [fail]});
        self.desk.add_fault(serde_json::from_value::<Fault>(fault).unwrap()).unwrap();
    }

    fn inbound(&self, from: &str, text: &str) -> Result<WebhookDelivery, String> {
        let body = json!({"channel": "sms", "from": from, "text": text});
        let body = serde_json::from_value::<InboundBody>(body).unwrap();
        Ok(self.stand_in.inbound(&access(), &body)?.remove(0))
    }

    async fn verify(&self, body: &str, now: Timestamp) -> bool {
        self.verify_for(&access().config, body, now).await
    }

    async fn verify_for(&self, config: &Value, body: &str, now: Timestamp) -> bool {
        let webhook = Webhook { raw: body.as_bytes(), headers: &http::HeaderMap::new(), query: &[] };
        self.providers.verify(&sender(config), &webhook, &json!({}), now).await.unwrap()
    }

    /// What the API would make of a delivery: verified, then normalised.
    async fn receive(&self, delivery: &WebhookDelivery) -> Vec<InboundEvent> {
        assert!(self.verify(&delivery.body, NOW).await);
        let webhook = Webhook { raw: delivery.body.as_bytes(), headers: &http::HeaderMap::new(), query: &[] };
        channels::normalise(&sender(&access().config), &webhook, NOW).unwrap()
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
async fn a_text_goes_out_and_its_events_come_back_under_our_reference() {
    let world = World::new().await;
    let outcome = world.send(&text("Olá, já venceu?")).await;
    let accepted = world.desk.messages(None, None);
    let [message] = &accepted[..] else { panic!("{accepted:?} {outcome:?}") };
    let id = message.provider_message_id.clone();
    assert_eq!(outcome, SendOutcome::Accepted { provider_message_id: id.clone(), recipient_id: None });
    assert_eq!(
        message.body,
        json!({"DestinationPhoneNumber": "+5511987654321", "OriginationIdentity": "+5511930001000",
            "MessageBody": "Olá, já venceu?", "MessageType": "TRANSACTIONAL", "ConfigurationSetName": "ritmo",
            "TimeToLive": 14_400, "Context": {"reference": reference().to_string()}})
    );
    assert_eq!(message.attempt(), Some(reference()));
    let scheduled = world.scheduled.lock().unwrap().clone();
    let mut ranks = Vec::new();
    for (at, delivery) in &scheduled {
        let [InboundEvent::Status(update)] = &world.receive(delivery).await[..] else { panic!("{delivery:?}") };
        assert_eq!((update.reference, &update.provider_message_id), (Some(AttemptText(reference())), &id));
        assert_eq!(update.at, *at);
        ranks.push(update.status);
    }
    assert_eq!(ranks, [DeliveryStatus::Sent, DeliveryStatus::Delivered]);
}

#[tokio::test]
async fn only_what_its_topic_publishes_counts() {
    let world = World::new().await;
    let delivery = world.inbound("+5511987654321", "Já paguei, obrigada! 👍").unwrap();
    let [InboundEvent::Message(message)] = &world.receive(&delivery).await[..] else { panic!("{delivery:?}") };
    assert_eq!(message.from, [Identity::Phone("+5511987654321".into())]);
    assert_eq!((message.at, message.text.as_deref()), (NOW, Some("Já paguei, obrigada! 👍")));
    let good = &delivery.body;
    assert!(!world.verify(&good.replace("paguei", "pagarei"), NOW).await, "another text");
    assert!(!world.verify(&good.replace(sns::ACCOUNT, "111111111111"), NOW).await, "another account's topic");
    assert!(!world.verify(good, NOW.plus_hours(2)).await, "stale");
    assert!(!world.verify("{}", NOW).await);
    let mut unsigned: Value = serde_json::from_str(good).unwrap();
    unsigned.as_object_mut().unwrap().remove("Signature");
    assert!(!world.verify(&unsigned.to_string(), NOW).await);
    let mut elsewhere: Value = serde_json::from_str(good).unwrap();
    elsewhere["SigningCertURL"] = json!("https://sns.us-east-1.amazonaws.com.example.com/x.pem");
    assert!(!world.verify(&elsewhere.to_string(), NOW).await);
    // The topics that the sender names are all that it hears.
    let mut config = access().config;
    config["topic_arns"] = json!(["arn:aws:sns:us-east-1:000000000000:other"]);
    assert!(!world.verify_for(&config, good, NOW).await);
    config["topic_arns"] = json!(["arn:aws:sns:us-east-1:000000000000:ritmo"]);
    assert!(world.verify_for(&config, good, NOW).await);
}

#[tokio::test]
async fn without_a_configuration_set_nothing_is_told() {
    let world = World::new().await;
    let config = json!({"origination_identity": "+5511930001000"});
    assert!(matches!(world.send_as(&config, &text("oi")).await, SendOutcome::Accepted { .. }));
    assert_eq!(world.scheduled.lock().unwrap().len(), 0);
    world.desk.set_statuses(vec![DeliveryStatus::Failed, DeliveryStatus::Read]);
    world.send(&text("oi")).await;
    let scheduled = world.scheduled.lock().unwrap().clone();
    let [(_, delivery)] = &scheduled[..] else { panic!("an SMS is never read: {scheduled:?}") };
    let [InboundEvent::Status(update)] = &world.receive(delivery).await[..] else { panic!("{delivery:?}") };
    let refusal = update.refusal.clone().unwrap();
    assert_eq!((refusal.reaction, &*refusal.code), (Reaction::Recipient, "TEXT_UNREACHABLE"));
}

#[tokio::test]
async fn aws_refuses_what_is_not_allowed() {
    let world = World::new().await;
    let unknown = json!({"origination_identity": "pool-9"});
    let not_found = refused(Reaction::Sender, "ResourceNotFoundException");
    assert_eq!(world.send_as(&unknown, &text("oi")).await, not_found);
    let set = json!({"origination_identity": "+5511930001000", "configuration_set": "another"});
    assert_eq!(world.send_as(&set, &text("oi")).await, not_found);
    let invalid = |reaction| refused(reaction, "FIELD_VALIDATION_FAILED");
    assert_eq!(world.send(&text(&"x".repeat(1_601))).await, invalid(Reaction::Message));
    let nobody = Outbound { to: Recipient::Phone("55".into()), ..text("oi") };
    assert_eq!(world.send(&nobody).await, invalid(Reaction::Recipient));
    assert_eq!(world.desk.messages(None, None), []);
}

#[tokio::test]
async fn faults_are_what_they_are_at_aws() {
    let world = World::new().await;
    for (fail, outcome) in [
        (json!({"error_code": "ThrottlingException"}), refused(Reaction::Throttled, "ThrottlingException")),
        (json!({"error_code": "InternalServerException"}), refused(Reaction::Transient, "InternalServerException")),
        (json!({"error_code": "MESSAGE_TYPE_MISMATCH"}), refused(Reaction::Sender, "MESSAGE_TYPE_MISMATCH")),
        (json!({"status": 503}), refused(Reaction::Transient, "http_503")),
        (json!({"timeout": "before"}), SendOutcome::Ambiguous),
    ] {
        world.fault(fail.clone());
        assert_eq!(world.send(&text("oi")).await, outcome, "{fail}");
    }
    assert_eq!(world.desk.messages(None, None).len(), 0);
    world.fault(json!({"timeout": "after"}));
    assert_eq!(world.send(&text("oi")).await, SendOutcome::Ambiguous);
    assert_eq!((world.desk.messages(None, None).len(), world.scheduled.lock().unwrap().len()), (1, 2));
    assert_eq!(world.desk.requests(KIND), 6, "the SDK repeats nothing");
}

#[tokio::test]
async fn somebody_who_said_stop_gets_nothing_more() {
    let world = World::new().await;
    world.inbound("+5511987654321", "stop").unwrap();
    let opted_out = refused(Reaction::OptedOut, "DESTINATION_PHONE_NUMBER_OPTED_OUT");
    assert_eq!(world.send(&text("oi")).await, opted_out);
    world.inbound("+5511987654321", "START").unwrap();
    assert!(matches!(world.send(&text("oi")).await, SendOutcome::Accepted { .. }));
    assert!(world.inbound("5511987654321", "oi").is_err());
}
