//! Moves between versions, as tables: where a run goes on, and what happens while it is to move.

use std::collections::BTreeMap;

use serde_json::json;

use super::control::ResumeMode;
use super::plan::Plan;
use super::status::status;
use super::world::{START, World, accepted, refusal, update};
use super::*;
use crate::ids::AttemptRef;
use crate::message::{DeliveryStatus, Reaction, SendOutcome};
use crate::sequence::Sequence;
use crate::time::Timestamp;

/// A version with these steps, each a day after the one before.
fn version(keys: &[&str]) -> Sequence {
    let steps: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({"key": key, "wait": {"value": 1, "unit": "days"}, "channel": "whatsapp",
                "content": {"type": "text", "text": key},
                "fallback_template": {"name": key, "language": "pt_BR", "body": []}})
        })
        .collect();
    serde_json::from_value(json!({"name": "Cobrança", "target": "contact", "steps": steps})).unwrap()
}

fn on(keys: &[&str]) -> World {
    World { sequence: version(keys), ..World::new() }
}

/// Moves to version 2 of these steps; the world is on it from then on.
fn moved(world: &mut World, e: &Enrollment, keys: &[&str], now: Timestamp) -> Option<Enrollment> {
    let from = std::mem::replace(&mut world.sequence, version(keys));
    e.migrated(2, &from, &world.planning(), now)
}

/// Asks for the move while a send is in flight.
fn asked(world: &mut World, e: &Enrollment, keys: &[&str]) -> Enrollment {
    world.moves_to = Some(version(keys));
    let there = World { sequence: version(keys), ..World::new() };
    let asked = e.migrated(2, &world.sequence, &there.planning(), START).unwrap();
    assert_eq!((asked.state, asked.version, asked.generation), (State::Sending, 1, e.generation));
    asked
}

/// Plans until it has moved; the world is on the new version from then on.
fn arrived(world: &mut World, e: &Enrollment, now: Timestamp) -> Enrollment {
    let next = world.changed(e, now);
    world.sequence = world.moves_to.take().unwrap();
    assert_eq!((next.version, next.migrate_to), (2, None));
    next
}

fn refused(reaction: Reaction) -> SendOutcome {
    SendOutcome::Refused(refusal(reaction))
}

fn key(e: &Enrollment, keys: &[&str]) -> Option<String> {
    keys.get(e.step as usize).map(|k| (*k).to_owned())
}

const NOW: Timestamp = Timestamp(START.0 + 86_400);

#[test]
fn it_goes_on_behind_the_last_decided_step_of_the_new_order() {
    // Sent and skipped steps of [a, b, c, d], the new version, and the next step there.
    let check = |sent: usize, skipped: usize, keys: &[&str], next: Option<&str>| {
        let mut world = on(&["a", "b", "c", "d"]);
        let (mut e, mut now) = (world.enrolled(), START);
        for _ in 0..sent {
            now = now.plus_days(1);
            e = world.sent(&e, now);
        }
        for _ in 0..skipped {
            e = e.skipped(&world.planning(), now).unwrap();
        }
        let previous = e.previous;
        let e = moved(&mut world, &e, keys, now).unwrap();
        let what = format!("{sent} sent, {skipped} skipped, then {keys:?}");
        assert_eq!(key(&e, keys).as_deref(), next, "{what}");
        match next {
            Some(_) => assert_eq!((e.state, e.due), (State::Waiting, Some(previous.plus_days(1))), "{what}"),
            None => assert_eq!(e.outcome(), Some(Outcome::Completed), "{what}"),
        }
        assert_eq!(e.version, 2);
    };
    check(0, 0, &["x", "a"], Some("x"));
    check(1, 0, &["a", "b", "c", "d"], Some("b"));
    check(1, 0, &["a", "x", "b"], Some("x"));
    check(1, 0, &["b", "a", "c"], Some("c"));
    check(1, 0, &["b", "c"], Some("b"));
    check(2, 0, &["b", "c", "a"], None);
    check(2, 0, &["x", "b", "a", "c"], Some("c"));
    check(1, 1, &["a", "b", "c"], Some("c"));
    check(1, 1, &["b", "x", "a"], None);
    check(3, 0, &["a"], None);
    check(1, 0, &["a"], None);
}

#[test]
fn what_was_planned_before_the_move_cannot_claim() {
    let mut world = on(&["a", "b"]);
    let e = world.enrolled();
    let planned = world.planned(&e, NOW);
    let e = moved(&mut world, &e, &["a", "b"], NOW).unwrap();
    assert!(!e.may_claim(planned.generation, planned.step));
    assert_eq!(world.planned(&e, NOW).step, 0);
}

#[test]
fn moving_where_it_is_changes_nothing_and_an_end_is_an_end() {
    let world = on(&["a", "b"]);
    let e = world.enrolled();
    assert_eq!(e.migrated(1, &world.sequence, &world.planning(), NOW), None);
    let ended = e.finished(Outcome::Removed, None, NOW).unwrap();
    assert_eq!(ended.migrated(2, &world.sequence, &world.planning(), NOW), None);
    let sending = world.claimed(&e, NOW);
    assert_eq!(sending.migrated(1, &world.sequence, &world.planning(), NOW), None);
}

#[test]
fn paused_and_parked_runs_move_too() {
    let mut world = on(&["a", "b"]);
    let paused = world.enrolled().paused(NOW).unwrap();
    let e = moved(&mut world, &paused, &["x", "a"], NOW).unwrap();
    assert_eq!((e.state, e.step, e.wake), (State::Paused, 0, None));
    assert_eq!(e.due, Some(START.plus_days(1)));
    let mut world = on(&["a", "b"]);
    world.settings.enabled = false;
    let parked = world.changed(&world.enrolled(), NOW);
    let e = moved(&mut world, &parked, &["x", "a"], NOW).unwrap();
    assert_eq!(e.state, State::Waiting);
    assert_eq!(world.changed(&e, NOW).state, State::Parked(ParkReason::ModuleDisabled), "the reason still holds");
}

#[test]
fn what_was_hurried_or_backs_off_stays_so_if_it_is_still_next() {
    let check = |keys: &[&str], hurried: bool| {
        let mut world = on(&["a", "b"]);
        let e = world.enrolled().sent_now(&world.planning(), START).unwrap();
        let e = moved(&mut world, &e, keys, START).unwrap();
        let due = if hurried { START } else { START.plus_days(1) };
        assert_eq!((e.send_now, e.caught_up, e.due), (hurried, hurried, Some(due)), "{keys:?}");
    };
    check(&["a", "c"], true);
    check(&["x", "a"], false);
    let mut world = on(&["a", "b"]);
    let tried = world.settled(&world.claimed(&world.enrolled(), NOW), &refused(Reaction::Transient), NOW);
    let due = tried.due.unwrap();
    assert!(due > NOW);
    let e = moved(&mut world, &tried, &["a", "c"], NOW).unwrap();
    assert_eq!((e.due, e.wake), (Some(due), Some(due)), "the backoff holds");
    let dropped = moved(&mut world, &tried, &["x", "c"], NOW).unwrap();
    assert_eq!(dropped.due, Some(START.plus_days(1)));
    assert_eq!(dropped.records[0].status, StepStatus::Pending, "what was planned of `a` is forgotten");
}

/// What a send in flight comes to, and the step that comes next on [c, b, a, d] after [a, b].
#[test]
fn a_send_in_flight_is_settled_where_it_was_planned() {
    let keys = ["c", "b", "a", "d"];
    let check = |outcome: &SendOutcome, next: &str, due: Timestamp| {
        let mut world = on(&["a", "b"]);
        let sending = world.claimed(&world.enrolled(), NOW);
        let asked = asked(&mut world, &sending, &keys);
        let settled = world.settled(&asked, outcome, NOW);
        assert_eq!((settled.state, settled.version, settled.wake), (State::Waiting, 1, Some(NOW)), "{outcome:?}");
        assert!(settled.generation > asked.generation);
        let e = arrived(&mut world, &settled, NOW);
        assert_eq!((key(&e, &keys).as_deref(), e.state, e.due), (Some(next), State::Waiting, Some(due)), "{outcome:?}");
    };
    check(&accepted(), "d", NOW.plus_days(1));
    check(&refused(Reaction::Recipient), "d", NOW.plus_days(1));
    // To be tried again, but not next on that version: it starts at its beginning.
    check(&refused(Reaction::Transient), "c", NOW);
    check(&refused(Reaction::Sender), "c", NOW);
}

#[test]
fn the_last_step_of_the_old_version_does_not_end_it() {
    let mut world = on(&["a"]);
    let sending = world.claimed(&world.enrolled(), NOW);
    let asked = asked(&mut world, &sending, &["a", "b"]);
    let settled = world.settled(&asked, &accepted(), NOW);
    assert_eq!(settled.state, State::Waiting);
    let e = arrived(&mut world, &settled, NOW);
    assert_eq!((e.step, e.due), (1, Some(NOW.plus_days(1))));
    let codes: Vec<_> = e.timeline(&world.sequence).into_iter().map(|t| (t.code, t.detail)).collect();
    assert_eq!(codes[0].1, "enrolled on version 1 (manual by ana@example.com)");
    assert!(codes.contains(&("migrated", "moved from version 1 to 2".into())), "{codes:?}");
}

#[test]
fn nobody_knows_and_it_moves_when_somebody_does() {
    let mut world = on(&["a"]);
    let sending = world.claimed(&world.enrolled(), NOW);
    let asked = asked(&mut world, &sending, &["a", "b"]);
    let unknown = world.settled(&asked, &SendOutcome::Ambiguous, NOW);
    assert_eq!((unknown.state, unknown.migrate_to), (State::Sending, Some(2)));
    let resolve_at = unknown.wake.unwrap();
    let resolved = world.changed(&unknown, resolve_at);
    assert_eq!((resolved.state, resolved.version, resolved.wake), (State::Waiting, 1, Some(resolve_at)));
    assert_eq!(arrived(&mut world, &resolved, resolve_at).step, 1);
}

/// Everything that may happen to a run between the wish and the move.
#[test]
fn what_happens_while_it_is_to_move() {
    type Act = fn(&World, &Enrollment) -> Option<Enrollment>;
    let both = |name: &str, act: Act, then: &dyn Fn(&str, &mut World, Enrollment)| {
        // Before the send is settled, and after.
        for before in [true, false] {
            let mut world = on(&["a", "b"]);
            let sending = world.claimed(&world.enrolled(), NOW);
            let mut e = asked(&mut world, &sending, &["a", "b", "c"]);
            let act = |world: &World, e: Enrollment| act(world, &e).unwrap_or(e);
            if before {
                e = act(&world, e);
            }
            e = world.settled(&e, &accepted(), NOW);
            if !before {
                e = act(&world, e);
            }
            then(&format!("{name}, before: {before}"), &mut world, e);
        }
    };
    let resume: Act = |w, e| e.resumed(ResumeMode::KeepSchedule, &w.planning(), NOW);
    both("pause", |_, e| e.paused(NOW), &|name, world, e| {
        assert_eq!((e.state, e.migrate_to, e.wake), (State::Paused, Some(2), None), "{name}");
        let e = resume(world, &e).unwrap();
        let e = arrived(world, &e, NOW);
        assert_eq!((e.state, e.step, e.due), (State::Waiting, 1, Some(NOW.plus_days(1))), "{name}");
    });
    both(
        "pause and resume",
        |w, e| e.paused(NOW)?.resumed(ResumeMode::RestartWait, &w.planning(), NOW),
        &|name, world, e| {
            assert_eq!(arrived(world, &e, NOW).due, Some(NOW.plus_days(1)), "{name}");
        },
    );
    both("exit", |_, e| e.finished(Outcome::Removed, None, NOW), &|name, _, e| {
        assert_eq!((e.outcome(), e.migrate_to, e.wake), (Some(Outcome::Removed), None, None), "{name}");
    });
    both("reply", |_, e| e.replied(NOW, Some(Outcome::Replied), NOW), &|name, _, e| {
        assert_eq!((e.outcome(), e.version), (Some(Outcome::Replied), 1), "{name}");
    });
    both("reply that ends nothing", |_, e| e.replied(NOW, None, NOW), &|name, world, e| {
        assert_eq!(arrived(world, &e, NOW).step, 1, "{name}");
    });
    both("send now", |w, e| e.sent_now(&w.planning(), NOW), &|name, world, e| {
        // In flight it was asked of `a`, which has been sent; afterwards of `b`, which stays next.
        let hurried = e.send_now;
        let e = arrived(world, &e, NOW);
        assert_eq!((e.step, e.send_now), (1, hurried), "{name}");
        assert_eq!(matches!(world.plan(&e, NOW), Plan::Send(_)), hurried, "{name}");
    });
    both("another move", |w, e| e.migrated(3, &w.sequence, &w.planning(), NOW), &|name, _, e| {
        assert_eq!(if e.version == 1 { e.migrate_to } else { Some(e.version) }, Some(3), "{name}");
    });
    both("moved back", |w, e| e.migrated(1, &w.sequence, &w.planning(), NOW), &|name, _, e| {
        assert_eq!((e.version, e.migrate_to, e.step, e.due), (1, None, 1, Some(NOW.plus_days(1))), "{name}");
    });
}

#[test]
fn a_skip_before_it_has_moved_is_of_the_step_that_the_old_version_is_at() {
    let mut world = on(&["a", "b"]);
    let sending = world.claimed(&world.enrolled(), NOW);
    let asked = asked(&mut world, &sending, &["x", "b", "c"]);
    let settled = world.settled(&asked, &accepted(), NOW);
    let skipped = settled.skipped(&world.planning(), NOW).unwrap();
    assert_eq!((skipped.state, skipped.wake, skipped.migrate_to), (State::Waiting, Some(NOW), Some(2)));
    assert_eq!(arrived(&mut world, &skipped, NOW).step, 2);
    // Behind the old version's last step there is none: nothing ends by it.
    let mut world = on(&["a"]);
    let sending = world.claimed(&world.enrolled(), NOW);
    let asked = super::moves::asked(&mut world, &sending, &["a", "b"]);
    let settled = world.settled(&asked, &accepted(), NOW);
    let skipped = settled.skipped(&world.planning(), NOW).unwrap();
    assert_eq!(arrived(&mut world, &skipped, NOW).step, 1);
}

#[test]
fn a_date_that_moves_meanwhile_makes_what_was_planned_of_the_move_stale() {
    let mut world = on(&["a", "b"]);
    let sending = world.claimed(&world.enrolled(), NOW);
    let asked = asked(&mut world, &sending, &["a", "b"]);
    let settled = world.settled(&asked, &accepted(), NOW);
    world.dates = BTreeMap::from([("starts_at".to_owned(), NOW.to_string())]);
    let looked = settled.target_moved(&world.planning(), NOW).unwrap();
    assert_eq!((looked.generation, looked.migrate_to), (settled.generation + 1, Some(2)));
}

#[test]
fn a_late_failure_finds_its_record_whatever_the_version_has() {
    let failed = update(DeliveryStatus::Failed, NOW, Some(refusal(Reaction::OutsideWindow)));
    // The new version, whether it has moved when the report comes, and the step that is next.
    let check = |keys: &[&str], has_moved: bool, next: &str, status_of_a: StepStatus| {
        let mut world = on(&["a", "b"]);
        world.person.contact.last_inbound.insert(world.sender.id, NOW);
        let sending = world.claimed(&world.enrolled(), NOW);
        let asked = asked(&mut world, &sending, keys);
        let mut e = world.settled(&asked, &accepted(), NOW);
        let attempt = AttemptRef { enrollment: e.id, generation: e.records[0].attempts[0].generation };
        if has_moved {
            e = arrived(&mut world, &e, NOW);
        }
        e = status(&e, attempt, &failed, &world.planning(), NOW).unwrap();
        if !has_moved {
            e = arrived(&mut world, &e, NOW);
        }
        assert_eq!(key(&e, keys).as_deref(), Some(next), "{keys:?} {has_moved}");
        assert_eq!(e.records[0].status, status_of_a, "{keys:?} {has_moved}");
        assert_eq!(status(&e, attempt, &failed, &world.planning(), NOW), None, "told twice");
    };
    for has_moved in [true, false] {
        check(&["a", "c"], has_moved, "a", StepStatus::Scheduled);
    }
    check(&["b", "c"], true, "b", StepStatus::Failed);
    check(&["b", "c"], false, "b", StepStatus::Pending);
}

#[test]
fn steps_of_an_earlier_version_stay_in_the_timeline() {
    let mut world = on(&["a", "b"]);
    let e = world.sent(&world.enrolled(), NOW);
    let e = moved(&mut world, &e, &["x", "b"], NOW).unwrap();
    let told = e.timeline(&world.sequence).into_iter().find(|t| t.code == "sent").unwrap();
    assert_eq!(told.step, None);
    assert!(told.detail.starts_with("a of an earlier version: sent by whatsapp"), "{}", told.detail);
    let steps: Vec<_> = e.steps(&world.sequence).iter().map(|s| (s.key.to_owned(), s.status)).collect();
    assert_eq!(steps, [("x".into(), StepStatus::Scheduled), ("b".into(), StepStatus::Pending)]);
}

/// Records stand in the order in which steps were first planned, which a move may leave behind.
#[test]
fn the_step_that_was_sent_last_is_marked_whatever_the_order() {
    let mut world = on(&["a", "b"]);
    let e = world.enrolled();
    let e = moved(&mut world, &e, &["b", "a"], START).unwrap();
    let e = world.sent(&e, NOW);
    let later = NOW.plus_days(1);
    let sending = world.claimed(&e, later);
    let attempt = AttemptRef { enrollment: e.id, generation: sending.lease.as_ref().unwrap().generation };
    let delivered = world.status(&sending, attempt, DeliveryStatus::Delivered, later).unwrap();
    let settled = world.settled(&delivered, &accepted(), later);
    let of = |e: &Enrollment, key: &str| e.records.iter().find(|r| r.key == key).map(|r| r.status);
    assert_eq!((of(&settled, "b"), of(&settled, "a")), (Some(StepStatus::Sent), Some(StepStatus::Delivered)));
    let answered = settled.replied(later.plus_seconds(9), None, later.plus_seconds(9)).unwrap();
    assert_eq!((of(&answered, "b"), of(&answered, "a")), (Some(StepStatus::Sent), Some(StepStatus::Replied)));
}
