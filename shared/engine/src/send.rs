//! A planned send: claim, call, settle.
//!
//! - Dies before the claim: the message comes again. So does it after a look into the conversation that it
//!   goes into (`conversations`), whatever of it was applied.
//! - After the claim, before the call: the lease runs out, the send is unknown, and nobody sends
//!   again until a status or 15 minutes have told.
//! - After the call, before settling: the same; a status settles it as sent.
//! - After settling, before the timer: the message comes again, finds its claim gone and arms the
//!   current timer.
//!
//! So nothing after the claim may be left for the queue to retry.

use domain::account::Settings;
use domain::enrollment::settle::settle;
use domain::enrollment::{Enrollment, Lease, ParkReason, PlannedSend, Planning, State};
use domain::guard;
use domain::ids::{AttemptRef, SenderId, TenantId};
use domain::message::{Channel, Outbound, Reaction, Refusal, SendOutcome};
use domain::sender::{Sender, Suspension};
use domain::time::Timestamp;
use serde_json::Value;

use crate::conversations::Looked;
use crate::model::{Direction, StoredMessage, Version};
use crate::ports::{Channels as _, Claim, PortResult, Queues as _, Saved, Store as _, Timers as _};
use crate::queue::StepDue;
use crate::{Engine, MAX_RACES, PortError, Ports, Refused};

/// Left without an answer so often, a claim is given up: if it was written, its lease lapses and the
/// step counts as sent.
const CLAIM_TRIES: usize = 3;
/// Two workers' settings differ by at most their caches' age: planning again at once would only spin.
const STALE_SECONDS: i64 = 15;

/// What became of a planned send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Claimed and settled.
    Called {
        /// Seconds until the claim, from the moment at which it could have gone out.
        lag: i64,
        result: CallResult,
    },
    /// Buffered for too long, or its sender or account has stopped: back to the step function.
    PlannedAgain,
    /// Before its slot: on its queue again.
    Early,
    /// The work was done already, or is another's.
    Outdated,
}

/// What a provider call came to for its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    Accepted,
    /// No answer: nobody knows whether it was accepted.
    Unknown,
    /// Refused for now, and tried again.
    Retried,
    /// Refused for good: the step failed.
    Refused,
    /// Refused because of its sender, which is suspended: parked.
    SenderSuspended,
}

impl<P: Ports> Engine<P> {
    /// Claims the step, calls the provider once, and settles what came of it. An error means that
    /// nothing was claimed and the message may come again.
    pub async fn send(&self, planned: &PlannedSend) -> Result<Sent, PortError> {
        let tenant = planned.tenant;
        // Whatever can fail for a passing reason comes before the claim.
        let version = self.version(tenant, planned.enrollment.sequence, planned.version).await?;
        let version = version.ok_or_else(|| PortError::Poison("the planned version is missing".into()))?;
        let account = self.account(tenant).await?;
        let senders = self.senders(tenant).await?;
        let sender = senders.iter().find(|s| s.id == planned.sender);
        let credentials = self.credentials(tenant, &planned.sender.to_string()).await?;
        let now = self.now();
        // Early: this worker's clock is behind, or the queue could not wait as long.
        if planned.not_before.is_some_and(|slot| now < slot) {
            return self.queues.send(planned, now).await.map(|()| Sent::Early);
        }
        let Some(sender) = sender.filter(|s| s.suspended.is_none() && account.settings.enabled) else {
            // The step function holds it, once its settings are as fresh as these.
            self.forget(tenant);
            return self.plan_again(planned, now.plus_seconds(STALE_SECONDS), now).await;
        };
        // Nobody's fault but ours: it is seen in the dead-letter queue, and the sweep brings it back.
        let credentials = credentials.ok_or_else(|| PortError::Poison("the sender has no credentials".into()))?;
        let foretold = match self.look(planned, sender, &credentials).await? {
            Looked::Clear => None,
            Looked::Foretold(outcome) => Some(outcome),
            Looked::WentOn => return self.plan_again(planned, now, now).await,
        };
        // A look takes its time.
        let now = self.now();
        if guard!(NotAfter, now > planned.not_after) {
            return self.plan_again(planned, now, now).await;
        }
        let token = self.ids().bytes::<12>();
        let lease = planned.lease(hex(&token), now, self.config.lease_seconds);
        match self.claim(planned, &lease).await? {
            Claim::Claimed(claimed) => {
                let outcome = self.call(planned, sender, &credentials, lease.expires_at, foretold).await;
                let outcome = self.blame(tenant, sender.id, &credentials, outcome).await;
                let (step, lag) = (claimed.step, now.seconds_since(claimed.ready_at().unwrap_or(now)));
                let settled = self
                    .settle(tenant, *claimed, &lease.token, &outcome, sender, planned, &version, &account.settings)
                    .await;
                self.arm_or_leave(tenant, &settled).await;
                Ok(Sent::Called { lag, result: result(&outcome, step, &settled) })
            }
            // Work already done, or another's: see to the current generation's timer.
            Claim::Refused(Some(standing)) => self.arm(tenant, &standing).await.map(|()| Sent::Outdated),
            Claim::Refused(None) => Ok(Sent::Outdated),
        }
    }

    /// A claim without an answer may have been written, and then nobody else can send this step: the
    /// same lease is asked for again, which finds its own token.
    async fn claim(&self, planned: &PlannedSend, lease: &Lease) -> PortResult<Claim> {
        let PlannedSend { tenant, enrollment, generation, step, .. } = *planned;
        for _ in 1..CLAIM_TRIES {
            match self.store.claim(tenant, enrollment, generation, step, lease).await {
                Err(PortError::Throttled(_) | PortError::Transient(_)) if guard!(ClaimAgain, true) => {}
                answer => return answer,
            }
        }
        self.store.claim(tenant, enrollment, generation, step, lease).await
    }

    /// Back to the step function, under the same generation.
    async fn plan_again(&self, planned: &PlannedSend, at: Timestamp, now: Timestamp) -> Result<Sent, PortError> {
        let due = StepDue { tenant: planned.tenant, enrollment: planned.enrollment, generation: planned.generation };
        self.timers.arm_again(&due, at, now).await.map(|()| Sent::PlannedAgain)
    }

    /// The provider call, after the message record and a last look at the lease, unless it is known
    /// already what it would come to.
    async fn call(
        &self,
        planned: &PlannedSend,
        sender: &Sender,
        credentials: &Value,
        expires_at: Timestamp,
        foretold: Option<SendOutcome>,
    ) -> SendOutcome {
        let reference = planned.attempt();
        let record = StoredMessage {
            id: reference.message_id(),
            contact: planned.enrollment.contact,
            at: self.now(),
            direction: Direction::Out,
            channel: planned.channel,
            sender: planned.sender,
            message: Some(planned.message.clone()),
            text: None,
            kind: None,
            provider_message_id: None,
            enrollment: Some(planned.enrollment),
            step: Some(planned.step),
        };
        if self.store.put_message(planned.tenant, &record).await.is_err() {
            return not_called("message_record");
        }
        // An expired lease means to everybody else that nobody is still going to call.
        if guard!(LeaseAlive, self.now() >= expires_at) {
            return not_called("lease_expired");
        }
        if let Some(outcome) = foretold {
            return outcome;
        }
        let outbound = Outbound { reference, to: planned.to.clone(), message: planned.message.clone() };
        self.channels.send(sender, credentials, &outbound).await
    }

    /// The enrollment as it then stands, as far as is known.
    #[expect(clippy::too_many_arguments, reason = "all of it is the one claim's context")]
    async fn settle(
        &self,
        tenant: TenantId,
        claimed: Enrollment,
        token: &str,
        outcome: &SendOutcome,
        sender: &Sender,
        planned: &PlannedSend,
        version: &Version,
        settings: &Settings,
    ) -> Enrollment {
        if let SendOutcome::Refused(refusal) = outcome
            && let Err(error) = self.react(tenant, sender.id, planned.attempt(), refusal, self.now()).await
        {
            // The provider will say the same of the next message.
            tracing::warn!(enrollment = %planned.enrollment, %error, "a refusal could not be acted on");
        }
        let calendar = settings.calendar(planned.contact_zone.as_deref());
        let planning =
            Planning { sequence: &version.sequence, calendar: &calendar, target_dates: &planned.target_dates };
        let mut current = claimed;
        for _ in 0..MAX_RACES {
            let now = self.now();
            let settled = settle(&current, token, outcome, sender.has_statuses(), &planning, now);
            let Some(next) = settled else { return current };
            match self.commit(tenant, &current, &next).await {
                Ok(Saved::Yes) => return next,
                Ok(Saved::No(Some(newer))) => current = newer,
                Ok(Saved::No(None)) => return current,
                // The commit may have been written: trying the same one again finds that out.
                Err(PortError::Throttled(_) | PortError::Transient(_)) => {}
                Err(PortError::Poison(_)) => break,
            }
        }
        // The lease stands and will lapse: the step function takes it from there.
        tracing::warn!(enrollment = %planned.enrollment, "a send could not be settled; its lease will lapse");
        current
    }

    /// After a claim the queue must not see this message again as unfinished: a timer that cannot
    /// be armed is left to the sweep.
    async fn arm_or_leave(&self, tenant: TenantId, enrollment: &Enrollment) {
        if let Err(error) = self.arm(tenant, enrollment).await {
            tracing::warn!(enrollment = %enrollment.id, %error, "a timer could not be armed; the sweep will");
        }
    }

    /// What a refusal means beyond its own step.
    pub(crate) async fn react(
        &self,
        tenant: TenantId,
        sender: SenderId,
        attempt: AttemptRef,
        refusal: &Refusal,
        at: Timestamp,
    ) -> Result<(), Refused> {
        let contact = attempt.enrollment.contact;
        match refusal.reaction {
            Reaction::Sender => {
                if let Err(error) = self.suspend(tenant, sender, &refusal.code).await {
                    tracing::warn!(%sender, %error, "a sender could not be suspended");
                }
                Ok(())
            }
            Reaction::OptedOut => self.opt_out_of_sender(tenant, sender, contact, &attempt.to_string(), at).await,
            Reaction::Bounced => self.suppress_contact(tenant, contact, Some(Channel::Email), "bounce", at).await,
            _ => Ok(()),
        }
    }

    /// The provider says that the sender itself is at fault: nothing more goes out through it.
    async fn suspend(&self, tenant: TenantId, id: SenderId, code: &str) -> PortResult<()> {
        for _ in 0..MAX_RACES {
            let Some(mut sender) = self.store.sender(id).await? else { return Ok(()) };
            if sender.suspended.is_some() {
                break;
            }
            sender.suspended = Some(Suspension { code: code.to_owned(), at: self.now() });
            sender.rev += 1;
            if self.store.save_sender(tenant, &sender).await? == Saved::Yes {
                tracing::error!(sender = %id, code, reason = ParkReason::SenderSuspended.as_str(), "sender suspended");
                break;
            }
        }
        self.forget(tenant);
        Ok(())
    }
}

/// `step`: the one that was claimed.
fn result(outcome: &SendOutcome, step: u32, settled: &Enrollment) -> CallResult {
    match outcome {
        SendOutcome::Accepted { .. } => CallResult::Accepted,
        SendOutcome::Ambiguous => CallResult::Unknown,
        SendOutcome::Refused(_) if matches!(settled.state, State::Parked(ParkReason::SenderSuspended)) => {
            CallResult::SenderSuspended
        }
        SendOutcome::Refused(_) if settled.step == step && !settled.state.is_finished() => CallResult::Retried,
        SendOutcome::Refused(_) => CallResult::Refused,
    }
}

/// Ours to say: the provider was not called.
fn not_called(code: &str) -> SendOutcome {
    SendOutcome::Refused(Refusal { reaction: Reaction::Transient, code: code.to_owned(), retry_after: None })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}
