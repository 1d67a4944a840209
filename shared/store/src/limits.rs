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
use crate::together::Together;
use Messages::{Left, Taken};

const WHAT: &str = "rate";
const TAT: &str = "tat";
const MICROS: i64 = 1_000_000;
/// Between our look and our write another may take the slot: each time that happens one was given.
const TRIES: usize = 10;

/// Who asks for a slot of the same rate, now, up to the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Rate {
    sender: SenderId,
    /// All in microseconds.
    spacing: i64,
    now: i64,
    latest: i64,
}

/// Those who ask for a slot, and those who ask for a message of a day of some allowance.
pub(crate) type Slots = Together<Rate, Option<i64>>;
pub(crate) type Days = Together<(DaySlot, u32), bool>;

/// A batch takes its slots by one write, unless the time left is too short for all of them.
pub(crate) async fn reserve(
    store: &DynamoStore,
    sender: SenderId,
    spacing: i64,
    now: Timestamp,
    latest: Timestamp,
) -> PortResult<Option<i64>> {
    let rate = Rate { sender, spacing, now: now.0.saturating_mul(MICROS), latest: latest.0.saturating_mul(MICROS) };
    if rate.now > rate.latest {
        return Ok(None);
    }
    let working = store.clone();
    let all = async move |count: usize| {
        let behind = spacing.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX) - 1);
        match take(&working, rate, count, rate.latest.saturating_sub(behind)).await {
            Ok(Some(first)) => (0..).map(|n| Ok(Some(first + n * spacing))).take(count).collect(),
            Ok(None) if count > 1 => {
                let mut slots = Vec::new();
                for _ in 0..count {
                    // Once there is none, there is none for the others.
                    let none = slots.last() == Some(&Ok(None));
                    slots.push(if none { Ok(None) } else { take(&working, rate, 1, rate.latest).await });
                }
                slots
            }
            answer => vec![answer; count],
        }
    };
    store.slots.ask(rate, all).await
}

/// So many slots in a row, the first of which is no later than `latest`: one conditional update while the
/// sender is busy, two when it was idle. Conditions know no `max`, so a slot that is ahead and one that
/// is behind are two forms. Which one applies says the item that stood in the way.
///
/// The time is counted up, never set back: whichever order the writes come in, no slot is given twice.
async fn take(store: &DynamoStore, rate: Rate, count: usize, latest: i64) -> PortResult<Option<i64>> {
    let Rate { sender, spacing, now, .. } = rate;
    if now > latest {
        return Ok(None);
    }
    let all = spacing.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
    let mut ahead = true;
    for _ in 0..TRIES {
        let update = store.update(&keys::rate(sender)).return_values(ReturnValue::UpdatedNew);
        let update = if ahead {
            update
                .update_expression("SET tat = tat + :all")
                .condition_expression("tat >= :now AND tat <= :latest")
                .expression_attribute_values(":all", n(all))
                .expression_attribute_values(":latest", n(latest))
        } else {
            update
                .update_expression("SET tat = :next")
                .condition_expression("tat < :now OR attribute_not_exists(tat)")
                .expression_attribute_values(":next", n(now + all))
        };
        let error = match update.expression_attribute_values(":now", n(now)).send().await {
            Ok(answer) => {
                let next: i64 = items::number(WHAT, &answer.attributes.unwrap_or_default(), TAT)?;
                return Ok(Some(next - all));
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
const TAKEN: &str = "taken";
/// A day's counter goes some days after the day.
const DAY_KEPT_DAYS: i64 = 8;

/// A batch takes its messages of a day by one write, or as many as there are left by two.
pub(crate) async fn take_day(store: &DynamoStore, slot: DaySlot, allowance: u32) -> PortResult<bool> {
    let working = store.clone();
    let all = async move |count: usize| {
        let most = u32::try_from(count).unwrap_or(u32::MAX).min(allowance);
        let taken = match take_messages(&working, slot, allowance, most).await {
            Ok(Taken) => Ok(most),
            Ok(Left(0)) => Ok(0),
            Ok(Left(left)) => match take_messages(&working, slot, allowance, left).await {
                Ok(Taken) => Ok(left),
                Ok(Left(_)) => Ok(0),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        (0..).take(count).map(|n| taken.clone().map(|taken| n < taken)).collect()
    };
    store.days.ask((slot, allowance), all).await
}

/// What taking some of a day's messages came to.
enum Messages {
    Taken,
    /// None was taken: only so many are left.
    Left(u32),
}

/// One conditional update of up to `allowance`. The SDK's repeat of one whose answer was lost takes others:
/// these are wasted.
async fn take_messages(store: &DynamoStore, slot: DaySlot, allowance: u32, count: u32) -> PortResult<Messages> {
    let update = store
        .update(&keys::day(slot))
        .update_expression("SET taken = if_not_exists(taken, :none) + :count, #ttl = :expiry")
        .condition_expression("attribute_not_exists(taken) OR taken <= :most")
        .expression_attribute_names("#ttl", TTL)
        .expression_attribute_values(":none", n(0))
        .expression_attribute_values(":count", n(count))
        .expression_attribute_values(":most", n(allowance - count))
        .expression_attribute_values(":expiry", n(day_begins(Zone::UTC, slot.day).plus_days(DAY_KEPT_DAYS).0));
    let error = match update.send().await {
        Ok(_) => return Ok(Taken),
        Err(error) => error,
    };
    let Some(old) = refused_update(&error) else { return Err(port_error("take day", &error)) };
    let taken = old.map(|item| items::number::<u32>("day", &item, TAKEN)).transpose()?.unwrap_or(0);
    Ok(Left(allowance.saturating_sub(taken)))
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
