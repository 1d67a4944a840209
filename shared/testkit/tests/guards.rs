//! Every guard is needed: without it the simulator finds a broken promise within a bounded number
//! of seeds. The rows are the table of docs/simulator.md.
//!
//! `RITMO_GUARD=NAME` runs one row and prints what it finds.

#![allow(clippy::print_stderr)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::guards::Guard::{self, *};
use domain::guards::without;
use testkit::memory::StoreGuards;
use testkit::sim::{Setup, Violation, run};

const EVENTS: u64 = 500;
/// No guard may hide longer.
const MAX_SEEDS: u64 = 10_000;

struct Row {
    name: &'static str,
    /// A seed that found it once: tried first, since the search for the rare ones takes a while in a
    /// debug build. When it no longer does, `-- --nocapture` tells another.
    seed: u64,
    /// Switched off in the engine.
    off: &'static [Guard],
    /// Switched off in the store.
    store: fn(&mut StoreGuards),
    /// Functions are killed at their time-out.
    timeouts: bool,
}

const fn engine(name: &'static str, seed: u64, off: &'static [Guard]) -> Row {
    Row { name, seed, off, store: |_| {}, timeouts: true }
}

const fn store(name: &'static str, seed: u64, store: fn(&mut StoreGuards)) -> Row {
    Row { name, seed, off: &[], store, timeouts: true }
}

const ROWS: &[Row] = &[
    store("claim: generation", 38, |s| s.claim_ignores_generation = true),
    store("claim: own token", 15, |s| s.claim_forgets_its_token = true),
    store("commit: revision", 0, |s| s.commit_ignores_rev = true),
    store("insert: key absent", 45, |s| s.insert_overwrites = true),
    store("push back: generation and wake", 449, |s| s.push_back_unconditional = true),
    // Whatever leaves `waiting` bumps the generation: each stands in for the other.
    Row {
        name: "claim: state, and generation of an end",
        seed: 1,
        off: &[EndBumps],
        store: |s| s.claim_ignores_state = true,
        timeouts: true,
    },
    Row {
        name: "claim: state, and generation of a pause",
        seed: 98,
        off: &[PauseBumps],
        store: |s| s.claim_ignores_state = true,
        timeouts: true,
    },
    engine("lapse is unknown", 34, &[LapseIsUnknown]),
    engine("silence is unknown", 9, &[SilenceIsUnknown]),
    engine("pause intent", 472, &[PauseIntent]),
    engine("end keeps lease", 34, &[EndKeepsLease]),
    engine("marks in plan", 83, &[MarksInPlan]),
    engine("mark first", 34, &[MarkFirst]),
    engine("suppressed", 9, &[Suppressed]),
    engine("channel once", 99, &[ChannelOnce]),
    engine("suppression replans", 14_031, &[SuppressionReplans]),
    engine("not after", 711, &[NotAfter]),
    engine("allowed hours", 2, &[AllowedHours]),
    engine("reply window", 1, &[ReplyWindow]),
    Row { name: "lease alive", seed: 4, off: &[LeaseAlive], store: |_| {}, timeouts: false },
    engine("claim again", 389, &[ClaimAgain]),
    engine("status rank", 1, &[StatusRank]),
    engine("settle rank", 1803, &[SettleRank]),
    engine("possibly sent", 68, &[PossiblySent]),
    engine("reopen unclaimed", 838, &[ReopenUnclaimed]),
    Row { name: "settle token", seed: 10_392, off: &[SettleToken], store: |_| {}, timeouts: false },
    engine("migrate intent", 47, &[MigrateIntent]),
    engine("migrate holds", 1590, &[MigrateHolds]),
    engine("migrate in plan", 51, &[MigrateInPlan]),
    engine("migrate bumps", 72, &[MigrateBumps]),
    engine("migrate position", 414, &[MigratePosition]),
    engine("on its version", 6371, &[OnItsVersion]),
    store("reserve: others' slots", 1, |s| s.reserve_ignores_others = true),
    engine("slot: age", 45, &[SlotAge]),
    engine("slot: its generation's", 19, &[SlotOfGeneration]),
    store("take day: others' messages", 3, |s| s.take_day_ignores_others = true),
    store("give back: with its write", 345, |s| s.gives_back_always = true),
    engine("day: used", 1, &[DaySlotUsed]),
    engine("day: its end", 8632, &[DayEnds]),
    engine("contact limit", 15, &[ContactLimit]),
    engine("contact counted", 2, &[ContactCount]),
    engine("contact counted again", 1739, &[CountAgain]),
    engine("region cap", 28, &[RegionCap]),
    engine("closing period", 7, &[ClosingPeriod]),
    engine("trigger once", 125, &[TriggerOnce]),
    engine("wish once", 15, &[WishOnce]),
    engine("sweep", 122, &[Sweep]),
];

/// A seed that breaks without this guard.
fn caught(row: &Row) -> Option<(u64, Violation)> {
    std::iter::once(row.seed).chain(0..MAX_SEEDS).find_map(|seed| {
        let mut setup = Setup { timeouts: row.timeouts, ..Setup::new(seed, EVENTS) };
        (row.store)(&mut setup.store_guards);
        without(row.off, || run(&setup)).violation.map(|violation| (seed, violation))
    })
}

#[test]
fn every_guard_is_needed() {
    let only = std::env::var("RITMO_GUARD").ok();
    let rows: Vec<&Row> = ROWS.iter().filter(|r| only.as_ref().is_none_or(|name| name == r.name)).collect();
    let next = AtomicUsize::new(0);
    let missed: Mutex<Vec<&str>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match caught(row) {
                        Some((seed, violation)) => eprintln!("{}: seed {seed}: {violation}", row.name),
                        None => missed.lock().expect("no thread panics with it").push(row.name),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no thread panics with it");
    assert!(missed.is_empty(), "nothing breaks without: {missed:?}");
}
