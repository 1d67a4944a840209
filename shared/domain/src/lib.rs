//! What Ritmo exists for: when, whether, once, and why a message goes out.
//!
//! Everything here is pure and synchronous: no I/O, no clock, no randomness, no AWS crate. A
//! decision takes data and returns data; `engine` performs it.

#![allow(
    clippy::nonminimal_bool,
    clippy::overly_complex_bool_expr,
    reason = "a `guard!` that nobody switches off is its plain condition"
)]

pub mod account;
pub mod blueprints;
pub mod contact;
pub mod contact_limits;
pub mod content;
pub mod conversation;
pub mod enrollment;
mod follow_ups;
pub mod guards;
pub mod ids;
pub mod message;
pub mod payment;
pub mod preview;
pub mod publish;
pub mod region;
pub mod sender;
pub mod sequence;
pub mod signal;
pub mod system;
pub mod time;
