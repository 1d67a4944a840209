//! WhatsApp and SMS through Sinch's Conversation API. Facts are from Sinch's SDKs (types and test
//! resources of the Java, Node and Python ones) unless a comment names another source.
//!
//! Each message names one channel and one identity, in dispatch mode, so that Sinch has nothing to fall
//! back to. That Sinch itself repeats a channel's passing failures for up to an hour cannot be turned
//! off for one message: it is the app's `message_retry_settings.retry_duration` (30 to 3,600 s,
//! `docs/channels.md`). It delays the report of a failure; it never sends a message twice, because a step is
//! only sent again after that report. `ttl` is left alone: channels take it for how long a phone may be off.
//!
//! There is no idempotency key on a send, so an answer that never came stays unknown until a delivery
//! report brings our reference (`message_metadata`) back.

mod body;
mod classify;
mod config;
mod normalise;
mod send;
mod token;
mod verify;

pub use body::body;
pub use classify::classify;
pub use config::{Config, Credentials};
pub use normalise::normalise;
pub(crate) use send::send;
pub(crate) use token::Tokens;
pub use verify::verify;
