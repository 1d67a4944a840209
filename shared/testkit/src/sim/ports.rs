//! The engine's ports over the simulated world. Every call goes through the gate.

use domain::account::{Account, ApiKey};
use domain::contact::{Contact, Conversation, Person, Target, TargetRef};
use domain::content::Attribute;
use domain::conversation::Look;
use domain::enrollment::{DaySlot, Enrollment, Lease, PlannedSend};
use domain::ids::{ApiKeyId, ContactId, EnrollmentId, JobId, SenderId, SequenceId, SourceId, TemplateId, TenantId};
use domain::message::{Channel, Identity, Outbound, ProviderKind, Refusal, SendOutcome};
use domain::payment::{ChargeEvent, PaymentProvider, PaymentSource};
use domain::sender::{KnownTemplate, Sender};
use domain::time::{NaiveDate, Timestamp};
use engine::Ports;
use engine::model::{
    IdempotencyRecord, Job, JobCounts, JobPart, Page, StoredMessage, StoredSequence, StoredTemplate, Suppression,
    Unmatched, Version,
};
use engine::ports::{
    Begun, Channels, Claim, Clock, ContactSaved, DueEntry, EnrollmentFilter, Inserted, PortResult, Queues, Random,
    Saved, Secrets, Store, Timers,
};
use engine::queue::{EnrollWork, InboundWork, StepDue, encode};
use serde_json::Value;

use super::hub::Hub;
use super::queues::Queue;
use crate::memory::{MAX_DELAY_SECONDS, for_each_store_verb};

pub(super) struct SimPorts;

impl Ports for SimPorts {
    type Store = SimStore;
    type Timers = SimTimers;
    type Queues = SimQueues;
    type Clock = SimClock;
    type Random = SimRandom;
    type Secrets = SimSecrets;
    type Channels = SimChannels;
}

pub(super) struct SimStore(pub Hub);

macro_rules! over_hub {
    ($($verb:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        impl Store for SimStore {
            $(async fn $verb(&self, $($arg: $type),*) -> PortResult<$out> {
                if let Some(out) = quiet::$verb(&self.0, $($arg),*) {
                    return out;
                }
                self.0.call(stringify!($verb), |state| over_hub!(@read $verb state).$verb($($arg),*)).await
            })*
        }

        /// Calls that need no decision of the scheduler: a sweep asks 128 shards, nearly all empty.
        #[allow(unused_variables, clippy::unnecessary_wraps)]
        mod quiet {
            use super::*;
            $(pub(super) fn $verb(hub: &Hub, $($arg: $type),*) -> Option<PortResult<$out>> {
                over_hub!(@quiet $verb hub $($arg)*)
            })*
        }
    };
    (@read due $state:ident) => { $state.index() };
    (@read enrollments $state:ident) => { $state.index() };
    (@read contacts $state:ident) => { $state.index() };
    (@read $verb:ident $state:ident) => { $state.tables };
    (@quiet due $hub:ident $shard:ident $until:ident $limit:ident) => {{
        let found = $hub.state().tables.due($shard, $until, $limit);
        found.as_ref().is_ok_and(Vec::is_empty).then_some(found)
    }};
    (@quiet $verb:ident $($rest:ident)*) => { None };
}
for_each_store_verb!(over_hub);

pub(super) struct SimTimers(pub Hub);

impl Timers for SimTimers {
    async fn arm(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        let delay = at.seconds_since(now);
        self.0.effect("arm", |s| s.broker.arm(due, at.0, delay, s.now, false, &mut s.faults)).await
    }

    async fn arm_again(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        let delay = at.seconds_since(now);
        self.0.effect("arm_again", |s| s.broker.arm(due, at.0, delay, s.now, true, &mut s.faults)).await
    }
}

pub(super) struct SimQueues(pub Hub);

impl Queues for SimQueues {
    async fn send(&self, planned: &PlannedSend, now: Timestamp) -> PortResult<()> {
        let delay = planned.not_before.map_or(0, |slot| slot.seconds_since(now)).clamp(0, MAX_DELAY_SECONDS);
        self.0.effect("queue_send", |s| s.broker.send(Queue::Send, encode(planned), s.now + delay, &mut s.faults)).await
    }

    async fn enroll(&self, work: &EnrollWork, now: Timestamp) -> PortResult<()> {
        let delay = work.not_before.map_or(0, |at| at.seconds_since(now)).clamp(0, MAX_DELAY_SECONDS);
        self.0
            .effect("queue_enroll", |s| s.broker.send(Queue::Enroll, encode(work), s.now + delay, &mut s.faults))
            .await
    }

    async fn inbound(&self, work: &InboundWork) -> PortResult<()> {
        self.0.effect("queue_inbound", |s| s.broker.send(Queue::Inbound, encode(work), s.now, &mut s.faults)).await
    }
}

/// A worker's clock: the true time and its own skew.
pub(super) struct SimClock {
    pub hub: Hub,
    pub skew: i64,
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.hub.state().now().plus_seconds(self.skew)
    }
}

pub(super) struct SimRandom(pub Hub);

impl Random for SimRandom {
    fn seed(&self) -> [u8; 32] {
        self.0.state().random.bytes()
    }
}

pub(super) struct SimSecrets(pub Hub);

impl Secrets for SimSecrets {
    async fn put_secret(&self, tenant: TenantId, name: &str, value: &Value) -> PortResult<()> {
        let put = |s: &mut super::hub::State| s.secrets.insert((tenant, name.to_owned()), value.clone());
        self.0.effect("put_secret", |s| drop(put(s))).await
    }

    async fn secret(&self, tenant: TenantId, name: &str) -> PortResult<Option<Value>> {
        self.0.call("secret", |s| Ok(s.secrets.get(&(tenant, name.to_owned())).cloned())).await
    }

    async fn delete_secret(&self, tenant: TenantId, name: &str) -> PortResult<()> {
        self.0.effect("delete_secret", |s| drop(s.secrets.remove(&(tenant, name.to_owned())))).await
    }
}

pub(super) struct SimChannels(pub Hub);

impl Channels for SimChannels {
    async fn send(&self, sender: &Sender, _credentials: &Value, outbound: &Outbound) -> SendOutcome {
        self.0.gate("provider").await;
        let call = self.0.state().provider_call(sender, outbound);
        self.0.gate("provider_answer").await;
        self.0.state().provider_answer(call)
    }

    async fn look(&self, _: &Sender, _: &Value, _: &str) -> Result<Look, Refusal> {
        Ok(Look::QUIET)
    }

    async fn templates(&self, _sender: &Sender, _credentials: &Value) -> Result<Vec<KnownTemplate>, Refusal> {
        Ok(Vec::new())
    }

    async fn read_back(&self, _: &PaymentSource, _: &Value, _: &str) -> Result<Option<ChargeEvent>, Refusal> {
        Ok(None)
    }

    fn check_source(&self, _: PaymentProvider, _: &Value, _: Option<&Value>) -> Vec<(String, String, String)> {
        Vec::new()
    }

    fn check(&self, _: ProviderKind, _: &Value, _: Option<&Value>) -> Vec<(String, String, String)> {
        Vec::new()
    }
}
