//! The least that it takes to break the same promise: injections are left out, greedily.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Report, Setup, run};

/// A scenario that cannot lose another injection and still breaks.
#[derive(Debug, Clone)]
pub struct Shrunk {
    pub setup: Setup,
    pub report: Report,
}

/// Runs that shrinking may take.
const MAX_RUNS: u32 = 600;

/// Leaves out as many injections as possible, first in large pieces. Leaving one out changes what
/// follows, so the same promise has to break, not the same way.
pub fn shrink(setup: &Setup) -> Shrunk {
    let quiet = Setup { trace: false, ..setup.clone() };
    let mut best = Shrunk { report: run(&quiet), setup: quiet };
    let Some(promise) = best.report.violation.as_ref().map(|v| v.promise) else { return best };
    // What comes after the break is not needed.
    let until = Setup { events: best.setup.events.min(best.report.events), ..best.setup.clone() };
    try_it(&mut best, until, promise);
    let mut runs = 0;
    let mut piece = best.report.injected.len().div_ceil(2).max(1);
    loop {
        let mut smaller = false;
        let mut at = 0;
        while at < best.report.injected.len() && runs < MAX_RUNS {
            runs += 1;
            let out = best.report.injected.iter().skip(at).take(piece).map(|(number, _)| *number);
            let without = best.setup.without.iter().copied().chain(out).collect();
            let setup = Setup { without, ..best.setup.clone() };
            if try_it(&mut best, setup, promise) {
                smaller = true;
            } else {
                at += piece;
            }
        }
        if runs >= MAX_RUNS || (piece == 1 && !smaller) {
            return best;
        }
        piece = (piece / 2).max(1);
    }
}

fn try_it(best: &mut Shrunk, setup: Setup, promise: &str) -> bool {
    let report = run(&setup);
    let same = report.violation.as_ref().is_some_and(|v| v.promise == promise);
    let better = same && report.injected.len() <= best.report.injected.len();
    if better {
        *best = Shrunk { setup, report };
    }
    better
}

/// The command line that replays a run.
pub fn command(setup: &Setup) -> String {
    let mut text = format!(
        "cargo run --release -p testkit --bin simulate -- --seed {} --events {} --trace",
        setup.seed, setup.events
    );
    if !setup.without.is_empty() {
        let _ = write!(text, " --without {}", ranges(&setup.without));
    }
    text
}

fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, to)) if *to + 1 == *number => *to = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let text = |(from, to): &(u32, u32)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// `3,17,20-40` as numbers; `None` when it is not written so.
pub fn numbers(text: &str) -> Option<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        all.extend(from.parse::<u32>().ok()?..=to.parse::<u32>().ok()?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_their_text_form() {
        let all: BTreeSet<u32> = [3, 17, 20, 21, 22].into();
        assert_eq!(ranges(&all), "3,17,20-22");
        assert_eq!(numbers("3,17,20-22"), Some(all));
        assert_eq!(numbers(""), Some(BTreeSet::new()));
        assert_eq!(numbers("x"), None);
    }
}
