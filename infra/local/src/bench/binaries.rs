//! The deployed programs: size, memory and cold start, each as it was built for this machine.
//!
//! A cold start is measured from the start of the process to its first answer: against a stand-in for
//! Lambda's runtime API that hands out one event of `events/`, with the embedded DynamoDB as its table.
//! On Lambda the download of the program and the start of the sandbox come before it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use domain::time::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::{ClockKind, Local, Options, crowd};

const RUNS: usize = 11;
const PATIENCE: Duration = Duration::from_secs(30);

/// The functions with an event of each.
const FUNCTIONS: [(&str, &str); 6] = [
    ("api", include_str!("../../../../events/api-create-contact.json")),
    ("enroll", include_str!("../../../../events/enroll-part.json")),
    ("step", include_str!("../../../../events/step-due.json")),
    ("send", include_str!("../../../../events/send-planned.json")),
    ("webhook", include_str!("../../../../events/webhook-whatsapp-message.json")),
    ("sweep", include_str!("../../../../events/sweep-tick.json")),
];

/// A built program.
#[derive(Debug)]
pub struct Binary {
    pub name: &'static str,
    pub bytes: u64,
    /// `None` when it was built for another kind of machine.
    pub started: Option<Started>,
}

#[derive(Debug)]
pub struct Started {
    pub min: Duration,
    pub median: Duration,
    pub max: Duration,
    /// The most memory that it had at its first answer, where the machine tells.
    pub memory: Option<u64>,
}

/// How they are built, so that the bench finds them.
pub fn build_command() -> String {
    let packages = FUNCTIONS.map(|(name, _)| format!(" -p {name}")).concat();
    format!("cargo build --profile lambda --locked --target {}{packages}", triple())
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// Those that are built, measured.
///
/// # Errors
/// When a program that should run here does not answer.
pub async fn measure() -> anyhow::Result<Vec<Binary>> {
    let found: Vec<_> = FUNCTIONS.iter().filter_map(|(name, event)| Some((*name, *event, find(name)?))).collect();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let local =
        Local::start(Options { clock: ClockKind::Real, start_at: None, ..Options::manual(Timestamp(0)) }).await?;
    let client = Client::new(&local.base_url, &local.admin_key);
    let env = match client.get("/_local/env").await? {
        Value::String(text) => text,
        other => bail!("not an environment: {other}"),
    };
    let bar = crowd::bar("starting", found.len() * RUNS);
    let mut binaries = Vec::new();
    for (name, event, path) in found {
        let bytes = std::fs::metadata(&path)?.len();
        let mut started = None;
        if runs_here(&path)? {
            let (mut times, mut memory) = (Vec::new(), None);
            for _ in 0..RUNS {
                let (time, most) = start(&path, event, &env).await.with_context(|| format!("{name} did not answer"))?;
                times.push(time);
                memory = memory.max(most);
                bar.inc(1);
            }
            times.sort_unstable();
            started = Some(Started { min: times[0], median: times[RUNS / 2], max: times[RUNS - 1], memory });
        }
        binaries.push(Binary { name, bytes, started });
    }
    bar.finish_and_clear();
    local.shutdown().await;
    Ok(binaries)
}

/// Beside our own program: as `build_command` leaves it, or as `cargo lambda` does.
fn find(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let target = own.parent()?.parent()?;
    let built = target.join(triple()).join("lambda").join(name);
    [built, target.join("lambda").join(name).join("bootstrap")].into_iter().find(|path| path.is_file())
}

/// By the machine that the program's header names.
fn runs_here(path: &Path) -> std::io::Result<bool> {
    use std::io::Read as _;
    let mut header = [0; 20];
    std::fs::File::open(path)?.read_exact(&mut header)?;
    let machine = match std::env::consts::ARCH {
        "x86_64" => 0x3e,
        "aarch64" => 0xb7,
        _ => return Ok(false),
    };
    Ok(header.starts_with(b"\x7fELF") && header[18] == machine)
}

/// Ended when dropped, whatever happened.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn start(path: &Path, event: &'static str, env: &str) -> anyhow::Result<(Duration, Option<u64>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (answered, mut answers) = mpsc::channel(1);
    let api = Arc::new(RuntimeApi { event: Mutex::new(Some(event)), answered });
    let server = tokio::spawn(async move { axum::serve(listener, router(api)).await });

    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
        .envs(env.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name, value.trim_matches('"'))));
    command.env("AWS_LAMBDA_RUNTIME_API", address).env("AWS_LAMBDA_FUNCTION_NAME", "bench");
    command.env("AWS_LAMBDA_FUNCTION_VERSION", "1").env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256");
    command.env("AWS_LAMBDA_LOG_GROUP_NAME", "bench").env("AWS_LAMBDA_LOG_STREAM_NAME", "bench").env("RUST_LOG", "off");
    let begun = Instant::now();
    let child = Running(command.spawn()?);
    let answer = tokio::time::timeout(PATIENCE, answers.recv()).await;
    let time = begun.elapsed();
    let memory = super::memory(&child.0.id().to_string(), "VmHWM");
    server.abort();
    match answer {
        Ok(Some(true)) => Ok((time, memory)),
        Ok(_) => bail!("it answered with an error"),
        Err(_) => bail!("no answer within {PATIENCE:?}"),
    }
}

/// Lambda's side: one event, and whether its answer was good.
struct RuntimeApi {
    event: Mutex<Option<&'static str>>,
    answered: mpsc::Sender<bool>,
}

fn router(api: Arc<RuntimeApi>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
        .route("/2018-06-01/runtime/init/error", post(failed))
        .with_state(api)
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    let event = api.event.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(event) = event else { return std::future::pending().await };
    let headers = [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench"),
    ];
    (headers, event).into_response()
}

async fn response(State(api): State<Arc<RuntimeApi>>) -> StatusCode {
    let _ = api.answered.send(true).await;
    StatusCode::ACCEPTED
}

async fn failed(State(api): State<Arc<RuntimeApi>>) -> StatusCode {
    let _ = api.answered.send(false).await;
    StatusCode::ACCEPTED
}
