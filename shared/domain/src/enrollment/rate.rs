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
    hours: Hours,
}

/// When it may go out, as things stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hours {
    /// The end of the hours that are allowed now.
    pub(super) allowed: Option<Timestamp>,
    /// When the next ones begin.
    pub(super) reopens: Option<Timestamp>,
    /// When the civil day ends.
    pub(super) day_ends: Timestamp,
}

pub(super) fn paced(e: &Enrollment, mut planned: PlannedSend, spacing: i64, hours: Hours, now: Timestamp) -> Plan {
    let ours = e.has_slot() && e.reserved.is_some_and(|r| r.sender == planned.sender);
    if let Some(slot) = e.due.filter(|slot| ours && !guard!(SlotAge, now > slot.plus_seconds(SLOT_SECONDS))) {
        planned.hold(slot);
        return Plan::Send(Box::new(planned));
    }
    let latest = hours.allowed.map_or(now.plus_days(DAYS_AHEAD), |end| end.plus_seconds(-1));
    Plan::Reserve(Box::new(Reservation { enrollment: e.clone(), planned, spacing, latest, hours }))
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
        change(&self.enrollment, |next| match slot.or(self.hours.reopens) {
            Some(at) => {
                let (day, caught_up) = (next.day.filter(|_| at < self.hours.day_ends), next.caught_up);
                next.wait_for(at, HappeningCode::Limited, now);
                next.day = day;
                // The change is the next generation: the slot is that one's.
                let generation = next.generation.wrapping_add(1);
                next.reserved = slot.map(|_| Reserved { generation, sender });
                next.caught_up = caught_up || slot.is_none();
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::world::{self, START, World, changed, sends};
    use super::super::{State, control::ResumeMode};
    use super::*;
    use crate::message::{Reaction, Refusal, SendOutcome};

    fn limited() -> World {
        let mut world = World::new();
        world.sender.limits.per_second = Some(5);
        world
    }

    fn reservation(world: &World, e: &Enrollment, now: Timestamp) -> Reservation {
        world::reservation(world.plan(e, now))
    }

    fn micros(at: Timestamp) -> i64 {
        at.0 * MICROS
    }

    /// A run whose slot is ten minutes away.
    fn far(world: &World) -> (Enrollment, Timestamp) {
        let slot = START.plus_minutes(10);
        let e = changed(reservation(world, &world.enrolled(), START).with(Some(micros(slot) + 1), START));
        assert_eq!((e.state, e.due, e.wake, e.has_slot()), (State::Waiting, Some(slot), Some(slot), true));
        (e, slot)
    }

    #[test]
    fn a_near_slot_waits_on_the_queue() {
        let world = limited();
        let e = world.enrolled();
        let check = |micros_ahead: i64, seconds: i64| {
            let planned = sends(reservation(&world, &e, START).with(Some(micros(START) + micros_ahead), START));
            let slot = START.plus_seconds(seconds);
            assert_eq!((planned.not_before, planned.not_after), (Some(slot), slot.plus_seconds(30)), "{micros_ahead}");
            assert_eq!(planned.generation, e.generation);
        };
        check(0, 0);
        check(999_999, 0);
        check(1_000_000, 1);
        check(30_999_999, 30);
    }

    #[test]
    fn a_far_slot_is_the_due_and_is_used_once_it_comes() {
        let world = limited();
        let (e, slot) = far(&world);
        assert_eq!(world.plan(&e, slot.plus_seconds(-1)), Plan::NotBefore(slot));
        for late in [0, 30] {
            let planned = sends(world.plan(&e, slot.plus_seconds(late)));
            assert_eq!((planned.not_before, planned.not_after), (Some(slot), slot.plus_seconds(30)));
        }
        reservation(&world, &e, slot.plus_seconds(31));
        reservation(&world, &e, slot.plus_hours(3));
    }

    #[test]
    fn no_slot_is_left_today() {
        let mut world = limited();
        world.settings.quiet_hours = serde_json::from_str(r#"[{"from": "12:01", "to": "18:00"}]"#).unwrap();
        let e = world.enrolled();
        let asked = reservation(&world, &e, START);
        assert_eq!((asked.spacing, asked.latest), (200_000, START.plus_seconds(59)));
        let next = changed(asked.with(None, START));
        let opens = START.plus_hours(6);
        assert_eq!((next.state, next.due, next.has_slot()), (State::Waiting, Some(opens), false));
        reservation(&world, &next, opens);
        // A slot that is no longer allowed when it comes is let go.
        let mut world = limited();
        let (e, slot) = far(&world);
        world.settings.quiet_hours = serde_json::from_str(r#"[{"from": "12:05", "to": "18:00"}]"#).unwrap();
        let moved = changed(world.plan(&e, slot));
        assert_eq!((moved.due, moved.has_slot()), (Some(opens), false));
        reservation(&world, &moved, opens);
    }

    #[test]
    fn whatever_changes_what_comes_next_lets_the_slot_go() {
        let world = limited();
        let (e, slot) = far(&world);
        let planning = world.planning();
        let paused = e.paused(START).unwrap();
        let resumed = paused.resumed(ResumeMode::KeepSchedule, &planning, START).unwrap();
        for (name, next) in [
            ("pause", paused),
            ("resume", resumed.clone()),
            ("send now", e.sent_now(&planning, START).unwrap()),
            ("replan", e.replanned(START).unwrap()),
            ("skip", e.skipped(&planning, START).unwrap()),
        ] {
            assert!(!next.has_slot(), "{name}");
        }
        assert_eq!(resumed.due, Some(slot));
        reservation(&world, &resumed, slot);
        // Sent and refused: the next try takes another.
        let planned = sends(world.plan(&e, slot));
        let sending = e.claimed(planned.lease("token".into(), slot, 120));
        let refusal = Refusal { reaction: Reaction::Transient, code: "5".into(), retry_after: None };
        let again = world.settled(&sending, &SendOutcome::Refused(refusal), slot);
        reservation(&world, &again, again.due.unwrap());
        // The slot was another sender's.
        let mut world = limited();
        let (e, slot) = far(&world);
        world.sender.id = crate::ids::SenderId::of(world.tenant, &mut crate::ids::Ids::from_seed([9; 32]));
        reservation(&world, &e, slot);
    }

    #[test]
    fn a_sender_without_a_rate_needs_no_slot() {
        let mut world = limited();
        let (e, slot) = far(&world);
        world.sender.limits.per_second = None;
        assert_eq!(sends(world.plan(&e, slot)).not_before, None);
    }

    #[test]
    fn a_step_that_has_waited_too_long_for_its_turn_is_skipped() {
        let mut world = limited();
        world.sequence.steps[0].skip_if_late = Some(serde_json::from_str(r#"{"value": 1, "unit": "hours"}"#).unwrap());
        let slot = START.plus_hours(2);
        let e = changed(reservation(&world, &world.enrolled(), START).with(Some(micros(slot)), START));
        let next = changed(world.plan(&e, slot));
        assert_eq!((next.step, next.records[0].reason), (1, Some(super::super::StepReason::TooLate)));
    }
}
