//! `cargo run --release -- bench`: what a step costs, counted, and how fast it goes, measured.
//!
//! - [`cadence`]: enrollments through whole cadences, with what each part asked of AWS.
//! - [`budgets`]: the counts against their limits.
//! - [`limits`]: what limits cost beside it.
//! - [`prices`]: the counts in dollars.
//! - [`burst`]: how late sends are when very many are due in one second.
//! - [`binaries`]: the deployed programs' size, memory and cold start.
//! - [`report`]: all of it, printed.
//!
//! Counts are the same on every machine and are asserted; times are not.

pub mod binaries;
pub mod budgets;
pub mod burst;
pub mod cadence;
pub mod limits;
pub mod prices;
mod report;

use crate::bench::report::say;

/// Runs all parts and prints them as they come; `false` when a count is over its budget.
///
/// # Errors
/// When a part does not do what it must: a step that was not sent, a call that failed.
pub async fn run(enrollments: usize, burst: usize) -> anyhow::Result<bool> {
    let cadence = cadence::run(enrollments).await?;
    report::cadence(&cadence);
    let limits = limits::run(enrollments).await?;
    report::limits(&limits);
    let mut budgets = budgets::of(&cadence);
    budgets.extend(budgets::of_limits(&limits));
    report::prices(&cadence, &limits);
    report::burst(&cadence, &burst::run(burst).await?);
    report::binaries(&binaries::measure().await?);
    report::budgets(&budgets);
    let over: Vec<_> = budgets.iter().filter(|budget| !budget.holds()).collect();
    for budget in &over {
        say(&format!("over budget: {}: {:.2}, at most {:.2}", budget.what, budget.found, budget.limit));
    }
    Ok(over.is_empty())
}

/// The process's memory in bytes, by a field of `/proc/…/status`; `None` where there is no such file.
fn memory(process: &str, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
