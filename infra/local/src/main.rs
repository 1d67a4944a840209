//! `cargo run`: the whole of it on this machine.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use domain::time::Timestamp;
use engine::ports::Clock as _;
use local::client::Client;
use local::redrive::{Redrive, redrive};
use local::{ClockKind, Data, Local, Options, StartError};
use runtime::SystemClock;
use tracing_subscriber::EnvFilter;

mod demo;
mod many;

/// A follow-up cadence engine, on this machine: API, workers, database and stand-ins for providers.
#[derive(Debug, Parser)]
#[command(name = "ritmo", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// A directory that keeps everything, or `memory`.
    #[arg(long, default_value = "memory")]
    data: Data,
    /// The manual clock moves only through `POST /_local/clock`.
    #[arg(long, value_enum, default_value = "real")]
    clock: ClockKind,
    /// Where the manual clock begins, unless the directory keeps a later instant.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    start_at: Option<Timestamp>,
    /// The admin key to use instead of a random one.
    #[arg(long, env = "RITMO_DEV_KEY", hide_env_values = true)]
    dev_key: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a cadence from start to end, with replies, in seconds.
    Demo {
        /// Instead: imports, enrolls and sends to this many contacts, and prints what it took.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        contacts: Option<u32>,
    },
    /// Counts what a step costs, and measures how fast it goes.
    Bench {
        /// Enrollments to run through a cadence of four steps, two of each contact.
        #[arg(long, value_name = "N", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        enrollments: u32,
        /// Sends that are due in the same second.
        #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        burst: u32,
    },
    /// Sets the dead letters of a deployment on AWS going again, once what broke them is mended.
    ///
    /// Reads AWS_REGION, AWS_PROFILE and so on, as the AWS CLI does; for an SSO profile run
    /// `eval "$(aws configure export-credentials --format env)"` first.
    Redrive(Redrive),
}

fn instant(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("must be like 2026-03-09T12:00:00Z")
}

#[tokio::main]
#[allow(clippy::print_stderr, reason = "a program that cannot start says why")]
async fn main() -> ExitCode {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,dynoxide=error,aws_config=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Demo { contacts }) => play(contacts).await,
        Some(Command::Bench { enrollments, burst }) => bench(enrollments, burst).await,
        Some(Command::Redrive(options)) => on_aws(&options).await,
        None => serve(cli).await.map_err(anyhow::Error::from),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The demo, on parts of its own: in memory, on a free port, on the manual clock.
async fn play(contacts: Option<u32>) -> anyhow::Result<()> {
    let start = Timestamp::parse(demo::START).context("the demo's start is a time")?;
    let local = Local::start(Options::manual(start)).await?;
    let client = Client::new(&local.base_url, &local.admin_key);
    match contacts {
        None => demo::story(&client).await?,
        Some(contacts) => many::many(&client, contacts as usize).await?,
    }
    local.shutdown().await;
    Ok(())
}

async fn bench(enrollments: u32, burst: u32) -> anyhow::Result<()> {
    let within = local::bench::run(enrollments as usize, burst as usize).await?;
    anyhow::ensure!(within, "a count is over its budget");
    Ok(())
}

/// The dead letters of a deployment.
async fn on_aws(options: &Redrive) -> anyhow::Result<()> {
    let sdk = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    anyhow::ensure!(sdk.region().is_some(), "set AWS_REGION to the deployment's region");
    redrive(&aws_sdk_sqs::Client::new(&sdk), options, SystemClock.now(), &mut std::io::stdout()).await
}

async fn serve(cli: Cli) -> Result<(), StartError> {
    let Cli { port, data, clock, start_at, dev_key, .. } = cli;
    let local = Local::start(Options { port, data, clock, start_at, dev_key }).await?;
    let mut greeting = format!(
        "Ritmo listens on {}\n  admin key       {}\n  operator key    {}\n",
        local.base_url, local.admin_key, local.operator_key
    );
    for (provider, sender) in &local.senders {
        greeting.push_str(&format!("  {:<15} {sender} (stand-in)\n", provider.as_str()));
    }
    // Whoever started it may have stopped listening; it serves all the same.
    let _ = std::io::stdout().write_all(greeting.as_bytes());
    stopped().await;
    local.shutdown().await;
    Ok(())
}

/// Ctrl-C, or what a supervisor sends.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
