//! Many people at once, for the demo and the bench.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::client::Client;

/// Rows sent in one request; the rest follows in parts of the same job.
const ROWS_A_REQUEST: usize = 5_000;

/// So many contacts, imported as a CSV; the finished job, or the answer if there are few.
///
/// # Errors
/// When a call fails or a row is refused.
pub async fn import(client: &Client, contacts: usize) -> anyhow::Result<Value> {
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

/// Enrolls everybody in bulk; the finished job.
///
/// # Errors
/// When a call fails or somebody is not enrolled.
pub async fn enroll(client: &Client, sequence: &str, contacts: &[Value]) -> anyhow::Result<Value> {
    let body = json!({"sequence_id": sequence, "contact_ids": contacts});
    let job = client.post("/v1/enrollments/bulk", &body).await?;
    watch(client, &job, "enrolling", contacts.len(), "enrolled").await
}

/// Moves the clock, and shows how many of so many sends were accepted meanwhile.
///
/// # Errors
/// When a call fails.
pub async fn advance(
    client: &Client,
    to: &str,
    what: impl Into<Cow<'static, str>>,
    sends: usize,
) -> anyhow::Result<()> {
    let accepted =
        async || Ok::<_, anyhow::Error>(client.get("/_local/calls").await?["accepted"].as_u64().unwrap_or(0));
    let before = accepted().await?;
    let bar = bar(what, sends);
    let mut clock = std::pin::pin!(client.advance(to));
    loop {
        tokio::select! {
            done = &mut clock => { bar.finish_and_clear(); return done; }
            () = tokio::time::sleep(Duration::from_millis(250)) => bar.set_position(accepted().await? - before),
        }
    }
}

/// Follows a job to its end.
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

/// Every contact's id.
///
/// # Errors
/// When a call fails.
pub async fn ids(client: &Client) -> anyhow::Result<Vec<Value>> {
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

/// A line that shows how far a long work is.
pub fn bar(what: impl Into<Cow<'static, str>>, total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:10} [{bar:40}] {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(total as u64).with_prefix(what);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
