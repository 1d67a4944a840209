//! The limits as a person would tell them: countries, contacts, a sender's days, and two messages to the
//! same person.

use super::control::ResumeMode;
use super::day::DayWish;
use super::plan::Plan;
use super::world::{START, World, accepted, changed, refusal, reservation, sends};
use super::*;
use crate::contact_limits::Counted;
use crate::message::{DeliveryStatus, Reaction, Refusal, SendOutcome};
use crate::sender::RampUp;
use crate::time::{NaiveDate, Timestamp};

fn wish(plan: Plan) -> DayWish {
    match plan {
        Plan::Day(wish) => *wish,
        other => panic!("no message of a day is asked for: {other:?}"),
    }
}

/// `START` is on the 16th of November 2026, a Monday.
fn on(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
}

fn midnight(day: u32) -> Timestamp {
    Timestamp::parse(&format!("2026-11-{day}T00:00:00Z")).unwrap()
}

// Countries.

#[test]
fn steps_beyond_the_countrys_cap_are_skipped() {
    let mut world = World::new();
    world.sequence.caps = serde_json::from_str(r#"[{"regions": ["americas"], "max_steps": 1}]"#).unwrap();
    let sent = world.sent(&world.enrolled(), START);
    let due = sent.due.unwrap();
    let next = changed(world.plan(&sent, due));
    let record = &next.records[1];
    assert_eq!((record.status, record.reason), (StepStatus::Skipped, Some(StepReason::RegionCap)));
    // The next step waits from there, and is skipped as well.
    assert_eq!((next.step, next.due), (2, Some(due.plus_days(7))));
    let last = changed(world.plan(&next, next.due.unwrap()));
    assert_eq!(last.state, State::Finished(Outcome::Completed));
    let told: Vec<_> = last.timeline(&world.sequence).into_iter().map(|e| e.detail).collect();
    assert!(told.iter().any(|t| t == "skipped: the cap of follow-ups for the contact's region is reached"), "{told:?}");
    // Elsewhere there is no cap.
    world.person.contact.profile.country = Some("PT".into());
    sends(world.plan(&sent, due));
}

#[test]
fn what_did_not_go_out_is_not_capped() {
    let mut world = World::new();
    world.sequence.caps = serde_json::from_str(r#"[{"countries": ["BR"], "max_steps": 1}]"#).unwrap();
    let skipped = world.enrolled().skipped(&world.planning(), START).unwrap();
    let sent = world.sent(&skipped, skipped.due.unwrap());
    let next = changed(world.plan(&sent, sent.due.unwrap()));
    assert_eq!(next.records[2].reason, Some(StepReason::RegionCap));
    assert_eq!(next.records[1].status, StepStatus::Sent);
}

// One contact.

/// An account that allows so much, and a contact who has had a message today.
fn reached_today(limits: &str) -> World {
    let mut world = World::new();
    world.settings.contact_limits = serde_json::from_str(limits).unwrap();
    let mut other = world.enrolled().id;
    other.run = 99;
    world.person.contact.counted.push(Counted { enrollment: other, step: "um".into(), day: on(16) });
    world
}

#[test]
fn over_the_contacts_limit_the_step_waits_for_the_next_period() {
    let check = |limits: &str, due: Timestamp| {
        let mut world = reached_today(limits);
        world.settings.quiet_hours = serde_json::from_str(r#"[{"from": "20:00", "to": "08:00"}]"#).unwrap();
        let e = world.enrolled();
        let next = changed(world.plan(&e, START));
        assert_eq!((next.state, next.due, next.wake), (State::Waiting, Some(due), Some(due)), "{limits}");
        assert_eq!(next.waits_for_limit(), Some(HappeningCode::ContactLimited));
        let entry = next.timeline(&world.sequence).pop().unwrap();
        assert_eq!(entry.code, "limited");
        assert!(entry.detail.contains("contact limit") && entry.detail.contains(&due.to_string()), "{entry:?}");
        // There it goes out, on that instant.
        assert_eq!(sends(world.plan(&next, due)).step, 0);
    };
    check(r#"[{"max": 1, "per": "day"}]"#, midnight(17).plus_hours(8));
    check(r#"[{"max": 1, "per": "week"}]"#, midnight(23).plus_hours(8));
    check(r#"[{"max": 1, "per": "day"}, {"max": 1, "per": "week"}]"#, midnight(23).plus_hours(8));
}

#[test]
fn days_are_the_accounts_even_where_hours_are_the_contacts() {
    let mut world = reached_today(r#"[{"max": 1, "per": "day"}]"#);
    world.settings.timezone = "America/Sao_Paulo".into();
    world.settings.use_contact_timezone = true;
    world.person.contact.profile.timezone = Some("Asia/Tokyo".into());
    let next = changed(world.plan(&world.enrolled(), START));
    assert_eq!(next.due, Some(midnight(17).plus_hours(3)), "midnight in São Paulo");
}

#[test]
fn what_counts_for_a_day_goes_out_on_it() {
    let mut world = reached_today(r#"[{"max": 2, "per": "day"}]"#);
    let late = midnight(17).plus_seconds(-600);
    let e = world.enrolled();
    assert_eq!(sends(world.plan(&e, late)).not_after, midnight(17).plus_seconds(-1));
    world.settings.contact_limits.clear();
    assert!(sends(world.plan(&e, late)).not_after > midnight(17));
    // A rate's slot of tomorrow is tomorrow's.
    world.settings.contact_limits = serde_json::from_str(r#"[{"max": 2, "per": "day"}]"#).unwrap();
    world.sender.limits.per_minute = Some(1);
    let asked = reservation(world.plan(&e, late));
    assert_eq!(asked.latest, midnight(17).plus_seconds(-1));
    assert_eq!(changed(asked.with(None, late)).due, Some(midnight(17)));
}

// A sender's days.

fn fifty_a_day() -> World {
    let mut world = World::new();
    world.sender.limits.per_day = Some(50);
    world
}

/// With one of today's messages in hand.
fn holding(world: &World, e: &Enrollment, now: Timestamp) -> Enrollment {
    let wish = wish(world.plan(e, now));
    let today = wish.today;
    wish.with(Some(today), now).unwrap()
}

/// A run that holds one of tomorrow's.
fn tomorrow(world: &World) -> Enrollment {
    let e = changed(wish(world.plan(&world.enrolled(), START)).with(Some(on(17)), START).unwrap_err());
    assert_eq!(e.day, Some(DaySlot { sender: world.sender.id, day: on(17) }));
    e
}

#[test]
fn todays_message_goes_out_today() {
    let world = fifty_a_day();
    let e = world.enrolled();
    let asked = wish(world.plan(&e, START));
    assert_eq!((asked.today, asked.allowance(on(16), None)), (on(16), 50));
    let late = midnight(17).plus_seconds(-600);
    let planned = sends(world.plan(&holding(&world, &e, late), late));
    assert_eq!((planned.day, planned.not_after), (Some(on(16)), midnight(17).plus_seconds(-1)));
    assert_eq!(planned.lease("token".into(), late, 90).day, Some(on(16)));
}

#[test]
fn a_full_day_gives_way_to_the_next_two() {
    let mut world = fifty_a_day();
    world.settings.quiet_hours = serde_json::from_str(r#"[{"from": "20:00", "to": "08:00"}]"#).unwrap();
    let opens = |day| midnight(day).plus_hours(8);
    let e = world.enrolled();
    let asked = wish(world.plan(&e, START));
    assert_eq!(asked.days, [(on(16), START), (on(17), opens(17)), (on(18), opens(18))]);
    let next = changed(asked.clone().with(Some(on(18)), START).unwrap_err());
    assert_eq!((next.due, next.wake, next.day.map(|slot| slot.day)), (Some(opens(18)), Some(opens(18)), Some(on(18))));
    assert_eq!(next.waits_for_limit(), Some(HappeningCode::DayLimited));
    // When its day has come it is used without asking again, at any hour of the day that is allowed.
    for now in [opens(18), opens(18).plus_hours(11)] {
        assert_eq!(sends(world.plan(&next, now)).day, Some(on(18)));
    }
    // When the day is over it is gone.
    let late = wish(world.plan(&next, opens(19)));
    assert_eq!(late.today, on(19));
    // All three are full: on the last of them it asks again.
    let full = changed(asked.with(None, START).unwrap_err());
    assert_eq!((full.due, full.day), (Some(opens(18)), None));
    assert_eq!(wish(world.plan(&full, opens(18))).today, on(18));
}

#[test]
fn days_without_an_allowed_instant_are_not_asked_for() {
    let mut world = fifty_a_day();
    world.sequence.steps[0].window =
        serde_json::from_str(r#"{"days": ["mon", "wed"], "from": "09:00", "to": "18:00"}"#).unwrap();
    let asked = wish(world.plan(&world.enrolled(), START));
    assert_eq!(asked.days, [(on(16), START), (on(18), midnight(18).plus_hours(9))]);
    world.sequence.steps[0].window =
        serde_json::from_str(r#"{"days": ["mon"], "from": "09:00", "to": "18:00"}"#).unwrap();
    let asked = wish(world.plan(&world.enrolled(), START));
    assert_eq!(asked.days, [(on(16), START)]);
    assert_eq!(changed(asked.with(None, START).unwrap_err()).due, Some(midnight(23).plus_hours(9)));
}

#[test]
fn a_new_numbers_days_count_from_its_first() {
    let mut world = World::new();
    world.sender.limits.ramp_up = Some(RampUp { start_per_day: 50, growth: 1.5 });
    let asked = wish(world.plan(&world.enrolled(), START));
    let allowances: Vec<_> = asked.days.iter().map(|(day, _)| asked.allowance(*day, Some(on(15)))).collect();
    assert_eq!(allowances, [75, 112, 168]);
    assert_eq!(asked.allowance(on(10), Some(on(15))), 50);
}

#[test]
fn what_ends_pauses_or_moves_a_run_gives_its_message_back() {
    let world = fifty_a_day();
    let e = tomorrow(&world);
    let planning = world.planning();
    let (slot, now) = (e.day, START.plus_hours(1));
    let mut off = fifty_a_day();
    off.settings.enabled = false;
    for (name, next) in [
        ("pause", e.paused(now).unwrap()),
        ("exit", e.finished(Outcome::Removed, None, now).unwrap()),
        ("reply", e.replied(now, Some(Outcome::Replied), now).unwrap()),
        ("skip", e.skipped(&planning, now).unwrap()),
        ("send now", e.sent_now(&planning, now).unwrap()),
        ("park", changed(off.plan(&e, now))),
    ] {
        assert_eq!((next.day, e.gives_back(&next, now)), (None, slot), "{name}");
        // Once: nothing is left to give.
        assert_eq!(next.gives_back(&next.paused(now).unwrap_or(next.clone()), now), None, "{name}");
    }
    // What changes nothing about when it goes out keeps it.
    let replanned = e.replanned(now).unwrap();
    assert_eq!((replanned.day, e.gives_back(&replanned, now)), (slot, None));
    // A day that is over is nobody's any more.
    let gone = e.paused(midnight(19)).unwrap();
    assert_eq!(e.gives_back(&gone, midnight(19)), None);
    // Resumed, it asks anew.
    let resumed = e.paused(now).unwrap().resumed(ResumeMode::KeepSchedule, &planning, now).unwrap();
    assert_eq!(wish(world.plan(&resumed, midnight(17))).today, on(17));
}

#[test]
fn another_sender_cannot_use_it() {
    let mut world = fifty_a_day();
    let e = tomorrow(&world);
    world.sender.id = crate::ids::SenderId::of(world.tenant, &mut crate::ids::Ids::from_seed([9; 32]));
    let next = changed(world.plan(&e, midnight(17)));
    assert_eq!((next.due, e.gives_back(&next, midnight(17))), (e.due, e.day));
    assert_eq!(wish(world.plan(&next, midnight(17))).sender, world.sender.id);
}

#[test]
fn a_refused_message_keeps_its_place_for_the_day() {
    let world = fifty_a_day();
    let e = holding(&world, &world.enrolled(), START);
    let sending = e.claimed(sends(world.plan(&e, START)).lease("token".into(), START, 120));
    let settled = |outcome| world.settled(&sending, &outcome, START);
    for reaction in [Reaction::Throttled, Reaction::Transient, Reaction::Pair] {
        let again = settled(SendOutcome::Refused(refusal(reaction)));
        assert_eq!((again.day, sending.gives_back(&again, START)), (e.day, None), "{reaction:?}");
        assert_eq!(sends(world.plan(&again, again.due.unwrap())).day, Some(on(16)));
    }
    // Given up: others may have it.
    for reaction in [Reaction::Recipient, Reaction::Template, Reaction::Sender, Reaction::OptedOut] {
        let over = settled(SendOutcome::Refused(refusal(reaction)));
        assert_eq!((over.day, sending.gives_back(&over, START)), (None, e.day), "{reaction:?}");
    }
    // Sent, or perhaps sent: used.
    for outcome in [accepted(), SendOutcome::Ambiguous] {
        let next = settled(outcome);
        assert_eq!(sending.gives_back(&next, START), None);
    }
    let unknown = settled(SendOutcome::Ambiguous);
    let resolve_at = unknown.lease.as_ref().unwrap().resolve_at.unwrap();
    let resolved = changed(world.plan(&unknown, resolve_at));
    assert_eq!((unknown.gives_back(&resolved, resolve_at), resolved.day), (None, None));
    // Accepted and then reported as failed, before it is settled: used, and another try needs another.
    let mut world = fifty_a_day();
    world.person.contact.last_inbound.insert(world.sender.id, START);
    let e = tomorrow(&world);
    let due = e.due.unwrap();
    let sending = e.claimed(sends(world.plan(&e, due)).lease("token".into(), due, 120));
    let attempt = crate::ids::AttemptRef { enrollment: e.id, generation: sending.generation };
    let failed = super::world::update(DeliveryStatus::Failed, due, Some(refusal(Reaction::OutsideWindow)));
    let told = super::status::status(&sending, attempt, &failed, &world.planning(), due).unwrap();
    let again = world.settled(&told, &accepted(), due);
    assert_eq!((again.day, told.gives_back(&again, due)), (None, None));
    assert_eq!(wish(world.plan(&again, again.due.unwrap())).today, on(17));
    // Ended while in flight: the send that is then refused gives it back, the one that is not does not.
    let ended = sending.finished(Outcome::Removed, None, START).unwrap();
    assert_eq!(sending.gives_back(&ended, START), None);
    let world = fifty_a_day();
    let refused = world.settled(&ended, &SendOutcome::Refused(refusal(Reaction::Transient)), START);
    assert_eq!(ended.gives_back(&refused, START), e.day);
    let sent = world.settled(&ended, &accepted(), START);
    assert_eq!(ended.gives_back(&sent, START), None);
}

#[test]
fn a_day_comes_before_a_rate() {
    let mut world = fifty_a_day();
    world.sender.limits.per_hour = Some(6);
    let e = holding(&world, &world.enrolled(), START);
    let slot = START.plus_minutes(20);
    let asked = reservation(world.plan(&e, START));
    assert_eq!(asked.latest, midnight(17).plus_seconds(-1));
    // A far slot of the same day: both are held.
    let next = changed(asked.clone().with(Some(slot.0 * 1_000_000), START));
    assert_eq!((next.due, next.day, next.has_slot()), (Some(slot), e.day, true));
    assert_eq!(sends(world.plan(&next, slot)).day, Some(on(16)));
    // None is left today: today's message is of no use any more.
    let none = changed(asked.with(None, START));
    assert_eq!((none.due, none.day, e.gives_back(&none, START)), (Some(midnight(17)), None, e.day));
}

#[test]
fn without_the_limit_nothing_is_asked_for() {
    let mut world = fifty_a_day();
    let e = tomorrow(&world);
    world.sender.limits.per_day = None;
    let planned = sends(world.plan(&e, e.due.unwrap()));
    assert_eq!(planned.day, None);
    assert!(planned.not_after > e.due.unwrap().plus_minutes(59));
}

// Two messages to the same person.

/// The same run once more, by another number.
fn another(e: &Enrollment, run: u32) -> Enrollment {
    let mut other = e.clone();
    other.id.run = run;
    other
}

#[test]
fn the_second_message_to_a_person_leaves_six_seconds_later() {
    let mut world = World::new();
    let e = world.enrolled();
    let other = another(&e, 2);
    let sending = other.claimed(sends(world.plan(&other, START)).lease("token".into(), START, 120));
    world.person.enrollments = vec![e.clone(), sending.clone()];
    assert_eq!(world.plan(&e, START), Plan::NotBefore(START.plus_seconds(6)));
    assert_eq!(world.plan(&e, START.plus_seconds(5)), Plan::NotBefore(START.plus_seconds(6)));
    sends(world.plan(&e, START.plus_seconds(6)));
    let sent = world.settled(&sending, &accepted(), START.plus_seconds(2));
    world.person.enrollments = vec![e.clone(), sent];
    assert_eq!(
        world.plan(&e, START.plus_seconds(3)),
        Plan::NotBefore(START.plus_seconds(6)),
        "from the start of the call"
    );
    // What was refused did not reach anybody.
    let refused = world.settled(&sending, &SendOutcome::Refused(refusal(Reaction::Throttled)), START);
    world.person.enrollments = vec![e.clone(), refused];
    sends(world.plan(&e, START));
    // Another sender's.
    world.person.enrollments = vec![e.clone(), sending];
    world.sender.id = crate::ids::SenderId::of(world.tenant, &mut crate::ids::Ids::from_seed([9; 32]));
    sends(world.plan(&e, START));
}

#[test]
fn runs_that_are_due_together_leave_one_after_the_other() {
    let mut world = World::new();
    let first = world.enrolled();
    let runs = [first.clone(), another(&first, 2), another(&first, 3)];
    world.person.enrollments = runs.to_vec();
    sends(world.plan(&runs[0], START));
    assert_eq!(world.plan(&runs[1], START), Plan::NotBefore(START.plus_seconds(6)));
    assert_eq!(world.plan(&runs[2], START), Plan::NotBefore(START.plus_seconds(12)));
    // Two that come back in the same second still leave one after the other.
    let sending = runs[0].claimed(sends(world.plan(&runs[0], START)).lease("token".into(), START, 120));
    world.person.enrollments = vec![sending, runs[1].clone(), runs[2].clone()];
    let six = START.plus_seconds(6);
    sends(world.plan(&runs[1], six));
    assert_eq!(world.plan(&runs[2], six), Plan::NotBefore(six.plus_seconds(6)));
    world.person.enrollments = runs.to_vec();
    // Nobody waits long for one that does not come.
    let later = START.plus_seconds(59);
    assert_eq!(world.plan(&runs[2], later), Plan::NotBefore(later.plus_seconds(12)));
    sends(world.plan(&runs[2], START.plus_seconds(60)));
    // The same sequence twice at once: its own steps count too.
    let world = World::new();
    let why = |e: &Enrollment, world: &World, now| {
        world.explain(e, now).into_iter().map(|o| (o.code, o.until)).collect::<Vec<_>>()
    };
    let mut waits = World::new();
    waits.person.enrollments = runs.to_vec();
    assert_eq!(why(&runs[1], &waits, START), [("pair_limit", Some(START.plus_seconds(6)))]);
    assert_eq!(why(&runs[0], &world, START), [("due", None)]);
}

#[test]
fn over_whatsapps_own_limit_the_wait_grows_by_four() {
    let world = World::new();
    let mut e = world.enrolled();
    let mut now = START;
    for seconds in [1, 4, 16, 64, 256, 900, 900] {
        let sending = e.claimed(sends(world.plan(&e, now)).lease("token".into(), now, 120));
        let refused = Refusal { reaction: Reaction::Pair, code: "131056".into(), retry_after: None };
        e = world.settled(&sending, &SendOutcome::Refused(refused), now);
        assert_eq!(e.due, Some(now.plus_seconds(seconds)));
        now = e.due.unwrap();
    }
}
