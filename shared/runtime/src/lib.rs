//! What every function's `main` shares: configuration, start-up, logs, metrics, and the handling of a
//! batch of queue messages.
//!
//! What must not live here: anything about steps, senders or people. The local runner uses the
//! parts that do not come from AWS (the batch, the providers' adapter).

mod addresses;
mod batch;
mod log;
mod metrics;
mod ports;
mod providers;
mod settings;
mod start;

pub use addresses::Addresses;
pub use batch::{CONCURRENCY, batch};
pub use log::{init as init_logs, layer as log_layer};
pub use metrics::{KEPT as KEPT_METRICS, Metrics, NAMESPACE, print};
pub use ports::{LambdaPorts, OsRandom, SystemClock};
pub use providers::ProviderAdapter;
pub use settings::{Settings, SettingsError};
pub use start::{Kind, LEASE_SECONDS, StartError, credentials_seconds, start};
