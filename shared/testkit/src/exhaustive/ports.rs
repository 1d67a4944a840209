//! The engine's ports over a world that is a value. A handler is run again from its beginning for
//! every step that it takes: what it was answered before is answered again, then one call has its
//! effect, and the next one is where it waits.

use std::any::Any;
use std::fmt::Debug;
use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

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
use engine::model::{
    IdempotencyRecord, Job, JobCounts, JobPart, Page, StoredMessage, StoredSequence, StoredTemplate, Suppression,
    Unmatched, Version,
};
use engine::ports::{
    Begun, Channels, Claim, Clock, ContactSaved, DueEntry, EnrollmentFilter, Inserted, PortResult, Queues, Random,
    Saved, Secrets, Store, Timers,
};
use engine::queue::{EnrollWork, InboundWork, StepDue, encode};
use engine::{PortError, Ports};
use serde_json::Value;

use super::world::{Fate, Queue, World, digest};
use crate::memory::{due_shard, for_each_store_verb};

/// What becomes of the call at which a handler waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Run,
    /// No effect, and an error.
    Throttle,
    /// The effect, and an error.
    LoseAnswer,
    /// The effect, unheard: the SDK makes the same call once more.
    Again,
    /// An answer without the effect: a timer that never fires.
    NoTimer,
    /// What the provider does with a request.
    Provider(Fate),
}

/// Answers that a handler has had, in order.
pub(super) type Log = Vec<Arc<dyn Any + Send + Sync>>;

pub(super) struct Stage {
    pub world: World,
    pub log: Log,
    /// Of the log: two handlers that have heard the same will do the same.
    pub heard: u64,
    replayed: usize,
    grant: Option<Grant>,
    /// The call at which the handler waits.
    pub waiting: Option<&'static str>,
    /// Of the handler's work: its randomness follows from it.
    label: u64,
    drawn: u64,
}

/// One handler's handle on its stage.
#[derive(Clone)]
pub(super) struct Play(Arc<Mutex<Stage>>);

impl Play {
    pub(super) fn new(world: World, label: u64, log: Log, heard: u64, grant: Option<Grant>) -> Self {
        let stage = Stage { world, log, heard, replayed: 0, grant, waiting: None, label, drawn: 0 };
        Self(Arc::new(Mutex::new(stage)))
    }

    /// One thread runs a handler: nobody else holds it.
    pub(super) fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stage back, once the handler is gone.
    pub(super) fn end(self) -> Option<Stage> {
        let stage = Arc::try_unwrap(self.0).ok()?;
        Some(stage.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn answered_before<T: Clone + 'static>(&self) -> Option<T> {
        let mut stage = self.stage();
        let answer = stage.log.get(stage.replayed)?.downcast_ref::<T>().cloned();
        stage.replayed += 1;
        Some(answer.expect("a handler asks the same of the same answers"))
    }

    async fn grant(&self, op: &'static str) -> Grant {
        poll_fn(|_| {
            let mut stage = self.stage();
            if let Some(grant) = stage.grant.take() {
                return Poll::Ready(grant);
            }
            stage.waiting = Some(op);
            Poll::Pending
        })
        .await
    }

    async fn turn<T: Clone + Debug + Send + Sync + 'static>(
        &self,
        op: &'static str,
        mut effect: impl FnMut(&mut World, Grant) -> Option<T>,
    ) -> T {
        if let Some(answer) = self.answered_before() {
            return answer;
        }
        loop {
            let grant = self.grant(op).await;
            let mut stage = self.stage();
            if let Some(answer) = effect(&mut stage.world, grant) {
                stage.heard = digest(&(stage.heard, op, &answer));
                stage.log.push(Arc::new(answer.clone()));
                stage.replayed += 1;
                return answer;
            }
        }
    }

    async fn call<T: Clone + Debug + Send + Sync + 'static>(
        &self,
        op: &'static str,
        mut effect: impl FnMut(&mut World) -> PortResult<T>,
    ) -> PortResult<T> {
        self.turn(op, |world, grant| match grant {
            Grant::Throttle => Some(Err(PortError::Throttled("explored".into()))),
            Grant::LoseAnswer => Some(effect(world).and(Err(PortError::Transient("explored".into())))),
            Grant::Again => {
                drop(effect(world));
                None
            }
            Grant::Run | Grant::NoTimer | Grant::Provider(_) => Some(effect(world)),
        })
        .await
    }

    async fn timer(
        &self,
        op: &'static str,
        due: &StepDue,
        at: Timestamp,
        now: Timestamp,
        again: bool,
    ) -> PortResult<()> {
        let armed = self.turn(op, |world, grant| {
            if !matches!(grant, Grant::Throttle | Grant::NoTimer) {
                world.arm(due, at.0, now.0, again);
            }
            Some(match grant {
                Grant::Throttle | Grant::LoseAnswer => Err(PortError::Transient("explored".into())),
                _ => Ok(()),
            })
        });
        armed.await
    }
}

pub(super) struct PlayPorts;

impl Ports for PlayPorts {
    type Store = Play;
    type Timers = Play;
    type Queues = Play;
    type Clock = Play;
    type Random = Play;
    type Secrets = Play;
    type Channels = Play;
}

macro_rules! over_world {
    ($($verb:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        impl Store for Play {
            $(async fn $verb(&self, $($arg: $type),*) -> PortResult<$out> {
                if let Some(out) = unchanging::$verb(self, $($arg),*) {
                    return out;
                }
                self.call(stringify!($verb), |world| world.tables.$verb($($arg),*)).await
            })*
        }

        /// What no play changes needs no decision: settings, senders, versions, identities, the
        /// shards of others. Message records are never read.
        #[allow(unused_variables, clippy::unnecessary_wraps)]
        mod unchanging {
            use super::*;
            $(pub(super) fn $verb(play: &Play, $($arg: $type),*) -> Option<PortResult<$out>> {
                over_world!(@unchanging $verb play $($arg)*)
            })*
        }
    };
    (@unchanging account $play:ident $($arg:ident)*) => { over_world!(@base account $play $($arg)*) };
    (@unchanging sender $play:ident $($arg:ident)*) => { over_world!(@base sender $play $($arg)*) };
    (@unchanging senders $play:ident $($arg:ident)*) => { over_world!(@base senders $play $($arg)*) };
    (@unchanging sequence $play:ident $($arg:ident)*) => { over_world!(@base sequence $play $($arg)*) };
    (@unchanging version $play:ident $($arg:ident)*) => { over_world!(@base version $play $($arg)*) };
    (@unchanging find_contact $play:ident $($arg:ident)*) => { over_world!(@base find_contact $play $($arg)*) };
    (@unchanging put_message $play:ident $($arg:ident)*) => { Some(Ok(())) };
    (@unchanging due $play:ident $shard:ident $until:ident $limit:ident) => {
        ($shard != due_shard($play.stage().world.contact)).then(|| Ok(Vec::new()))
    };
    (@unchanging $verb:ident $($rest:ident)*) => { None };
    (@base $verb:ident $play:ident $($arg:ident)*) => {{
        let base = $play.stage().world.base.clone();
        let mut tables = base.lock().unwrap_or_else(PoisonError::into_inner);
        Some(tables.$verb($($arg),*))
    }};
}
for_each_store_verb!(over_world);

impl Timers for Play {
    async fn arm(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        self.timer("arm", due, at, now, false).await
    }

    async fn arm_again(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        self.timer("arm_again", due, at, now, true).await
    }
}

impl Queues for Play {
    async fn send(&self, planned: &PlannedSend, _now: Timestamp) -> PortResult<()> {
        self.call("queue_send", |w| {
            let at = planned.not_before.map_or(w.now, |slot| slot.0.max(w.now));
            w.post(Queue::Send, encode(planned), at);
            Ok(())
        })
        .await
    }

    async fn enroll(&self, _work: &EnrollWork, _now: Timestamp) -> PortResult<()> {
        unreachable!("no play starts a job")
    }

    async fn inbound(&self, work: &InboundWork) -> PortResult<()> {
        self.call("queue_inbound", |w| {
            w.post(Queue::Inbound, encode(work), w.now);
            Ok(())
        })
        .await
    }
}

impl Clock for Play {
    fn now(&self) -> Timestamp {
        Timestamp(self.stage().world.now)
    }
}

impl Random for Play {
    fn seed(&self) -> [u8; 32] {
        let mut stage = self.stage();
        let mut seed = [0; 32];
        for (index, chunk) in seed.chunks_mut(8).enumerate() {
            let mut hasher = DefaultHasher::new();
            (stage.label, stage.drawn, index).hash(&mut hasher);
            chunk.copy_from_slice(&hasher.finish().to_be_bytes());
        }
        stage.drawn += 1;
        seed
    }
}

impl Secrets for Play {
    async fn put_secret(&self, _: TenantId, _: &str, _: &Value) -> PortResult<()> {
        Ok(())
    }

    async fn secret(&self, _: TenantId, _: &str) -> PortResult<Option<Value>> {
        Ok(Some(Value::Null))
    }

    async fn delete_secret(&self, _: TenantId, _: &str) -> PortResult<()> {
        Ok(())
    }
}

impl Channels for Play {
    async fn send(&self, _: &Sender, _: &Value, outbound: &Outbound) -> SendOutcome {
        let call = self.turn("provider", |world, grant| {
            let fate = if let Grant::Provider(fate) = grant { fate } else { Fate::Accepted };
            Some(world.asked(outbound, fate))
        });
        let call = call.await;
        self.turn("answer", |world, _| Some(world.answer(call))).await
    }

    async fn look(&self, _: &Sender, _: &Value, _: &str) -> Result<Look, Refusal> {
        Ok(Look::QUIET)
    }

    async fn templates(&self, _: &Sender, _: &Value) -> Result<Vec<KnownTemplate>, Refusal> {
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
