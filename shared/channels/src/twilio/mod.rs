//! SMS through Twilio's Programmable Messaging. Facts are from Twilio's API reference and its own
//! libraries unless a comment names another source.
//!
//! There is no idempotency key on a send, so an answer that never came stays unknown until a status
//! callback brings our reference back, in the query of the address that we gave for it.

mod classify;
mod config;
mod form;
mod normalise;
mod send;
mod verify;

pub use classify::classify;
pub use config::{Config, Credentials, DEFAULT_ORIGIN, From};
pub use form::MAX_PAIRS;
pub use normalise::normalise;
pub use send::send;
pub use verify::{ANSWER, SIGNATURE_HEADER, verify_signature};
