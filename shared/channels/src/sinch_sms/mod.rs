//! SMS through Sinch's REST API (XMS). Facts are from Sinch's SDKs (types and test resources of the Java
//! and Node ones) unless a comment names another source.
//!
//! Callbacks are not signed by default; HTTP basic authentication is what can be had, and what is asked
//! for here. There is no idempotency key on a send, so an answer that never came stays unknown until a
//! delivery report brings our reference (`client_reference`) back.

mod classify;
mod config;
mod normalise;
mod send;
mod verify;

pub use classify::classify;
pub use config::{Config, Credentials};
pub use normalise::normalise;
pub use send::send;
pub use verify::verify;
