//! What the simulator found, each as the shortest story that shows it.

use std::collections::BTreeMap;

use super::status::status;
use super::world::{START, World, accepted, refusal, update};
use super::*;
use crate::ids::AttemptRef;
use crate::message::{DeliveryStatus, Reaction, SendOutcome};

/// Free text was accepted, then reported as failed: the step is open again.
fn reopened() -> (World, Enrollment, AttemptRef) {
    let mut world = World::new();
    world.person.contact.last_inbound.insert(world.sender.id, START);
    let sent = world.sent(&world.enrolled(), START);
    let attempt = AttemptRef { enrollment: sent.id, generation: sent.records[0].attempts[0].generation };
    let failed = update(DeliveryStatus::Failed, START, Some(refusal(Reaction::OutsideWindow)));
    let reopened = status(&sent, attempt, &failed, &world.planning(), START).unwrap();
    assert_eq!((reopened.state, reopened.step), (State::Waiting, 0));
    (world, reopened, attempt)
}

#[test]
fn a_delivery_after_a_reported_failure_closes_the_step_again() {
    let (world, reopened, attempt) = reopened();
    let planned = world.planned(&reopened, START);
    let delivered = world.status(&reopened, attempt, DeliveryStatus::Delivered, START).unwrap();
    assert_eq!((delivered.state, delivered.step), (State::Waiting, 1));
    assert!(!delivered.may_claim(planned.generation, planned.step), "what was planned of it is stale");
    // While it is paused, the resume finds it.
    let paused = reopened.paused(START).unwrap();
    let delivered = world.status(&paused, attempt, DeliveryStatus::Delivered, START).unwrap();
    let resumed = delivered.resumed(control::ResumeMode::KeepSchedule, &world.planning(), START).unwrap();
    assert_eq!(world.changed(&resumed, START).step, 1);
    let skipped = delivered.skipped(&world.planning(), START).unwrap();
    assert_eq!((skipped.step, skipped.records[0].status), (1, StepStatus::Delivered));
}

#[test]
fn a_delivery_after_a_move_to_another_order_is_not_followed_by_an_earlier_step() {
    let (world, reopened, attempt) = reopened();
    let mut there = World::new();
    there.sequence.steps.swap(0, 1);
    let moved = reopened.migrated(2, &world.sequence, &there.planning(), START).unwrap();
    assert_eq!((moved.step, moved.records[0].key.as_str()), (0, "one"), "`two` is next, and `one` behind it");
    let planned = there.planned(&moved, START.plus_days(3));
    for e in [moved.clone(), moved.paused(START).unwrap()] {
        let delivered = there.status(&e, attempt, DeliveryStatus::Delivered, START).unwrap();
        assert!(!delivered.may_claim(planned.generation, planned.step));
        let resumed = delivered.resumed(control::ResumeMode::RestartWait, &there.planning(), START);
        let e = resumed.unwrap_or(delivered);
        assert_eq!((e.state, e.step), (State::Waiting, 2), "on to `three`");
        assert!(e.records.iter().all(|r| r.key != "two" || r.status == StepStatus::Pending));
    }
}

#[test]
fn settling_a_second_attempt_never_lowers_what_the_first_reached() {
    let (world, reopened, attempt) = reopened();
    let sending = world.claimed(&reopened, START);
    let delivered = world.status(&sending, attempt, DeliveryStatus::Delivered, START).unwrap();
    let refused = |reaction| SendOutcome::Refused(refusal(reaction));
    for outcome in [accepted(), refused(Reaction::Transient), refused(Reaction::Recipient)] {
        let after = world.settled(&delivered, &outcome, START);
        assert_eq!((after.records[0].status, after.state), (StepStatus::Delivered, State::Waiting), "{outcome:?}");
        assert_eq!(after.step, 1, "{outcome:?}");
    }
    let ended = delivered.finished(Outcome::Removed, None, START).unwrap();
    let after = world.settled(&ended, &refused(Reaction::Recipient), START);
    assert_eq!((after.records[0].status, after.wake), (StepStatus::Delivered, None));
}

#[test]
fn the_last_word_about_a_send_in_flight_is_a_pause() {
    let world = World::new();
    let sending = world.claimed(&world.enrolled(), START);
    let hurried = sending.paused(START).unwrap().sent_now(&world.planning(), START).unwrap();
    let paused = hurried.paused(START).unwrap();
    let after = world.settled(&paused, &SendOutcome::Refused(refusal(Reaction::Transient)), START);
    assert_eq!((after.state, after.wake), (State::Paused, None));
    assert_eq!(paused.paused(START), None, "asked twice, left once");
}

#[test]
fn what_was_asked_of_a_step_in_flight_does_not_hit_the_next_one() {
    let world = World::new();
    let sending = world.claimed(&world.enrolled(), START);
    let failed = SendOutcome::Refused(refusal(Reaction::Recipient));
    for asked in [sending.skipped(&world.planning(), START), sending.sent_now(&world.planning(), START)] {
        let after = world.settled(&asked.unwrap(), &failed, START);
        assert_eq!((after.step, after.due), (1, Some(START.plus_days(3))));
    }
    let twice = sending.skipped(&world.planning(), START).and_then(|e| e.paused(START)).unwrap();
    let twice = twice.skipped(&world.planning(), START).unwrap();
    let after = world.settled(&twice, &SendOutcome::Refused(refusal(Reaction::Transient)), START);
    assert_eq!((after.step, after.state), (1, State::Paused));
}

#[test]
fn a_step_that_is_opened_again_does_not_wait_again() {
    let mut world = World::new();
    let now = START.plus_days(3);
    world.person.contact.last_inbound.insert(world.sender.id, now);
    let second = world.sent(&world.sent(&world.enrolled(), START), now);
    let attempt = AttemptRef { enrollment: second.id, generation: second.records[1].attempts[0].generation };
    let failed = update(DeliveryStatus::Failed, now, Some(refusal(Reaction::OutsideWindow)));
    let reopened = status(&second, attempt, &failed, &world.planning(), now).unwrap();
    assert_eq!(world.planned(&reopened, now).form, MessageForm::FallbackTemplate);
}

#[test]
fn skipping_to_a_step_without_its_date_keeps_the_pause() {
    let mut world = World::new();
    world.sequence.steps[1].wait =
        serde_json::from_value(serde_json::json!({"value": 2, "unit": "hours", "before": "target.starts_at"})).unwrap();
    let paused = world.enrolled().paused(START).unwrap();
    let skipped = paused.skipped(&world.planning(), START).unwrap();
    assert_eq!((skipped.state, skipped.step, skipped.wake), (State::Paused, 1, None));
    let resumed = skipped.resumed(control::ResumeMode::KeepSchedule, &world.planning(), START).unwrap();
    assert_eq!(resumed.state, State::Parked(ParkReason::TargetDateMissing));
}

#[test]
fn a_date_that_comes_or_moves_while_a_send_is_in_flight_is_not_missed() {
    let mut world = World::new();
    world.sequence.steps[1].wait =
        serde_json::from_value(serde_json::json!({"value": 2, "unit": "hours", "before": "target.starts_at"})).unwrap();
    let before = |hours: i64| BTreeMap::from([("starts_at".to_owned(), START.plus_hours(hours).to_string())]);
    // Planned without a date, with an old or a past one; it arrives while the send is in flight.
    for planned_with in [BTreeMap::new(), before(100), before(-5)] {
        let sending = world.claimed(&world.enrolled(), START);
        world.dates = before(10);
        let moved = sending.target_moved(&world.planning(), START).unwrap();
        assert_eq!((moved.state, moved.generation), (State::Sending, sending.generation));
        world.dates = planned_with;
        let settled = world.settled(&moved, &accepted(), START);
        assert_eq!((settled.state, settled.step, settled.wake), (State::Waiting, 1, Some(START)));
    }
    // While it is buffered, it is planned again with the new date.
    let waiting = world.enrolled();
    let buffered = world.planned(&waiting, START);
    let moved = waiting.target_moved(&world.planning(), START).unwrap();
    assert_eq!((moved.state, moved.due), (State::Waiting, waiting.due));
    assert!(!moved.may_claim(buffered.generation, buffered.step));
    // While it is paused, the resume looks at the date as it is.
    world.dates = before(100);
    let paused = world.sent(&world.enrolled(), START).paused(START).unwrap();
    world.dates = before(10);
    let resumed = paused.resumed(control::ResumeMode::KeepSchedule, &world.planning(), START).unwrap();
    assert_eq!(resumed.due, Some(START.plus_hours(8)));
}
