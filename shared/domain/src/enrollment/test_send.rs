//! Test sends: a draft, or one step of it, sent to the account's own contact (API.md, Sequences).
//!
//! A test is a run like any other, so it is claimed, sent, reported and answered like any other. It
//! runs on a snapshot of the draft that is stored like a version, under a number that no publish
//! reaches: that number is what makes a run a test. Its scope is its own, so that it never stands in
//! the way of a real run of that contact, nor of another test.
//!
//! Every step of a test is due at once, one after another, at any hour and beside the sender's rate and
//! days, the contact's limits and regional caps. What protects people stays: suppressions and
//! WhatsApp's 24 h window, and so does its pair limit of a message every few seconds.

use super::enroll::Wish;
use super::schedule::Planning;
use super::types::{Enrollment, Source, SourceType};
use sha2::{Digest as _, Sha256};

use crate::account::{ContactLimit, Settings};
use crate::contact::Person;
use crate::content::Templates;
use crate::ids::EnrollmentId;
use crate::sequence::Sequence;
use crate::time::{Due, Planned, Timestamp};

/// The numbers of published versions are smaller.
const FIRST: u32 = 1 << 31;

/// Whether this number is a snapshot's, which nobody publishes, lists or moves to.
pub fn is_test_version(number: u32) -> bool {
    number >= FIRST
}

/// The number of a snapshot: the same for the same content, so that many tests share it. `nth`: how
/// many numbers before it were found to be another content's.
pub fn test_version(snapshot: &Sequence, templates: &Templates, nth: u32) -> u32 {
    let content = serde_json::to_vec(&(snapshot, templates)).expect("a sequence is JSON");
    let hash: [u8; 32] = Sha256::digest(content).into();
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    FIRST | number.wrapping_add(nth)
}

/// What a test of this step runs on, or of all steps: nothing comes behind the tested one.
pub fn tested(draft: &Sequence, step: Option<u32>) -> Sequence {
    let mut snapshot = draft.clone();
    snapshot.steps.truncate(step.map_or(usize::MAX, |step| step as usize + 1));
    snapshot
}

/// A test that somebody asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TestWish {
    pub id: EnrollmentId,
    /// Of the request: a repeat is known by it.
    pub entry: u64,
    /// The snapshot's.
    pub version: u32,
    /// The only step, or the whole cadence.
    pub step: Option<u32>,
    pub by: String,
}

impl TestWish {
    /// The run. It is about the person's newest target of the sequence's kind, if there is one:
    /// without it, what the texts say of the target is blank.
    pub fn begin(self, person: &Person, planning: &Planning<'_>, now: Timestamp) -> Enrollment {
        let kind = planning.sequence.target;
        let wish = Wish {
            id: self.entry,
            sequence: self.id.sequence,
            version: self.version,
            conversation: None,
            target: person.newest_target(kind).map(|target| target.named()),
            start_at: None,
            by: self.by,
            source: Source { type_: SourceType::Test, name: None },
            since: now,
            trigger: None,
        };
        wish.begin(self.id, self.step.unwrap_or(0), person, planning, now)
    }
}

impl Enrollment {
    /// The limits of messages to one contact that hold for this run: a test neither minds nor fills them.
    pub fn contact_limits<'a>(&self, settings: &'a Settings) -> &'a [ContactLimit] {
        if self.is_test() { &[] } else { &settings.contact_limits }
    }

    /// Whether it is a test send: no part of any count, and nobody moves it.
    pub fn is_test(&self) -> bool {
        is_test_version(self.version)
    }

    /// Every step of a test is due when the one before is done.
    pub(super) fn due_as_test(&self) -> Option<Due> {
        let at = self.previous;
        let planned = Planned { base: at, allowed: at, at, caught_up: false, adjustments: Vec::new() };
        self.is_test().then_some(Due::At(planned))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::super::plan::Plan;
    use super::super::world::{START, World};
    use super::super::{Outcome, ParkReason, State, StepReason};
    use super::*;
    use crate::contact::Target;
    use crate::message::{Channel, Message};
    use crate::sequence::TargetKind;

    fn test(world: &World, step: Option<u32>) -> Enrollment {
        let id =
            EnrollmentId { contact: world.person.contact.id, sequence: world.wish().sequence, scope: [8; 8], run: 1 };
        let version = test_version(&world.sequence, &Templates::new(), 0);
        let wish = TestWish { id, entry: 5, version, step, by: "ana@loja.co".into() };
        wish.begin(&world.person, &world.planning(), START)
    }

    /// What goes out, one after another, with the clock moving only as far as WhatsApp's pair limit asks;
    /// the run as it ends.
    fn play(world: &mut World, mut e: Enrollment) -> (Vec<String>, Enrollment) {
        let (mut sent, mut now) = (Vec::new(), START);
        while !e.state.is_finished() && world.sequence.steps.get(e.step as usize).is_some() {
            world.person.enrollments = vec![e.clone()];
            e = match world.plan(&e, now) {
                Plan::Send(planned) => {
                    sent.push(world.sequence.steps[planned.step as usize].key.clone());
                    assert_eq!((planned.not_before, planned.not_after), (None, now.plus_seconds(3600)));
                    assert_eq!(planned.day, None);
                    world.sent(&e, now)
                }
                Plan::NotBefore(at) if at.seconds_since(now) <= 6 => {
                    now = at;
                    e
                }
                Plan::Change(next) if next.state.is_finished() || next.step > e.step => *next,
                other => panic!("a test waits for nothing: {other:?}"),
            };
        }
        (sent, e)
    }

    #[test]
    fn a_number_stands_for_the_content() {
        let (one, none) = (World::new().sequence, Templates::new());
        let other = tested(&one, Some(1));
        let number = test_version(&one, &none, 0);
        assert_eq!(test_version(&one.clone(), &none, 0), number);
        assert_ne!(test_version(&other, &none, 0), number);
        assert_eq!(test_version(&one, &none, 1), FIRST | number.wrapping_add(1));
        assert!((0..3).all(|nth| is_test_version(test_version(&one, &none, nth))));
        assert!(![0, 1, 999_999, FIRST - 1].into_iter().any(is_test_version));
    }

    #[test]
    fn every_step_goes_at_once_in_order_at_any_hour() {
        let mut world = World::new();
        world.settings.quiet_hours = serde_json::from_value(json!([{"from": "00:00", "to": "24:00"}])).unwrap();
        world.calendar = world.settings.calendar(None);
        world.sender.limits.per_hour = Some(1);
        world.sender.limits.per_day = Some(0);
        world.settings.contact_limits = serde_json::from_value(json!([{"max": 1, "per": "day"}])).unwrap();
        world.sequence.caps = serde_json::from_value(json!([{"regions": ["americas"], "max_steps": 1}])).unwrap();
        world.sequence.steps[1].window = Some(serde_json::from_value(json!({"from": "03:00", "to": "03:01"})).unwrap());
        world.sequence.steps[2].wait = serde_json::from_value(json!({"value": 9, "unit": "days",
            "before": "target.due_date"}))
        .unwrap();
        let run = test(&world, None);
        let (sent, ended) = play(&mut world, run);
        assert_eq!(sent, ["one", "two", "three"]);
        assert!(ended.records.iter().all(|r| r.sent_at.unwrap().seconds_since(START) <= 12));
        let lines = ended.timeline(&world.sequence);
        assert_eq!(lines[0].detail, "test send of the draft by ana@loja.co");
        // A real run of the same draft would wait.
        assert!(!matches!(world.plan(&world.enrolled(), START), Plan::Send(_)));
    }

    #[test]
    fn one_step_is_only_that_step() {
        let mut world = World::new();
        world.sequence = tested(&world.sequence, Some(1));
        let run = test(&world, Some(1));
        let (sent, ended) = play(&mut world, run);
        assert_eq!((sent, ended.step), (vec!["two".to_owned()], 2));
        assert_eq!(world.sequence.steps.len(), 2);
        assert_eq!(tested(&world.sequence, None), world.sequence);
    }

    #[test]
    fn what_protects_people_stays() {
        let mut world = World::new();
        world.person.contact.suppressed.insert(Channel::Whatsapp);
        let run = test(&world, None);
        let (sent, ended) = play(&mut world, run);
        assert_eq!(sent, Vec::<String>::new());
        assert!(ended.records.iter().all(|r| r.reason == Some(StepReason::Suppressed)));
        // Outside the 24 h window only the template goes out.
        let world = World::new();
        let planned = world.planned(&test(&world, None), START);
        assert!(matches!(planned.message, Message::WhatsappTemplate(_)));
        // Nothing goes out while the module is off.
        let mut world = World::new();
        world.settings.enabled = false;
        assert_eq!(world.changed(&test(&world, None), START).state, State::Parked(ParkReason::ModuleDisabled));
    }

    #[test]
    fn it_is_about_the_newest_target_or_about_none() {
        let mut world = World::new();
        world.sequence.target = TargetKind::Charge;
        assert_eq!(test(&world, None).target, None);
        for (id, kind, at) in [("z", TargetKind::Charge, 1), ("a", TargetKind::Charge, 2), ("d", TargetKind::Deal, 3)] {
            world.person.targets.push(Target {
                kind,
                id: id.into(),
                rev: 1,
                attributes: Default::default(),
                changed_at: Some(Timestamp(at)),
                marks: Default::default(),
            });
        }
        assert_eq!(test(&world, None).target.as_ref().map(|t| t.id.as_str()), Some("a"));
    }

    #[test]
    fn it_is_moved_by_nobody_and_ended_like_any_run() {
        let world = World::new();
        let e = test(&world, None);
        assert_eq!(e.migrated(2, &world.sequence, &world.planning(), START), None);
        let claimed = world.claimed(&e, START);
        assert_eq!(claimed.migrated(2, &world.sequence, &world.planning(), START), None);
        let replied = e.replied(START.plus_seconds(1), Some(Outcome::Replied), START.plus_seconds(1)).unwrap();
        assert_eq!(replied.outcome(), Some(Outcome::Replied));
    }
}
