//! The simulator over many seeds: nothing is broken, everything is injected, every seed replays.
//!
//! `RITMO_SIM_SEEDS=10000` runs more of them, `RITMO_SIM_EVENTS=2000` longer ones.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use testkit::sim::{Fault, Setup, command, run, shrink, unmet};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
#[allow(clippy::print_stderr)]
fn promises_hold_whatever_goes_wrong() {
    let (seeds, events) = (number("RITMO_SIM_SEEDS", 2_000), number("RITMO_SIM_EVENTS", 500));
    let (began, next, all_events) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(0));
    let counts: Mutex<BTreeMap<Fault, u64>> = Mutex::default();
    let broken: Mutex<Vec<u64>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || !broken.lock().expect("no thread panics with it").is_empty() {
                        break;
                    }
                    let report = run(&Setup::new(seed, events));
                    all_events.fetch_add(report.events, Ordering::Relaxed);
                    let mut counts = counts.lock().expect("no thread panics with it");
                    report.counts.iter().for_each(|(kind, n)| *counts.entry(*kind).or_default() += n);
                    if report.violation.is_some() {
                        broken.lock().expect("no thread panics with it").push(seed);
                    }
                }
            });
        }
    });
    if let Some(seed) = broken.into_inner().expect("no thread panics with it").into_iter().min() {
        let setup = Setup::new(seed, events);
        let shrunk = shrink(&setup);
        let violation = shrunk.report.violation.map(|v| v.to_string()).unwrap_or_default();
        panic!("seed {seed} breaks {violation}\n  {}\n  {}", command(&setup), command(&shrunk.setup));
    }
    let counts = counts.into_inner().expect("no thread panics with it");
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("{seeds} seeds, {} events, {:.0} seeds/s; injected:", all_events.into_inner(), seeds as f64 / seconds);
    Fault::ALL.iter().for_each(|kind| eprintln!("  {kind:?} {}", counts.get(kind).copied().unwrap_or_default()));
    let unmet = unmet(&counts);
    assert!(seeds < 300 || unmet.is_empty(), "never injected: {unmet:?}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..5 {
        let setup = Setup::new(seed, 300);
        let (one, two) = (run(&setup), run(&setup));
        assert_eq!((one.hash, one.events, one.calls), (two.hash, two.events, two.calls), "seed {seed}");
        // Keeping the story does not change it.
        let told = run(&Setup { trace: true, ..setup });
        assert_eq!(told.hash, one.hash, "seed {seed}");
        assert!(told.trace.len() > 100);
    }
    assert_ne!(run(&Setup::new(1, 300)).hash, run(&Setup::new(2, 300)).hash);
}

#[test]
fn nothing_is_broken_where_functions_outlive_their_lease() {
    for seed in 0..60 {
        let report = run(&Setup { timeouts: false, ..Setup::new(seed, 400) });
        assert_eq!(report.violation, None, "seed {seed}");
    }
}
