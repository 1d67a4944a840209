//! Runs the simulator: one seed with its story, or many seeds with their counts.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use testkit::exhaustive::{Bounds, SCENES, Scene, explore};
use testkit::memory::StoreGuards;
use testkit::sim::{Fault, Report, Setup, command, run, shrink};

/// The real engine on a virtual clock, with everything that may go wrong going wrong.
#[derive(Debug, Parser)]
struct Arguments {
    /// Runs this seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Runs these seeds: `0..1000`.
    #[arg(long, value_parser = range)]
    seeds: Option<(u64, u64)>,
    /// Events before faults stop and the run is left to settle.
    #[arg(long, default_value_t = 500)]
    events: u64,
    /// Prints the story.
    #[arg(long)]
    trace: bool,
    /// Numbers of injections to leave out: `3,17,20-40`.
    #[arg(long, default_value = "")]
    without: String,
    /// With `--seeds`: do not stop at the first that breaks, count them all.
    #[arg(long)]
    keep_going: bool,
    /// Explores the small worlds completely, with so many deviations a path.
    #[arg(long, value_name = "DEVIATIONS", conflicts_with_all = ["seed", "seeds"])]
    exhaustive: Option<u8>,
    /// With `--exhaustive`: this world only.
    #[arg(long)]
    scene: Option<String>,
    /// Threads for `--seeds` and `--exhaustive`; all cores when left out.
    #[arg(long)]
    threads: Option<usize>,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = text.split_once("..").ok_or("write it as FROM..TO")?;
    let number = |t: &str| t.parse::<u64>().map_err(|e| e.to_string());
    Ok((number(from)?, number(to)?))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(deviations) = arguments.exhaustive {
        return all(&arguments, deviations);
    }
    match (arguments.seed, arguments.seeds) {
        (_, Some((from, to))) => many(&arguments, from, to),
        (seed, None) => one(&arguments, seed.unwrap_or(0)),
    }
}

/// Every world, every order, so many deviations a path.
fn all(arguments: &Arguments, deviations: u8) -> ExitCode {
    let wanted = |scene: &&Scene| arguments.scene.as_ref().is_none_or(|name| name == scene.name);
    let threads = arguments.threads.unwrap_or_else(cores);
    for scene in SCENES.iter().filter(wanted) {
        let began = Instant::now();
        let found = explore(&Bounds { scene: *scene, deviations, store_guards: StoreGuards::default(), threads });
        println!(
            "{}: {} states, {} moves, {} ends, {deviations} deviations, {:.1} s",
            scene.name,
            found.states,
            found.moves,
            found.ends,
            began.elapsed().as_secs_f64()
        );
        let kinds: Vec<_> = found.kinds.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        println!("  {}", kinds.join(", "));
        if let Some((violation, story)) = found.violation {
            println!("breaks {violation}");
            story.iter().for_each(|line| println!("  {line}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn one(arguments: &Arguments, seed: u64) -> ExitCode {
    let without = match testkit::sim::numbers(&arguments.without) {
        Some(without) => without,
        None => {
            eprintln!("--without takes numbers and ranges: 3,17,20-40");
            return ExitCode::FAILURE;
        }
    };
    let setup = Setup { trace: arguments.trace, without, ..Setup::new(seed, arguments.events) };
    let report = run(&setup);
    report.trace.iter().for_each(|line| println!("{line}"));
    println!("seed {seed}: {} events, {} provider calls, trace {:016x}", report.events, report.calls, report.hash);
    tell(&setup, &report)
}

fn many(arguments: &Arguments, from: u64, to: u64) -> ExitCode {
    let next = AtomicU64::new(from);
    let sum: Mutex<(BTreeMap<Fault, u64>, u64, u64)> = Mutex::default();
    let broken: Mutex<BTreeMap<u64, Report>> = Mutex::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.unwrap_or_else(cores) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to || (!arguments.keep_going && broken.lock().is_ok_and(|b| !b.is_empty())) {
                        break;
                    }
                    let report = run(&Setup::new(seed, arguments.events));
                    if let Ok(mut sum) = sum.lock() {
                        report.counts.iter().for_each(|(kind, n)| *sum.0.entry(*kind).or_default() += n);
                        sum.1 += report.events;
                        sum.2 += report.calls;
                    }
                    if report.violation.is_some()
                        && let Ok(mut broken) = broken.lock()
                    {
                        broken.insert(seed, report);
                    }
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let (counts, events, calls) = sum.into_inner().unwrap_or_default();
    let done = next.load(Ordering::Relaxed).min(to) - from;
    println!(
        "{done} seeds in {seconds:.1} s: {:.1} seeds/s, {events} events, {calls} provider calls",
        done as f64 / seconds
    );
    println!("injected:");
    for kind in Fault::ALL {
        println!("  {:26} {:>9}", format!("{kind:?}"), counts.get(kind).copied().unwrap_or_default());
    }
    let broken = broken.into_inner().unwrap_or_default();
    if arguments.keep_going {
        summary(&broken);
    }
    let first = broken.into_values().next();
    first.map_or(ExitCode::SUCCESS, |report| tell(&Setup::new(report.seed, arguments.events), &report))
}

/// Which promises broke how often, each with a seed; ids do not count as a difference.
fn summary(broken: &BTreeMap<u64, Report>) {
    let mut kinds: BTreeMap<String, (u32, u64)> = BTreeMap::new();
    for (seed, report) in broken {
        let Some(violation) = &report.violation else { continue };
        let text = violation.to_string();
        let plain = text.split(' ').filter(|w| !w.contains("enr_") && !w.contains(|c: char| c.is_ascii_digit()));
        kinds.entry(plain.collect::<Vec<_>>().join(" ")).or_insert((0, *seed)).0 += 1;
    }
    println!("{} seeds break a promise:", broken.len());
    for (text, (times, seed)) in kinds {
        println!("  {times:>5} x, first seed {seed}: {text}");
    }
}

/// What was broken, how to see it again, and the least that it takes.
fn tell(setup: &Setup, report: &Report) -> ExitCode {
    let Some(violation) = &report.violation else { return ExitCode::SUCCESS };
    println!("seed {} breaks {violation}", setup.seed);
    println!("  {}", command(setup));
    let shrunk = shrink(setup);
    println!("shrunk, with {} injections:", shrunk.report.injected.len());
    for (number, kind) in &shrunk.report.injected {
        println!("  {number:>5} {kind:?}");
    }
    println!("  {}", command(&shrunk.setup));
    ExitCode::FAILURE
}
