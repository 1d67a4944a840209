//! A sender's messages of a day (TIME.md section 4): so many, counted by civil days in the account's zone.
//!
//! A step that is allowed now asks for one of today's. When there is none left it asks for one of the
//! next two days, and holds that until the day has come; without one it comes back on the last day that
//! it has asked for. What is held and cannot be used any more goes back with the write that ends, pauses
//! or moves the run, so it goes back once. A message of a day may be wasted; never is one too many sent.

use chrono::{Days, NaiveDate};

use super::plan::{Plan, change};
use super::types::{AttemptResult, DaySlot, Enrollment, HappeningCode, ParkReason};
use crate::guard;
use crate::ids::SenderId;
use crate::sender::SenderLimits;
use crate::time::{Timestamp, Zone, civil_day, day_begins};

/// So many days after today are asked for.
const DAYS_AHEAD: u64 = 2;

/// A send that needs one of its sender's messages of a day.
#[derive(Debug, Clone, PartialEq)]
pub struct DayWish {
    enrollment: Enrollment,
    pub sender: SenderId,
    pub limits: SenderLimits,
    pub today: NaiveDate,
    /// The days to be asked for in turn, with the first instant of each at which the step is allowed.
    pub days: Vec<(NaiveDate, Timestamp)>,
    /// Where none of them has one left it comes back at this instant, if it is ever allowed again.
    again: Option<Timestamp>,
}

impl DayWish {
    /// `next_allowed`: the first instant at or after another that the step's hours allow.
    pub(super) fn new(
        e: &Enrollment,
        (sender, limits): (SenderId, &SenderLimits),
        zone: Zone,
        next_allowed: impl Fn(Timestamp) -> Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let today = civil_day(zone, now);
        let later = (1..=DAYS_AHEAD).filter_map(|n| {
            let day = today.checked_add_days(Days::new(n))?;
            let at = next_allowed(day_begins(zone, day))?;
            (civil_day(zone, at) == day).then_some((day, at))
        });
        let days: Vec<_> = std::iter::once((today, now)).chain(later).collect();
        let again = match days.as_slice() {
            [_] => next_allowed(day_begins(zone, today.succ_opt().unwrap_or(today))),
            days => days.last().map(|(_, at)| *at),
        };
        Self { enrollment: e.clone(), sender, limits: limits.clone(), today, days, again }
    }

    /// How many messages the sender may send on a day. `first`: the day of its first message.
    pub fn allowance(&self, day: NaiveDate, first: Option<NaiveDate>) -> u32 {
        let days = first.map_or(0, |first| day.signed_duration_since(first).num_days().max(0));
        self.limits.allowance(days.try_into().unwrap_or(u32::MAX)).unwrap_or(u32::MAX)
    }

    /// The enrollment with a message of today in hand, to be planned again; or what to write where it
    /// has to wait for a later day.
    pub fn with(self, taken: Option<NaiveDate>, now: Timestamp) -> Result<Enrollment, Plan> {
        let slot = taken.map(|day| DaySlot { sender: self.sender, day });
        if taken == Some(self.today) {
            let mut next = self.enrollment;
            next.day = slot;
            return Ok(next);
        }
        let of_day = taken.and_then(|day| self.days.iter().find(|(d, _)| *d == day)).map(|(_, at)| *at);
        Err(change(&self.enrollment, |next| match of_day.or(self.again) {
            Some(at) => {
                next.wait_for(at, HappeningCode::DayLimited, now);
                next.day = slot;
            }
            None => next.park(ParkReason::NeverAllowed, None, now),
        }))
    }
}

impl Enrollment {
    /// Over a limit: its turn is then.
    pub(super) fn wait_for(&mut self, at: Timestamp, limit: HappeningCode, now: Timestamp) {
        self.happened(now, limit, Some(at.to_string()));
        self.due = Some(at);
        self.wake = Some(at);
        self.caught_up = true;
        self.day = None;
    }

    /// The limit that the step waits for, if it waits for one.
    pub fn waits_for_limit(&self) -> Option<HappeningCode> {
        let last = self.happenings.last()?;
        let is_limit =
            matches!(last.code, HappeningCode::Limited | HappeningCode::DayLimited | HappeningCode::ContactLimited);
        (is_limit && last.step == Some(self.step) && last.detail == self.due.map(|due| due.to_string()))
            .then_some(last.code)
    }

    /// What it has of its sender's day: in flight, or held.
    fn day_slot(&self) -> Option<DaySlot> {
        match &self.lease {
            Some(lease) => lease.day.map(|day| DaySlot { sender: lease.sender, day }),
            None => self.day,
        }
    }

    /// What `next`, which is written over this, no longer has of its sender's day, and has not used:
    /// it goes back with that write. Nothing of days that are over.
    pub fn gives_back(&self, next: &Self, now: Timestamp) -> Option<DaySlot> {
        let over = |slot: &DaySlot| civil_day(Zone::UTC, now) > slot.day + Days::new(1);
        let slot = self.day_slot().filter(|slot| next.day_slot() != Some(*slot) && !over(slot))?;
        let used = self.lease.as_ref().is_some_and(|lease| {
            let mut attempts = next.records.iter().flat_map(|r| &r.attempts);
            let settled = attempts.find(|a| a.generation == lease.generation);
            !settled.is_some_and(|a| matches!(a.result, AttemptResult::Refused(_)))
        });
        (!guard!(DaySlotUsed, used)).then_some(slot)
    }
}
