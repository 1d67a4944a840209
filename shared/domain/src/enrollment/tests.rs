//! The machine's rules as a person would tell them, each through the public verbs.

use std::collections::BTreeMap;

use serde_json::json;

use super::control::ResumeMode;
use super::enroll::{Decision, EntryRefusal, Wish};
use super::plan::{Context, Plan};
use super::settle::settle;
use super::status::status;
use super::world::*;
use super::*;
use crate::contact::{Contact, Profile, Target, TargetRef};
use crate::ids::AttemptRef;
use crate::message::{Channel, DeliveryStatus, Links, Message, Reaction, SendOutcome};
use crate::sender::Suspension;
use crate::sequence::TargetKind;
use crate::signal::Signal;
use crate::time::Timestamp;

#[test]
fn a_run_goes_through_its_steps_and_completes() {
    let world = World::new();
    let mut e = world.enrolled();
    assert_eq!((e.state, e.step, e.due), (State::Waiting, 0, Some(START)));
    let mut now = START;
    for (step, wait) in [(0, 3), (1, 7)] {
        e = world.sent(&e, now);
        now = now.plus_days(wait);
        assert_eq!((e.state, e.step, e.due, e.wake), (State::Waiting, step + 1, Some(now), Some(now)));
        assert_eq!(world.plan(&e, now.plus_seconds(-1)), Plan::NotBefore(now));
    }
    e = world.sent(&e, now);
    assert_eq!((e.state, e.due, e.wake, e.lease.clone()), (State::Finished(Outcome::Completed), None, None, None));
    assert!(e.records.iter().all(|r| r.status == StepStatus::Sent));
    assert_eq!(world.plan(&e, now), Plan::Stale);
}

#[test]
fn one_unfinished_run_per_scope() {
    let mut world = World::new();
    world.sequence.target = TargetKind::Charge;
    let charge = |id: &str| Some(TargetRef { kind: TargetKind::Charge, id: id.into() });
    let decide = |world: &World, wish: &Wish| wish.decide(&world.person, &world.planning(), START);
    let mut wish = world.wish();
    assert_eq!(decide(&world, &wish), Decision::Refused(EntryRefusal::TargetRequired(TargetKind::Charge)));
    wish.target = charge("c1");
    let Decision::New(first) = decide(&world, &wish) else { panic!() };
    world.person.enrollments.push(*first.clone());
    wish.id = 2;
    assert_eq!(decide(&world, &wish), Decision::Existing(first.clone()));
    wish.target = charge("c2");
    let Decision::New(second) = decide(&world, &wish) else { panic!("a second charge is chased too") };
    assert_ne!(first.id, second.id);
    assert_eq!(first.id.run, 1);
    // Once finished, the next run begins.
    wish.target = charge("c1");
    world.person.enrollments = vec![first.finished(Outcome::Goal, None, START).unwrap()];
    let Decision::New(again) = decide(&world, &wish) else { panic!() };
    assert_eq!(again.id, first.id.with_run(2));
}

#[test]
fn reentry_rules() {
    let mut world = World::new();
    let first = world.enrolled().finished(Outcome::Replied, None, START).unwrap();
    world.person.enrollments.push(first);
    let wish = Wish { id: 2, ..world.wish() };
    let at = |world: &World, now| wish.decide(&world.person, &world.planning(), now);
    assert!(matches!(at(&world, START), Decision::New(_)));
    world.sequence.entry = serde_json::from_value(json!({"reentry": "once"})).unwrap();
    assert_eq!(at(&world, START), Decision::Refused(EntryRefusal::Once));
    world.sequence.entry =
        serde_json::from_value(json!({"reentry": "never_within", "period": {"value": 2, "unit": "days"}})).unwrap();
    assert_eq!(at(&world, START.plus_days(1)), Decision::Refused(EntryRefusal::NotBefore(START.plus_days(2))));
    assert!(matches!(at(&world, START.plus_days(2)), Decision::New(_)));
}

#[test]
fn a_request_starts_one_run_however_late_it_is_repeated() {
    let mut world = World::new();
    let finished = world.enrolled().finished(Outcome::Completed, None, START).unwrap();
    world.person.enrollments.push(finished.clone());
    let repeat = world.wish().decide(&world.person, &world.planning(), START.plus_days(3));
    assert_eq!(repeat, Decision::Existing(Box::new(finished)));
}

#[test]
fn an_event_starts_one_run_and_never_ends_it() {
    let mut world = World::new();
    let paid = signal("charge.paid", "e1", START);
    world.person.contact.marks.add(&paid);
    let wish = Wish { trigger: Some("e1".into()), ..world.wish() };
    let Decision::New(e) = wish.decide(&world.person, &world.planning(), START) else { panic!() };
    assert!(matches!(world.plan(&e, START), Plan::Send(_)));
    let finished = e.finished(Outcome::Completed, None, START).unwrap();
    world.person.enrollments.push(finished.clone());
    assert_eq!(wish.decide(&world.person, &world.planning(), START), Decision::Existing(Box::new(finished)));
}

#[test]
fn marks_end_what_the_event_did_not_find() {
    let check = |kind: &str, mark_at: Timestamp, known: bool, expected: Option<Outcome>| {
        let mut world = World::new();
        let mark = signal(kind, "m1", mark_at);
        if known {
            world.person.contact.marks.add(&mark);
        }
        let e = world.enrolled();
        world.person.contact.marks.add(&mark);
        let ended = match world.plan(&e, START.plus_seconds(5)) {
            Plan::Change(next) => next.outcome(),
            _ => None,
        };
        assert_eq!(ended, expected, "{kind} at {mark_at}, known {known}");
    };
    check("message.received", START.plus_seconds(1), false, Some(Outcome::Replied));
    check("charge.paid", START.plus_seconds(1), false, Some(Outcome::Goal));
    check("contact.unsubscribed", START.plus_seconds(1), false, Some(Outcome::Unsubscribed));
    // Within the second of the start: only what was not there before.
    check("message.received", START, false, Some(Outcome::Replied));
    check("message.received", START, true, None);
    // Before it: never.
    check("message.received", START.plus_seconds(-1), false, None);
    check("deal.won", START.plus_seconds(1), false, None);
}

#[test]
fn a_goal_about_another_target_ends_nothing() {
    let mut world = World::new();
    let target = |id: &str| TargetRef { kind: TargetKind::Charge, id: id.into() };
    world.sequence.target = TargetKind::Charge;
    let wish = Wish { target: Some(target("c1")), ..world.wish() };
    let Decision::New(e) = wish.decide(&world.person, &world.planning(), START) else { panic!() };
    let paid = |id: &str| Signal { target: Some(target(id)), ..signal("charge.paid", id, START.plus_seconds(9)) };
    assert_eq!(crate::signal::ends(&world.sequence.exit, &e, &paid("c1")), Some(Outcome::Goal));
    assert_eq!(crate::signal::ends(&world.sequence.exit, &e, &paid("c2")), None);
}

#[test]
fn the_window_decides_between_text_and_template() {
    let mut world = World::new();
    let e = world.enrolled();
    let form = |world: &World| world.planned(&e, START).form;
    assert_eq!(form(&world), MessageForm::FallbackTemplate);
    world.person.contact.last_inbound.insert(world.sender.id, START.plus_seconds(-3600));
    let planned = world.planned(&e, START);
    assert_eq!(planned.message, Message::Text { text: "one for Ana".into() });
    assert!(planned.not_after < START.plus_hours(23), "free text never outlives its window");
    world.person.contact.last_inbound.insert(world.sender.id, START.plus_seconds(-DAY));
    assert_eq!(form(&world), MessageForm::FallbackTemplate);
    // With no template it fails with exactly that reason, and the run goes on.
    world.sequence.steps[0].fallback_template = None;
    let next = world.changed(&e, START);
    assert_eq!(next.records[0].status, StepStatus::Failed);
    assert_eq!(next.records[0].reason, Some(StepReason::OutsideWindowNoTemplate));
    assert_eq!((next.state, next.step), (State::Waiting, 1));
    world.sequence.steps[0].on_failure = crate::sequence::OnFailure::Stop;
    assert_eq!(world.changed(&e, START).outcome(), Some(Outcome::Failed));
}

#[test]
fn why_a_step_does_not_go_out() {
    type Spoil = fn(&mut World);
    let cases: [(&str, Spoil, State, Option<StepReason>); 7] = [
        (
            "suppressed",
            |w| {
                w.person.contact.suppressed.insert(crate::message::Channel::Whatsapp);
            },
            State::Waiting,
            Some(StepReason::Suppressed),
        ),
        (
            "no phone",
            |w| w.person.contact = Contact::new(w.person.contact.id, Profile::default(), START),
            State::Waiting,
            Some(StepReason::NoAddress),
        ),
        (
            "a hole in the template",
            |w| w.person.contact.profile.first_name = None,
            State::Waiting,
            Some(StepReason::BlankVariable),
        ),
        ("disabled", |w| w.settings.enabled = false, State::Parked(ParkReason::ModuleDisabled), None),
        (
            "suspended sender",
            |w| w.sender.suspended = Some(Suspension { code: "190".into(), at: START }),
            State::Parked(ParkReason::SenderSuspended),
            None,
        ),
        (
            "no sender",
            |w| w.sender.channel = crate::message::Channel::Sms,
            State::Parked(ParkReason::SenderMissing),
            None,
        ),
        (
            "strict",
            |w| {
                w.sequence.strict_variables = true;
                w.person.contact.last_inbound.insert(w.sender.id, START);
                w.person.contact.profile.first_name = None;
            },
            State::Waiting,
            Some(StepReason::BlankVariable),
        ),
    ];
    for (name, spoil, state, reason) in cases {
        let mut world = World::new();
        let e = world.enrolled();
        spoil(&mut world);
        let next = world.changed(&e, START);
        assert_eq!(next.state, state, "{name}");
        assert_eq!(next.records[0].reason, reason, "{name}");
        assert_eq!(next.step, u32::from(reason.is_some()), "{name}");
        assert!(next.generation > e.generation, "{name}");
    }
}

#[test]
fn a_parked_run_goes_on_when_its_reason_is_gone() {
    let mut world = World::new();
    world.settings.enabled = false;
    let parked = world.changed(&world.enrolled(), START);
    world.settings.enabled = true;
    assert_eq!(parked.unparked(ParkReason::SenderSuspended, &world.planning(), START), None);
    let e = parked.unparked(ParkReason::ModuleDisabled, &world.planning(), START.plus_seconds(60)).unwrap();
    assert!(matches!(world.plan(&e, START.plus_seconds(60)), Plan::Send(_)));
}

#[test]
fn pausing_holds_and_resuming_keeps_or_restarts_the_wait() {
    let world = World::new();
    let e = world.sent(&world.enrolled(), START);
    let paused = e.paused(START.plus_days(1)).unwrap();
    assert_eq!((paused.state, paused.wake, paused.due), (State::Paused, None, e.due));
    assert_eq!(paused.paused(START), None, "pausing a paused one changes nothing");
    assert!(!paused.may_claim(e.generation, 1));
    let now = START.plus_days(2);
    let kept = paused.resumed(ResumeMode::KeepSchedule, &world.planning(), now).unwrap();
    assert_eq!((kept.state, kept.due), (State::Waiting, e.due));
    let restarted = paused.resumed(ResumeMode::RestartWait, &world.planning(), now).unwrap();
    assert_eq!((restarted.state, restarted.due), (State::Waiting, Some(now.plus_days(3))));
    let ended = paused.replied(now, Some(Outcome::Replied), now).unwrap();
    assert_eq!(ended.outcome(), Some(Outcome::Replied), "a paused run still ends");
}

/// A weekend's outage: refused on Friday, held, and let go on Monday with everybody else.
#[test]
fn what_was_held_after_a_backoff_is_spread_when_it_goes_on() {
    let mut world = World::new();
    world.settings.spread_minutes = 60;
    let e = world.settled(&world.claimed(&world.enrolled(), START), &refused(Reaction::Transient), START);
    assert!(e.caught_up && matches!(world.plan(&e, START.plus_seconds(15)), Plan::Send(_)));
    let monday = START.plus_days(3);
    let spread = |held: Enrollment, reason: Option<ParkReason>| {
        let resumed = match reason {
            Some(reason) => held.unparked(reason, &world.planning(), monday),
            None => held.resumed(ResumeMode::KeepSchedule, &world.planning(), monday),
        };
        let waiting = world.changed(&resumed.unwrap(), monday);
        let late = waiting.due.unwrap().seconds_since(monday);
        assert!(waiting.caught_up && (1..=3_600).contains(&late), "{late}");
        assert!(matches!(world.plan(&waiting, waiting.due.unwrap()), Plan::Send(_)), "once");
    };
    spread(e.paused(START.plus_seconds(5)).unwrap(), None);
    let suspended = world.settled(&world.claimed(&world.enrolled(), START), &refused(Reaction::Sender), START);
    spread(suspended, Some(ParkReason::SenderSuspended));
}

#[test]
fn a_step_passed_over_before_the_start_leaves_the_next_one_behind_it() {
    let mut world = World::new();
    world.sequence.steps[0].wait.before = Some("target.due_date".into());
    world.dates.insert("due_date".into(), "2026-11-17T09:00:00Z".into());
    let start = START.plus_days(10);
    let wish = Wish { start_at: Some(start), ..world.wish() };
    let Decision::New(e) = wish.decide(&world.person, &world.planning(), START) else { panic!("not enrolled") };
    assert_eq!((e.records[0].status, e.records[0].decided_at), (StepStatus::Skipped, Some(START)));
    assert_eq!((e.step, e.due), (1, Some(start.plus_days(3))));
}

#[test]
fn a_pause_in_the_moment_of_a_send_holds_after_it() {
    let world = World::new();
    let sending = world.claimed(&world.enrolled(), START);
    let paused = sending.paused(START).unwrap();
    assert_eq!((paused.state, paused.generation), (State::Sending, sending.generation));
    assert!(paused.is_paused());
    let after = world.settled(&paused, &accepted(), START);
    assert_eq!((after.state, after.step, after.wake), (State::Paused, 1, None));
    assert_eq!(after.records[0].status, StepStatus::Sent);
    // And if the send was refused, it is not tried again before the resume.
    let after = world.settled(&paused, &refused(Reaction::Transient), START);
    assert_eq!((after.state, after.step, after.wake), (State::Paused, 0, None));
    // Resumed before it settled: as if nothing had been.
    let resumed = paused.resumed(ResumeMode::KeepSchedule, &world.planning(), START).unwrap();
    let after = world.settled(&resumed, &accepted(), START);
    assert_eq!((after.state, after.step), (State::Waiting, 1));
}

#[test]
fn a_reply_in_the_moment_of_a_send_ends_the_run_and_the_send_is_recorded() {
    let world = World::new();
    let sending = world.claimed(&world.enrolled(), START);
    let ended = sending.replied(START, Some(Outcome::Replied), START).unwrap();
    assert_eq!(ended.outcome(), Some(Outcome::Replied));
    assert!(ended.in_flight());
    assert!(ended.next_at().is_some(), "its lease still has a future");
    let after = world.settled(&ended, &accepted(), START);
    assert_eq!((after.outcome(), after.wake, after.lease.clone()), (Some(Outcome::Replied), None, None));
    assert_eq!(after.records[0].status, StepStatus::Sent);
    // The worker died: the lease lapses, waits for a status, and counts as sent.
    let lapsed = world.changed(&ended, START.plus_seconds(120));
    let resolve_at = lapsed.lease.as_ref().unwrap().resolve_at.unwrap();
    let resolved = world.changed(&lapsed, resolve_at);
    assert_eq!((resolved.outcome(), resolved.wake, resolved.lease.clone()), (Some(Outcome::Replied), None, None));
}

#[test]
fn nobody_sends_twice_when_no_answer_came() {
    let world = World::new();
    let sending = world.claimed(&world.enrolled(), START);
    assert_eq!(world.plan(&sending, START.plus_seconds(60)), Plan::NotBefore(START.plus_seconds(120)));
    let unknown = world.settled(&sending, &SendOutcome::Ambiguous, START.plus_seconds(10));
    let resolve_at = START.plus_seconds(900);
    assert_eq!((unknown.state, unknown.wake, unknown.next_at()), (State::Sending, Some(resolve_at), Some(resolve_at)));
    assert!(unknown.steps(&world.sequence)[0].unknown);
    assert!(!unknown.may_claim(unknown.generation, 0));
    assert_eq!(world.plan(&unknown, START.plus_seconds(899)), Plan::NotBefore(resolve_at));
    let resolved = world.changed(&unknown, resolve_at);
    assert_eq!((resolved.state, resolved.step), (State::Waiting, 1));
    assert_eq!(resolved.records[0].status, StepStatus::Sent);
    assert!(resolved.steps(&world.sequence)[0].unknown, "it stays flagged");
    assert_eq!(resolved.due, Some(START.plus_days(3)), "counted from the claim");
    // A later status takes the doubt away.
    let attempt = attempt_of(&resolved, 0);
    let told = world.status(&resolved, attempt, DeliveryStatus::Delivered, resolve_at).unwrap();
    assert!(!told.steps(&world.sequence)[0].unknown);
    // Without statuses it is resolved at once.
    let at_once = settle(&sending, "token", &SendOutcome::Ambiguous, false, &world.planning(), START).expect("ours");
    assert_eq!((at_once.state, at_once.step), (State::Waiting, 1));
}

#[test]
fn a_status_settles_an_unknown_send() {
    let world = World::new();
    let sending = world.claimed(&world.enrolled(), START);
    let attempt = AttemptRef { enrollment: sending.id, generation: sending.lease.as_ref().unwrap().generation };
    let unknown = world.settled(&sending, &SendOutcome::Ambiguous, START);
    let told = world.status(&unknown, attempt, DeliveryStatus::Delivered, START.plus_seconds(30)).unwrap();
    assert_eq!((told.state, told.step, told.records[0].status), (State::Waiting, 1, StepStatus::Delivered));
    let failed = world.status(&unknown, attempt, DeliveryStatus::Failed, START.plus_seconds(30)).unwrap();
    assert_eq!((failed.step, failed.records[0].status), (1, StepStatus::Failed));
    // A status that overtakes the answer waits in the lease and counts when it is settled.
    let early = world.status(&sending, attempt, DeliveryStatus::Read, START).unwrap();
    assert_eq!(early.state, State::Sending);
    let after = world.settled(&early, &accepted(), START);
    assert_eq!(after.records[0].status, StepStatus::Read);
    let after = world.settled(&early, &SendOutcome::Ambiguous, START);
    assert_eq!((after.step, after.records[0].status), (1, StepStatus::Read));
    // A gateway's 5xx for what the provider had taken: the report wins, nothing is sent again.
    let after = world.settled(&early, &refused(Reaction::Transient), START);
    assert_eq!((after.step, after.records[0].status), (1, StepStatus::Read));
    let early = world.status(&sending, attempt, DeliveryStatus::Failed, START).unwrap();
    let after = world.settled(&early, &accepted(), START);
    assert_eq!(after.records[0].reason, Some(StepReason::RecipientUnreachable));
}

#[test]
fn passing_refusals_back_off_and_give_up_after_a_day() {
    let world = World::new();
    let mut e = world.enrolled();
    let mut now = START;
    let mut waits = Vec::new();
    while e.step == 0 {
        e = world.settled(&world.claimed(&e, now), &refused(Reaction::Transient), now);
        let Some(due) = e.due.filter(|_| e.step == 0) else { break };
        waits.push(due.seconds_since(now));
        assert!(e.records[0].attempts.len() <= 3, "only the latest attempts are kept");
        now = due;
    }
    assert_eq!(&waits[..7], [15, 30, 60, 120, 240, 480, 900]);
    assert!(waits[7..].iter().all(|w| *w == 900));
    assert!(now.seconds_since(START) >= DAY);
    assert_eq!(e.records[0].reason, Some(StepReason::ProviderUnavailable));
    assert_eq!((e.state, e.step), (State::Waiting, 1));
}

#[test]
fn what_a_refusal_comes_to() {
    let world = World::new();
    let sending = world.claimed(&world.enrolled(), START);
    let check = |reaction, state: State, reason: Option<StepReason>| {
        let e = world.settled(&sending, &refused(reaction), START);
        assert_eq!((e.state, e.records[0].reason), (state, reason), "{reaction:?}");
        assert_eq!(e.lease, None);
    };
    check(Reaction::Recipient, State::Waiting, Some(StepReason::RecipientUnreachable));
    check(Reaction::Template, State::Waiting, Some(StepReason::TemplateRejected));
    check(Reaction::Throttled, State::Waiting, None);
    check(Reaction::Sender, State::Parked(ParkReason::SenderSuspended), None);
    check(Reaction::OptedOut, State::Finished(Outcome::Unsubscribed), Some(StepReason::Suppressed));
}

#[test]
fn the_provider_closes_the_window_and_the_template_goes_out() {
    let mut world = World::new();
    world.person.contact.last_inbound.insert(world.sender.id, START);
    let e = world.enrolled();
    // At once.
    let again = world.settled(&world.claimed(&e, START), &refused(Reaction::OutsideWindow), START);
    assert_eq!((again.state, again.step, again.due), (State::Waiting, 0, Some(START)));
    assert_eq!(world.planned(&again, START).form, MessageForm::FallbackTemplate);
    // As a later report on the accepted text: the step is reopened.
    let sent = world.sent(&e, START);
    let failed = update(DeliveryStatus::Failed, START, Some(refusal(Reaction::OutsideWindow)));
    let attempt = attempt_of(&sent, 0);
    let reopened = status(&sent, attempt, &failed, &world.planning(), START).unwrap();
    assert_eq!((reopened.state, reopened.step), (State::Waiting, 0));
    assert!(reopened.generation > sent.generation);
    assert_eq!(world.planned(&reopened, START).form, MessageForm::FallbackTemplate);
    assert_eq!(status(&reopened, attempt, &failed, &world.planning(), START), None, "reported twice, reopened once");
    // Not once the next step is under way.
    let next = world.claimed(&sent, START.plus_days(3));
    let late = status(&next, attempt, &failed, &world.planning(), START).unwrap();
    assert_eq!((late.state, late.step, late.records[0].status), (State::Sending, 1, StepStatus::Failed));
}

#[test]
fn skip_and_send_now() {
    let world = World::new();
    let e = world.enrolled();
    let skipped = e.skipped(&world.planning(), START).unwrap();
    assert_eq!((skipped.step, skipped.records[0].reason), (1, Some(StepReason::SkippedByUser)));
    assert_eq!(skipped.due, Some(START.plus_days(3)));
    let now = START.plus_days(1);
    let hurried = skipped.sent_now(&world.planning(), now).unwrap();
    assert_eq!(world.planned(&hurried, now).step, 1);
    // Of a step in flight: moot once it was accepted.
    let sending = world.claimed(&e, START);
    let asked = sending.skipped(&world.planning(), START).unwrap();
    let after = world.settled(&asked, &accepted(), START);
    assert_eq!((after.step, after.records[0].status), (1, StepStatus::Sent));
    let after = world.settled(&asked, &refused(Reaction::Transient), START);
    assert_eq!((after.step, after.records[0].reason), (1, Some(StepReason::SkippedByUser)));
}

#[test]
fn quiet_hours_begin_while_a_send_is_buffered() {
    let mut world = World::new();
    world.settings.quiet_hours = serde_json::from_value(json!([{"from": "12:10", "to": "18:00"}])).unwrap();
    let planned = world.planned(&world.enrolled(), START);
    assert_eq!(planned.not_after, START.plus_seconds(599), "the last second before quiet hours");
    // A plan made in quiet hours waits for their end.
    let late = START.plus_minutes(11);
    let waiting = world.changed(&world.enrolled(), late);
    assert_eq!((waiting.state, waiting.due), (State::Waiting, Some(START.plus_hours(6))));
}

#[test]
fn a_missing_target_date_parks_until_it_comes() {
    let mut world = World::new();
    world.sequence.steps[0] = serde_json::from_value(json!({
        "key": "before", "wait": {"value": 1, "unit": "days", "before": "target.due_date"}, "channel": "whatsapp",
        "content": {"type": "text", "text": "x"}}))
    .unwrap();
    let parked = world.enrolled();
    assert_eq!((parked.state, parked.wake), (State::Parked(ParkReason::TargetDateMissing), None));
    world.dates.insert("due_date".into(), "2026-11-20T15:00:00Z".into());
    let e = parked.target_moved(&world.planning(), START).unwrap();
    assert_eq!((e.state, e.due), (State::Waiting, Timestamp::parse("2026-11-19T15:00:00Z")));
    world.dates.insert("due_date".into(), "2026-11-25T15:00:00Z".into());
    let moved = e.target_moved(&world.planning(), START).unwrap();
    assert_eq!(moved.due, Timestamp::parse("2026-11-24T15:00:00Z"));
    assert!(moved.generation > e.generation);
    assert_eq!(moved.target_moved(&world.planning(), START), None, "the same date again changes nothing");
}

#[test]
fn content_sees_the_target_and_the_agent() {
    let mut world = World::new();
    world.sequence.target = TargetKind::Charge;
    let target = TargetRef { kind: TargetKind::Charge, id: "c1".into() };
    world.person.targets.push(Target {
        kind: TargetKind::Charge,
        id: "c1".into(),
        rev: 1,
        attributes: BTreeMap::from([("amount".into(), json!("129,90"))]),
        changed_at: None,
        marks: crate::signal::Marks::default(),
    });
    world.person.contact.profile.assignee =
        Some(crate::account::User { name: "Bia Lima".into(), email: "bia@example.com".into() });
    world.person.contact.last_inbound.insert(world.sender.id, START);
    world.sequence.steps[0].content.text = Some(
        "{{ contact.first_name }}, R$ {{ target.amount }}. {{ agent.first_name }} - {{ account.nope | default: 'x' }}"
            .into(),
    );
    let wish = Wish { target: Some(target), ..world.wish() };
    let Decision::New(e) = wish.decide(&world.person, &world.planning(), START) else { panic!() };
    assert_eq!(world.planned(&e, START).message, Message::Text { text: "Ana, R$ 129,90. Bia - x".into() });
}

/// What `GET /v1/variables` lists is there for somebody of whom everything is known.
#[test]
fn every_listed_name_is_filled() {
    let mut world = World::new();
    world.settings.name = "Loja Exemplo".into();
    let user = |name: &str| Some(crate::account::User { name: name.into(), email: "x@example.com".into() });
    let profile = &mut world.person.contact.profile;
    *profile = serde_json::from_value(json!({"external_id": "crm-1", "first_name": "Ana", "last_name": "Souza",
        "email": "ana@example.com", "phone": "+5511987654321", "timezone": "America/Sao_Paulo", "country": "BR",
        "language": "pt_BR", "assignee": user("Bia Lima")}))
    .unwrap();
    world.person.conversations.push(
        serde_json::from_value(json!({"id": "1042", "rev": 1, "channel": "whatsapp", "assignee": user("Caio Reis")}))
            .unwrap(),
    );
    for kind in
        [TargetKind::Contact, TargetKind::Conversation, TargetKind::Deal, TargetKind::Appointment, TargetKind::Charge]
    {
        world.sequence.target = kind;
        let listed = crate::content::variables(kind);
        let own = listed.iter().filter_map(|v| Some((v.name.strip_prefix("target.")?.to_owned(), json!(v.example))));
        let target = TargetRef { kind, id: "t1".into() };
        world.person.targets = vec![Target {
            kind,
            id: "t1".into(),
            rev: 1,
            attributes: own.collect(),
            changed_at: None,
            marks: crate::signal::Marks::default(),
        }];
        let wish = Wish { target: Some(target), conversation: Some("1042".into()), ..world.wish() };
        let Decision::New(e) = wish.decide(&world.person, &world.planning(), START) else { panic!() };
        let links =
            Links { unsubscribe: [(Channel::Whatsapp, "https://ritmo.example.com/u/A".into())].into(), reply: None };
        let variables = Context { links: &links, ..world.context() }.variables(&e, Some(&world.sender));
        for variable in listed {
            let text = crate::content::Text::parse(&format!("{{{{ {} }}}}", variable.name)).unwrap();
            let rendered = text.render(&variables).unwrap();
            assert!(!rendered.text.trim().is_empty() && rendered.blank.is_empty(), "{} of {kind:?}", variable.name);
        }
        let said = |source: &str| crate::content::Text::parse(source).unwrap().render(&variables).unwrap().text;
        assert_eq!(said("{{ agent.name }}, {{ conversation.assignee.name }}"), "Bia Lima, Caio Reis");
    }
}

#[test]
fn the_timeline_tells_the_story() {
    let world = World::new();
    let e = world.sent(&world.enrolled(), START);
    let e = world.status(&e, attempt_of(&e, 0), DeliveryStatus::Delivered, START.plus_seconds(2)).unwrap();
    let e = e.replied(START.plus_hours(1), Some(Outcome::Replied), START.plus_hours(1)).unwrap();
    let codes: Vec<&str> = e.timeline(&world.sequence).iter().map(|t| t.code).collect();
    assert_eq!(codes, ["entered", "sent", "planned", "delivered", "replied", "finished"]);
    let steps = e.steps(&world.sequence);
    assert_eq!(
        steps.iter().map(|s| s.status).collect::<Vec<_>>(),
        [StepStatus::Replied, StepStatus::Pending, StepStatus::Pending]
    );
}
