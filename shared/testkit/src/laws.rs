//! What holds of every write of an enrollment, whoever makes it and whenever: the simulator and the
//! exhaustive mode look at each.

use domain::enrollment::{AttemptResult, Enrollment, State, StepStatus};
use domain::message::DeliveryStatus;

use crate::memory::{EnrollmentWrite, Tables, Verb};

/// The promise that a write breaks by itself, and how.
pub(crate) fn broken_by(write: &EnrollmentWrite, tables: &Tables) -> Option<(&'static str, String)> {
    let EnrollmentWrite { verb, before, after, tenant } = write;
    let (wake, lease) = (after.wake.is_some(), after.lease.is_some());
    let one_future = match after.state {
        State::Waiting => wake && !lease,
        State::Sending => wake && lease,
        State::Paused | State::Parked(_) => !wake && !lease,
        State::Finished(_) => wake == lease,
    };
    if !one_future || !tables.is_indexed(*tenant, after) {
        return Some(("4", format!("no one future: {:?}, wake {wake}, lease {lease}", after.state)));
    }
    let before = before.as_ref()?;
    if before != after && *verb != Verb::PushBack && after.rev != before.rev + 1 {
        return Some(("order", format!("went from revision {} to {}", before.rev, after.rev)));
    }
    if before.state.is_finished() && before.state != after.state {
        return Some(("2", format!("had finished and is {:?} again", after.state)));
    }
    went_back(before, after).map(|text| ("6", text))
}

/// Statuses only move forward, but for a failure that is reported of what was sent.
fn went_back(before: &Enrollment, after: &Enrollment) -> Option<String> {
    for old in &before.records {
        let Some(new) = after.records.iter().find(|r| r.key == old.key) else {
            return Some(format!("lost its record of {}", old.key));
        };
        let failed = new.attempts.iter().any(|a| matches!(a.result, AttemptResult::Failed(_)));
        let back = new.status < old.status && old.possibly_sent();
        if back && (old.status > StepStatus::Sent || !failed) {
            return Some(format!("{} went back from {:?} to {:?}", old.key, old.status, new.status));
        }
        for attempt in &old.attempts {
            let now = new.attempts.iter().find(|a| a.generation == attempt.generation).map(|a| &a.result);
            let back = match (&attempt.result, now) {
                (AttemptResult::Accepted(was), Some(AttemptResult::Accepted(is))) => is < was,
                (AttemptResult::Accepted(was), Some(AttemptResult::Failed(_))) => *was > DeliveryStatus::Sent,
                (AttemptResult::Accepted(_), Some(_)) => true,
                _ => false,
            };
            if back {
                return Some(format!("attempt {} went back to {now:?}", attempt.generation));
            }
        }
    }
    None
}
