//! Email through Amazon SES v2. Facts are from AWS's SDK types and documentation unless a comment names
//! another source.
//!
//! There is no idempotency key on a send, so an answer that never came stays unknown until an event of
//! the sender's configuration set echoes our reference (a message tag).

mod address;
mod config;
mod headers;
mod send;

use domain::ids::AttemptRef;

pub use config::{Config, check_credentials};
pub(crate) use send::send;

/// The tag of each message that names its attempt.
const ATTEMPT_TAG: &str = "ritmo_attempt";

/// An attempt's reference as a tag's value, which takes letters, digits, `_` and `-`.
fn tag_of(reference: &AttemptRef) -> String {
    reference.to_string().replace('.', "-")
}

/// The reference back.
#[expect(dead_code, reason = "what SES tells is read by it")]
fn reference_of(tag: &str) -> Option<AttemptRef> {
    let (id, generation) = tag.rsplit_once('-')?;
    AttemptRef::parse(&format!("{id}.{generation}"))
}
