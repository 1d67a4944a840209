//! SMS through AWS End User Messaging (API `pinpoint-sms-voice-v2`). Facts are from AWS's user guide and
//! its SDK unless a comment names another source.
//!
//! There is no idempotency key on a send, so an answer that never came stays unknown until an event
//! brings our reference back, in its `context`. Events and replies come through SNS topics.

mod classify;
mod config;
mod normalise;
mod send;

pub use classify::{Refused, classify, classify_event};
pub use config::{Config, MessageType};
pub use normalise::normalise;
pub(crate) use send::send;
