//! What people and events do to a run: pause, resume, skip, send now, finish.
//!
//! Each function returns the changed enrollment, or `None` when there is nothing to change. While a
//! send is in flight the change is left as an intent, except finishing, which takes effect at once
//! and leaves the lease for the send to be recorded.

use super::schedule::Planning;
use super::types::{Enrollment, HappeningCode, Intent, Outcome, ParkReason, State, StepReason, StepRecord, StepStatus};
use crate::guard;
use crate::time::{Anchor, Timestamp};

/// How a paused run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeMode {
    /// The due stays; if it has passed, TIME.md section 3 applies.
    KeepSchedule,
    /// The wait starts again, counted from the resume.
    RestartWait,
}

impl Enrollment {
    pub(crate) fn changed(&self) -> Self {
        let mut next = self.clone();
        next.rev += 1;
        next
    }

    /// Leaves an intent beside the lease: `rev` moves, the generation does not.
    fn intend(&self, intent: Intent) -> Option<Self> {
        if self.intents.last() == Some(&intent) {
            return None;
        }
        let mut next = self.changed();
        next.body.intents.push(intent);
        Some(next)
    }

    /// Whether the run counts as paused: now, or as soon as the send in flight is settled.
    pub fn is_paused(&self) -> bool {
        let last = self
            .intents
            .iter()
            .rev()
            .find(|i| matches!(i, Intent::Pause | Intent::ResumeKeepSchedule | Intent::ResumeRestartWait));
        match last {
            Some(Intent::Pause) => true,
            Some(_) => false,
            None => self.state == State::Paused,
        }
    }

    pub fn paused(&self, now: Timestamp) -> Option<Self> {
        if self.state == State::Sending {
            if !guard!(PauseIntent, true) {
                return None;
            }
            // A send-now that was asked for after a pause ends it, unless the send is accepted: only
            // the last word counts.
            let last = self.intents.iter().rev().find(|i| !matches!(i, Intent::Skip | Intent::DateMoved));
            return if last == Some(&Intent::Pause) { None } else { self.intend(Intent::Pause) };
        }
        if self.state.is_finished() || self.state == State::Paused {
            return None;
        }
        let mut next = self.changed();
        next.pause_now(now);
        if guard!(PauseBumps, true) {
            next.next_generation();
        }
        Some(next)
    }

    pub fn resumed(&self, mode: ResumeMode, planning: &Planning<'_>, now: Timestamp) -> Option<Self> {
        match self.state {
            State::Sending if self.is_paused() => self.intend(match mode {
                ResumeMode::KeepSchedule => Intent::ResumeKeepSchedule,
                ResumeMode::RestartWait => Intent::ResumeRestartWait,
            }),
            State::Paused | State::Parked(_) => {
                let mut next = self.changed();
                next.resume_now(mode, planning, now);
                next.next_generation();
                Some(next)
            }
            State::Waiting | State::Sending | State::Finished(_) => None,
        }
    }

    /// Back to waiting after the reason for parking is gone; `None` if it is parked for another.
    pub fn unparked(&self, reason: ParkReason, planning: &Planning<'_>, now: Timestamp) -> Option<Self> {
        (self.state == State::Parked(reason)).then(|| self.resumed(ResumeMode::KeepSchedule, planning, now)).flatten()
    }

    pub fn skipped(&self, planning: &Planning<'_>, now: Timestamp) -> Option<Self> {
        match self.state {
            State::Sending => self.intend(Intent::Skip),
            State::Finished(_) => None,
            State::Waiting | State::Paused | State::Parked(_) => {
                let mut next = self.changed();
                next.skip_now(planning, now);
                next.next_generation();
                Some(next)
            }
        }
    }

    pub fn sent_now(&self, planning: &Planning<'_>, now: Timestamp) -> Option<Self> {
        match self.state {
            State::Sending => self.intend(Intent::SendNow),
            State::Finished(_) => None,
            // Behind the last step there is nothing to send.
            _ if planning.step(self.step).is_none() => None,
            State::Waiting | State::Paused | State::Parked(_) => {
                let mut next = self.changed();
                next.due_now(now);
                next.next_generation();
                Some(next)
            }
        }
    }

    /// Ends the run at once. A send that is in flight keeps its lease, so that it is recorded.
    pub fn finished(&self, outcome: Outcome, detail: Option<String>, now: Timestamp) -> Option<Self> {
        if self.state.is_finished() {
            return None;
        }
        let mut next = self.changed();
        next.end(outcome, detail, now);
        if guard!(EndBumps, true) {
            next.next_generation();
        }
        Some(next)
    }

    /// The contact wrote: the last step that reached them counts as answered, and the run ends if
    /// its exit rule says so.
    pub fn replied(&self, at: Timestamp, ends: Option<Outcome>, now: Timestamp) -> Option<Self> {
        let mut next = self.clone();
        // By time: a move to another version may have changed the order.
        let before = |r: &&mut StepRecord| r.possibly_sent() && r.sent_at.is_some_and(|sent| sent <= at);
        let answered = next.body.records.iter_mut().filter(before).max_by_key(|r| r.sent_at);
        if let Some(record) = answered
            && record.status != StepStatus::Replied
        {
            record.status = StepStatus::Replied;
            record.replied_at = Some(at);
        }
        if let Some(outcome) = ends
            && !next.state.is_finished()
        {
            next.end(outcome, None, now);
            next.next_generation();
        }
        (next != *self).then(|| {
            next.rev += 1;
            next
        })
    }

    /// Makes planned sends stale without changing anything else: something that they were planned
    /// on (a suppression) has changed.
    pub fn replanned(&self, now: Timestamp) -> Option<Self> {
        (self.state == State::Waiting).then(|| {
            let mut next = self.changed();
            next.happened(now, HappeningCode::Replanned, None);
            next.next_generation();
            next
        })
    }

    /// A date of the target changed or arrived: what waits for it is planned again.
    pub fn target_moved(&self, planning: &Planning<'_>, now: Timestamp) -> Option<Self> {
        let mut rest = planning.sequence.steps.iter().skip(self.step as usize);
        let some_step_waits = rest.any(|s| s.wait.anchor() != Anchor::Previous);
        let waits_for_it = self.waits_for_a_date(planning);
        // Settling plans the next step with the dates that the send was planned with: one in flight
        // is told, and one that is buffered is planned again.
        if self.state == State::Sending {
            return if some_step_waits { self.intend(Intent::DateMoved) } else { None };
        }
        let looks_again = self.migrate_to.is_some() || (some_step_waits && !waits_for_it);
        if self.state == State::Waiting && looks_again {
            let mut next = self.changed();
            next.next_generation();
            return Some(next);
        }
        let movable = matches!(self.state, State::Waiting | State::Parked(ParkReason::TargetDateMissing));
        if !waits_for_it || !movable {
            return None;
        }
        let mut next = self.clone();
        next.caught_up = false;
        next.schedule(planning, now);
        (next != *self).then(|| {
            next.rev += 1;
            next.happened(now, HappeningCode::Replanned, None);
            next.next_generation();
            next
        })
    }

    fn waits_for_a_date(&self, planning: &Planning<'_>) -> bool {
        planning.step(self.step).is_some_and(|s| s.wait.anchor() != Anchor::Previous)
    }

    /// `in_flight`: the step whose send has just been settled.
    pub(crate) fn apply_intents(&mut self, in_flight: u32, planning: &Planning<'_>, now: Timestamp) {
        for intent in std::mem::take(&mut self.body.intents) {
            if self.state.is_finished() {
                return;
            }
            match intent {
                Intent::Pause => self.pause_now(now),
                Intent::ResumeKeepSchedule if self.state == State::Paused => {
                    self.resume_now(ResumeMode::KeepSchedule, planning, now);
                }
                Intent::ResumeRestartWait if self.state == State::Paused => {
                    self.resume_now(ResumeMode::RestartWait, planning, now);
                }
                // Asked of the step in flight: moot once that is done with, sent or failed for good.
                Intent::Skip if self.step == in_flight => self.skip_now(planning, now),
                Intent::SendNow if self.step == in_flight => self.due_now(now),
                Intent::DateMoved if self.waits_for_a_date(planning) => self.look_again(now),
                _ => {}
            }
        }
        // First of all it moves, whatever is due when.
        if self.migrate_to.is_some() && matches!(self.state, State::Waiting | State::Parked(_)) {
            self.state = State::Waiting;
            self.wake = Some(now);
        }
    }

    fn pause_now(&mut self, now: Timestamp) {
        self.state = State::Paused;
        self.wake = None;
        self.day = None;
        self.happened(now, HappeningCode::Paused, None);
    }

    fn resume_now(&mut self, mode: ResumeMode, planning: &Planning<'_>, now: Timestamp) {
        self.happened(now, HappeningCode::Resumed, None);
        self.state = State::Waiting;
        // A due that passed while it was held is late anew, whatever had been decided before: many are
        // resumed at once, and are spread (TIME.md section 3).
        if self.due.is_some_and(|due| due < now) {
            self.caught_up = false;
        }
        match (mode, self.due) {
            // A date may have moved meanwhile; what was hurried stays so.
            (ResumeMode::KeepSchedule, Some(due)) if self.send_now || !self.waits_for_a_date(planning) => {
                self.wake = Some(due);
            }
            (ResumeMode::KeepSchedule, _) => self.schedule(planning, now),
            (ResumeMode::RestartWait, _) => {
                self.previous = now;
                self.caught_up = false;
                self.schedule(planning, now);
            }
        }
    }

    fn skip_now(&mut self, planning: &Planning<'_>, now: Timestamp) {
        let paused = self.state == State::Paused;
        match planning.step(self.step) {
            Some(step) => self.pass_over(&step.key, StepStatus::Skipped, StepReason::SkippedByUser, now),
            // Behind the last step: the other way that it might still have to take.
            None if self.migrate_to.is_none() => return self.end(Outcome::Completed, None, now),
            None => {}
        }
        self.schedule(planning, now);
        // Skipping a step of a paused run leaves it paused, before the next step: also where that one
        // would be held for another reason, which the resume finds.
        if paused && !self.state.is_finished() {
            self.state = State::Paused;
            self.wake = None;
        }
    }

    /// Planning reads the dates as they are.
    fn look_again(&mut self, now: Timestamp) {
        if matches!(self.state, State::Waiting | State::Parked(ParkReason::TargetDateMissing)) {
            self.happened(now, HappeningCode::Replanned, None);
            self.state = State::Waiting;
            self.caught_up = false;
            self.day = None;
            self.due = Some(now);
            self.wake = Some(now);
        }
    }

    fn due_now(&mut self, now: Timestamp) {
        self.happened(now, HappeningCode::SendNow, None);
        self.state = State::Waiting;
        self.send_now = true;
        self.caught_up = true;
        self.day = None;
        self.due = Some(now);
        self.wake = Some(now);
    }
}
