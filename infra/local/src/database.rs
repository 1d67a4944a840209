//! DynamoDB in this process: dynoxide (SQLite inside) over loopback HTTP, and real SDK clients on it.

use std::path::Path;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region};
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::StartError;
use crate::usage::Meter;

const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A served database.
pub(crate) struct Dynamo {
    url: String,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), String>>,
}

impl Dynamo {
    /// In memory, or in a file.
    pub(crate) async fn start(file: Option<&Path>) -> Result<Self, StartError> {
        let database = match file {
            Some(path) => Database::new(&path.to_string_lossy()),
            None => Database::memory(),
        };
        let database = database.map_err(|error| StartError::Database(error.to_string()))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, mut stopping) = watch::channel(false);
        let stopped = async move {
            // An error means that whoever could say "stop" is gone.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let task = tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, stopped));
        Ok(Self { url, stop, task })
    }

    /// A client; what it asks is counted where a meter is given.
    pub(crate) async fn client(&self, meter: Option<Meter>) -> Client {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::from_static("local"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .load()
            .await;
        // A machine that is busy with something else is no table that fails: repeats would be counted.
        let patient = TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build();
        let mut config = store::client(&sdk).config().to_builder().timeout_config(patient);
        if let Some(meter) = meter {
            config = config.interceptor(meter);
        }
        Client::from_conf(config.build())
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it once the calls in flight are answered; its file is closed then.
    pub(crate) async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}
