//! DynamoDB in this process: dynoxide (SQLite inside) over loopback HTTP, and real SDK clients on it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use dynoxide::Database;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::StartError;

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

    /// A client; its calls are counted where a counter is given.
    pub(crate) async fn client(&self, calls: Option<&Calls>) -> Client {
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::from_static("local"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .load()
            .await;
        let client = store::client(&sdk);
        match calls {
            Some(calls) => Client::from_conf(client.config().to_builder().interceptor(calls.clone()).build()),
            None => client,
        }
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

/// How often each operation was called, repeats by the SDK included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<BTreeMap<String, u64>>>);

/// `GET /_local/calls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CallCounts {
    pub(crate) total: u64,
    pub(crate) by_operation: BTreeMap<String, u64>,
}

impl Calls {
    pub(crate) fn counts(&self) -> CallCounts {
        let by_operation = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CallCounts { total: by_operation.values().sum(), by_operation }
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += 1;
        Ok(())
    }
}
