//! Chatwoot: messages into its conversations, and what its account webhooks tell (CHANNELS.md 6).
//!
//! Chatwoot has no key against doubles and delivers a webhook once. So a message carries our reference in
//! its `content_attributes`, by which it is found again, and [`look`] shows what a conversation has become
//! before a message goes into it.

mod body;
mod classify;
mod config;
mod conversation;
mod look;
mod message;
mod normalise;
mod send;
mod verify;

pub use config::{Config, Credentials};
pub use look::look;
pub use normalise::normalise;
pub use send::send;
pub use verify::{SIGNATURE_HEADER, TIMESTAMP_HEADER, TOKEN_PARAMETER, verify};
