//! What limits cost beside a step: a sender with a rate and days, an account with limits for a contact.

use anyhow::{Context as _, ensure};
use domain::time::Timestamp;
use serde_json::json;

use crate::client::Client;
use crate::crowd;
use crate::usage::{Function, Usage};
use crate::{Local, Options};

/// A Monday, 07:00 in São Paulo.
const START: Timestamp = Timestamp(1_794_823_200);

/// So many messages, all due in one second and all within their limits.
#[derive(Debug)]
pub struct Limits {
    pub messages: usize,
    pub usage: Usage,
}

/// # Errors
/// When a call fails, or not every message went out.
pub async fn run(messages: usize) -> anyhow::Result<Limits> {
    let local = Local::start(Options::manual(START)).await?;
    let client = Client::new(&local.base_url, &local.admin_key);
    let account = client.get("/v1/account").await?;
    let sender = account["default_senders"]["whatsapp"].as_str().context("no default sender")?.to_owned();
    let limits = json!({"per_second": messages.max(1), "per_day": messages.max(1)});
    client.patch(&format!("/v1/senders/{sender}"), &json!({"limits": limits})).await?;
    client.patch("/v1/account", &json!({"contact_limits": [{"max": 1, "per": "day"}]})).await?;
    crowd::import(&client, messages).await?;
    let step = json!({"key": "oi", "wait": {"value": 1, "unit": "hours"}, "channel": "whatsapp",
        "content": {"type": "whatsapp_template", "name": "oi", "language": "pt_BR"}});
    let sequence = client.post("/v1/sequences", &json!({"name": "Oi", "target": "contact", "steps": [step]})).await?;
    let sequence = sequence["id"].as_str().context("a sequence without an id")?.to_owned();
    client.post(&format!("/v1/sequences/{sequence}/publish"), &json!({})).await?;
    crowd::enroll(&client, &sequence, &crowd::ids(&client).await?).await?;
    let before = local.usage();
    let at = START.plus_seconds(3_660).to_string();
    crowd::advance(&client, &at, "limits", messages).await?;
    let usage = local.usage().since(&before);
    let sent = local.accepted_at().len();
    ensure!(sent == messages, "{sent} of {messages} messages were sent");
    local.shutdown().await;
    Ok(Limits { messages, usage })
}

impl Limits {
    /// Write units a message in the sender's own partition: its rate and its day.
    pub fn of_the_sender(&self) -> f64 {
        self.writes("UpdateItem")
    }

    /// Write units a message of the contact's item.
    pub fn of_the_contact(&self) -> f64 {
        self.writes("PutItem")
    }

    /// What the step function writes; without limits it writes nothing.
    fn writes(&self, operation: &str) -> f64 {
        let units = self.usage.of(&[Function::Step]).filter(|(request, _)| request.is(operation));
        units.map(|(_, units)| units.write + units.index_writes()).sum::<f64>() / self.messages as f64
    }
}
