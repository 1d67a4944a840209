//! Behind the last step: how long a run waits for its last message's report, and what ends that.

use super::control::ResumeMode;
use super::plan::Plan;
use super::status::status;
use super::world::{START, World, refusal, update};
use super::*;
use crate::ids::AttemptRef;
use crate::message::{DeliveryStatus, Reaction, SendOutcome};
use crate::time::Timestamp;

const CLOSES: Timestamp = Timestamp(START.0 + 3_600);

/// Its one step has gone out as free text.
fn closing() -> (World, Enrollment) {
    let mut world = World::new();
    world.sequence.steps.truncate(1);
    world.person.contact.last_inbound.insert(world.sender.id, START);
    let e = world.sent(&world.enrolled(), START);
    assert_eq!((e.state, e.step, e.due, e.wake), (State::Waiting, 1, None, Some(CLOSES)));
    assert_eq!((e.closes_at(&world.sequence), e.next_at()), (Some(CLOSES), Some(CLOSES)));
    (world, e)
}

fn told(world: &World, e: &Enrollment, s: DeliveryStatus, reaction: Reaction, now: Timestamp) -> Enrollment {
    let attempt = AttemptRef { enrollment: e.id, generation: e.records[0].attempts[0].generation };
    let refusal = (s == DeliveryStatus::Failed).then(|| refusal(reaction));
    status(e, attempt, &update(s, now, refusal), &world.planning(), now).unwrap()
}

#[test]
fn it_completes_when_the_hour_is_over() {
    let (mut world, e) = closing();
    assert_eq!(world.plan(&e, CLOSES.plus_seconds(-1)), Plan::NotBefore(CLOSES));
    // The sweep pushes the wake back, the hour stays.
    let swept = Enrollment { wake: Some(CLOSES.plus_hours(1)), ..e.clone() };
    for e in [&e, &swept] {
        let ended = world.changed(e, CLOSES);
        assert_eq!((ended.outcome(), ended.wake), (Some(Outcome::Completed), None));
    }
    world.settings.enabled = false;
    assert_eq!(world.changed(&e, CLOSES).outcome(), Some(Outcome::Completed), "it sends nothing more");
}

#[test]
fn a_late_failure_of_the_last_step_falls_back_to_its_template() {
    let (world, e) = closing();
    let paused = e.paused(START).unwrap();
    for e in [e, paused] {
        let open = told(&world, &e, DeliveryStatus::Failed, Reaction::OutsideWindow, START.plus_minutes(59));
        assert_eq!((open.state, open.step, open.due), (e.state, 0, Some(START.plus_minutes(59))));
        if open.state == State::Waiting {
            let sent = world.sent(&open, open.due.unwrap());
            assert_eq!(sent.records[0].attempts[1].form, MessageForm::FallbackTemplate);
            assert_eq!(sent.outcome(), Some(Outcome::Completed), "there is no third way");
        }
    }
}

#[test]
fn a_report_that_decides_it_ends_it_at_once() {
    let (world, e) = closing();
    for (s, reaction) in [
        (DeliveryStatus::Delivered, Reaction::Recipient),
        (DeliveryStatus::Read, Reaction::Recipient),
        (DeliveryStatus::Failed, Reaction::Recipient),
    ] {
        let ended = told(&world, &e, s, reaction, START);
        assert_eq!((ended.outcome(), ended.wake), (Some(Outcome::Completed), None), "{s:?}");
        assert!(ended.generation > e.generation);
    }
    // `delivered` that came before the send was settled.
    let sending = world.claimed(&world.enrolled(), START);
    let attempt = AttemptRef { enrollment: e.id, generation: sending.lease.as_ref().unwrap().generation };
    let early = world.status(&sending, attempt, DeliveryStatus::Delivered, START).unwrap();
    assert_eq!(world.settled(&early, &super::world::accepted(), START).outcome(), Some(Outcome::Completed));
}

#[test]
fn without_another_way_nothing_is_waited_for() {
    let completes = |spoil: fn(&mut World)| {
        let (mut world, _) = closing();
        spoil(&mut world);
        let e = world.sent(&world.enrolled(), START);
        assert_eq!((e.outcome(), e.wake), (Some(Outcome::Completed), None));
    };
    completes(|world| world.sequence.steps[0].fallback_template = None);
    completes(|world| world.person.contact.last_inbound.clear());
    let (world, _) = closing();
    let skipped = world.enrolled().skipped(&world.planning(), START).unwrap();
    assert_eq!(skipped.outcome(), Some(Outcome::Completed));
}

#[test]
fn nobody_knows_whether_the_last_one_arrived() {
    let (world, _) = closing();
    let unknown = world.settled(&world.claimed(&world.enrolled(), START), &SendOutcome::Ambiguous, START);
    let resolved = world.changed(&unknown, START.plus_minutes(15));
    assert_eq!((resolved.state, resolved.wake), (State::Waiting, Some(CLOSES)), "from the claim on");
    let open = told(&world, &resolved, DeliveryStatus::Failed, Reaction::OutsideWindow, START.plus_minutes(20));
    assert_eq!(open.step, 0);
}

#[test]
fn what_people_do_meanwhile() {
    let (mut world, e) = closing();
    let ended = e.replied(START, Some(Outcome::Replied), START).unwrap();
    assert_eq!((ended.outcome(), ended.records[0].status), (Some(Outcome::Replied), StepStatus::Replied));
    assert_eq!(e.finished(Outcome::Removed, None, START).unwrap().wake, None);
    assert_eq!(e.sent_now(&world.planning(), START), None, "there is nothing to send");
    let skipped = e.skipped(&world.planning(), START).unwrap();
    assert_eq!(skipped.outcome(), Some(Outcome::Completed), "the other way is what is skipped");
    let paused = e.paused(START).unwrap();
    assert_eq!((paused.state, paused.wake), (State::Paused, None));
    for mode in [ResumeMode::KeepSchedule, ResumeMode::RestartWait] {
        let resumed = paused.resumed(mode, &world.planning(), START.plus_minutes(5)).unwrap();
        assert_eq!((resumed.state, resumed.due, resumed.wake), (State::Waiting, None, Some(CLOSES)), "{mode:?}");
        let late = paused.resumed(mode, &world.planning(), CLOSES).unwrap();
        assert_eq!(late.outcome(), Some(Outcome::Completed), "{mode:?}");
    }
    // On to a version with more steps; and to one that has no more.
    let one = world.sequence.clone();
    let still = e.migrated(2, &one, &world.planning(), START).unwrap();
    assert_eq!((still.state, still.wake), (State::Waiting, Some(CLOSES)));
    world.sequence = World::new().sequence;
    let moved = e.migrated(2, &one, &world.planning(), START).unwrap();
    assert_eq!((moved.state, moved.step, moved.due), (State::Waiting, 1, Some(START.plus_days(3))));
}
