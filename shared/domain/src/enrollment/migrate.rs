//! Moving a run to another version of its sequence, up or down.
//!
//! It goes on behind the last step, in the new order, that is decided: sent, skipped or failed.
//! What may have reached the person is never sent again (`schedule` passes over it). The next wait
//! counts from `previous` as it stands, and the new version plans it.
//!
//! A send in flight is settled on the version that it was planned on, by a worker that has no other.
//! So while `Sending` only `migrate_to` is left; settling leaves the run waiting from that moment on
//! (also behind the old version's last step), and planning moves it before it looks at anything
//! else. What happens to the run in between:
//!
//! | | while `migrate_to` stands |
//! |---|---|
//! | pause | holds; the resume plans, and so moves it |
//! | skip | of the step that the old version is at; if the new one has it, it counts as decided |
//! | send now | counts if that step is the current one in the new version too |
//! | reply, goal, exit | by the old version's rules; an end forgets the move |
//! | a date that moves | planning looks again |
//! | a late status | on the old version: opened again, the step goes on in the new one if that has it next |
//! | another move | the last word counts; back to the version that it is on takes the wish away |

use super::schedule::Planning;
use super::types::{Enrollment, HappeningCode, State, StepStatus};
use crate::guard;
use crate::sequence::Sequence;
use crate::time::Timestamp;

impl Enrollment {
    /// The run on version `to`, which `planning` is of; `from` is the one that it is on. `None` when
    /// it has finished, is there already, or is a test.
    pub fn migrated(&self, to: u32, from: &Sequence, planning: &Planning<'_>, now: Timestamp) -> Option<Self> {
        let there = self.version == to;
        match self.state {
            State::Finished(_) => None,
            _ if self.is_test() => None,
            State::Sending if guard!(MigrateIntent, true) => {
                let wish = (!there).then_some(to);
                (wish != self.migrate_to).then(|| {
                    let mut next = self.changed();
                    next.migrate_to = wish;
                    next
                })
            }
            _ if there && self.migrate_to.is_none() => None,
            _ => {
                let mut next = self.changed();
                next.move_now(to, from, planning, now);
                if guard!(MigrateBumps, true) {
                    next.next_generation();
                }
                Some(next)
            }
        }
    }

    fn move_now(&mut self, to: u32, from: &Sequence, planning: &Planning<'_>, now: Timestamp) {
        let paused = self.state == State::Paused;
        if self.version != to {
            self.happened(now, HappeningCode::Migrated, Some(format!("{} to {to}", self.version)));
        }
        self.version = to;
        self.migrate_to = None;
        let was_next = from.steps.get(self.step as usize).map(|s| &s.key);
        self.step = self.behind_the_decided(planning.sequence);
        let stays_next = was_next.is_some() && planning.step(self.step).map(|s| &s.key) == was_next;
        if !stays_next {
            self.caught_up = false;
            self.send_now = false;
            self.day = None;
            self.forget_plan(was_next);
        }
        match self.due {
            // Its wait is over: what was made of that (a backoff, a catching up, send now) stays. The
            // new version's hours are looked at when it is due.
            Some(due) if self.caught_up || self.send_now => {
                self.state = State::Waiting;
                self.wake = Some(due);
            }
            _ => self.schedule(planning, now),
        }
        // As with a skip: the resume finds whatever else would hold it.
        if paused && !self.state.is_finished() {
            self.state = State::Paused;
            self.wake = None;
        }
    }

    /// The index behind the last step that is decided.
    fn behind_the_decided(&self, sequence: &Sequence) -> u32 {
        let decided = |key: &str| {
            let mut records = self.records.iter().filter(|r| r.key == key);
            records.any(|r| r.possibly_sent() || matches!(r.status, StepStatus::Skipped | StepStatus::Failed))
        };
        let last = sequence.steps.iter().rposition(|s| decided(&s.key));
        guard!(MigratePosition, true).then_some(last).flatten().map_or(0, |index| index as u32 + 1)
    }

    /// What was planned of a step that is not the next one any more.
    pub(super) fn forget_plan(&mut self, key: Option<&String>) {
        let planned = |r: &&mut super::types::StepRecord| r.status == StepStatus::Scheduled && Some(&r.key) == key;
        if let Some(record) = self.body.records.iter_mut().find(planned) {
            record.status = StepStatus::Pending;
            record.planned_at = None;
            record.adjustments.clear();
        }
    }
}
