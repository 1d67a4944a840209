//! Fakes of every port in memory: plain maps with the semantics that `engine::ports` documents.
//!
//! Nothing here waits, fails or is random by itself: the simulator wraps these, and one contract
//! suite runs on them and on the real adapters. [`Tables`] is the store as synchronous verbs;
//! [`MemoryStore`] is the port over it.

mod contacts;
mod enrollments;
mod jobs;
mod once;
mod others;
mod ports;
mod store;
mod tables;

pub(crate) use ports::MAX_DELAY_SECONDS;
pub use ports::{MemoryQueues, MemoryTimers, QueuedTimer};
pub use store::{ManualClock, MemorySecrets, MemoryStore, SeededRandom};
pub use tables::{EnrollmentWrite, StoreGuards, Tables, Verb, due_shard};
pub(crate) use tables::for_each_store_verb;
