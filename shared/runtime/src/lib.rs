//! What every function's `main` shares: configuration, start-up, logs, and the handling of a batch
//! of queue messages.
//!
//! What must not live here: anything about steps, senders or people. The local runner uses the
//! parts that do not come from AWS (the batch, the providers' adapter).

mod addresses;
mod batch;
mod log;
mod ports;
mod providers;
mod settings;
mod start;

pub use addresses::Addresses;
pub use batch::{CONCURRENCY, batch};
pub use log::init as init_logs;
pub use ports::{LambdaPorts, OsRandom, SystemClock};
pub use providers::ProviderAdapter;
pub use settings::{Settings, SettingsError};
pub use start::{Kind, LEASE_SECONDS, StartError, start};
