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
const MAX_SEEDS: u64 = 4_000;

struct Row {
    name: &'static str,
    /// Switched off in the engine.
    off: &'static [Guard],
    /// Switched off in the store.
    store: fn(&mut StoreGuards),
    /// Functions are killed at their time-out.
    timeouts: bool,
}

const fn engine(name: &'static str, off: &'static [Guard]) -> Row {
    Row { name, off, store: |_| {}, timeouts: true }
}

const fn store(name: &'static str, store: fn(&mut StoreGuards)) -> Row {
    Row { name, off: &[], store, timeouts: true }
}

const ROWS: &[Row] = &[
    store("claim: generation", |s| s.claim_ignores_generation = true),
    store("claim: own token", |s| s.claim_forgets_its_token = true),
    store("commit: revision", |s| s.commit_ignores_rev = true),
    store("insert: key absent", |s| s.insert_overwrites = true),
    store("push back: generation and wake", |s| s.push_back_unconditional = true),
    // Whatever leaves `waiting` bumps the generation: each stands in for the other.
    Row {
        name: "claim: state, and generation of an end",
        off: &[EndBumps],
        store: |s| s.claim_ignores_state = true,
        timeouts: true,
    },
    Row {
        name: "claim: state, and generation of a pause",
        off: &[PauseBumps],
        store: |s| s.claim_ignores_state = true,
        timeouts: true,
    },
    engine("lapse is unknown", &[LapseIsUnknown]),
    engine("silence is unknown", &[SilenceIsUnknown]),
    engine("pause intent", &[PauseIntent]),
    engine("end keeps lease", &[EndKeepsLease]),
    engine("marks in plan", &[MarksInPlan]),
    engine("mark first", &[MarkFirst]),
    engine("suppressed", &[Suppressed]),
    engine("suppression replans", &[SuppressionReplans]),
    engine("not after", &[NotAfter]),
    engine("allowed hours", &[AllowedHours]),
    engine("reply window", &[ReplyWindow]),
    Row { name: "lease alive", off: &[LeaseAlive], store: |_| {}, timeouts: false },
    engine("claim again", &[ClaimAgain]),
    engine("status rank", &[StatusRank]),
    engine("settle rank", &[SettleRank]),
    engine("possibly sent", &[PossiblySent]),
    engine("reopen unclaimed", &[ReopenUnclaimed]),
    Row { name: "settle token", off: &[SettleToken], store: |_| {}, timeouts: false },
    engine("trigger once", &[TriggerOnce]),
    engine("sweep", &[Sweep]),
];

/// The first seed that breaks without this guard.
fn caught(row: &Row) -> Option<(u64, Violation)> {
    (0..MAX_SEEDS).find_map(|seed| {
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
