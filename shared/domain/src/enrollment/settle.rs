//! Claiming a step for one provider call, and what that call came to.

use super::choice::has_other;
use super::schedule::Planning;
use super::types::{
    Attempt, AttemptResult, DaySlot, Enrollment, HappeningCode, Lease, MessageForm, Outcome, ParkReason, PlannedSend,
    State, StepReason, StepStatus,
};
use crate::guard;
use crate::message::{Channel, DeliveryStatus, Reaction, Recipient, Refusal, SendOutcome};
use crate::sequence::{OnFailure, Step};
use crate::time::Timestamp;

/// A send whose outcome nobody knows is given this long for a status to tell.
pub const RESOLVE_AFTER_SECONDS: i64 = 15 * 60;
/// Passing refusals are retried this long after the first (ARCHITECTURE.md, "The provider does not answer").
const RETRY_FOR_SECONDS: i64 = 24 * 3600;
const FIRST_BACKOFF_SECONDS: i64 = 15;
const MAX_BACKOFF_SECONDS: i64 = 15 * 60;
/// Refused attempts are known not to have gone out: only the latest few are kept. Others are few by
/// themselves: a text and a template a channel.
const KEPT_ATTEMPTS: usize = 3;

impl Enrollment {
    /// Whether this planned send may claim: the guard against a second send, a send after an exit
    /// or pause, and a plan that is no longer true.
    pub fn may_claim(&self, generation: u32, step: u32) -> bool {
        self.state == State::Waiting && self.generation == generation && self.step == step
    }

    /// The enrollment after a claim; the store makes the same change by one conditional update.
    pub fn claimed(&self, lease: Lease) -> Self {
        let mut next = self.clone();
        next.rev += 1;
        next.next_generation();
        next.state = State::Sending;
        next.lease = Some(lease);
        next
    }
}

impl PlannedSend {
    /// The lease of a claim of this send made now.
    pub fn lease(&self, token: String, now: Timestamp, seconds: i64) -> Lease {
        Lease {
            token,
            generation: self.attempt().generation,
            claimed_at: now,
            expires_at: now.plus_seconds(seconds),
            sender: self.sender,
            channel: self.channel,
            form: self.form,
            day: self.day,
            others: self.others.clone(),
            conversation: match &self.to {
                Recipient::Conversation(id) => Some(id.clone()),
                Recipient::Phone(_) | Recipient::Bsuid(_) | Recipient::Email(_) => None,
            },
            resolve_at: None,
            reported: None,
        }
    }
}

/// What the send with this token came to. `None` when the enrollment carries another claim or
/// none: it has been settled already.
///
/// `has_statuses`: whether the provider will ever tell what became of an ambiguous call.
pub fn settle(
    e: &Enrollment,
    token: &str,
    outcome: &SendOutcome,
    has_statuses: bool,
    planning: &Planning<'_>,
    now: Timestamp,
) -> Option<Enrollment> {
    let lease = e.lease.as_ref().filter(|l| !guard!(SettleToken, l.token != token))?;
    let reported = lease.reported.clone();
    let mut next = e.clone();
    next.rev += 1;
    match (outcome, reported) {
        // A status that came first knows more than a call without an answer, and than a gateway's
        // refusal of what the provider had taken.
        (SendOutcome::Accepted { .. } | SendOutcome::Ambiguous, Some(reported)) => {
            next.settle_reported(reported, planning, now);
        }
        (SendOutcome::Refused(_), Some(reported)) if reported.status != DeliveryStatus::Failed => {
            next.settle_reported(reported, planning, now);
        }
        (SendOutcome::Accepted { provider_message_id, .. }, None) => {
            let result = AttemptResult::Accepted(DeliveryStatus::Sent);
            next.settle_sent(result, Some(provider_message_id.clone()), now, planning, now);
        }
        (SendOutcome::Ambiguous, None) if lease.resolve_at.is_some() => return None,
        (SendOutcome::Ambiguous, None) if guard!(SilenceIsUnknown, true) => {
            next.leave_unknown(has_statuses, planning, now);
        }
        (SendOutcome::Ambiguous, None) => next.settle_refused(&Refusal::passing("silence"), planning, now),
        (SendOutcome::Refused(refusal), _) => next.settle_refused(refusal, planning, now),
    }
    next.next_generation();
    Some(next)
}

/// The lease has run out and nobody will call any more: nobody knows whether it was sent.
pub(crate) fn lapse(e: &Enrollment, has_statuses: bool, planning: &Planning<'_>, now: Timestamp) -> Enrollment {
    let mut next = e.clone();
    next.rev += 1;
    next.leave_unknown(has_statuses, planning, now);
    next.next_generation();
    next
}

/// No status has come in time: it counts as sent, at the time of the claim, and stays flagged.
pub(crate) fn resolve(e: &Enrollment, planning: &Planning<'_>, now: Timestamp) -> Enrollment {
    let mut next = e.clone();
    next.rev += 1;
    next.settle_sent(AttemptResult::Unknown, None, now, planning, now);
    next.next_generation();
    next
}

impl Enrollment {
    fn leave_unknown(&mut self, has_statuses: bool, planning: &Planning<'_>, now: Timestamp) {
        if !guard!(LapseIsUnknown, true) && self.lease.as_ref().is_some_and(|l| l.expires_at <= now) {
            return self.settle_refused(&Refusal::passing("lapsed"), planning, now);
        }
        let Some(lease) = self.lease.as_mut() else { return };
        if let Some(reported) = lease.reported.clone() {
            return self.settle_reported(reported, planning, now);
        }
        if !has_statuses {
            return self.settle_sent(AttemptResult::Unknown, None, now, planning, now);
        }
        let resolve_at = lease.claimed_at.plus_seconds(RESOLVE_AFTER_SECONDS);
        lease.resolve_at = Some(resolve_at);
        self.wake = Some(resolve_at);
        self.happened(now, HappeningCode::Unknown, None);
    }

    /// A status settles a send: as sent, or as the refusal that it reports.
    pub(crate) fn settle_reported(
        &mut self,
        reported: super::types::Reported,
        planning: &Planning<'_>,
        now: Timestamp,
    ) {
        let id = Some(reported.provider_message_id.clone());
        if reported.status == DeliveryStatus::Failed {
            let refusal = reported.refusal.unwrap_or_else(|| Refusal {
                reaction: Reaction::Recipient,
                code: "failed".into(),
                retry_after: None,
            });
            return self.settle_failed(&refusal, id, planning, now);
        }
        self.settle_sent(AttemptResult::Accepted(reported.status), id, reported.at, planning, now);
    }

    /// `at`: when a status said what the result says.
    fn settle_sent(
        &mut self,
        result: AttemptResult,
        provider_message_id: Option<String>,
        at: Timestamp,
        planning: &Planning<'_>,
        now: Timestamp,
    ) {
        let Some(lease) = self.lease.take() else { return };
        let sent_at = lease.claimed_at;
        if let Some(step) = planning.step(self.step) {
            let record = self.record(&step.key);
            let reported = if let AttemptResult::Accepted(status) = result { status } else { DeliveryStatus::Sent };
            record.attempt(&lease, result, provider_message_id);
            record.passed.clone_from(&lease.others.passed);
            // An earlier attempt may have been reported as delivered meanwhile.
            let reached = guard!(SettleRank, record.possibly_sent());
            record.status = if reached { record.status } else { StepStatus::Sent };
            record.reason = None;
            record.sent_at = Some(sent_at);
            record.raise(reported, at);
        }
        if self.state.is_finished() {
            self.wake = None;
            return;
        }
        let in_flight = self.step;
        self.advance(sent_at);
        self.schedule(planning, now);
        self.apply_intents(in_flight, planning, now);
    }

    /// Accepted, then reported as failed before it was settled.
    fn settle_failed(&mut self, refusal: &Refusal, id: Option<String>, planning: &Planning<'_>, now: Timestamp) {
        let Some(lease) = self.lease.take() else { return };
        self.day = None;
        if let Some(step) = planning.step(self.step) {
            self.record(&step.key).attempt(&lease, AttemptResult::Failed(refusal.code.clone()), id);
        }
        self.decide_refused(refusal, &lease, planning, now);
    }

    fn settle_refused(&mut self, refusal: &Refusal, planning: &Planning<'_>, now: Timestamp) {
        let Some(lease) = self.lease.take() else { return };
        // The next try has the message of the day that this one did not use.
        self.day = lease.day.map(|day| DaySlot { sender: lease.sender, day });
        if let Some(step) = planning.step(self.step) {
            self.record(&step.key).attempt(&lease, AttemptResult::Refused(refusal.code.clone()), None);
        }
        self.decide_refused(refusal, &lease, planning, now);
    }

    /// Known not to have reached the person: again later, by template, by another channel, parked, or
    /// failed.
    fn decide_refused(&mut self, refusal: &Refusal, lease: &Lease, planning: &Planning<'_>, now: Timestamp) {
        let (in_flight, form) = (self.step, lease.form);
        let Some(step) = planning.step(in_flight) else { return };
        if guard!(SettleRank, self.has_possibly_sent(&step.key)) {
            // An earlier attempt has reached the person after all: there is nothing left to try.
            self.day = None;
            if self.state.is_finished() {
                self.wake = None;
                return;
            }
            self.schedule(planning, now);
            return self.apply_intents(in_flight, planning, now);
        }
        if self.state.is_finished() {
            self.day = None;
            let record = self.record(&step.key);
            record.status = StepStatus::Failed;
            record.reason = Some(reason(refusal.reaction, form));
            record.decided_at = Some(now);
            self.wake = None;
            return;
        }
        match refusal.reaction {
            Reaction::Throttled | Reaction::Pair | Reaction::Transient => {
                let record = self.record(&step.key);
                let first = *record.first_try.get_or_insert(now);
                record.tries += 1;
                let tries = record.tries;
                if now.seconds_since(first) >= RETRY_FOR_SECONDS {
                    self.next_channel_or_fail(step, refusal, lease, planning, now);
                } else {
                    self.again_at(now.plus_seconds(backoff(tries, refusal)), now, &refusal.code);
                }
            }
            Reaction::OutsideWindow if lease.others.left.template => {
                self.record(&step.key).template_only = true;
                self.again_at(now, now, &refusal.code);
            }
            Reaction::Sender if !lease.others.left.channel => {
                self.due = Some(now);
                self.caught_up = true;
                self.park(ParkReason::SenderSuspended, None, now);
            }
            Reaction::OptedOut => {
                self.pass_over(&step.key, StepStatus::Failed, StepReason::Suppressed, now);
                self.end(Outcome::Unsubscribed, None, now);
            }
            Reaction::Sender
            | Reaction::OutsideWindow
            | Reaction::Recipient
            | Reaction::Bounced
            | Reaction::Message
            | Reaction::Template => self.next_channel_or_fail(step, refusal, lease, planning, now),
        }
        self.apply_intents(in_flight, planning, now);
    }

    /// This channel has refused the step for good.
    fn next_channel_or_fail(
        &mut self,
        step: &Step,
        refusal: &Refusal,
        lease: &Lease,
        planning: &Planning<'_>,
        now: Timestamp,
    ) {
        let reason = reason(refusal.reaction, lease.form);
        if lease.others.left.channel {
            self.leave_channel(&step.key, lease.channel, reason, &refusal.code, now);
            // Another sender's is of no use to it.
            self.day = None;
            self.state = State::Waiting;
            self.due = Some(now);
            self.wake = Some(now);
            self.caught_up = true;
        } else if self.bounces_out(refusal.reaction, lease.channel, self.step as usize, planning) {
            self.pass_over(&step.key, StepStatus::Failed, reason, now);
            self.end(Outcome::Bounced, None, now);
        } else {
            self.fail(&step.key, step.on_failure, reason, planning, now);
        }
    }

    /// From now on the step goes by another channel, as if it had not been tried before.
    pub(super) fn leave_channel(
        &mut self,
        key: &str,
        channel: Channel,
        reason: StepReason,
        code: &str,
        now: Timestamp,
    ) {
        let record = self.record(key);
        record.failed.push((channel, reason));
        record.template_only = false;
        record.tries = 0;
        record.first_try = None;
        self.happened(now, HappeningCode::NextChannel, Some(format!("{} ({code})", channel.as_str())));
    }

    /// Whether a bounce leaves the run nothing to do: no step behind this one (`at`) may go by another
    /// channel.
    pub(super) fn bounces_out(&self, reaction: Reaction, channel: Channel, at: usize, planning: &Planning<'_>) -> bool {
        let mut rest = planning.sequence.steps.iter().skip(at + 1);
        reaction == Reaction::Bounced && self.migrate_to.is_none() && !rest.any(|step| has_other(step, channel))
    }

    fn again_at(&mut self, at: Timestamp, now: Timestamp, code: &str) {
        self.state = State::Waiting;
        self.due = Some(at);
        self.wake = Some(at);
        self.caught_up = true;
        self.happened(now, HappeningCode::Retrying, Some(code.to_owned()));
    }

    /// The step fails for good; `on_failure` decides whether the run goes on.
    pub(crate) fn fail(
        &mut self,
        key: &str,
        on_failure: OnFailure,
        reason: StepReason,
        planning: &Planning<'_>,
        now: Timestamp,
    ) {
        self.pass_over(key, StepStatus::Failed, reason, now);
        match on_failure {
            OnFailure::Continue => self.schedule(planning, now),
            OnFailure::Stop => self.end(Outcome::Failed, None, now),
        }
    }
}

pub(super) fn reason(reaction: Reaction, form: MessageForm) -> StepReason {
    match reaction {
        Reaction::Throttled | Reaction::Pair | Reaction::Transient | Reaction::Sender => {
            StepReason::ProviderUnavailable
        }
        Reaction::Recipient | Reaction::Bounced => StepReason::RecipientUnreachable,
        Reaction::Message if form == MessageForm::Text => StepReason::MessageRejected,
        Reaction::Message | Reaction::Template => StepReason::TemplateRejected,
        Reaction::OutsideWindow => StepReason::OutsideWindowNoTemplate,
        Reaction::OptedOut => StepReason::Suppressed,
    }
}

/// Seconds until the next try: doubling from 15 s to 15 min, and not before the provider allows. Over
/// WhatsApp's limit for one person 1 s, 4 s, 16 s and so on.
fn backoff(tries: u32, refusal: &Refusal) -> i64 {
    let earlier = tries.saturating_sub(1);
    let wait = match refusal.reaction {
        Reaction::Pair => 1 << (2 * earlier.min(5)),
        _ => FIRST_BACKOFF_SECONDS << earlier.min(6),
    };
    wait.min(MAX_BACKOFF_SECONDS).max(refusal.retry_after.map_or(0, i64::from))
}

impl super::types::StepRecord {
    fn attempt(&mut self, lease: &Lease, result: AttemptResult, provider_message_id: Option<String>) {
        let refused = |a: &Attempt| matches!(a.result, AttemptResult::Refused(_));
        if self.attempts.len() >= KEPT_ATTEMPTS
            && let Some(oldest) = self.attempts.iter().position(refused)
        {
            self.attempts.remove(oldest);
        }
        self.attempts.push(Attempt {
            generation: lease.generation,
            at: lease.claimed_at,
            sender: lease.sender,
            channel: lease.channel,
            form: lease.form,
            left: lease.others.left,
            conversation: lease.conversation.clone(),
            result,
            provider_message_id,
        });
    }

    /// Statuses only move forward.
    pub(crate) fn raise(&mut self, status: DeliveryStatus, at: Timestamp) {
        let (reached, time) = match status {
            DeliveryStatus::Sent | DeliveryStatus::Failed => return,
            DeliveryStatus::Delivered => (StepStatus::Delivered, &mut self.delivered_at),
            DeliveryStatus::Read => (StepStatus::Read, &mut self.read_at),
        };
        time.get_or_insert(at);
        self.status = self.status.max(reached);
    }
}
