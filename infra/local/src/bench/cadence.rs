//! Enrollments through whole cadences on the manual clock.
//!
//! Every contact is enrolled twice, which is what the budget of a step's read allows for; the second
//! cadence runs minutes behind the first, so that no message waits for another to the same person. One
//! contact runs ten seconds ahead of all others: the settings that workers keep for 30 s are read for it,
//! so that the others' counts hold nothing but their own steps.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;
use crate::crowd;
use crate::usage::{Function, Usage};
use crate::{Local, Options};

/// A Monday, 07:00 in São Paulo.
const START: Timestamp = Timestamp(1_794_823_200);
pub const STEPS: usize = 4;
/// Of each of the two sequences.
const FIRST_WAITS_MINUTES: [i64; 2] = [60, 65];
const WAIT_SECONDS: i64 = 86_400;
const AHEAD_SECONDS: i64 = 10;

/// What a run asked and took.
#[derive(Debug)]
pub struct Cadence {
    /// Two of each contact.
    pub enrollments: usize,
    /// An idle tick of the sweep.
    pub idle_sweep: Usage,
    /// Writing the enrollments, their job included.
    pub enrolling: Usage,
    /// The contact ahead: two steps, and the settings read for each of them.
    pub ahead: Usage,
    /// By step of the cadence: all that its sends, and their two delivery reports each, asked.
    pub by_step: Vec<Usage>,
    /// Of all steps, reports included.
    pub took: Duration,
    /// The process's resident memory before and after, where the machine tells.
    pub memory: Option<(u64, u64)>,
}

/// Runs an even number of enrollments, at least two.
///
/// # Errors
/// When a call fails, or not every step of everybody went out exactly once.
pub async fn run(enrollments: usize) -> anyhow::Result<Cadence> {
    let local = Local::start(Options::manual(START)).await?;
    let client = Client::new(&local.base_url, &local.admin_key);
    let memory = super::memory("self", "VmRSS");
    let to = async |seconds: i64| client.advance(&START.plus_seconds(seconds).to_string()).await;

    to(0).await?;
    let idle_sweep = local.usage();
    let contacts = enrollments.div_ceil(2).max(1);
    crowd::import(&client, contacts).await?;
    let everybody = crowd::ids(&client).await?;
    let [one, two] = FIRST_WAITS_MINUTES;
    let sequences = [publish(&client, "Cobrança", one).await?, publish(&client, "Boas-vindas", two).await?];
    let first = client.post("/v1/contacts", &json!({"first_name": "Ana", "phone": "+5521987650001"})).await?;
    for sequence in &sequences {
        let body = json!({"sequence_id": sequence, "contact_id": first["id"]});
        client.post("/v1/enrollments", &body).await?;
    }
    to(AHEAD_SECONDS).await?;
    let before = local.usage();
    for sequence in &sequences {
        crowd::enroll(&client, sequence, &everybody).await?;
    }
    let enrolling = local.usage().since(&before);

    let enrollments = 2 * contacts;
    let (mut by_step, mut ahead, mut took) = (Vec::new(), Usage::default(), Duration::ZERO);
    for step in 0..STEPS {
        ahead = Usage::default();
        let mut others = Usage::default();
        for minutes in FIRST_WAITS_MINUTES {
            let due = 60 * minutes + WAIT_SECONDS * step as i64;
            let before = local.usage();
            to(due + AHEAD_SECONDS / 2).await?;
            let between = local.usage();
            ahead.add(&between.since(&before));
            let start = Instant::now();
            let at = START.plus_seconds(due + AHEAD_SECONDS + 60).to_string();
            crowd::advance(&client, &at, format!("step {} of {STEPS}", step + 1), contacts).await?;
            took += start.elapsed();
            others.add(&local.usage().since(&between));
        }
        by_step.push(others);
    }
    let sent = local.accepted_at().len();
    let expected = (enrollments + 2) * STEPS;
    ensure!(sent == expected, "{sent} messages were sent, and there are {expected} steps");
    let dead = client.get("/_local/dead-letters").await?;
    ensure!(dead["data"] == json!([]), "a message failed too often: {dead}");
    let memory = memory.zip(super::memory("self", "VmRSS"));
    local.shutdown().await;
    Ok(Cadence { enrollments, idle_sweep, enrolling, ahead, by_step, took, memory })
}

impl Cadence {
    /// What one step costs on average: of those that are not a cadence's last.
    pub fn step(&self) -> (Usage, usize) {
        let mut sum = Usage::default();
        let steps = &self.by_step[..STEPS - 1];
        steps.iter().for_each(|usage| sum.add(usage));
        (sum, steps.len() * self.enrollments)
    }

    /// Read units that settings cost, each time that a worker's are 30 s old.
    pub fn settings_reads(&self) -> f64 {
        let reads = |usage: &Usage| usage.of(&STEP_AND_SEND).map(|(_, units)| units.read).sum::<f64>();
        let (step, count) = self.step();
        reads(&self.ahead) / 2.0 - reads(&step) / count as f64
    }
}

/// The functions that execute a step.
pub const STEP_AND_SEND: [Function; 2] = [Function::Step, Function::Send];

/// Four steps: free text, which nobody's window is open for, and a template with two parameters.
async fn publish(client: &Client, name: &str, first_wait_minutes: i64) -> anyhow::Result<String> {
    let steps: Vec<Value> = (0..STEPS)
        .map(|step| {
            let wait = if step == 0 { first_wait_minutes } else { WAIT_SECONDS / 60 };
            json!({
                "key": format!("passo_{step}"), "wait": {"value": wait, "unit": "minutes"}, "channel": "whatsapp",
                "content": {"type": "text", "text":
                    "Olá {{ contact.first_name | default: \"tudo bem\" }}! Sua fatura está aqui: https://loja.example/fatura"},
                "fallback_template": {"name": format!("cobranca_{step}"), "language": "pt_BR",
                    "body": ["{{ contact.first_name }}", "https://loja.example/fatura"]}})
        })
        .collect();
    let sequence = client.post("/v1/sequences", &json!({"name": name, "target": "contact", "steps": steps})).await?;
    let id = sequence["id"].as_str().context("a sequence without an id")?.to_owned();
    client.post(&format!("/v1/sequences/{id}/publish"), &json!({})).await?;
    Ok(id)
}
