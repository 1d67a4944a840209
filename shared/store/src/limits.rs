//! A sender's limits, in a partition of their own: its rate, as one theoretical arrival time (when the next
//! slot is free), and a counter for each of its days.

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem, Update};
use domain::enrollment::DaySlot;
use domain::ids::SenderId;
use domain::time::{NaiveDate, Timestamp, Zone, day_begins};
use engine::PortError;
use engine::ports::PortResult;

use crate::DynamoStore;
use crate::errors::{port_error, unreadable};
use crate::items::{self, n};
use crate::keys::{self, TTL};
use crate::requests::{Expect, Written, refused_update};

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

const FIRST: &str = "first day";
/// A day's counter goes some days after the day.
const DAY_KEPT_DAYS: i64 = 8;

/// One conditional update. The SDK's repeat of one whose answer was lost takes another message: one is
/// wasted.
pub(crate) async fn take_day(store: &DynamoStore, slot: DaySlot, allowance: u32) -> PortResult<bool> {
    let update = store
        .update(&keys::day(slot))
        .update_expression("SET taken = if_not_exists(taken, :none) + :one, #ttl = :expiry")
        .condition_expression("attribute_not_exists(taken) OR taken < :allowance")
        .expression_attribute_names("#ttl", TTL)
        .expression_attribute_values(":none", n(0))
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":allowance", n(allowance))
        .expression_attribute_values(":expiry", n(day_begins(Zone::UTC, slot.day).plus_days(DAY_KEPT_DAYS).0));
    match update.send().await {
        Ok(_) => Ok(true),
        Err(error) if refused_update(&error).is_some() => Ok(false),
        Err(error) => Err(port_error("take day", &error)),
    }
}

/// As a part of a transaction: one of a day's messages is free again. Refused where the day has none.
pub(crate) fn give_back(table: &str, slot: DaySlot) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(keys::day(slot).attributes()))
        .update_expression("SET taken = taken - :one")
        .condition_expression("taken > :none")
        .expression_attribute_values(":none", n(0))
        .expression_attribute_values(":one", n(1));
    TransactWriteItem::builder().update(update.build().expect("table, key and expression are set")).build()
}

/// One conditional write; what stood there before it stays.
pub(crate) async fn first_day(store: &DynamoStore, sender: SenderId, day: NaiveDate) -> PortResult<NaiveDate> {
    match store.put_if(FIRST, items::record(&keys::first_day(sender), &day), Expect::Nothing).await? {
        Written::Yes => Ok(day),
        Written::No(old) => items::content(FIRST, &old.ok_or_else(|| unreadable(FIRST))?),
    }
}
