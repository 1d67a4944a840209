//! The net under everything: what is overdue gets its step message again.
//!
//! Pushes `wake` back before it queues, so that a slow repair is not repeated every minute. Dies
//! between the two: the entry comes up again after the push-back.

use domain::enrollment::Enrollment;
use domain::guard;
use domain::time::Timestamp;
use futures::stream::{self, StreamExt as _};

use crate::ports::{DUE_SHARDS, DueEntry, Store as _, Timers as _};
use crate::queue::StepDue;
use crate::{Engine, PortError, Ports};

/// Timers may be this late before the sweep steps in.
pub const GRACE_SECONDS: i64 = 120;
const MAX_PUSH_BACK_SECONDS: i64 = 15 * 60;
/// Entries of one shard in one sweep; the rest comes with the next.
const PER_SHARD: u32 = 200;
const SHARDS_AT_ONCE: usize = 8;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Entries overdue by more than the grace.
    pub found: u32,
    /// Of these, how many got their step message again.
    pub repaired: u32,
    /// Seconds for which the oldest of these has been overdue; an earlier sweep's push-back is no
    /// excuse.
    pub oldest: i64,
}

impl<P: Ports> Engine<P> {
    /// Repairs what is overdue. Reads grow with what is overdue, not with what waits.
    pub async fn sweep(&self) -> Result<Swept, PortError> {
        let until = self.now().plus_seconds(-GRACE_SECONDS);
        let shards = stream::iter(0..DUE_SHARDS).map(|shard| async move {
            let mut swept = Swept::default();
            for entry in self.store.due(shard, until, PER_SHARD).await? {
                swept.found += 1;
                match self.repair(entry).await {
                    Ok(None) => {}
                    Ok(Some(overdue)) => {
                        swept.repaired += 1;
                        swept.oldest = swept.oldest.max(overdue);
                    }
                    // It stays the earliest for ever, and must not keep the sweep from the others.
                    Err(PortError::Poison(error)) => {
                        tracing::error!(enrollment = %entry.enrollment, error, "an overdue run cannot be read");
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, PortError>(swept)
        });
        let all: Vec<Result<Swept, PortError>> = shards.buffer_unordered(SHARDS_AT_ONCE).collect().await;
        let mut sum = Swept::default();
        for swept in all {
            let swept = swept?;
            sum.found += swept.found;
            sum.repaired += swept.repaired;
            sum.oldest = sum.oldest.max(swept.oldest);
        }
        Ok(sum)
    }

    /// The seconds for which it was overdue; `None` when there was nothing to repair.
    async fn repair(&self, entry: DueEntry) -> Result<Option<i64>, PortError> {
        let Some(enrollment) = self.store.enrollment(entry.tenant, entry.enrollment).await? else { return Ok(None) };
        let now = self.now();
        if enrollment.wake != Some(entry.wake) || enrollment.next_at().is_none_or(|at| at > now) {
            return Ok(None); // the index is behind, or a lease is alive
        }
        let wake = now.plus_seconds(push_back(&enrollment));
        let pushed = self.store.push_back(entry, enrollment.generation, wake, enrollment.swept + 1).await?;
        if guard!(Sweep, pushed) {
            let due = StepDue { tenant: entry.tenant, enrollment: entry.enrollment, generation: enrollment.generation };
            self.timers.arm_again(&due, now, now).await?;
        }
        let since = enrollment.ready_at().filter(|_| enrollment.lease.is_none()).unwrap_or(entry.wake).min(entry.wake);
        Ok(pushed.then(|| now.seconds_since(since)))
    }
}

fn push_back(enrollment: &Enrollment) -> i64 {
    (GRACE_SECONDS << enrollment.swept.min(8)).min(MAX_PUSH_BACK_SECONDS)
}

/// The instant at which the sweep first looks at a `wake`.
pub fn overdue_from(wake: Timestamp) -> Timestamp {
    wake.plus_seconds(GRACE_SECONDS)
}
