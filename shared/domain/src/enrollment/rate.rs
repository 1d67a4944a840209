//! A sender's rate: evenly spaced slots, one for each message (TIME.md section 4).
//!
//! A slot is taken only when the step is otherwise allowed now. A near one waits on the send queue. A
//! far one is written as the due, and whoever plans then uses it, unless it is no longer allowed or
//! too old: then it is lost, which wastes a slot and never exceeds the rate.

use super::plan::{Plan, change};
use super::types::{Enrollment, HappeningCode, ParkReason, PlannedSend, Reserved};
use crate::guard;
use crate::time::Timestamp;

/// A slot further away is written to the enrollment; one this old is not used any more.
pub const SLOT_SECONDS: i64 = 30;
const MICROS: i64 = 1_000_000;
/// As far as an allowed instant is looked for.
const DAYS_AHEAD: i64 = 400;

/// A send that needs a slot.
#[derive(Debug, Clone, PartialEq)]
pub struct Reservation {
    enrollment: Enrollment,
    planned: PlannedSend,
    /// Microseconds between two slots.
    pub spacing: i64,
    /// The last instant at which it may go out, as things stand.
    pub latest: Timestamp,
    /// When it may go out again after that, if ever.
    reopens: Option<Timestamp>,
}

/// `allowed`: the end of the hours that are allowed now; `reopens`: when the next ones begin.
pub(super) fn paced(
    e: &Enrollment,
    mut planned: PlannedSend,
    spacing: i64,
    allowed: Option<Timestamp>,
    reopens: Option<Timestamp>,
    now: Timestamp,
) -> Plan {
    let ours = e.has_slot() && e.reserved.is_some_and(|r| r.sender == planned.sender);
    if let Some(slot) = e.due.filter(|slot| ours && guard!(SlotAge, now <= slot.plus_seconds(SLOT_SECONDS))) {
        planned.hold(slot);
        return Plan::Send(Box::new(planned));
    }
    let latest = allowed.map_or(now.plus_days(DAYS_AHEAD), |end| end.plus_seconds(-1));
    Plan::Reserve(Box::new(Reservation { enrollment: e.clone(), planned, spacing, latest, reopens }))
}

impl Reservation {
    pub fn sender(&self) -> crate::ids::SenderId {
        self.planned.sender
    }

    /// What to do with the slot that was got, in microseconds; `None` when none was free up to
    /// `latest`: then the step waits for the next allowed hours, and asks again.
    pub fn with(mut self, slot: Option<i64>, now: Timestamp) -> Plan {
        // The second that the slot lies in: as many as the rate allows share one.
        let slot = slot.map(|micros| Timestamp(micros.div_euclid(MICROS)));
        if let Some(slot) = slot.filter(|slot| slot.seconds_since(now) <= SLOT_SECONDS) {
            self.planned.hold(slot);
            return Plan::Send(Box::new(self.planned));
        }
        let sender = self.planned.sender;
        change(&self.enrollment, |next| match slot.or(self.reopens) {
            Some(at) => {
                next.happened(now, HappeningCode::Limited, Some(at.to_string()));
                next.due = Some(at);
                next.wake = Some(at);
                // The change is the next generation: the slot is that one's.
                let generation = next.generation.wrapping_add(1);
                next.reserved = slot.map(|_| Reserved { generation, sender });
                next.caught_up |= slot.is_none();
            }
            None => next.park(ParkReason::NeverAllowed, None, now),
        })
    }
}

impl PlannedSend {
    /// Goes out in this slot or not at all.
    fn hold(&mut self, slot: Timestamp) {
        self.not_before = Some(slot);
        if guard!(SlotAge, true) {
            self.not_after = self.not_after.min(slot.plus_seconds(SLOT_SECONDS));
        }
    }
}

impl Enrollment {
    /// Whether the due is a slot that still counts.
    pub fn has_slot(&self) -> bool {
        self.reserved.is_some_and(|r| !guard!(SlotOfGeneration, r.generation != self.generation))
    }
}
