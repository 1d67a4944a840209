//! The engine's ports in one process. Only timers, queues and the clock are its own: the store is
//! the real adapter on an embedded DynamoDB, and the providers' adapters are the real ones, pointed
//! at stand-ins.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::conversation::Look;
use domain::enrollment::PlannedSend;
use domain::ids::AttemptRef;
use domain::message::{Outbound, ProviderKind, Refusal, SendOutcome};
use domain::payment::{ChargeEvent, PaymentProvider, PaymentSource};
use domain::sender::{KnownTemplate, Sender};
use domain::time::Timestamp;
use engine::Ports;
use engine::ports::{Channels, Clock as _, PortResult, Queues, Timers};
use engine::queue::{EnrollWork, InboundWork, StepDue, encode};
use runtime::{OsRandom, ProviderAdapter};
use serde_json::Value;
use store::DynamoStore;

use crate::clock::LocalClock;
use crate::queue::Queue;
use crate::runner::Runner;
use crate::senders::Senders;
use crate::usage::{Meter, Request};

/// SQS delays a message by up to 15 minutes; beyond, it is Scheduler's, where names are unique.
const MAX_DELAY_SECONDS: i64 = 900;

#[derive(Debug, Clone, Copy)]
pub(crate) enum LocalPorts {}

impl Ports for LocalPorts {
    type Store = DynamoStore;
    type Timers = LocalTimers;
    type Queues = LocalQueues;
    type Clock = LocalClock;
    type Random = OsRandom;
    type Secrets = DynamoStore;
    type Channels = LocalChannels;
}

#[derive(Debug, Clone)]
pub(crate) struct LocalTimers {
    pub(crate) runner: Arc<Runner>,
    pub(crate) meter: Meter,
}

impl Timers for LocalTimers {
    async fn arm(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        let timer = (at.seconds_since(now) > MAX_DELAY_SECONDS).then(|| due.name());
        self.meter.count(if timer.is_some() { Request::Schedule } else { Request::ShortTimer }, 1);
        self.runner.message(at.max(now), Queue::Step, encode(due), timer);
        Ok(())
    }

    async fn arm_again(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        let at = at.clamp(now, now.plus_seconds(MAX_DELAY_SECONDS));
        self.meter.count(Request::ShortTimer, 1);
        self.runner.message(at, Queue::Step, encode(due), None);
        Ok(())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct LocalQueues {
    pub(crate) runner: Arc<Runner>,
    pub(crate) attempts: Attempts,
    pub(crate) meter: Meter,
}

impl LocalQueues {
    fn put(&self, queue: Queue, request: Request, body: String, at: Timestamp) {
        self.meter.count(request, 1);
        self.runner.message(at, queue, body, None);
    }

    fn now(&self) -> Timestamp {
        self.runner.clock().now()
    }
}

impl Queues for LocalQueues {
    async fn send(&self, planned: &PlannedSend, now: Timestamp) -> PortResult<()> {
        self.attempts.note(planned.attempt(), planned.step);
        self.put(Queue::Send, Request::BatchedMessage, encode(planned), delayed(planned.not_before, now));
        Ok(())
    }

    async fn enroll(&self, work: &EnrollWork, now: Timestamp) -> PortResult<()> {
        self.put(Queue::Enroll, Request::Message, encode(work), delayed(work.not_before, now));
        Ok(())
    }

    async fn inbound(&self, work: &InboundWork) -> PortResult<()> {
        self.put(Queue::Inbound, Request::Message, encode(work), self.now());
        Ok(())
    }
}

fn delayed(not_before: Option<Timestamp>, now: Timestamp) -> Timestamp {
    not_before.unwrap_or(now).clamp(now, now.plus_seconds(MAX_DELAY_SECONDS))
}

/// Which step an attempt was for, as planned here: a provider is told the attempt only.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts(Arc<Mutex<HashMap<AttemptRef, u32>>>);

impl Attempts {
    fn note(&self, attempt: AttemptRef, step: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt, step);
    }

    pub(crate) fn step(&self, attempt: &AttemptRef) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(attempt).copied()
    }
}

/// The providers' adapters; the stand-ins learn which senders exist from the calls made.
#[derive(Clone)]
pub(crate) struct LocalChannels {
    pub(crate) inner: ProviderAdapter,
    pub(crate) senders: Arc<Senders>,
}

impl Channels for LocalChannels {
    async fn send(&self, sender: &Sender, credentials: &Value, outbound: &Outbound) -> SendOutcome {
        self.senders.note(sender, credentials);
        self.inner.send(sender, credentials, outbound).await
    }

    async fn look(&self, sender: &Sender, credentials: &Value, conversation: &str) -> Result<Look, Refusal> {
        self.senders.note(sender, credentials);
        self.inner.look(sender, credentials, conversation).await
    }

    async fn templates(&self, sender: &Sender, credentials: &Value) -> Result<Vec<KnownTemplate>, Refusal> {
        self.senders.note(sender, credentials);
        self.inner.templates(sender, credentials).await
    }

    async fn read_back(
        &self,
        source: &PaymentSource,
        credentials: &Value,
        payment: &str,
    ) -> Result<Option<ChargeEvent>, Refusal> {
        self.inner.read_back(source, credentials, payment).await
    }

    fn check_source(
        &self,
        provider: PaymentProvider,
        config: &Value,
        credentials: Option<&Value>,
    ) -> Vec<(String, String, String)> {
        self.inner.check_source(provider, config, credentials)
    }

    fn check(
        &self,
        provider: ProviderKind,
        config: &Value,
        credentials: Option<&Value>,
    ) -> Vec<(String, String, String)> {
        self.inner.check(provider, config, credentials)
    }
}
