//! Timers and queues as lists that a test empties.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::enrollment::PlannedSend;
use domain::time::Timestamp;
use engine::PortError;
use engine::ports::{PortResult, Queues, Timers};
use engine::queue::{EnrollWork, InboundWork, MAX_BYTES, StepDue, encode};
use serde::Serialize;

use super::store::lock;

/// Beyond this a timer is a named schedule instead of a delayed message.
pub(crate) const MAX_DELAY_SECONDS: i64 = 15 * 60;

/// A timer that is to fire.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedTimer {
    pub at: Timestamp,
    /// A named schedule, else a delayed message.
    pub scheduled: bool,
    pub due: StepDue,
}

/// The timers port in memory. Clones share their timers.
#[derive(Debug, Clone, Default)]
pub struct MemoryTimers {
    messages: Arc<Mutex<Vec<QueuedTimer>>>,
    schedules: Arc<Mutex<BTreeMap<String, QueuedTimer>>>,
}

impl MemoryTimers {
    /// Takes out what fires up to `until`, earliest first.
    pub fn fire(&self, until: Timestamp) -> Vec<QueuedTimer> {
        let (mut fired, waiting) = lock(&self.messages).drain(..).partition::<Vec<_>, _>(|t| t.at <= until);
        *lock(&self.messages) = waiting;
        lock(&self.schedules).retain(|_, timer| {
            let fires = timer.at <= until;
            if fires {
                fired.push(timer.clone());
            }
            !fires
        });
        fired.sort_by_key(|t| t.at);
        fired
    }

    /// All that are to fire, in no order.
    pub fn waiting(&self) -> Vec<QueuedTimer> {
        let mut all = lock(&self.messages).clone();
        all.extend(lock(&self.schedules).values().cloned());
        all
    }
}

impl Timers for MemoryTimers {
    async fn arm(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        if at.seconds_since(now) <= MAX_DELAY_SECONDS {
            return self.arm_again(due, at, now).await;
        }
        // A schedule of that name is this very timer.
        lock(&self.schedules).entry(due.name()).or_insert_with(|| QueuedTimer {
            at,
            scheduled: true,
            due: due.clone(),
        });
        Ok(())
    }

    async fn arm_again(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        let at = at.max(now).min(now.plus_seconds(MAX_DELAY_SECONDS));
        lock(&self.messages).push(QueuedTimer { at, scheduled: false, due: due.clone() });
        Ok(())
    }
}

/// The queues port in memory. Clones share their queues.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueues {
    pub sends: Arc<Mutex<Vec<PlannedSend>>>,
    pub enrolls: Arc<Mutex<Vec<EnrollWork>>>,
    pub inbounds: Arc<Mutex<Vec<InboundWork>>>,
}

/// # Errors
/// `Poison` for what no message holds.
fn put<T: Clone + Serialize>(queue: &Mutex<Vec<T>>, body: &T) -> PortResult<()> {
    if encode(body).len() > MAX_BYTES {
        return Err(PortError::Poison("a message of more than 1 MiB".into()));
    }
    lock(queue).push(body.clone());
    Ok(())
}

impl Queues for MemoryQueues {
    async fn send(&self, planned: &PlannedSend, _now: Timestamp) -> PortResult<()> {
        put(&self.sends, planned)
    }

    async fn enroll(&self, work: &EnrollWork, _now: Timestamp) -> PortResult<()> {
        put(&self.enrolls, work)
    }

    async fn inbound(&self, work: &InboundWork) -> PortResult<()> {
        put(&self.inbounds, work)
    }
}
