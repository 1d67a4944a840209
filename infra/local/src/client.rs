//! A small client of the API, as a user would write one. The demo and the end-to-end tests use it.

use anyhow::Context as _;
use domain::time::Timestamp;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    key: String,
}

impl Client {
    pub fn new(base_url: &str, key: &str) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap_or_default(),
            base_url: base_url.to_owned(),
            key: key.to_owned(),
        }
    }

    /// The status and the body, whatever they are.
    ///
    /// # Errors
    /// Only when no answer came.
    pub async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base_url)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn ok(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, answer) = self.call(method.clone(), path, body).await?;
        anyhow::ensure!((200..300).contains(&status), "{method} {path} answered {status}: {answer}");
        Ok(answer)
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ok(reqwest::Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ok(reqwest::Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ok(reqwest::Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ok(reqwest::Method::PATCH, path, Some(body)).await
    }

    /// Sends a CSV to the import.
    pub async fn import(&self, query: &str, csv: String) -> anyhow::Result<Value> {
        let path = format!("{}/v1/contacts/import{query}", self.base_url);
        let request = self.http.post(path).bearer_auth(&self.key).header("content-type", "text/csv").body(csv);
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status.is_success(), "the import answered {status}: {text}");
        serde_json::from_str(&text).context("the import's answer is no JSON")
    }

    /// The runner's clock, RFC 3339.
    pub async fn now(&self) -> anyhow::Result<String> {
        let clock = self.get("/_local/clock").await?;
        clock["now"].as_str().map(str::to_owned).context("the clock has no `now`")
    }

    /// Runs everything due up to an instant.
    pub async fn advance(&self, to: &str) -> anyhow::Result<()> {
        self.post("/_local/clock", &json!({"to": to})).await.map(drop)
    }

    pub fn add_hours(at: &str, hours: i64) -> anyhow::Result<String> {
        Ok(Timestamp::parse(at).context("not a time")?.plus_hours(hours).to_string())
    }

    /// A text with its instants written as people at this offset say them.
    pub fn localized(text: &str, offset_hours: i64) -> String {
        let word = |word: &str| {
            let bare = word.trim_end_matches([':', ',', ')']);
            let Some(at) = Timestamp::parse(bare) else { return word.to_owned() };
            let local = at.plus_hours(offset_hours).to_chrono();
            format!("{}{}", local.format("%a %-d %b %H:%M"), &word[bare.len()..])
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    /// Day and time of day at a fixed offset, for people.
    pub fn local(at: &str, offset_hours: i64) -> (String, String) {
        let Some(at) = Timestamp::parse(at) else { return (String::new(), at.to_owned()) };
        let local = at.plus_hours(offset_hours).to_chrono();
        (local.format("%A %-d %B %Y").to_string(), local.format("%H:%M").to_string())
    }
}
