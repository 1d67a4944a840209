//! Use cases over ports: one file a verb. A verb asks `domain` what to do and performs it.
//!
//! Nothing here knows DynamoDB, SQS or a provider's wire format. Each file starts with what happens
//! if it dies after each line.

#![allow(
    clippy::nonminimal_bool,
    clippy::overly_complex_bool_expr,
    reason = "a `guard!` that nobody switches off is its plain condition"
)]

pub mod accounts;
pub mod blueprints;
mod cache;
pub mod contacts;
pub mod control;
mod conversations;
pub mod credentials;
pub mod emails;
pub mod enroll;
pub mod events;
pub mod explain;
pub mod inbound;
pub mod jobs;
pub mod model;
pub mod payments;
pub mod ports;
pub mod preview;
pub mod queue;
pub mod send;
pub mod senders;
pub mod sequences;
pub mod step;
pub mod sweep;
pub mod templates;
pub mod testing;
pub mod tokens;
pub mod unpark;

use std::sync::Arc;

use domain::ids::Ids;
use domain::time::Timestamp;

pub use cache::Cache;
use ports::{Clock as _, Random as _};
pub use ports::{PortError, Ports};
pub use tokens::Tokens;

/// Everything a handler needs. Made once at start-up.
pub struct Engine<P: Ports> {
    pub store: P::Store,
    pub timers: P::Timers,
    pub queues: P::Queues,
    pub clock: P::Clock,
    pub random: P::Random,
    pub secrets: P::Secrets,
    pub channels: P::Channels,
    pub config: Config,
    /// Shared by the engines of one process, so that what one changes the other sees.
    pub cache: Arc<Cache>,
}

/// What a deployment sets.
#[derive(Debug, Clone)]
pub struct Config {
    /// Longer than the send function's own time-out: past it nobody is still going to call.
    pub lease_seconds: i64,
    /// Whether settings and senders may be up to 30 s old: the workers, never the API.
    pub cache_settings: bool,
    /// How old credentials may be where settings are cached. Each process has another number, so that not all
    /// ask in one moment.
    pub credentials_seconds: i64,
    /// SHA-256 of the operator key, hex; `None` refuses every operator call.
    pub operator_key_hash: Option<String>,
    /// Of links that contacts follow and addresses that they answer to.
    pub tokens: Tokens,
}

/// What a verb refuses, for the caller to see.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// 404 for an id in the path, 422 `unknown_reference` (with this pointer) for one in a body.
    #[error("there is no such {what}")]
    Unknown { what: &'static str, pointer: &'static str },
    /// 409, 422 and the like, by its stable code.
    #[error("{detail}")]
    Rule { code: &'static str, pointer: Option<String>, detail: String },
    /// Somebody else wrote in between, again and again.
    #[error("the object changes too often right now")]
    Busy,
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Refused {
    pub fn rule(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Rule { code, pointer: None, detail: detail.into() }
    }

    pub fn at(code: &'static str, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Rule { code, pointer: Some(pointer.into()), detail: detail.into() }
    }
}

/// How often a verb reads again after losing a race. Each loss means that another write won.
pub(crate) const MAX_RACES: usize = 20;

impl<P: Ports> Engine<P> {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// New ids from fresh randomness; a request with an idempotency key uses its seed instead.
    pub fn ids(&self) -> Ids {
        Ids::from_seed(self.random.seed())
    }
}
