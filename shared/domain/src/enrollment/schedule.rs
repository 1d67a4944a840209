//! When the next step is due: the one place that moves an enrollment on to a step.

use std::collections::BTreeMap;

use super::types::{
    AttemptResult, Enrollment, Happening, HappeningCode, Intent, Outcome, ParkReason, State, StepReason, StepRecord,
    StepStatus,
};
use crate::guard;
use crate::sequence::{Sequence, Step};
use crate::time::{Anchor, Calendar, Due, DueInput, Timestamp, due};

/// How long after its last message a run is open for a failure's report (ARCHITECTURE.md, "The last
/// message").
const CLOSING_SECONDS: i64 = 3_600;

/// What scheduling depends on besides the enrollment: the version, the calendar in force, and the
/// target's dates that its waits name.
#[derive(Debug, Clone)]
pub struct Planning<'a> {
    pub sequence: &'a Sequence,
    pub calendar: &'a Calendar,
    pub target_dates: &'a BTreeMap<String, String>,
}

/// The target's fields that any wait of the sequence names.
pub fn target_dates(
    sequence: &Sequence,
    attributes: Option<&BTreeMap<String, serde_json::Value>>,
) -> BTreeMap<String, String> {
    let mut dates = BTreeMap::new();
    for step in &sequence.steps {
        if let Anchor::Before(name) | Anchor::After(name) = step.wait.anchor()
            && let Some(value) = attributes.and_then(|a| a.get(name)).and_then(|v| v.as_str())
        {
            dates.insert(name.to_owned(), value.to_owned());
        }
    }
    dates
}

impl Planning<'_> {
    pub fn step(&self, index: u32) -> Option<&Step> {
        self.sequence.steps.get(index as usize)
    }

    /// TIME.md for the enrollment's current step, seen from `now`.
    pub fn due(&self, e: &Enrollment, step: &Step, now: Timestamp) -> Due {
        if let Some(now) = e.due_as_test() {
            return now;
        }
        let target_date = match step.wait.anchor() {
            Anchor::Previous => None,
            Anchor::Before(name) | Anchor::After(name) => self.target_dates.get(name).map(String::as_str),
        };
        due(
            &DueInput {
                previous: e.previous,
                wait: &step.wait,
                at: step.at,
                window: step.window.as_ref(),
                target_date,
                skip_if_late: step.skip_if_late,
                spread_seed: e.id.spread_seed() ^ u64::from(e.step),
                caught_up: e.caught_up || e.has_slot(),
            },
            self.calendar,
            now,
        )
    }
}

impl Enrollment {
    /// The record of a step, made when missing.
    pub(crate) fn record(&mut self, key: &str) -> &mut StepRecord {
        let at = self.body.records.iter().position(|r| r.key == key).unwrap_or_else(|| {
            self.body.records.push(StepRecord::new(key));
            self.body.records.len() - 1
        });
        &mut self.body.records[at]
    }

    /// Whether a step is never sent again.
    pub(crate) fn has_possibly_sent(&self, key: &str) -> bool {
        guard!(PossiblySent, self.body.records.iter().any(|r| r.key == key && r.possibly_sent()))
    }

    /// How many of the run's steps may have reached the person.
    pub(crate) fn gone_out(&self) -> usize {
        self.body.records.iter().filter(|r| r.possibly_sent()).count()
    }

    /// The helpdesk's conversation into which its last message went.
    pub(crate) fn went_into(&self) -> Option<&str> {
        let attempts = self.body.records.iter().flat_map(|r| &r.attempts);
        let sent = attempts.filter(|a| matches!(a.result, AttemptResult::Accepted(_) | AttemptResult::Unknown));
        sent.max_by_key(|a| a.generation)?.conversation.as_deref()
    }

    pub(crate) fn happened(&mut self, at: Timestamp, code: HappeningCode, detail: Option<String>) {
        /// Enough for people; the latest matter most.
        const KEPT: usize = 12;
        let step = Some(self.step);
        if self.body.happenings.len() == KEPT {
            // Moves stay: they tell on which version it began.
            let oldest = self.body.happenings.iter().position(|h| h.code != HappeningCode::Migrated);
            self.body.happenings.remove(oldest.unwrap_or(0));
        }
        self.body.happenings.push(Happening { at, code, step, detail });
    }

    /// Everything that changes what happens next does this once.
    pub(crate) fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.swept = 0;
    }

    /// Moves on to the next step that can be due, from `self.step` on, and sets state, due and
    /// wake. Steps whose time has passed are skipped on the way; after the last the run completes.
    /// Does not bump the generation: the caller does, once.
    pub(crate) fn schedule(&mut self, planning: &Planning<'_>, now: Timestamp) {
        self.day = None;
        // What comes next is on the other version, which only planning has.
        if guard!(MigrateHolds, self.migrate_to.is_some()) {
            self.state = State::Waiting;
            self.due = Some(now);
            self.wake = Some(now);
            return;
        }
        loop {
            let Some(step) = planning.step(self.step) else { return self.close(planning, now) };
            if self.has_possibly_sent(&step.key) {
                self.advance(self.previous);
                continue;
            }
            if self.intents.contains(&Intent::DateMoved) && step.wait.anchor() != Anchor::Previous {
                // What settling knows of the dates is as old as the plan: planning looks again.
                self.state = State::Waiting;
                self.due = Some(now);
                self.wake = Some(now);
                return;
            }
            match planning.due(self, step, now) {
                Due::At(planned) => {
                    let record = self.record(&step.key);
                    record.status = StepStatus::Scheduled;
                    record.reason = None;
                    record.planned_at = Some(planned.at);
                    record.adjustments = planned.adjustments;
                    self.state = State::Waiting;
                    self.due = Some(planned.at);
                    self.wake = Some(planned.at);
                    self.caught_up |= planned.caught_up;
                    return;
                }
                Due::Past { .. } => self.pass_over(&step.key, StepStatus::Skipped, StepReason::Past, now),
                Due::TooLate { .. } => self.give_up_late(&step.key, now),
                Due::TargetDateMissing => return self.park(ParkReason::TargetDateMissing, None, now),
                Due::NeverAllowed => return self.park(ParkReason::NeverAllowed, None, now),
            }
        }
    }

    /// Behind the last step: completed, or kept open for as long as that one may have to go out in
    /// another way.
    fn close(&mut self, planning: &Planning<'_>, now: Timestamp) {
        match self.closes_at(planning.sequence).filter(|at| guard!(ClosingPeriod, now < *at)) {
            Some(at) => {
                self.state = State::Waiting;
                self.due = None;
                self.wake = Some(at);
            }
            None => self.end(Outcome::Completed, None, now),
        }
    }

    /// When a run whose steps are all done stops waiting for its last message's report: a failure may
    /// still open the last step again (`reopen`), if it went out as free text and has a template, or if
    /// another channel would have taken it.
    pub fn closes_at(&self, sequence: &Sequence) -> Option<Timestamp> {
        let last = sequence.steps.last().filter(|_| self.step as usize >= sequence.steps.len())?;
        let record = self.records.iter().find(|r| r.key == last.key && r.status == StepStatus::Sent)?;
        let open = record.attempts.last().is_some_and(|a| !a.left.is_none());
        open.then_some(record.sent_at?.plus_seconds(CLOSING_SECONDS))
    }

    /// A report has decided the last step: nothing is waited for any more.
    pub(crate) fn close_early(&mut self, planning: &Planning<'_>, now: Timestamp) {
        let done = planning.step(self.step).is_none() && self.closes_at(planning.sequence).is_none();
        if self.state == State::Waiting && self.migrate_to.is_none() && done {
            self.end(Outcome::Completed, None, now);
            self.next_generation();
        }
    }

    /// `skip_if_late` has run out: too late, or, where it was tried, the provider's fault.
    fn give_up_late(&mut self, key: &str, now: Timestamp) {
        if self.record(key).tries > 0 {
            self.pass_over(key, StepStatus::Failed, StepReason::ProviderUnavailable, now);
        } else {
            self.pass_over(key, StepStatus::Skipped, StepReason::TooLate, now);
        }
    }

    /// The step is decided without having gone out; the next one's wait counts from here, or from the
    /// run's `start_at` if that is still ahead.
    pub(crate) fn pass_over(&mut self, key: &str, status: StepStatus, reason: StepReason, now: Timestamp) {
        let record = self.record(key);
        // What has reached the person stays so, whatever became of another attempt at it.
        if !record.possibly_sent() {
            record.status = status;
            record.reason = Some(reason);
            record.decided_at = Some(now);
        }
        self.advance(now.max(self.previous));
    }

    /// On to the next index, whose wait counts from `previous`.
    pub(crate) fn advance(&mut self, previous: Timestamp) {
        self.step += 1;
        self.previous = previous;
        self.caught_up = false;
        self.send_now = false;
        self.reserved = None;
        self.day = None;
    }

    pub(crate) fn park(&mut self, reason: ParkReason, detail: Option<String>, now: Timestamp) {
        if self.state != State::Parked(reason) {
            self.happened(now, HappeningCode::Parked, detail.or(Some(reason.as_str().to_owned())));
        }
        self.state = State::Parked(reason);
        self.wake = None;
        self.day = None;
    }

    /// Ends the run. A send in flight keeps its lease and wake, so that it is still recorded.
    pub(crate) fn end(&mut self, outcome: Outcome, detail: Option<String>, now: Timestamp) {
        self.happened(now, HappeningCode::Finished, detail);
        self.state = State::Finished(outcome);
        self.body.intents.clear();
        self.migrate_to = None;
        self.due = None;
        self.day = None;
        if !guard!(EndKeepsLease, self.lease.is_some()) {
            self.lease = None;
            self.wake = None;
        }
    }
}
