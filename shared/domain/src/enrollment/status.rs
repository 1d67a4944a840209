//! What a provider reports about a message after it was accepted.

use super::schedule::Planning;
use super::settle::reason;
use super::types::{Attempt, AttemptResult, Enrollment, Outcome, Reported, State, StepStatus};
use crate::guard;
use crate::ids::AttemptRef;
use crate::message::{DeliveryStatus, Reaction, StatusUpdate};
use crate::sequence::OnFailure;
use crate::time::Timestamp;

/// Applies a status to the attempt that it names. `None` when it changes nothing: an older rank,
/// a repeat, or an attempt that is not kept.
///
/// A status takes effect in any state, a finished run too. It settles a send whose outcome was
/// unknown. A failure reported for the latest accepted attempt reopens its step where another way
/// is left (the template, another channel), else fails it.
pub fn status(
    e: &Enrollment,
    attempt: AttemptRef,
    update: &StatusUpdate,
    planning: &Planning<'_>,
    now: Timestamp,
) -> Option<Enrollment> {
    let mut next = e.clone();
    if let Some(lease) = next.lease.as_mut().filter(|l| l.generation == attempt.generation) {
        let rank = lease.reported.as_ref().map(|r| r.status);
        if rank >= Some(update.status) {
            return None;
        }
        let reported = Reported {
            status: update.status,
            at: update.at,
            provider_message_id: update.provider_message_id.clone(),
            refusal: update.refusal.clone(),
        };
        lease.reported = Some(reported.clone());
        // Nobody waits for this send's answer any more: the status is the answer.
        if lease.resolve_at.is_some() {
            next.settle_reported(reported, planning, now);
            next.next_generation();
        }
        next.rev += 1;
        return Some(next);
    }
    let (at, found) =
        next.body.records.iter().enumerate().find_map(|(i, record)| {
            Some((i, record.attempts.iter().position(|a| a.generation == attempt.generation)?))
        })?;
    let changed = match update.status {
        DeliveryStatus::Failed => next.failed_later(at, found, update, planning, now),
        reached => {
            let changed = next.body.records[at].reach(found, reached, update);
            next.close_again(at, planning, now);
            changed
        }
    };
    changed.then(|| {
        next.close_early(planning, now);
        next.rev += 1;
        next
    })
}

impl super::types::StepRecord {
    fn reach(&mut self, attempt: usize, reached: DeliveryStatus, update: &StatusUpdate) -> bool {
        let before = self.clone();
        let attempt = &mut self.attempts[attempt];
        match &mut attempt.result {
            AttemptResult::Accepted(rank) => {
                let lower = guard!(StatusRank, reached <= *rank);
                *rank = if lower { *rank } else { reached };
            }
            // A later word beats `unknown`, and a delivery beats a failure reported by mistake.
            AttemptResult::Unknown => attempt.result = AttemptResult::Accepted(reached),
            AttemptResult::Failed(_) if reached > DeliveryStatus::Failed => {
                attempt.result = AttemptResult::Accepted(reached);
            }
            AttemptResult::Failed(_) | AttemptResult::Refused(_) => return false,
        }
        attempt.provider_message_id.get_or_insert_with(|| update.provider_message_id.clone());
        if self.sent_at.is_none() {
            self.sent_at = Some(self.attempts.last().map_or(update.at, |a| a.at));
        }
        self.status = self.status.max(StepStatus::Sent);
        self.reason = None;
        self.raise(reached, update.at);
        *self != before
    }
}

impl Enrollment {
    /// A step that was opened again has reached the person by its first message: what is planned of it
    /// must not be sent any more. Nor must a step before it, to which a move to another order has led
    /// meanwhile: it goes on behind what has arrived, as the move would have done.
    fn close_again(&mut self, record: usize, planning: &Planning<'_>, now: Timestamp) {
        let record = &self.body.records[record];
        let index = planning.sequence.steps.iter().position(|s| s.key == record.key).map(|index| index as u32);
        let Some(index) = index.filter(|index| *index >= self.step && record.possibly_sent()) else { return };
        if matches!(self.state, State::Sending | State::Finished(_)) {
            return;
        }
        if index > self.step {
            let was_next = planning.step(self.step).map(|s| &s.key);
            self.forget_plan(was_next);
            self.step = index;
        }
        // Otherwise whoever resumes it finds that the step is done.
        if self.state == State::Waiting {
            self.schedule(planning, now);
        }
        self.next_generation();
    }

    /// `failed` after acceptance.
    fn failed_later(
        &mut self,
        at: usize,
        attempt: usize,
        update: &StatusUpdate,
        planning: &Planning<'_>,
        now: Timestamp,
    ) -> bool {
        let record = &mut self.body.records[at];
        let latest = attempt + 1 == record.attempts.len();
        let result = &mut record.attempts[attempt].result;
        match result {
            AttemptResult::Accepted(DeliveryStatus::Sent) | AttemptResult::Unknown => {}
            // Delivered is delivered; a repeat changes nothing.
            _ => return false,
        }
        let refusal = update.refusal.as_ref();
        let code = refusal.map_or_else(|| "failed".to_owned(), |r| r.code.clone());
        *result = AttemptResult::Failed(code);
        let failed = record.attempts[attempt].clone();
        if !latest || record.status > StepStatus::Sent {
            return true;
        }
        let reaction = refusal.map_or(Reaction::Recipient, |r| r.reaction);
        record.status = StepStatus::Failed;
        record.reason = Some(reason(reaction, failed.form));
        record.decided_at = Some(now);
        record.sent_at = None;
        let key = record.key.clone();
        self.reopen(&key, reaction, &failed, planning, now);
        true
    }

    /// The step goes out another way after all, by its template or by another channel: only while the
    /// next step is unclaimed.
    fn reopen(&mut self, key: &str, reaction: Reaction, failed: &Attempt, planning: &Planning<'_>, now: Timestamp) {
        let Some(index) = planning.sequence.steps.iter().position(|s| s.key == key) else { return };
        let step = &planning.sequence.steps[index];
        let by_template = reaction == Reaction::OutsideWindow && failed.left.template;
        let another_way = by_template || (failed.left.channel && reaction != Reaction::OptedOut);
        let unclaimed = matches!(self.state, State::Waiting | State::Paused) && index as u32 + 1 == self.step;
        if !another_way || guard!(ReopenUnclaimed, !unclaimed) {
            let outcome = if !another_way && self.bounces_out(reaction, failed.channel, index, planning) {
                Outcome::Bounced
            } else if step.on_failure == OnFailure::Stop {
                Outcome::Failed
            } else {
                return;
            };
            if !self.state.is_finished() {
                self.end(outcome, None, now);
                self.next_generation();
            }
            return;
        }
        self.step = index as u32;
        if by_template {
            self.record(key).template_only = true;
        } else {
            let code = match &failed.result {
                AttemptResult::Failed(code) => code.as_str(),
                _ => "failed",
            };
            self.leave_channel(key, failed.channel, reason(reaction, failed.form), code, now);
        }
        let record = self.record(key);
        record.status = StepStatus::Scheduled;
        record.reason = None;
        record.decided_at = None;
        self.caught_up = true;
        // Its wait is over: it would count again from the send that failed.
        self.send_now = true;
        self.due = Some(now);
        if self.state == State::Waiting {
            self.wake = Some(now);
        }
        self.next_generation();
    }
}
