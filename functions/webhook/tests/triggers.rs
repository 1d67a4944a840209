//! Both triggers as AWS delivers them, on the real adapters and an embedded table.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use aws::{QueueUrls, ScheduleTarget, SchedulerTimers, SqsQueues, SsmSecrets};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use channels::Providers;
use domain::account::{Account, Settings};
use domain::ids::{Ids, SenderId, TenantId};
use domain::message::{Channel, ProviderKind};
use domain::payment::PaymentProvider;
use domain::sender::Sender;
use engine::payments::NewSource;
use engine::ports::{Clock as _, Secrets as _, Store as _};
use engine::queue::{InboundWork, encode};
use engine::{Config, Engine};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambda_http::{Context, LambdaEvent};
use runtime::{Addresses, LambdaPorts, OsRandom, ProviderAdapter, SystemClock};
use serde_json::{Value, json};
use store::DynamoStore;
use testkit::memory::MemorySecrets;
use testkit::ssm::SsmStandIn;

struct Function {
    engine: Arc<Engine<LambdaPorts>>,
    tenant: TenantId,
    sender: SenderId,
}

/// A client configuration for one service on loopback.
async fn sdk(url: &str) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest()).test_credentials();
    loader.region(Region::new("sa-east-1")).endpoint_url(url).load().await
}

impl Function {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
        let client = store::client(&sdk(&url).await);
        store::table::create_table(&client, "ritmo").await.unwrap();
        let store = DynamoStore::new(client, "ritmo", &[7; 32]);
        let parameters = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", parameters.local_addr().unwrap());
        let ssm = SsmStandIn::new(MemorySecrets::default()).router();
        tokio::spawn(async move { axum::serve(parameters, ssm).await });
        let ssm = aws_sdk_ssm::Client::new(&sdk(&url).await);
        // Nobody answers there: nothing in these tests is queued or timed.
        let nowhere = sdk("http://127.0.0.1:9").await;
        let sqs = aws_sdk_sqs::Client::new(&nowhere);
        let queue = || "http://127.0.0.1:9/1/queue".to_owned();
        let urls = QueueUrls { enroll: queue(), step: queue(), send: queue(), inbound: queue() };
        let target = ScheduleTarget {
            group: "timers".into(),
            queue_arn: "arn:step".into(),
            role_arn: "arn:role".into(),
            dead_letter_arn: "arn:dead".into(),
        };
        let engine: Engine<LambdaPorts> = Engine {
            timers: SchedulerTimers::new(aws_sdk_scheduler::Client::new(&nowhere), sqs.clone(), queue(), target),
            queues: SqsQueues::new(sqs, urls),
            clock: SystemClock,
            random: OsRandom,
            secrets: SsmSecrets::new(ssm, "/ritmo/test".into()),
            channels: ProviderAdapter::new(Providers::new(&nowhere).unwrap(), Addresses::Public),
            config: Config {
                lease_seconds: 90,
                cache_settings: true,
                credentials_seconds: 600,
                operator_key_hash: None,
                tokens: engine::Tokens::new(&[7; 32], "https://ritmo.test"),
            },
            cache: Default::default(),
            store,
        };
        let mut ids = Ids::from_seed([1; 32]);
        let tenant = TenantId::new(&mut ids);
        let sender = SenderId::of(tenant, &mut ids);
        let created_at = engine.clock.now();
        let account = Account { id: tenant, rev: 1, created_at, settings: Settings::default() };
        engine.store.create_account(&account).await.unwrap();
        let stored = Sender {
            id: sender,
            rev: 1,
            created_at,
            name: "WhatsApp".into(),
            channel: Channel::Whatsapp,
            provider: ProviderKind::WhatsappCloud,
            config: json!({"phone_number_id": "1", "waba_id": "2"}),
            limits: Default::default(),
            suspended: None,
            templates: None,
        };
        engine.store.save_sender(tenant, &stored).await.unwrap();
        let function = Self { engine: Arc::new(engine), tenant, sender };
        function.secret("app-secret").await;
        function
    }

    async fn secret(&self, app_secret: &str) {
        let secret = json!({"access_token": "t", "app_secret": app_secret, "verify_token": "v"});
        self.engine.secrets.put_secret(self.tenant, &self.sender.to_string(), &secret).await.unwrap();
    }

    async fn handle(&self, event: Value) -> Value {
        let router = webhook::router(self.engine.clone(), self.engine.channels.providers().clone(), runtime::print);
        webhook::handle_event(&self.engine, &router, LambdaEvent::new(event, Context::default())).await.unwrap()
    }

    /// An HTTP API event, payload format 2.0.
    async fn http(&self, method: &str, path: &str, query: &str, signature: &str, body: &str) -> Value {
        self.handle(json!({
            "version": "2.0",
            "routeKey": format!("{method} /webhooks/{{provider}}/{{id}}"),
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"content-type": "application/json", "x-hub-signature-256": signature},
            "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"}, "stage": "$default", "timeEpoch": 0},
            "body": body,
            "isBase64Encoded": false,
        }))
        .await
    }

    fn path(&self) -> String {
        format!("/webhooks/whatsapp_cloud/{}", self.sender)
    }
}

/// `{"object":"é"}` by `app-secret` and by `new-secret`.
const BODY: &str = r#"{"object":"é"}"#;
const SIGNED: &str = "sha256=e83ee01dec953f15daac2818e8e337b790c2a978048f7a7413bd78661faaa164";
const SIGNED_ANEW: &str = "sha256=29eb448079d3343dac2f6fa626fb19cbf24cfeaca989fe492c7fd9aabffd6c14";

#[tokio::test]
async fn a_webhook_through_api_gateway() {
    let function = Function::start().await;
    let path = function.path();
    let answer = function.http("POST", &path, "", SIGNED, BODY).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let forged = function.http("POST", &path, "", SIGNED, r#"{"object":"e"}"#).await;
    assert_eq!(forged["statusCode"], 401);
    assert_eq!(forged["headers"]["content-type"], "application/problem+json");
    assert!(forged["body"].as_str().unwrap().contains("bad_signature"), "{forged}");
    let unknown = function.http("POST", "/webhooks/whatsapp_cloud/snd_x", "", SIGNED, BODY).await;
    assert_eq!(unknown["statusCode"], 404);

    let query = "hub.mode=subscribe&hub.challenge=42&hub.verify_token=";
    let asked = function.http("GET", &path, &format!("{query}v"), "", "").await;
    assert_eq!((&asked["statusCode"], &asked["body"]), (&json!(200), &json!("42")));
    let denied = function.http("GET", &path, &format!("{query}w"), "", "").await;
    assert_eq!(denied["statusCode"], 403);
}

#[tokio::test]
async fn changed_secrets_count_at_once() {
    let function = Function::start().await;
    let path = function.path();
    assert_eq!(function.http("POST", &path, "", SIGNED, BODY).await["statusCode"], 200);
    function.secret("new-secret").await;
    assert_eq!(function.http("POST", &path, "", SIGNED_ANEW, BODY).await["statusCode"], 200);
}

/// API Gateway hands over what it takes for binary in base64: the token or signature is of the bytes
/// behind it.
#[tokio::test]
async fn a_payment_in_base64_through_api_gateway() {
    let function = Function::start().await;
    let new = NewSource {
        name: "Loja".into(),
        provider: PaymentProvider::Stripe,
        config: json!({}),
        credentials: json!({"secret": "whsec_1"}),
    };
    let source = function.engine.create_source(function.tenant, new, &mut Ids::from_seed([2; 32])).await.unwrap();
    let path = format!("/webhooks/stripe/{}", source.id);
    let now = function.engine.now().0;
    let body = json!({"id": "evt_1", "object": "event", "created": now, "type": "invoice.paid", "data": {"object":
        {"id": "in_1", "object": "invoice", "status": "paid", "amount_paid": 12_990, "currency": "brl", "name": "Olá"}}})
    .to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"whsec_1").unwrap();
    mac.update(format!("{now}.{body}").as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let event = |body: String, is_base64: bool| {
        json!({
            "version": "2.0",
            "routeKey": "POST /webhooks/{provider}/{id}",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"content-type": "application/octet-stream", "stripe-signature": format!("t={now},v1={signature}")},
            "requestContext": {"http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"}, "stage": "$default", "timeEpoch": 0},
            "body": body,
            "isBase64Encoded": is_base64,
        })
    };
    let unmatched = async || function.engine.unmatched(function.tenant, source.id, None, 5).await.unwrap().data;
    let encoded = BASE64.encode(&body);
    assert_eq!(function.handle(event(encoded.clone(), false)).await["statusCode"], 401, "the text itself is unsigned");
    assert_eq!(unmatched().await, []);
    assert_eq!(function.handle(event(encoded, true)).await["statusCode"], 200);
    assert_eq!(unmatched().await[0].event.as_ref().unwrap().data["amount"], "129.90");
    assert_eq!(function.handle(event(body, false)).await["statusCode"], 200);
    assert_eq!(unmatched().await.len(), 1, "told twice");
}

#[tokio::test]
async fn a_batch_of_the_inbound_queue() {
    let function = Function::start().await;
    let work = InboundWork::Events { tenant: function.tenant, sender: function.sender, events: vec![] };
    let answer = function
        .handle(json!({"Records": [
            {"messageId": "one", "body": encode(&work), "eventSource": "aws:sqs"},
            {"messageId": "two", "body": "not ours", "eventSource": "aws:sqs"},
        ]}))
        .await;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "two"}]}));
}
