//! Very many sends due in the same second, on the machine's own clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use domain::time::Timestamp;
use futures::{TryStreamExt as _, stream};
use serde_json::json;

use crate::client::Client;
use crate::{ClockKind, Local, Options, crowd};

const ENROLLED_AT_ONCE: usize = 16;
/// Enrolled for another day, to see how long this machine takes.
const PROBES: usize = 32;
const ANOTHER_DAY_SECONDS: u64 = 86_400;
/// The second comes after this many times as long as enrolling should take …
const SLOWER: f64 = 1.5;
/// … and as much more.
const SPARE: Duration = Duration::from_secs(2);
/// Without any send for so long, the burst has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// How late the provider was called.
#[derive(Debug)]
pub struct Burst {
    pub sends: usize,
    pub p50: Duration,
    pub p99: Duration,
    pub last: Duration,
}

/// # Errors
/// When a call fails, or not everybody was enrolled before the second came.
pub async fn run(sends: usize) -> anyhow::Result<Burst> {
    let local =
        Local::start(Options { clock: ClockKind::Real, start_at: None, ..Options::manual(Timestamp(0)) }).await?;
    let client = Client::new(&local.base_url, &local.admin_key);
    let step = json!({"key": "oi", "wait": {"value": 0, "unit": "minutes"}, "channel": "whatsapp",
        "content": {"type": "whatsapp_template", "name": "oi", "language": "pt_BR"}});
    let sequence = client.post("/v1/sequences", &json!({"name": "Oi", "target": "contact", "steps": [step]})).await?;
    let sequence = sequence["id"].as_str().context("a sequence without an id")?.to_owned();
    client.post(&format!("/v1/sequences/{sequence}/publish"), &json!({})).await?;

    let enroll = async |numbers: std::ops::Range<usize>, due: SystemTime| {
        let seconds = due.duration_since(UNIX_EPOCH)?.as_secs();
        let start_at = Timestamp(i64::try_from(seconds)?).to_string();
        let bar = crowd::bar("enrolling", numbers.len());
        stream::iter(numbers.map(anyhow::Ok))
            .try_for_each_concurrent(ENROLLED_AT_ONCE, async |n| {
                let contact = json!({"phone": format!("+55119{:08}", 80_000_000 + n)});
                let body = json!({"sequence_id": sequence, "contact": contact, "start_at": start_at});
                client.post("/v1/enrollments", &body).await?;
                bar.inc(1);
                Ok(())
            })
            .await?;
        bar.finish_and_clear();
        anyhow::Ok(UNIX_EPOCH + Duration::from_secs(seconds))
    };
    let begun = Instant::now();
    enroll(sends..sends + PROBES, SystemTime::now() + Duration::from_secs(ANOTHER_DAY_SECONDS)).await?;
    let expected = begun.elapsed().mul_f64(SLOWER * sends as f64 / PROBES as f64);
    let due = enroll(0..sends, SystemTime::now() + expected + SPARE).await?;
    ensure!(SystemTime::now() < due, "this machine became too slow while it enrolled {sends} contacts");

    let bar = crowd::bar("sending", sends);
    let (mut accepted, mut changed) = (0, Instant::now());
    while accepted < sends {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = local.accepted_at().len();
        if now > accepted || SystemTime::now() < due {
            (accepted, changed) = (now, Instant::now());
            bar.set_position(now as u64);
        }
        ensure!(changed.elapsed() < PATIENCE, "only {accepted} of {sends} were sent");
    }
    bar.finish_and_clear();
    let mut lags: Vec<Duration> =
        local.accepted_at().into_iter().map(|at| at.duration_since(due)).collect::<Result<_, _>>()?;
    lags.sort_unstable();
    ensure!(lags.len() == sends, "{} messages for {sends} steps", lags.len());
    local.shutdown().await;
    let percentile = |percent: usize| lags[(sends * percent).div_ceil(100).clamp(1, sends) - 1];
    Ok(Burst { sends, p50: percentile(50), p99: percentile(99), last: percentile(100) })
}
