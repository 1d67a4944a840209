//! The functions themselves, behind the runner's queues.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::time::Timestamp;
use engine::Engine;
use engine::ports::{DUE_SHARDS, PortResult, Store as _};
use engine::sweep::overdue_from;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use runtime::Metrics;
use store::DynamoStore;

use crate::metrics::Kept;
use crate::ports::LocalPorts;
use crate::queue::Queue;
use crate::runner::{Handlers, Runner};
use crate::stand_ins::{PendingWebhook, StandIns};
use crate::usage::{Function, Meters, Request};

const SHARDS_AT_ONCE: usize = 8;
/// A sweep takes so many entries of a shard; what is more waits for the next.
const FULL: u32 = 200;
/// Of one shard: far more than a local table holds.
const ALL: u32 = 1_000_000;

/// The workers, each with an engine of its own, as on Lambda.
pub(crate) struct Functions {
    pub(crate) enroll: Arc<Engine<LocalPorts>>,
    pub(crate) step: Arc<Engine<LocalPorts>>,
    pub(crate) send: Arc<Engine<LocalPorts>>,
    pub(crate) webhook: Arc<Engine<LocalPorts>>,
    pub(crate) sweep: Arc<Engine<LocalPorts>>,
    pub(crate) stand_ins: Arc<StandIns>,
    pub(crate) meters: Meters,
    pub(crate) metrics: Kept,
}

impl Handlers for Functions {
    async fn messages(&self, queue: Queue, event: SqsEvent) -> SqsBatchResponse {
        let function = match queue {
            Queue::Enroll => Function::Enroll,
            Queue::Step => Function::Step,
            Queue::Send => Function::Send,
            Queue::Inbound => Function::Webhook,
        };
        self.meters.of(function).count(Request::Received, event.records.len());
        let report = |metrics: &Metrics| self.metrics.add(metrics);
        match queue {
            Queue::Enroll => enroll::handle(&self.enroll, event, report).await,
            Queue::Step => step::handle(&self.step, event, report).await,
            Queue::Send => send::handle(&self.send, event, report).await,
            Queue::Inbound => webhook::handle_queue(&self.webhook, event, report).await,
        }
    }

    async fn webhook(&self, webhook: &mut PendingWebhook) -> Option<i64> {
        self.meters.of(Function::Webhook).count(Request::Webhook, 1);
        self.stand_ins.deliver(webhook).await
    }

    async fn sweep(&self) -> bool {
        match sweep::handle(&self.sweep, |metrics| self.metrics.add(metrics)).await {
            // Passed over, or more than one sweep takes.
            Ok(swept) => swept.found > swept.repaired || swept.found >= FULL,
            Err(error) => {
                tracing::warn!(%error, "sweep failed");
                true
            }
        }
    }
}

/// After timers were lost: a sweep now, and on the manual clock one at each instant (in whole
/// minutes) at which an entry of the due index would be overdue by the grace. A timer made since
/// comes before it, and then that sweep finds nothing.
pub(crate) async fn plan_sweeps(runner: &Runner, store: &DynamoStore, now: Timestamp) -> PortResult<()> {
    runner.sweep_at(now);
    if !runner.clock().is_manual() {
        return Ok(());
    }
    let mut shards =
        stream::iter(0..DUE_SHARDS).map(|shard| store.due(shard, END_OF_TIME, ALL)).buffer_unordered(SHARDS_AT_ONCE);
    while let Some(entries) = shards.try_next().await? {
        for entry in entries {
            let at = overdue_from(entry.wake).0;
            runner.sweep_at(Timestamp(at + (60 - at.rem_euclid(60)) % 60).max(now));
        }
    }
    Ok(())
}

/// 9999-12-31T23:59:59Z.
const END_OF_TIME: Timestamp = Timestamp(253_402_300_799);
