//! A running deployment with a client for it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use domain::time::Timestamp;
use local::{Local, Options};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

/// A Monday, 12:00 in UTC and 09:00 in São Paulo.
pub const START: Timestamp = Timestamp(1_773_057_600);

pub struct App {
    pub local: Local,
    pub http: Client,
}

/// An answer's status and body; a body that is no JSON is a text.
pub type Answer = (u16, Value);

impl App {
    pub async fn start() -> Self {
        Self::with(Options::manual(START)).await
    }

    pub async fn with(options: Options) -> Self {
        Self { local: Local::start(options).await.unwrap(), http: Client::builder().no_proxy().build().unwrap() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.local.base_url)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(self.url(path)).bearer_auth(&self.local.admin_key)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.http.post(self.url(path)).bearer_auth(&self.local.admin_key).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.http.patch(self.url(path)).bearer_auth(&self.local.admin_key).json(&body)).await
    }

    /// A `POST` that must be taken.
    pub async fn make(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert!((200..300).contains(&status), "POST {path}: {status} {answer}");
        answer
    }

    /// A `GET` that must be answered.
    pub async fn read(&self, path: &str) -> Value {
        let (status, answer) = self.get(path).await;
        assert_eq!(status, 200, "GET {path}: {answer}");
        answer
    }

    pub async fn advance(&self, seconds: i64) {
        self.make("/_local/clock", json!({"advance_seconds": seconds})).await;
    }

    pub async fn to(&self, at: &str) {
        self.make("/_local/clock", json!({"to": at})).await;
    }

    /// Every accepted message, in order.
    pub async fn messages(&self) -> Vec<Value> {
        self.read("/_local/messages").await["data"].as_array().unwrap().clone()
    }

    pub async fn contact(&self, name: &str, phone: &str) -> String {
        id(&self.make("/v1/contacts", json!({"first_name": name, "phone": phone})).await)
    }

    /// A published sequence for contacts.
    pub async fn sequence(&self, steps: Vec<Value>) -> String {
        let body = json!({"name": "Test", "target": "contact", "steps": steps});
        let sequence = id(&self.make("/v1/sequences", body).await);
        self.make(&format!("/v1/sequences/{sequence}/publish"), json!({})).await;
        sequence
    }

    pub async fn enroll(&self, sequence: &str, contact: &str) -> Value {
        self.make("/v1/enrollments", json!({"sequence_id": sequence, "contact_id": contact})).await
    }
}

/// A WhatsApp step after so many days, with a fallback template.
pub fn step(key: &str, days: u32) -> Value {
    json!({
        "key": key,
        "wait": {"value": days, "unit": "days"},
        "channel": "whatsapp",
        "content": {"type": "text", "text": format!("{key} for {{{{ contact.first_name }}}}")},
        "fallback_template": {"name": key, "language": "en", "body": ["{{ contact.first_name }}"]},
    })
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}
