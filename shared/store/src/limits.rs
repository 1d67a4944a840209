//! A sender's rate: one theoretical arrival time (when the next slot is free), in a partition of its
//! own.

use aws_sdk_dynamodb::types::ReturnValue;
use domain::ids::SenderId;
use domain::time::Timestamp;
use engine::PortError;
use engine::ports::PortResult;

use crate::DynamoStore;
use crate::errors::port_error;
use crate::items::{self, n};
use crate::keys;
use crate::requests::refused_update;

const WHAT: &str = "rate";
const TAT: &str = "tat";
const MICROS: i64 = 1_000_000;
/// Between our look and our write another may take the slot: each time that happens one was given.
const TRIES: usize = 10;

/// One conditional update while the sender is busy, two when it was idle: conditions know no `max`, so
/// a slot that is ahead and one that is behind are two forms. Which one applies says the item that
/// stood in the way.
///
/// The time is counted up, never set back: whichever order the writes come in, no slot is given twice.
pub(crate) async fn reserve(
    store: &DynamoStore,
    sender: SenderId,
    spacing: i64,
    now: Timestamp,
    latest: Timestamp,
) -> PortResult<Option<i64>> {
    let (now, latest) = (now.0.saturating_mul(MICROS), latest.0.saturating_mul(MICROS));
    if now > latest {
        return Ok(None);
    }
    let mut ahead = true;
    for _ in 0..TRIES {
        let update = store.update(&keys::rate(sender)).return_values(ReturnValue::UpdatedNew);
        let update = if ahead {
            update
                .update_expression("SET tat = tat + :spacing")
                .condition_expression("tat >= :now AND tat <= :latest")
                .expression_attribute_values(":spacing", n(spacing))
                .expression_attribute_values(":latest", n(latest))
        } else {
            update
                .update_expression("SET tat = :next")
                .condition_expression("tat < :now OR attribute_not_exists(tat)")
                .expression_attribute_values(":next", n(now + spacing))
        };
        let error = match update.expression_attribute_values(":now", n(now)).send().await {
            Ok(answer) => {
                let next: i64 = items::number(WHAT, &answer.attributes.unwrap_or_default(), TAT)?;
                return Ok(Some(next - spacing));
            }
            Err(e) => e,
        };
        let Some(old) = refused_update(&error) else { return Err(port_error("reserve", &error)) };
        let free = old.map(|item| items::number::<i64>(WHAT, &item, TAT)).transpose()?;
        match free {
            Some(free) if free > latest => return Ok(None),
            Some(free) => ahead = free >= now,
            None => ahead = false,
        }
    }
    Err(PortError::Throttled("a sender's rate is taken from too fast".into()))
}
