//! A running Ritmo with a few hands on it.

use local::client::Client;
use local::{Local, Options};
use reqwest::Method;
use serde_json::{Value, json};

/// Monday 2026-03-02, 12:00 UTC.
pub(crate) const START: &str = "2026-03-02T12:00:00Z";

pub(crate) struct World {
    pub(crate) local: Local,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn start() -> Self {
        let start = domain::time::Timestamp::parse(START).unwrap();
        let local = Local::start(Options::manual(start)).await.unwrap();
        let client = Client::new(&local.base_url, &local.admin_key);
        Self { local, client }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.client.post(path, &body).await.unwrap()
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.client.call(method, path, Some(&body)).await.unwrap()
    }

    pub(crate) async fn contact(&self, name: &str, phone: &str) -> String {
        id(&self.post("/v1/contacts", json!({"first_name": name, "phone": phone})).await)
    }

    /// Creates and publishes.
    pub(crate) async fn sequence(&self, definition: Value) -> String {
        let sequence = id(&self.post("/v1/sequences", definition).await);
        self.post(&format!("/v1/sequences/{sequence}/publish"), json!({})).await;
        sequence
    }

    pub(crate) async fn enroll(&self, sequence: &str, contact: &str) -> Value {
        self.post("/v1/enrollments", json!({"sequence_id": sequence, "contact_id": contact})).await
    }

    pub(crate) async fn enrollment(&self, id: &str) -> Value {
        self.get(&format!("/v1/enrollments/{id}")).await
    }

    pub(crate) async fn advance(&self, seconds: i64) {
        self.post("/_local/clock", json!({"advance_seconds": seconds})).await;
    }

    pub(crate) async fn messages(&self) -> Vec<Value> {
        self.get("/_local/messages").await["data"].as_array().unwrap().clone()
    }

    pub(crate) async fn fault(&self, fail: Value, count: u32) {
        self.post("/_local/faults", json!({"provider": "whatsapp_cloud", "fail": [fail], "count": count})).await;
    }

    pub(crate) async fn inbound(&self, from: &str, text: &str) {
        self.post("/_local/inbound", json!({"channel": "whatsapp", "from": from, "text": text})).await;
    }

    /// As an account that has set up nothing yet.
    pub(crate) async fn without_senders(&self) {
        self.client.patch("/v1/account", &json!({"default_senders": {}})).await.unwrap();
        for sender in self.get("/v1/senders").await["data"].as_array().unwrap() {
            let (status, _) =
                self.client.call(Method::DELETE, &format!("/v1/senders/{}", id(sender)), None).await.unwrap();
            assert_eq!(status, 204);
        }
    }

    pub(crate) async fn default_sender(&self) -> String {
        self.sender_of("whatsapp").await
    }

    pub(crate) async fn sender_of(&self, channel: &str) -> String {
        self.get("/v1/account").await["default_senders"][channel].as_str().unwrap().to_owned()
    }

    /// The account as it is before it has a sender of this channel.
    pub(crate) async fn without_sender_of(&self, channel: &str) {
        let sender = self.sender_of(channel).await;
        self.client.patch("/v1/account", &json!({"default_senders": {channel: null}})).await.unwrap();
        let (status, _) = self.client.call(Method::DELETE, &format!("/v1/senders/{sender}"), None).await.unwrap();
        assert_eq!(status, 204);
    }
}

pub(crate) fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

pub(crate) const DAY: i64 = 86_400;

/// A step that always goes out as an approved template.
pub(crate) fn step(key: &str, value: u32, unit: &str) -> Value {
    json!({
        "key": key, "wait": {"value": value, "unit": unit}, "channel": "whatsapp",
        "content": {"type": "text", "text": format!("{key}: {{{{ contact.first_name | default: 'oi' }}}}")},
        "fallback_template": {"name": format!("modelo_{key}"), "language": "pt_BR", "body": ["{{ contact.first_name }}"]}})
}

/// Three steps: at once, after 3 days, after 7 more.
pub(crate) fn three_steps() -> Value {
    json!({"name": "Três passos", "target": "contact",
        "steps": [step("um", 0, "minutes"), step("dois", 3, "days"), step("tres", 7, "days")]})
}
