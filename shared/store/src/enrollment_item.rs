//! The enrollment's stored form: what conditions look at stands at the top, the rest is a map in `d`.
//!
//! | attribute | |
//! |---|---|
//! | `rev`, `gen`, `step` | numbers |
//! | `st` | `waiting`, `sending`, `paused`, `parked#<reason>`, `finished#<outcome>` |
//! | `due`, `wake` | seconds since the epoch, absent when there is none |
//! | `lease` | map, while a send is in flight |
//! | `swept` | absent when 0 |
//! | `gsi1pk`, `gsi1sk` | its list, see [`keys::enrollments_list`]; `sending` is in the list of `waiting` |
//! | `gsi2pk`, `gsi2sk` | the due index, exactly while there is a `wake` |
//!
//! Texts within `lease` and `d` are shortened ([`words`]).
//!
//! Its id is its key and stands nowhere else; an index entry carries the key, so neither list needs
//! a read to name what it lists.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::enrollment::{Body, Enrollment, Lease, State};
use domain::ids::{SenderId, TenantId};
use domain::time::Timestamp;
use engine::ports::PortResult;
use serde::{Serialize, de::DeserializeOwned};

use crate::errors::unreadable;
use crate::items::{self, DATA, Item, REV, n, s};
use crate::keys::{self, GSI1_PK, GSI1_SK, GSI2_PK, GSI2_SK, Key};
use crate::words;

const WHAT: &str = "enrollment";

pub(crate) const GEN: &str = "gen";
pub(crate) const STATE: &str = "st";
pub(crate) const STEP: &str = "step";
pub(crate) const DUE: &str = "due";
pub(crate) const WAKE: &str = "wake";
pub(crate) const LEASE: &str = "lease";
pub(crate) const SWEPT: &str = "swept";

/// The item of an enrollment.
pub(crate) fn encode(tenant: TenantId, e: &Enrollment) -> Item {
    let mut item = items::empty(&keys::enrollment(tenant, e.id));
    item.insert(REV.into(), n(e.rev));
    item.insert(GEN.into(), n(e.generation));
    item.insert(STATE.into(), s(state(e.state)));
    item.insert(STEP.into(), n(e.step));
    if let Some(due) = e.due {
        item.insert(DUE.into(), n(due.0));
    }
    if let Some(lease) = &e.lease {
        item.insert(LEASE.into(), lease_map(tenant, lease));
    }
    if e.swept > 0 {
        item.insert(SWEPT.into(), n(e.swept));
    }
    item.insert(DATA.into(), map(tenant, &e.body));
    let order = keys::enrollments_list_order(e.state, &reason(e.state), held_up_by(e), e.body.entered.at);
    item.insert(GSI1_PK.into(), s(keys::enrollments_list(tenant, e.id.sequence, e.state.coarse())));
    item.insert(GSI1_SK.into(), s(order));
    if let Some(wake) = e.wake {
        item.insert(WAKE.into(), n(wake.0));
        item.insert(GSI2_PK.into(), s(keys::due_list(keys::due_shard(e.id.contact))));
        item.insert(GSI2_SK.into(), s(keys::instant(wake)));
    }
    item
}

/// The enrollment of an item.
///
/// # Errors
/// `Poison` for an item that this build cannot read.
pub(crate) fn decode(item: &Item) -> PortResult<Enrollment> {
    items::version(WHAT, item)?;
    let key = Key::of(item).ok_or_else(|| unreadable(WHAT))?;
    let (tenant, id) = keys::enrollment_of(&key).ok_or_else(|| unreadable(WHAT))?;
    Ok(Enrollment {
        id,
        rev: items::number(WHAT, item, REV)?,
        generation: items::number(WHAT, item, GEN)?,
        state: state_of(items::text(WHAT, item, STATE)?).ok_or_else(|| unreadable(WHAT))?,
        step: items::number(WHAT, item, STEP)?,
        due: items::maybe_number(WHAT, item, DUE)?.map(Timestamp),
        wake: items::maybe_number(WHAT, item, WAKE)?.map(Timestamp),
        lease: item.get(LEASE).map(|lease| of_map::<Lease>(tenant, lease)).transpose()?,
        swept: items::maybe_number(WHAT, item, SWEPT)?.unwrap_or(0),
        body: item.get(DATA).map(|body| of_map::<Body>(tenant, body)).transpose()?.ok_or_else(|| unreadable(WHAT))?,
    })
}

/// Whether what stands there is our own write of `ours`. The sweep moves `wake` and `swept` without
/// a revision, so those may differ.
pub(crate) fn is_ours(ours: &Enrollment, stored: &Enrollment) -> bool {
    let mut ours = ours.clone();
    ours.wake = stored.wake;
    ours.swept = stored.swept;
    ours == *stored
}

pub(crate) fn lease_map(tenant: TenantId, lease: &Lease) -> AttributeValue {
    map(tenant, lease)
}

/// The sender of the latest attempt: the one at fault when the run is parked for its sender.
fn held_up_by(e: &Enrollment) -> Option<SenderId> {
    let attempts = e.body.records.iter().flat_map(|r| &r.attempts);
    attempts.max_by_key(|a| a.generation).map(|a| a.sender)
}

pub(crate) fn state(state: State) -> String {
    let reason = reason(state);
    if reason.is_empty() { state.as_str().to_owned() } else { format!("{}#{reason}", state.as_str()) }
}

fn reason(state: State) -> String {
    match state {
        State::Parked(reason) => word(&reason),
        State::Finished(outcome) => word(&outcome),
        _ => String::new(),
    }
}

fn state_of(text: &str) -> Option<State> {
    let (name, reason) = text.split_once('#').unwrap_or((text, ""));
    match name {
        "waiting" => Some(State::Waiting),
        "sending" => Some(State::Sending),
        "paused" => Some(State::Paused),
        "parked" => Some(State::Parked(of_word(reason)?)),
        "finished" => Some(State::Finished(of_word(reason)?)),
        _ => None,
    }
}

/// A unit variant's name, the same as in the API.
fn word<T: Serialize>(variant: &T) -> String {
    let value = serde_json::to_value(variant).ok();
    value.and_then(|v| v.as_str().map(str::to_owned)).expect("reasons and outcomes are plain words")
}

fn of_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(word.into()).ok()
}

fn map<T: Serialize>(tenant: TenantId, content: &T) -> AttributeValue {
    let value = serde_dynamo::to_attribute_value(content).expect("text keys, whole numbers and text only");
    each_text(value, &|text| Some(words::shorten(tenant, &text))).expect("every text has a short form")
}

fn of_map<T: DeserializeOwned>(tenant: TenantId, value: &AttributeValue) -> PortResult<T> {
    let value = each_text(value.clone(), &|text| words::expand(tenant, &text)).ok_or_else(|| unreadable(WHAT))?;
    serde_dynamo::from_attribute_value(value).map_err(|_| unreadable(WHAT))
}

/// Every text within, but for names.
fn each_text(value: AttributeValue, change: &impl Fn(String) -> Option<String>) -> Option<AttributeValue> {
    Some(match value {
        AttributeValue::S(text) => AttributeValue::S(change(text)?),
        AttributeValue::L(list) => {
            AttributeValue::L(list.into_iter().map(|v| each_text(v, change)).collect::<Option<_>>()?)
        }
        AttributeValue::M(map) => {
            let each = map.into_iter().map(|(name, v)| Some((name, each_text(v, change)?)));
            AttributeValue::M(each.collect::<Option<_>>()?)
        }
        other => other,
    })
}

#[cfg(test)]
mod tests;
