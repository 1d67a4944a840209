//! Everything in one process: the functions' own handlers and the real adapters, on an embedded
//! DynamoDB, in-process queues and timers, stand-ins for the providers, and a clock that can be
//! moved. [`Local`] is what the program and the end-to-end tests start; they drive it over HTTP.
//!
//! What must not live here: behaviour. Whatever happens locally happens because a function or an
//! adapter that runs in production did it.

pub mod bench;
mod bootstrap;
pub mod client;
mod clock;
pub mod crowd;
mod database;
mod handlers;
mod http;
mod messages;
mod metrics;
mod options;
mod ports;
mod queue;
pub mod redrive;
mod routes;
mod runner;
mod senders;
mod stand_ins;
pub mod usage;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use channels::Providers;
use domain::message::ProviderKind;
use engine::ports::Clock as _;
use engine::{Config, Engine, PortError, Tokens};
use runtime::{Addresses, OsRandom, ProviderAdapter};
use store::DynamoStore;
use testkit::ssm::SsmStandIn;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::bootstrap::Identity;
use crate::clock::LocalClock;
use crate::database::Dynamo;
use crate::handlers::{Functions, plan_sweeps};
use crate::http::{bind, counted, serve};
use crate::metrics::Kept;
use crate::ports::{Attempts, LocalChannels, LocalPorts, LocalQueues, LocalTimers};
use crate::routes::Inside;
use crate::runner::Runner;
use crate::senders::Senders;
use crate::stand_ins::StandIns;
use crate::usage::{Function, Meters, Usage};

pub use options::{ClockKind, Data, Options};

const TABLE: &str = "ritmo";
const BACKLOG: u32 = 1_024;
/// How long a shutdown waits for each server.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why the local runner did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("RITMO_DEV_KEY must be visible ASCII characters without blanks")]
    DevKey,
    #[error("--start-at needs --clock manual")]
    StartAt,
    #[error("port {0} cannot be taken: {1}")]
    Port(u16, std::io::Error),
    #[error("another process works on this data directory")]
    Locked,
    #[error("the data directory's local.json cannot be understood")]
    Unreadable,
    #[error("the embedded database failed: {0}")]
    Database(String),
    #[error("the table did not answer: {0}")]
    Table(#[from] PortError),
    #[error("the HTTP client for providers cannot be made")]
    Http,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A running deployment in this process.
pub struct Local {
    /// `http://127.0.0.1:…`.
    pub base_url: String,
    pub admin_key: String,
    pub operator_key: String,
    /// WhatsApp's among `senders`.
    pub whatsapp_sender: String,
    /// The senders that the account began with, each its channel's default.
    pub senders: Vec<(ProviderKind, String)>,
    stop: watch::Sender<bool>,
    servers: Vec<tokio::task::JoinHandle<()>>,
    dispatcher: tokio::task::JoinHandle<()>,
    dynamo: Dynamo,
    meters: Meters,
    stand_ins: Arc<StandIns>,
    _lock: Option<File>,
}

impl Local {
    /// Starts everything; requests are answered from the moment this returns.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if options.start_at.is_some() && options.clock == ClockKind::Real {
            return Err(StartError::StartAt);
        }
        let socket = bind(options.port).map_err(|error| StartError::Port(options.port, error))?;
        let base_url = format!("http://{}", socket.local_addr()?);
        let dir = match &options.data {
            Data::Memory => None,
            Data::Dir(dir) => Some(dir.as_path()),
        };
        let lock = dir.map(lock).transpose()?;
        let clock = match options.clock {
            ClockKind::Real => LocalClock::real(),
            ClockKind::Manual => LocalClock::manual(options.start_at, dir.map(|dir| dir.join("clock")))?,
        };
        let mut identity = Identity::load(dir, options.dev_key.as_deref())?;

        let stop = watch::Sender::new(false);
        let dynamo = Dynamo::start(dir.map(|dir| dir.join("ritmo.sqlite")).as_deref()).await?;
        let uncounted = DynamoStore::new(dynamo.client(None).await, TABLE, &identity.secret);
        store::table::create_table(&dynamo.client(None).await, TABLE).await?;
        identity.create(&uncounted, clock.now()).await?;

        let runner = Runner::new(clock);
        let senders = Senders::new(uncounted.clone(), identity.tenant);
        let stand_ins = Arc::new(StandIns::new(&runner, senders.clone(), dir)?);
        let providers = Providers::new(&aws_sdk()).map_err(|_| StartError::Http)?;
        let clock = runner.clock().clone();
        let mut providers = providers.with_account(testkit::sns::ACCOUNT).with_clock(move || clock.now());
        let (mut servers, mut origins) = (Vec::new(), Vec::new());
        for stand_in in &stand_ins.all {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let origin = format!("http://{}", listener.local_addr()?);
            providers = providers.with_origin(stand_in.provider(), &origin);
            origins.push((stand_in.provider(), origin));
            servers.push(serve(listener, counted(stand_in.router(), &runner), stop.subscribe()));
        }

        let parameters = TcpListener::bind("127.0.0.1:0").await?;
        let ssm_url = format!("http://{}", parameters.local_addr()?);
        let ssm = counted(SsmStandIn::new(uncounted.clone()).router(), &runner);
        servers.push(serve(parameters, ssm, stop.subscribe()));

        let attempts = Attempts::default();
        let channels = LocalChannels { inner: ProviderAdapter::new(providers, Addresses::Any), senders };
        let (meters, metrics) = (Meters::default(), Kept::default());
        let parts = Parts {
            dynamo: &dynamo,
            runner: &runner,
            channels: &channels,
            attempts: &attempts,
            identity: &identity,
            base_url: &base_url,
            meters: &meters,
        };
        let api = parts.engine(Function::Api, None).await;
        // One cache, so that what a request changes the workers see at once.
        let worker = |function| parts.engine(function, Some(&api));
        let webhook = worker(Function::Webhook).await;
        let functions = Functions {
            enroll: worker(Function::Enroll).await,
            step: worker(Function::Step).await,
            send: worker(Function::Send).await,
            webhook: webhook.clone(),
            sweep: worker(Function::Sweep).await,
            stand_ins: stand_ins.clone(),
            meters: meters.clone(),
            metrics: metrics.clone(),
        };
        let dispatcher = tokio::spawn(runner.clone().dispatch(Arc::new(functions)));
        let inside = Inside {
            runner: runner.clone(),
            engine: api.clone(),
            stand_ins: stand_ins.clone(),
            origins,
            attempts,
            meters: meters.clone(),
            metrics: metrics.clone(),
            tenant: identity.tenant,
            env: function_env(dynamo.url(), &ssm_url, &identity.secret_text()),
        };
        let providers = webhook.channels.inner.providers().clone();
        let webhooks = webhook::router(webhook, providers, move |forged| metrics.add(forged));
        let served = counted(api::router(api).merge(webhooks), &runner);
        let router = served.merge(routes::router(Arc::new(inside)));
        let listener = socket.listen(BACKLOG)?;
        stand_ins.set_base_url(&base_url);
        servers.push(serve(listener, router, stop.subscribe()));
        plan_sweeps(&runner, &uncounted, runner.clock().now()).await?;

        Ok(Self {
            base_url,
            whatsapp_sender: identity.sender(ProviderKind::WhatsappCloud).to_string(),
            senders: identity.senders(),
            admin_key: identity.admin_key,
            operator_key: identity.operator_key,
            stop,
            servers,
            dispatcher,
            dynamo,
            meters,
            stand_ins,
            _lock: lock,
        })
    }

    /// What the functions have asked of AWS so far.
    pub fn usage(&self) -> Usage {
        self.meters.usage()
    }

    /// When the stand-ins accepted each send, in order.
    pub fn accepted_at(&self) -> Vec<SystemTime> {
        self.stand_ins.desk.accepted_at()
    }

    /// Ends everything. Requests and handlers in flight have a moment to come to their end; what is
    /// queued is left to the next start.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        for mut server in self.servers {
            if tokio::time::timeout(PATIENCE, &mut server).await.is_err() {
                server.abort();
            }
        }
        self.dispatcher.abort();
        self.dynamo.stop(PATIENCE).await;
    }
}

/// AWS as it is here: a region, and credentials that nobody checks. Never those of whoever starts this.
fn aws_sdk() -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    SdkConfig::builder()
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// What a function that `cargo lambda` runs needs to work on this table, and on the credentials in it through a
/// stand-in for Parameter Store. Queues and timers live in
/// this process: their addresses lead nowhere, so what a function would queue fails and says so.
fn function_env(dynamodb_url: &str, ssm_url: &str, secret: &str) -> String {
    let queue = |name: &str| format!("RITMO_QUEUE_{name}=http://127.0.0.1:1/{name}\n");
    let queues: String = ["ENROLL", "STEP", "SEND", "INBOUND"].into_iter().map(queue).collect();
    format!(
        "AWS_ENDPOINT_URL_DYNAMODB={dynamodb_url}\nAWS_ENDPOINT_URL_SSM={ssm_url}\nAWS_REGION=local\nAWS_ACCESS_KEY_ID=local\n\
         AWS_SECRET_ACCESS_KEY=local\nRITMO_TABLE={TABLE}\nRITMO_PARAMETERS=/local\nRITMO_SECRET=\"{secret}\"\n{queues}\
         RITMO_QUEUE_STEP_ARN=arn:aws:sqs:local:0:step\nRITMO_SCHEDULE_GROUP=local\n\
         RITMO_SCHEDULER_ROLE_ARN=arn:aws:iam::0:role/local\nRITMO_SCHEDULER_DLQ_ARN=arn:aws:sqs:local:0:dead\n\
         RITMO_PUBLIC_URL=http://127.0.0.1\n"
    )
}

/// What every function's engine is made of.
struct Parts<'a> {
    dynamo: &'a Dynamo,
    runner: &'a Arc<Runner>,
    channels: &'a LocalChannels,
    attempts: &'a Attempts,
    identity: &'a Identity,
    base_url: &'a str,
    meters: &'a Meters,
}

impl Parts<'_> {
    async fn engine(&self, function: Function, beside: Option<&Engine<LocalPorts>>) -> Arc<Engine<LocalPorts>> {
        let (runner, meter) = (self.runner.clone(), self.meters.of(function));
        let store = DynamoStore::new(self.dynamo.client(Some(meter.clone())).await, TABLE, &self.identity.secret);
        Arc::new(Engine {
            timers: LocalTimers { runner: runner.clone(), meter: meter.clone() },
            queues: LocalQueues { runner, attempts: self.attempts.clone(), meter },
            clock: self.runner.clock().clone(),
            random: OsRandom,
            secrets: store.clone(),
            store,
            channels: self.channels.clone(),
            config: Config {
                lease_seconds: runtime::LEASE_SECONDS,
                cache_settings: beside.is_some(),
                credentials_seconds: runtime::credentials_seconds(&OsRandom),
                operator_key_hash: Some(engine::accounts::secret_hash(&self.identity.operator_key)),
                tokens: Tokens::new(&self.identity.secret, self.base_url),
            },
            cache: beside.map_or_else(Arc::default, |engine| engine.cache.clone()),
        })
    }
}

/// Makes the directory and keeps a second process out of it.
fn lock(dir: &Path) -> Result<File, StartError> {
    std::fs::create_dir_all(dir)?;
    let file = File::create(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Locked),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}
