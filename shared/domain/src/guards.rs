//! Switches for the test that every guard is needed. In a build without the feature `guards` there
//! are none: `guard!(Name, condition)` is the condition.

/// A condition that protects a promise (docs/simulator.md has the table).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// An expired lease is unknown, and not sent again.
    LapseIsUnknown,
    /// A call without an answer is unknown, and not tried again.
    SilenceIsUnknown,
    /// A pause while a send is in flight leaves an intent.
    PauseIntent,
    /// Ending a run keeps its lease.
    EndKeepsLease,
    /// Ending a run bumps its generation.
    EndBumps,
    /// Pausing a run bumps its generation.
    PauseBumps,
    /// Marks end a run when it is planned.
    MarksInPlan,
    /// The mark is left before the enrollments are read.
    MarkFirst,
    /// A suppressed address is never planned for.
    Suppressed,
    /// A channel that refused a step for good is not used for it again.
    ChannelOnce,
    /// A suppression makes what is planned stale.
    SuppressionReplans,
    /// A planned send is planned again past its `not_after`.
    NotAfter,
    /// A step is planned only for an allowed instant.
    AllowedHours,
    /// Free text goes out only within 24 hours of the person's last message.
    ReplyWindow,
    /// The worker looks at its lease once more before it calls.
    LeaseAlive,
    /// A claim whose answer is lost is asked for again.
    ClaimAgain,
    /// A lower status changes nothing.
    StatusRank,
    /// Settling never lowers a status.
    SettleRank,
    /// A step that may have arrived is not planned again.
    PossiblySent,
    /// A step is opened again only while the next one is unclaimed.
    ReopenUnclaimed,
    /// Only whoever holds the lease settles it.
    SettleToken,
    /// A move asked for while a send is in flight waits for it to be settled.
    MigrateIntent,
    /// Until it has moved nothing more is scheduled on the old version.
    MigrateHolds,
    /// Planning moves the run before it looks at anything else.
    MigrateInPlan,
    /// A move makes what was planned on the old version stale.
    MigrateBumps,
    /// A run goes on behind the last step that was decided.
    MigratePosition,
    /// A change computed on one version is computed again on another.
    OnItsVersion,
    /// A run waits for its last text's report.
    ClosingPeriod,
    /// A slot is not used when it is old.
    SlotAge,
    /// A slot counts for the due that it was taken for.
    SlotOfGeneration,
    /// A country's cap on a run's steps.
    RegionCap,
    /// A contact that has had its day's or week's messages gets no more.
    ContactLimit,
    /// What goes out is counted with the contact before.
    ContactCount,
    /// Whoever counts on a contact that has changed since looks again.
    CountAgain,
    /// A message of one day is not sent on another.
    DayEnds,
    /// A message of a day that was sent is not given back.
    DaySlotUsed,
    /// One event starts one run.
    TriggerOnce,
    /// A request that is repeated finds the run that it began.
    WishOnce,
    /// The sweep repairs what is overdue.
    Sweep,
}

#[cfg(feature = "guards")]
mod switches {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::Guard;

    thread_local! {
        static OFF: RefCell<BTreeSet<Guard>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// Whether this thread goes without a guard.
    pub fn is_off(guard: Guard) -> bool {
        OFF.with_borrow(|off| off.contains(&guard))
    }

    /// Runs something without these guards, on this thread.
    pub fn without<T>(guards: &[Guard], run: impl FnOnce() -> T) -> T {
        OFF.with_borrow_mut(|off| off.extend(guards));
        let done = run();
        OFF.with_borrow_mut(BTreeSet::clear);
        done
    }
}

#[cfg(feature = "guards")]
pub use switches::{is_off, without};

/// A condition that protects a promise.
#[cfg(not(feature = "guards"))]
#[macro_export]
macro_rules! guard {
    ($name:ident, $condition:expr) => {
        $condition
    };
}

/// A condition that protects a promise; false when a test goes without it.
#[cfg(feature = "guards")]
#[macro_export]
macro_rules! guard {
    ($name:ident, $condition:expr) => {
        !$crate::guards::is_off($crate::guards::Guard::$name) && ($condition)
    };
}
