//! Fakes of every port in memory: plain maps with the semantics that `engine::ports` documents.
//!
//! Nothing here waits, fails or is random by itself: the simulator wraps these, and one contract
//! suite runs on them and on the real adapters. [`Tables`] is the store as synchronous verbs;
//! [`MemoryStore`] is the port over it. [`Shop`] is where tests of the engine's verbs begin.

mod channels;
mod contacts;
mod enrollments;
mod jobs;
mod once;
mod others;
mod payments;
mod ports;
mod shop;
mod store;
mod tables;

pub use channels::{Answer, MemoryChannels};
pub(crate) use ports::MAX_DELAY_SECONDS;
pub use ports::{MemoryQueues, MemoryTimers, QueuedTimer};
pub use shop::{MemoryPorts, Shop, whatsapp_sender};
pub use store::{ManualClock, MemorySecrets, MemoryStore, SeededRandom};
pub(crate) use tables::for_each_store_verb;
pub use tables::{EnrollmentWrite, StoreGuards, Tables, Verb, due_shard};
