//! Email through Amazon SES v2. Facts are from AWS's SDK types and documentation unless a comment names
//! another source.
//!
//! There is no idempotency key on a send, so an answer that never came stays unknown until an event of
//! the sender's configuration set echoes our reference (a message tag).

mod address;
mod config;
mod events;
mod headers;
mod quoted;
mod received;
mod send;

use domain::ids::AttemptRef;
use domain::message::InboundEvent;
use domain::time::Timestamp;
use serde_json::Value;

use crate::{Malformed, sns};

pub use config::Config;
pub(crate) use send::send;

/// The tag of each message that names its attempt.
const ATTEMPT_TAG: &str = "ritmo_attempt";

/// An attempt's reference as a tag's value, which takes letters, digits, `_` and `-`.
fn tag_of(reference: &AttemptRef) -> String {
    reference.to_string().replace('.', "-")
}

/// The reference back.
fn reference_of(tag: &str) -> Option<AttemptRef> {
    let (id, generation) = tag.rsplit_once('-')?;
    AttemptRef::parse(&format!("{id}.{generation}"))
}

/// What a verified notification of SES's says: of a message that it has taken, or of mail that it has received.
///
/// # Errors
/// [`Malformed`] when SNS does not write so.
pub fn normalise(raw: &[u8], config: &Config, now: Timestamp) -> Result<Vec<InboundEvent>, Malformed> {
    let Some(told) = sns::notification(raw)? else { return Ok(Vec::new()) };
    // SES also posts a sentence when a destination is set up.
    let Ok(told) = serde_json::from_str::<Value>(&told.message) else { return Ok(Vec::new()) };
    Ok(match told.get("notificationType").and_then(Value::as_str) {
        Some("Received") => received::answer(&told, config, now).into_iter().collect(),
        _ => events::events(&told, config, now),
    })
}
