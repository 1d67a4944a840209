//! May this contact begin this sequence?

use sha2::{Digest as _, Sha256};

use super::schedule::Planning;
use super::types::{Body, Enrollment, Entered, Outcome, Source, State};
use crate::contact::{Person, TargetRef};
use crate::guard;
use crate::ids::{EnrollmentId, SequenceId};
use crate::sequence::{Reentry, TargetKind};
use crate::time::Timestamp;

/// A wish to enroll.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// One for each wish, and the same when it is repeated: a wish is granted once, however long after
    /// its run has finished the repeat comes.
    pub id: u64,
    pub sequence: SequenceId,
    pub version: u32,
    pub conversation: Option<String>,
    pub target: Option<TargetRef>,
    /// A past one counts as now.
    pub start_at: Option<Timestamp>,
    pub by: String,
    pub source: Source,
    /// Signals count if they are later than this second: when the trigger occurred, else when the
    /// request was received.
    pub since: Timestamp,
    /// The event that asks.
    pub trigger: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Write it, if its key is absent.
    New(Box<Enrollment>),
    /// There is one in this scope: the answer is that one.
    Existing(Box<Enrollment>),
    Refused(EntryRefusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryRefusal {
    /// The sequence is about a deal, appointment or charge, and none is named (or of another kind).
    TargetRequired(TargetKind),
    /// `once`: the contact has been through it.
    Once,
    /// `never_within`: not before this instant.
    NotBefore(Timestamp),
}

impl Wish {
    /// Decides from all runs of the person. Whoever loses the race to write a `New` one reads
    /// again and decides again.
    pub fn decide(&self, person: &Person, planning: &Planning<'_>, now: Timestamp) -> Decision {
        let kind = planning.sequence.target;
        let fits = self.target.as_ref().is_some_and(|t| t.kind == kind);
        if kind.is_object() && !fits {
            return Decision::Refused(EntryRefusal::TargetRequired(kind));
        }
        let id = EnrollmentId { contact: person.contact.id, sequence: self.sequence, scope: self.scope(kind), run: 0 };
        let mut runs: Vec<&Enrollment> = person.enrollments.iter().filter(|e| e.id.with_run(0) == id).collect();
        runs.sort_by_key(|e| e.id.run);
        let triggered = |e: &Enrollment| guard!(TriggerOnce, self.trigger.is_some() && e.trigger == self.trigger);
        let granted = |e: &Enrollment| guard!(WishOnce, e.entered.id == self.id);
        // One event is one trigger, also where it is told again of the same thing under another id.
        let of_sequence = || person.enrollments.iter().filter(|e| e.id.sequence == self.sequence);
        let same = runs.iter().copied().find(|e| granted(e)).or_else(|| of_sequence().find(|e| triggered(e)));
        if let Some(same) = same {
            return Decision::Existing(Box::new(same.clone()));
        }
        let mut run = 1;
        if let Some(last) = runs.last() {
            if !last.state.is_finished() {
                return Decision::Existing(Box::new((*last).clone()));
            }
            let entry = &planning.sequence.entry;
            match entry.reentry {
                Reentry::IfNotActive => {}
                Reentry::Once => return Decision::Refused(EntryRefusal::Once),
                Reentry::NeverWithin => {
                    let free = last.entered.at.plus_seconds(entry.period.map_or(0, |p| p.nominal_seconds()));
                    if now < free {
                        return Decision::Refused(EntryRefusal::NotBefore(free));
                    }
                }
            }
            run = last.id.run + 1;
        }
        Decision::New(Box::new(self.begin(id.with_run(run), 0, person, planning, now)))
    }

    /// A run that begins with this step.
    pub(super) fn begin(
        &self,
        id: EnrollmentId,
        step: u32,
        person: &Person,
        planning: &Planning<'_>,
        now: Timestamp,
    ) -> Enrollment {
        let mut e = Enrollment {
            id,
            rev: 1,
            generation: 1,
            state: State::Waiting,
            step,
            due: None,
            wake: None,
            lease: None,
            swept: 0,
            body: Body {
                version: self.version,
                previous: self.start_at.map_or(now, |s| s.max(now)),
                since: self.since,
                entered: Entered { id: self.id, at: now, by: self.by.clone(), source: self.source.clone() },
                trigger: self.trigger.clone(),
                marks_seen: Vec::new(),
                conversation: self.conversation.clone(),
                target: self.target.clone(),
                caught_up: false,
                reserved: None,
                day: None,
                send_now: false,
                intents: Vec::new(),
                migrate_to: None,
                records: Vec::new(),
                happenings: Vec::new(),
            },
        };
        // A trigger that happened a while ago may have been answered since.
        match person.ended_by_mark(&e, &planning.sequence.exit) {
            Some((outcome, _)) if self.since < now => e.end(outcome, None, now),
            _ => {
                e.body.marks_seen = person.marks_at(self.since);
                e.schedule(planning, now);
            }
        }
        e
    }

    fn scope(&self, kind: TargetKind) -> [u8; 8] {
        let text = match (&self.target, &self.conversation) {
            (Some(target), _) if kind.is_object() => format!("{}:{}", target.kind.as_str(), target.id),
            (_, Some(conversation)) => format!("conversation:{conversation}"),
            _ => return [0; 8],
        };
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut scope = [0; 8];
        scope.copy_from_slice(&hash[..8]);
        scope
    }
}

impl Enrollment {
    /// Why a run that already exists stands in the way: itself unfinished, or begun by the same event.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }
}
