//! DynamoDB behind the engine's [`Store`](engine::ports::Store) and
//! [`Secrets`](engine::ports::Secrets) ports: the only place that knows keys and expressions.
//!
//! - [`keys`]: every key, one single table. `T#<tenant>` begins each partition but those of API
//!   keys' hashes, idempotency keys (whose makers scope them) and the due index.
//! - [`items`], [`enrollment_item`], [`words`]: the stored forms, versioned.
//! - `accounts`, `contacts`, `enrollments`, `sequences`, `senders`, `messages`, `jobs`, `once`,
//!   `secrets`: the verbs, a module a subject. Each says what it costs.
//! - [`requests`], [`lists`], [`cursors`], [`crypt`], [`errors`], [`together`]: what the verbs are made of.
//! - [`table`]: the table's definition for local runs and tests.
//!
//! **Invariants:** a conditional write that fails and finds itself there is a success (an answer got
//! lost, not a race). Texts of errors and logs never hold what an item holds. Nothing here reads a
//! clock.

mod accounts;
mod contacts;
mod crypt;
mod cursors;
mod enrollment_item;
mod enrollments;
mod errors;
mod items;
mod jobs;
mod keys;
mod limits;
mod lists;
mod messages;
mod once;
mod payments;
mod port;
mod requests;
mod secrets;
mod senders;
mod sequences;
pub mod table;
mod templates;
mod together;
mod words;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;

/// The store of one deployment. Cloning it is cheap.
#[derive(Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
    keys: crypt::Keys,
    slots: limits::Slots,
    days: limits::Days,
}

impl DynamoStore {
    /// `secret`: the deployment's 32 random bytes. With another one identities and suppressions are
    /// not found and secrets cannot be read, so it never changes.
    pub fn new(client: Client, table: impl Into<String>, secret: &[u8; 32]) -> Self {
        Self {
            client,
            table: table.into(),
            keys: crypt::Keys::derive(secret),
            slots: Default::default(),
            days: Default::default(),
        }
    }
}

/// A client for this store: a call answers within 5 s or fails, retries included.
pub fn client(config: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_secs(1))
        .build();
    let retries = RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(50));
    let config = aws_sdk_dynamodb::config::Builder::from(config).timeout_config(timeouts).retry_config(retries);
    Client::from_conf(config.build())
}
