//! What all ports of a simulated deployment share, and the gate through which every port call goes.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use domain::ids::TenantId;
use domain::time::Timestamp;
use engine::PortError;
use engine::ports::PortResult;
use serde_json::Value;

use super::faults::{Fault, Faults};
use super::model::Model;
use super::provider::Provider;
use super::queues::Broker;
use super::rng::Rng;
use super::trace::Trace;
use crate::memory::Tables;

/// A handler in flight. Numbers are never used twice.
pub(super) type HandlerId = u64;

/// What the scheduler lets a port call do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Run,
    /// No effect.
    Throttle,
    /// The effect, and an error.
    LoseAnswer,
    /// The effect, and then the same call once more, as an SDK does that has heard nothing.
    Retry,
}

/// A port call that waits for its grant.
#[derive(Debug)]
pub(super) struct Call {
    pub handler: HandlerId,
    pub op: &'static str,
    grant: Option<Grant>,
    waker: Option<Waker>,
}

/// The whole simulated world besides the handlers.
pub(super) struct State {
    /// Virtual seconds, the true time.
    pub now: i64,
    /// The number of the event that is happening.
    pub event: u64,
    pub tables: Tables,
    /// The tables as they were a while ago: what an index that is behind may still show.
    pub before: Tables,
    pub secrets: BTreeMap<(TenantId, String), Value>,
    pub broker: Broker,
    pub provider: Provider,
    pub faults: Faults,
    pub model: Model,
    pub trace: Trace,
    pub random: Rng,
    /// The handler that is being polled.
    pub current: HandlerId,
    pub calls: BTreeMap<u64, Call>,
    next_call: u64,
}

impl State {
    pub(super) fn new(seed: u64, faults: Faults, now: i64, model: Model, trace: Trace) -> Self {
        let mut tables = Tables::default();
        tables.watched = Some(Vec::new());
        Self {
            now,
            event: 0,
            before: Tables::default(),
            tables,
            secrets: BTreeMap::new(),
            broker: Broker::default(),
            provider: Provider::default(),
            faults,
            model,
            trace,
            random: Rng::stream(seed, 3),
            current: 0,
            calls: BTreeMap::new(),
            next_call: 0,
        }
    }

    /// What an eventually consistent read finds.
    pub(super) fn index(&mut self) -> &mut Tables {
        if self.faults.hit(Fault::StaleIndex) { &mut self.before } else { &mut self.tables }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.now)
    }
}

/// A handle on the world; every port has one.
#[derive(Clone)]
pub(super) struct Hub(Arc<Mutex<State>>);

impl Hub {
    pub(super) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// Everything runs on one thread: a panic elsewhere is the run's own end.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the scheduler lets this call go on.
    pub(super) fn gate(&self, op: &'static str) -> Gate {
        Gate { hub: self.clone(), op, call: None }
    }

    /// A port call: waits for its grant, then has its effect, or none, or an unheard one.
    pub(super) async fn call<T>(
        &self,
        op: &'static str,
        mut effect: impl FnMut(&mut State) -> PortResult<T>,
    ) -> PortResult<T> {
        let mut effect = |hub: &Self| effect(&mut hub.state());
        match self.gate(op).await {
            Grant::Run => effect(self),
            Grant::Throttle => Err(PortError::Throttled("simulated".into())),
            Grant::LoseAnswer => {
                effect(self)?;
                Err(PortError::Transient("simulated".into()))
            }
            Grant::Retry => {
                effect(self)?;
                self.gate("again").await;
                effect(self)
            }
        }
    }

    /// A call that has nothing to tell but that it is done.
    pub(super) async fn effect(&self, op: &'static str, mut effect: impl FnMut(&mut State)) -> PortResult<()> {
        self.call(op, |state| {
            effect(state);
            Ok(())
        })
        .await
    }

    /// Lets a waiting call go on; its handler must then be polled.
    pub(super) fn grant(&self, call: u64, grant: Grant) {
        let waker = self.state().calls.get_mut(&call).and_then(|c| {
            c.grant = Some(grant);
            c.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether a fault happens here.
    pub(super) fn hit(&self, kind: Fault) -> bool {
        self.state().faults.hit(kind)
    }
}

pub(super) struct Gate {
    hub: Hub,
    op: &'static str,
    call: Option<u64>,
}

impl Future for Gate {
    type Output = Grant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Grant> {
        let hub = self.hub.clone();
        let mut state = hub.state();
        let Some(id) = self.call else {
            let id = state.next_call;
            state.next_call += 1;
            let call = Call { handler: state.current, op: self.op, grant: None, waker: Some(cx.waker().clone()) };
            state.calls.insert(id, call);
            self.call = Some(id);
            return Poll::Pending;
        };
        let Some(call) = state.calls.get_mut(&id) else { return Poll::Ready(Grant::Run) };
        let Some(grant) = call.grant else {
            call.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.calls.remove(&id);
        self.call = None;
        Poll::Ready(grant)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(id) = self.call {
            self.hub.state().calls.remove(&id);
        }
    }
}
