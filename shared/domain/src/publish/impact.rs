//! What moving the running enrollments to the draft would do to them (API.md, `…/impact`), by the
//! very functions that move them: [`Enrollment::migrated`], and settling for a send in flight.
//!
//! No step is ever repeated, so there is none to count: a run goes on behind the last step, in the
//! new order, that is decided.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::enrollment::settle::settle;
use crate::enrollment::{Enrollment, ParkReason, Planning, State, StepStatus};
use crate::message::SendOutcome;
use crate::time::Timestamp;

/// What would happen to whom, by the step that they are at and where they would go on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Impact {
    rows: BTreeMap<Place, (u32, DueChanges)>,
}

/// One kind of runs, with how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StepImpact {
    /// The step that they wait for, or that is being sent; null behind the last.
    pub key: Option<String>,
    /// The version that they are on.
    pub version: u32,
    pub count: u32,
    /// The step of the draft that would be next; null where none is left, so that they end.
    pub goes_on: Option<String>,
    /// Steps of the draft that they would never get, because they are past their place.
    pub skips: Vec<String>,
    /// Why they would be held there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<ParkReason>,
    pub due: DueChanges,
}

/// How many of them would get their next message when. Whoever is paused, held or being sent to is
/// in none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct DueChanges {
    pub same: u32,
    pub earlier: u32,
    pub later: u32,
    /// Of the earlier ones: it would be due at once.
    pub at_once: u32,
}

/// What tells one kind of runs from another, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Place {
    version: u32,
    step: u32,
    key: Option<String>,
    goes_on: Option<String>,
    skips: Vec<String>,
    held: Option<ParkReason>,
}

impl Impact {
    /// Counts a run on the version of `here` that would move to `to`, which `there` is of. What has
    /// finished and test sends are not counted.
    pub fn count(&mut self, e: &Enrollment, here: &Planning<'_>, to: u32, there: &Planning<'_>, now: Timestamp) {
        if e.state.is_finished() || e.is_test() {
            return;
        }
        let after = arrived(e, here, to, there, now);
        let place = Place {
            version: e.version,
            step: e.step,
            key: here.step(e.step).map(|s| s.key.clone()),
            goes_on: there.step(after.step).map(|s| s.key.clone()),
            skips: skipped(e, &after, there),
            held: match after.state {
                State::Parked(reason) => Some(reason),
                _ => None,
            },
        };
        let (count, due) = self.rows.entry(place).or_default();
        *count += 1;
        due.count(e, &after, now);
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        for (place, (count, due)) in other.rows {
            let (mine, my_due) = self.rows.entry(place).or_default();
            *mine += count;
            my_due.same += due.same;
            my_due.earlier += due.earlier;
            my_due.later += due.later;
            my_due.at_once += due.at_once;
        }
        self
    }

    /// How many runs were counted.
    pub fn running(&self) -> u32 {
        self.rows.values().map(|(count, _)| count).sum()
    }

    pub fn by_step(&self) -> Vec<StepImpact> {
        let row = |(place, (count, due)): (&Place, &(u32, DueChanges))| StepImpact {
            key: place.key.clone(),
            version: place.version,
            count: *count,
            goes_on: place.goes_on.clone(),
            skips: place.skips.clone(),
            held: place.held,
            due: *due,
        };
        self.rows.iter().map(row).collect()
    }

    /// Stands for what was shown: another draft, another published version, or other runs at other
    /// steps give another token. Dues move with the clock and are not in it.
    pub fn token(&self, revision: u64, published: u32) -> String {
        let counts: Vec<_> = self.rows.iter().map(|(place, (count, _))| (place, count)).collect();
        let shown = serde_json::to_vec(&(revision, published, counts)).expect("texts, numbers and words only");
        B64.encode(&Sha256::digest(shown)[..18])
    }
}

impl DueChanges {
    fn count(&mut self, before: &Enrollment, after: &Enrollment, now: Timestamp) {
        if before.state != State::Waiting || after.state != State::Waiting {
            return;
        }
        let (Some(was), Some(is)) = (before.due, after.due) else { return };
        match is.cmp(&was) {
            std::cmp::Ordering::Equal => self.same += 1,
            std::cmp::Ordering::Greater => self.later += 1,
            std::cmp::Ordering::Less => {
                self.earlier += 1;
                self.at_once += u32::from(is <= now);
            }
        }
    }
}

/// The run as it would stand after the move. One in flight moves when that send is settled, which
/// is taken to be accepted, as most are.
fn arrived(e: &Enrollment, here: &Planning<'_>, to: u32, there: &Planning<'_>, now: Timestamp) -> Enrollment {
    let moved = |e: &Enrollment| e.migrated(to, here.sequence, there, now).unwrap_or_else(|| e.clone());
    let asked = moved(e);
    let Some(lease) = asked.lease.as_ref().filter(|_| asked.state == State::Sending) else { return asked };
    let accepted = SendOutcome::Accepted { provider_message_id: String::new(), recipient_id: None };
    let settled = settle(&asked, &lease.token, &accepted, true, here, now);
    settled.map_or(asked, |settled| moved(&settled))
}

/// The steps before the next one that the run has not had: they are skipped for good.
fn skipped(before: &Enrollment, after: &Enrollment, there: &Planning<'_>) -> Vec<String> {
    let passed = there.sequence.steps.iter().take(after.step as usize);
    let open = |key: &str| {
        let decided = |e: &Enrollment| {
            let record = e.records.iter().find(|r| r.key == key);
            record.map(|r| r.status).filter(|s| !matches!(s, StepStatus::Pending | StepStatus::Scheduled))
        };
        let reached = after.records.iter().any(|r| r.key == key && r.possibly_sent());
        !reached && decided(before).is_none()
    };
    passed.filter(|s| open(&s.key)).map(|s| s.key.clone()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
