use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::contact::{Contact, Person, Profile};
use crate::content::Templates;
use crate::enrollment::enroll::{Decision, Wish};
use crate::enrollment::test_send::{TestWish, test_version};
use crate::enrollment::{Lease, MessageForm, Source, SourceType};
use crate::ids::{ContactId, EnrollmentId, Ids, SenderId, SequenceId, TenantId};
use crate::message::Channel;
use crate::sequence::Sequence;
use crate::time::Calendar;

/// A Monday.
const START: Timestamp = Timestamp(1_794_830_400);

/// Steps a day apart.
fn version(keys: &[&str]) -> Sequence {
    let step = |key: &&str| {
        json!({"key": key, "wait": {"value": 1, "unit": "days"}, "channel": "whatsapp",
            "content": {"type": "text", "text": key}, "outside_window": "fail"})
    };
    let steps: Vec<Value> = keys.iter().map(step).collect();
    serde_json::from_value(json!({"name": "Cobrança", "target": "contact", "steps": steps})).unwrap()
}

struct World {
    person: Person,
    calendar: Calendar,
    dates: BTreeMap<String, String>,
}

impl World {
    fn new() -> Self {
        let contact = Contact::new(ContactId::new(&mut Ids::from_seed([1; 32])), Profile::default(), START);
        let person = Person { contact, conversations: vec![], targets: vec![], enrollments: vec![] };
        Self { person, calendar: Calendar::default(), dates: BTreeMap::new() }
    }

    fn planning<'a>(&'a self, sequence: &'a Sequence) -> Planning<'a> {
        Planning { sequence, calendar: &self.calendar, target_dates: &self.dates }
    }

    fn enrolled(&self, sequence: &Sequence) -> Enrollment {
        let wish = Wish {
            id: 1,
            sequence: SequenceId::new(&mut Ids::from_seed([2; 32])),
            version: 1,
            conversation: None,
            target: None,
            start_at: None,
            by: "ana@example.com".into(),
            source: Source { type_: SourceType::Manual, name: None },
            since: START,
            trigger: None,
        };
        match wish.decide(&self.person, &self.planning(sequence), START) {
            Decision::New(e) => *e,
            other => panic!("not enrolled: {other:?}"),
        }
    }

    fn impact(&self, runs: &[Enrollment], from: &Sequence, to: &Sequence, now: Timestamp) -> Impact {
        let mut impact = Impact::default();
        for run in runs {
            impact.count(run, &self.planning(from), 2, &self.planning(to), now);
        }
        impact
    }
}

fn claimed(e: &Enrollment, at: Timestamp) -> Enrollment {
    let mut ids = Ids::from_seed([3; 32]);
    let tenant = TenantId::new(&mut ids);
    e.claimed(Lease {
        token: "t".into(),
        generation: e.generation + 1,
        claimed_at: at,
        expires_at: at.plus_seconds(90),
        sender: SenderId::of(tenant, &mut ids),
        channel: Channel::Whatsapp,
        form: MessageForm::Text,
        day: None,
        others: Default::default(),
        conversation: None,
        resolve_at: None,
        reported: None,
    })
}

fn accepted() -> SendOutcome {
    SendOutcome::Accepted { provider_message_id: "m".into(), recipient_id: None }
}

/// What became of the steps so far: `s`ent, s`k`ipped; then `c`laimed or `p`aused.
fn lived(world: &World, sequence: &Sequence, life: &str) -> Enrollment {
    let planning = world.planning(sequence);
    life.chars().fold(world.enrolled(sequence), |e, what| {
        let now = e.due.unwrap_or(START);
        match what {
            's' => settle(&claimed(&e, now), "t", &accepted(), true, &planning, now).unwrap(),
            'k' => e.skipped(&planning, now).unwrap(),
            'c' => claimed(&e, now),
            'p' => e.paused(now).unwrap(),
            other => panic!("{other} is no life"),
        }
    })
}

#[test]
fn where_runs_go_on_and_what_they_skip() {
    // On [a, b, c], with this life: the step that it is at, the next one in the draft, and those
    // that it never gets there.
    let check = |life: &str, draft: &[&str], at: Option<&str>, goes_on: Option<&str>, skips: &[&str]| {
        let (world, from, to) = (World::new(), version(&["a", "b", "c"]), version(draft));
        let run = lived(&world, &from, life);
        let rows = world.impact(std::slice::from_ref(&run), &from, &to, START.plus_days(9)).by_step();
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        let expected = (at.map(str::to_owned), goes_on.map(str::to_owned), skips.iter().map(|k| (*k).to_owned()));
        assert_eq!((row.key.clone(), row.goes_on.clone()), (expected.0, expected.1), "{life} {draft:?}");
        assert_eq!(row.skips, expected.2.collect::<Vec<_>>(), "{life} {draft:?}");
        assert_eq!((row.version, row.count), (1, 1));
    };
    check("", &["a", "b", "c"], Some("a"), Some("a"), &[]);
    check("", &["x", "a"], Some("a"), Some("x"), &[]);
    check("s", &["a", "b", "c"], Some("b"), Some("b"), &[]);
    check("s", &["a", "x", "b"], Some("b"), Some("x"), &[]);
    // Put in before what was sent: past its place.
    check("s", &["x", "a", "b"], Some("b"), Some("b"), &["x"]);
    check("s", &["b", "a", "c"], Some("b"), Some("c"), &["b"]);
    check("ss", &["c", "x", "b", "a"], Some("c"), None, &["c", "x"]);
    check("ss", &["a", "b"], Some("c"), None, &[]);
    // The step that it was at is gone.
    check("s", &["a", "y"], Some("b"), Some("y"), &[]);
    // Skipped counts as decided.
    check("sk", &["b", "x", "a", "y"], Some("c"), Some("y"), &["x"]);
    check("sp", &["a", "x"], Some("b"), Some("x"), &[]);
    // In flight: as if it had been accepted.
    check("c", &["x", "a", "b"], Some("a"), Some("b"), &["x"]);
    check("ssc", &["a", "b", "c", "d"], Some("c"), Some("d"), &[]);
    check("ssc", &["a", "b", "c"], Some("c"), None, &[]);
}

#[test]
fn runs_of_one_kind_are_one_row_and_dues_are_compared() {
    let (world, from, mut to) = (World::new(), version(&["a", "b"]), version(&["a", "b"]));
    let runs = ["", "", "s", "p", "c"].map(|life| lived(&world, &from, life));
    let ended = runs[0].finished(crate::enrollment::Outcome::Removed, None, START).unwrap();
    let all = [&runs[..], &[ended]].concat();
    let impact = world.impact(&all, &from, &to, START);
    assert_eq!(impact.running(), 5, "what has ended is not counted");
    let rows = impact.by_step();
    // At `a`: two waiting and the paused one; apart from them the one in flight.
    let told: Vec<_> = rows.iter().map(|r| (r.key.as_deref().unwrap(), r.count, r.due.same)).collect();
    assert_eq!(told, [("a", 3, 2), ("a", 1, 0), ("b", 1, 1)]);

    to.steps[0].wait.value = 3;
    to.steps[1].wait = serde_json::from_value(json!({"value": 5, "unit": "minutes"})).unwrap();
    let now = START.plus_days(1).plus_minutes(10);
    let rows = world.impact(&runs[1..3], &from, &to, now).by_step();
    assert_eq!(rows[0].due, DueChanges { later: 1, ..DueChanges::default() });
    assert_eq!(rows[1].due, DueChanges { earlier: 1, at_once: 1, ..DueChanges::default() });
}

#[test]
fn who_would_be_held_is_told() {
    let (world, from, mut to) = (World::new(), version(&["a"]), version(&["a"]));
    to.steps[0].wait = serde_json::from_value(json!({"value": 1, "unit": "days", "before": "target.due"})).unwrap();
    let run = lived(&world, &from, "");
    let rows = world.impact(&[run], &from, &to, START).by_step();
    assert_eq!((rows[0].goes_on.as_deref(), rows[0].held), (Some("a"), Some(ParkReason::TargetDateMissing)));
}

#[test]
fn test_sends_are_not_counted() {
    let (world, draft) = (World::new(), version(&["a"]));
    let mut ids = Ids::from_seed([9; 32]);
    let id = EnrollmentId {
        contact: world.person.contact.id,
        sequence: SequenceId::new(&mut ids),
        scope: ids.bytes(),
        run: 1,
    };
    let wish =
        TestWish { id, entry: 1, version: test_version(&draft, &Templates::new(), 0), step: None, by: "ana".into() };
    let test = wish.begin(&world.person, &world.planning(&draft), START);
    assert_eq!(world.impact(&[test], &draft, &draft, START), Impact::default());
}

#[test]
fn a_token_stands_for_what_was_shown() {
    let (world, from, to) = (World::new(), version(&["a", "b"]), version(&["a", "c", "b"]));
    let runs = ["", "s"].map(|life| lived(&world, &from, life));
    let shown = |runs: &[Enrollment], to: &Sequence, now| world.impact(runs, &from, to, now);
    let token = shown(&runs, &to, START).token(7, 1);
    assert_eq!(token, shown(&runs, &to, START).token(7, 1));
    assert_eq!(token, shown(&runs, &to, START.plus_days(30)).token(7, 1), "dues move with the clock");
    assert_ne!(token, shown(&runs, &to, START).token(8, 1));
    assert_ne!(token, shown(&runs, &to, START).token(7, 2));
    assert_ne!(token, shown(&runs[..1], &to, START).token(7, 1));
    assert_ne!(token, shown(&[runs[0].clone(), runs[0].clone()], &to, START).token(7, 1));
    assert_ne!(token, shown(&runs, &from, START).token(7, 1));
}

proptest! {
    /// Told and done are the same, for runs of any life, between any two orders.
    #[test]
    fn what_is_told_is_what_happens(
        from in Just(["a", "b", "c", "d"].to_vec()).prop_shuffle(),
        to in Just(["a", "b", "c", "d", "x", "y"].to_vec()).prop_shuffle(),
        kept in 1..7_usize,
        life in "[sk]{0,3}[cp]?",
    ) {
        let (world, from, to) = (World::new(), version(&from), version(&to[..kept]));
        let run = lived(&world, &from, &life);
        let now = START.plus_days(20);
        let rows = world.impact(std::slice::from_ref(&run), &from, &to, now).by_step();
        let (here, there) = (world.planning(&from), world.planning(&to));
        let mut moved = run.migrated(2, &from, &there, now).unwrap();
        if moved.state == State::Sending {
            moved = settle(&moved, "t", &accepted(), true, &here, now).unwrap();
            moved = moved.migrated(2, &from, &there, now).unwrap();
        }
        prop_assert_eq!(moved.version, 2);
        // From here it lives to its end on the new version.
        let expected = to.steps.get(moved.step as usize).map(|s| s.key.clone());
        prop_assert_eq!(&rows[0].goes_on, &expected);
        let mut sent = Vec::new();
        let mut e = if moved.state == State::Paused {
            moved.resumed(crate::enrollment::control::ResumeMode::KeepSchedule, &there, now).unwrap()
        } else {
            moved
        };
        while let Some(step) = to.steps.get(e.step as usize).filter(|_| !e.state.is_finished()) {
            sent.push(step.key.clone());
            e = settle(&claimed(&e, now), "t", &accepted(), true, &there, now).unwrap();
        }
        let had = |key: &String| run.records.iter().any(|r| r.key == *key && r.possibly_sent());
        prop_assert!(!sent.iter().any(had), "{:?} again after {:?}", sent, run.records);
        for key in to.steps.iter().map(|s| &s.key) {
            let never = !sent.contains(key) && !e.records.iter().any(|r| r.key == *key && r.status != StepStatus::Pending);
            prop_assert_eq!(rows[0].skips.contains(key), never, "{} of {:?}", key, rows);
        }
    }
}
