//! `cargo run --release -- demo --contacts 10000`: one CSV imported, enrolled in bulk and stepped
//! once, with what it took.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use local::client::Client;

/// Rows sent in one request; the rest follows in parts of the same job.
const ROWS_A_REQUEST: usize = 5_000;

/// Imports, enrolls and sends to this many contacts and prints how long each part took and how many
/// DynamoDB calls a step cost.
///
/// # Errors
/// When a call fails, or not everybody got exactly one message.
#[allow(clippy::print_stdout, reason = "its one purpose is to print")]
pub(crate) async fn many(client: &Client, contacts: usize) -> anyhow::Result<()> {
    let start = Instant::now();
    let import = import(client, contacts).await?;
    println!("imported {} contacts in {:.1} s", import["created"], start.elapsed().as_secs_f32());

    let ids = ids(client).await?;
    let definition = json!({
        "name": "Boas-vindas", "target": "contact",
        "steps": [{"key": "oi", "wait": {"value": 1, "unit": "hours"}, "channel": "whatsapp",
            "content": {"type": "whatsapp_template", "name": "oi", "language": "pt_BR",
                "body": ["{{ contact.first_name }}"]}}]});
    let sequence = client.post("/v1/sequences", &definition).await?;
    let sequence = sequence["id"].as_str().context("no id")?.to_owned();
    client.post(&format!("/v1/sequences/{sequence}/publish"), &json!({})).await?;

    let start = Instant::now();
    let job = client.post("/v1/enrollments/bulk", &json!({"sequence_id": sequence, "contact_ids": ids})).await?;
    let job = watch(client, &job, "enrolling", contacts, "enrolled").await?;
    println!("enrolled {} contacts in {:.1} s", job["enrolled"], start.elapsed().as_secs_f32());

    let before = client.get("/_local/calls").await?;
    let start = Instant::now();
    let bar = bar("sending", contacts);
    let to = Client::add_hours(&client.now().await?, 2)?;
    let mut clock = std::pin::pin!(client.advance(&to));
    loop {
        tokio::select! {
            done = &mut clock => { done?; break; }
            () = tokio::time::sleep(Duration::from_millis(250)) => {
                bar.set_position(client.get("/_local/calls").await?["accepted"].as_u64().unwrap_or(0));
            }
        }
    }
    bar.finish_and_clear();
    let took = start.elapsed();
    let after = client.get("/_local/calls").await?;
    let accepted = after["accepted"].as_u64().unwrap_or(0);
    println!(
        "sent {accepted} messages in {:.1} s ({:.0} steps/s), with their delivery reports",
        took.as_secs_f32(),
        contacts as f32 / took.as_secs_f32()
    );
    anyhow::ensure!(accepted == contacts as u64, "{contacts} contacts should have got one message each");
    println!("DynamoDB calls per executed step:");
    for (operation, count) in after["by_operation"].as_object().into_iter().flatten() {
        let calls = count.as_u64().unwrap_or(0) - before["by_operation"][operation].as_u64().unwrap_or(0);
        if calls > 0 {
            println!("  {operation:20} {:.2}", calls as f64 / contacts as f64);
        }
    }
    Ok(())
}

async fn import(client: &Client, contacts: usize) -> anyhow::Result<Value> {
    let mut job = json!({});
    for first in (0..contacts).step_by(ROWS_A_REQUEST) {
        let last = first + ROWS_A_REQUEST >= contacts;
        let mut csv = String::from("first_name,phone,plan\n");
        for n in first..(first + ROWS_A_REQUEST).min(contacts) {
            writeln!(csv, "Contato {n},+55119{:08},pro", 80_000_000 + n)?;
        }
        let query = match job["job_id"].as_str() {
            Some(id) => format!("?job_id={id}&last={last}"),
            None => format!("?last={last}"),
        };
        job = client.import(&query, csv).await?;
    }
    if job["job_id"].is_null() {
        return Ok(job);
    }
    watch(client, &job, "importing", contacts, "created").await
}

async fn watch(client: &Client, job: &Value, what: &'static str, total: usize, counter: &str) -> anyhow::Result<Value> {
    let id = job["job_id"].as_str().context("no job id")?;
    let bar = bar(what, total);
    loop {
        let job = client.get(&format!("/v1/jobs/{id}")).await?;
        bar.set_position(job[counter].as_u64().unwrap_or(0));
        if job["state"] != json!("running") {
            bar.finish_and_clear();
            anyhow::ensure!(
                job["state"] == json!("done") && job["failed"] == json!(0),
                "the job did not go through: {job}"
            );
            return Ok(job);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn ids(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/v1/contacts?limit=200{cursor}")).await?;
        ids.extend(page["data"].as_array().into_iter().flatten().map(|c| c["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(ids),
        }
    }
}

fn bar(what: &'static str, total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:10} [{bar:40}] {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(total as u64).with_prefix(what);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
