//! `demo`: a cadence from start to end.

use std::error::Error;

use domain::time::Timestamp;
use local::{Local, Options};
use reqwest::Client;
use serde_json::{Value, json};

/// Monday, 09:00 in São Paulo.
const START: Timestamp = Timestamp(1_773_057_600);

/// Plays one contact's cadence of two steps and prints what left, and when.
///
/// # Errors
/// Whatever was not answered as it should.
#[allow(clippy::print_stdout, reason = "telling the story is what the demo is for")]
pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let local = Local::start(Options::manual(START)).await?;
    let api = Api { base_url: local.base_url.clone(), key: local.admin_key.clone(), http: Client::new() };
    let contact = api.post("/v1/contacts", json!({"first_name": "Ana", "phone": "+5511987654321"})).await?;
    let step = |key: &str, days: u32| {
        json!({
            "key": key,
            "wait": {"value": days, "unit": "days"},
            "channel": "whatsapp",
            "content": {"type": "text", "text": "Hello {{ contact.first_name }}"},
            "fallback_template": {"name": "reminder", "language": "en", "body": ["{{ contact.first_name }}"]},
        })
    };
    let sequence = json!({"name": "Demo", "target": "contact", "steps": [step("first", 0), step("second", 3)]});
    let sequence = api.post("/v1/sequences", sequence).await?;
    api.post(&format!("/v1/sequences/{}/publish", text(&sequence["id"])), json!({})).await?;
    let enrollment = json!({"sequence_id": sequence["id"], "contact_id": contact["id"]});
    api.post("/v1/enrollments", enrollment).await?;
    api.post("/_local/clock", json!({"advance_seconds": 7 * 86_400})).await?;
    let messages = api.get("/_local/messages").await?;
    for message in messages["data"].as_array().into_iter().flatten() {
        println!("{}  to {}  {}", text(&message["at"]), text(&message["to"]), text(&message["text"]));
    }
    local.shutdown().await;
    Ok(())
}

struct Api {
    base_url: String,
    key: String,
    http: Client,
}

impl Api {
    async fn post(&self, path: &str, body: Value) -> Result<Value, Box<dyn Error>> {
        answer(self.http.post(format!("{}{path}", self.base_url)).bearer_auth(&self.key).json(&body)).await
    }

    async fn get(&self, path: &str) -> Result<Value, Box<dyn Error>> {
        answer(self.http.get(format!("{}{path}", self.base_url)).bearer_auth(&self.key)).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value, Box<dyn Error>> {
    let response = request.send().await?;
    let (status, url) = (response.status(), response.url().path().to_owned());
    let body = response.text().await?;
    if !status.is_success() {
        return Err(format!("{url} was answered {status}: {body}").into());
    }
    Ok(serde_json::from_str(&body)?)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
