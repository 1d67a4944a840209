//! The router over the real store on an embedded DynamoDB; time stands still, queues are lists.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "every test file uses its own part")]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use domain::conversation::Look;
use domain::enrollment::PlannedSend;
use domain::message::{Outbound, ProviderKind, Refusal, SendOutcome};
use domain::payment::{ChargeEvent, PaymentProvider, PaymentSource};
use domain::sender::{KnownTemplate, Sender};
use domain::time::Timestamp;
use engine::accounts::secret_hash;
use engine::ports::{self, PortResult};
use engine::queue::{EnrollWork, InboundWork, StepDue};
use engine::{Cache, Config, Engine};
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use store::DynamoStore;
use tower::ServiceExt as _;

pub const OPERATOR: &str = "operator-key";

pub struct TestPorts;

impl ports::Ports for TestPorts {
    type Store = DynamoStore;
    type Timers = Nothing;
    type Queues = Queued;
    type Clock = Still;
    type Random = Counted;
    type Secrets = DynamoStore;
    type Channels = Mute;
}

pub struct Nothing;

impl ports::Timers for Nothing {
    async fn arm(&self, _: &StepDue, _: Timestamp, _: Timestamp) -> PortResult<()> {
        Ok(())
    }

    async fn arm_again(&self, _: &StepDue, _: Timestamp, _: Timestamp) -> PortResult<()> {
        Ok(())
    }
}

#[derive(Default)]
pub struct Queued(Mutex<Vec<EnrollWork>>);

impl ports::Queues for Queued {
    async fn send(&self, _: &PlannedSend, _: Timestamp) -> PortResult<()> {
        Ok(())
    }

    async fn enroll(&self, work: &EnrollWork, _: Timestamp) -> PortResult<()> {
        self.0.lock().unwrap().push(work.clone());
        Ok(())
    }

    async fn inbound(&self, _: &InboundWork) -> PortResult<()> {
        Ok(())
    }
}

pub struct Still(AtomicI64);

impl ports::Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
pub struct Counted(AtomicU64);

impl ports::Random for Counted {
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        seed
    }
}

/// Providers that nobody calls.
pub struct Mute;

impl ports::Channels for Mute {
    async fn send(&self, _: &Sender, _: &Value, _: &Outbound) -> SendOutcome {
        SendOutcome::Ambiguous
    }

    async fn look(&self, _: &Sender, _: &Value, _: &str) -> Result<Look, Refusal> {
        Ok(Look::QUIET)
    }

    async fn templates(&self, _: &Sender, _: &Value) -> Result<Vec<KnownTemplate>, Refusal> {
        let named = |name: &str| KnownTemplate {
            name: name.into(),
            language: "pt_BR".into(),
            status: "APPROVED".into(),
            category: None,
            body_parameters: 0,
            parts: None,
            as_of: None,
        };
        Ok(vec![named("b"), named("a")])
    }

    async fn read_back(&self, _: &PaymentSource, _: &Value, _: &str) -> Result<Option<ChargeEvent>, Refusal> {
        Ok(None)
    }

    fn check_source(&self, _: PaymentProvider, _: &Value, said: Option<&Value>) -> Vec<(String, String, String)> {
        let missing = said.is_some_and(|said| said.get("secret").is_none());
        let fault = ("/credentials/secret".to_owned(), "missing_field".to_owned(), "is required".to_owned());
        missing.then_some(fault).into_iter().collect()
    }

    fn check(&self, _: ProviderKind, config: &Value, _: Option<&Value>) -> Vec<(String, String, String)> {
        let missing = config.get("phone_number_id").is_none();
        let fault = ("/config/phone_number_id".to_owned(), "missing_field".to_owned(), "is required".to_owned());
        missing.then_some(fault).into_iter().collect()
    }
}

pub struct Api {
    pub router: Router,
    pub engine: Arc<Engine<TestPorts>>,
    /// The admin's key.
    pub key: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body, when the status is the expected one.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub fn refuses(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        self.body
    }

    #[track_caller]
    pub fn points(self, status: u16, pointer: &str, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        let wanted = |e: &Value| e["pointer"] == pointer && e["code"] == code;
        assert!(self.body["errors"].as_array().unwrap().iter().any(wanted), "{}", self.body);
    }
}

/// An API with one account, enabled unless said otherwise.
pub async fn api(enabled: bool) -> Api {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(url)
        .region(aws_sdk_dynamodb::config::Region::from_static("local"))
        .credentials_provider(aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "local"))
        .load()
        .await;
    let client = store::client(&sdk);
    store::table::create_table(&client, "ritmo").await.unwrap();
    let store = DynamoStore::new(client, "ritmo", &[7; 32]);
    let engine = Arc::new(Engine::<TestPorts> {
        store: store.clone(),
        timers: Nothing,
        queues: Queued::default(),
        clock: Still(AtomicI64::new(Timestamp::parse("2026-03-09T09:00:00Z").unwrap().0)),
        random: Counted::default(),
        secrets: store,
        channels: Mute,
        config: Config {
            lease_seconds: 60,
            cache_settings: false,
            credentials_seconds: 30,
            operator_key_hash: Some(secret_hash(OPERATOR)),
            tokens: engine::Tokens::new(&[7; 32], "https://ritmo.test"),
        },
        cache: Arc::new(Cache::default()),
    });
    let router = api::router(engine.clone());
    let mut api = Api { router, engine, key: OPERATOR.into() };
    let body = json!({"name": "Loja", "enabled": enabled, "default_country": "BR"});
    let made = api.post("/v1/accounts", body).await.is(201);
    api.key = made["api_key"].as_str().unwrap().into();
    api
}

impl Api {
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap()
    }

    pub async fn json(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.send(self.request(method, path, &headers, body.to_string())).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path, &[], "")).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path, &[], "")).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json("POST", path, &[], body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json("PATCH", path, &[], body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.json("PUT", path, &[], body).await
    }

    pub async fn csv(&self, path: &str, text: &str) -> Answer {
        self.send(self.request("POST", path, &[("content-type", "text/csv")], text.to_owned())).await
    }

    /// The same API with another key.
    pub fn with_key(&self, key: &str) -> Api {
        Api { router: self.router.clone(), engine: self.engine.clone(), key: key.into() }
    }

    pub async fn with_role(&self, role: &str) -> Api {
        let made = self.post("/v1/api-keys", json!({"name": role, "role": role})).await.is(201);
        self.with_key(made["secret"].as_str().unwrap())
    }

    /// Another account's admin.
    pub async fn stranger(&self) -> Api {
        let body = json!({"name": "Outra", "enabled": true});
        let made = self.with_key(OPERATOR).post("/v1/accounts", body).await.is(201);
        self.with_key(made["api_key"].as_str().unwrap())
    }

    /// Works off what is on the enroll queue, but for what waits there for a later time.
    pub async fn work(&self) {
        loop {
            let works = {
                let mut queue = self.engine.queues.0.lock().unwrap();
                let due = |work: &EnrollWork| work.not_before.is_none_or(|at| at <= self.engine.now());
                let (now, later) = std::mem::take(&mut *queue).into_iter().partition::<Vec<_>, _>(due);
                *queue = later;
                now
            };
            if works.is_empty() {
                return;
            }
            for work in works {
                self.engine.work(&work).await.unwrap();
            }
        }
    }

    pub fn advance(&self, seconds: i64) {
        self.engine.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }

    pub async fn contact(&self, email: &str) -> String {
        let made = self.post("/v1/contacts", json!({"email": email, "phone": null})).await;
        made.body["id"].as_str().unwrap().into()
    }

    /// A published sequence of two WhatsApp steps about `target`, with its sender.
    pub async fn sequence(&self, target: &str) -> String {
        let sender = self.post("/v1/senders", sender()).await.is(201)["id"].clone();
        self.patch("/v1/account", json!({"default_senders": {"whatsapp": sender}})).await.is(200);
        let id = self.post("/v1/sequences", draft(target)).await.is(201)["id"].as_str().unwrap().to_owned();
        let published = self.post(&format!("/v1/sequences/{id}/publish"), json!({})).await.is(200);
        assert_eq!(published["version"], 1);
        id
    }
}

pub fn sender() -> Value {
    json!({"name": "Loja", "channel": "whatsapp", "provider": "whatsapp_cloud",
        "config": {"phone_number_id": "1", "waba_id": "2"},
        "credentials": {"access_token": "secret-token", "app_secret": "b", "verify_token": "c"}})
}

pub fn draft(target: &str) -> Value {
    let step = |key: &str, unit: &str| {
        json!({"key": key, "wait": {"value": 1, "unit": unit}, "channel": "whatsapp",
            "content": {"type": "text", "text": "Olá {{ contact.first_name | default: 'tudo bem' }}"},
            "fallback_template": {"name": "t", "language": "pt_BR", "body": []}})
    };
    json!({"name": "Cobrança", "target": target, "steps": [step("a", "hours"), step("b", "days")],
        "exit": {"goals": [{"event": "charge.paid"}]}})
}
