//! The figures, for people.

use std::time::Duration;

use crate::bench::binaries::{Binary, build_command};
use crate::bench::budgets::Budget;
use crate::bench::burst::Burst;
use crate::bench::cadence::{Cadence, STEP_AND_SEND, STEPS};
use crate::bench::limits::Limits;
use crate::bench::prices::{self, Line};
use crate::usage::{Function, Request, Units, Usage, is_read};

const BINARY_BUDGET: f64 = 8.0;
const MEGABYTE: f64 = 1e6;

#[allow(clippy::print_stdout, reason = "the bench's one purpose is to print")]
pub(super) fn say(line: &str) {
    println!("{line}");
}

pub(super) fn cadence(cadence: &Cadence) {
    let enrollments = cadence.enrollments as f64;
    say(&format!(
        "{} enrollments, two of each contact, through {STEPS} steps on an embedded DynamoDB",
        cadence.enrollments
    ));
    let (usage, steps) = cadence.step();
    heading("An executed step");
    rows(&usage, &STEP_AND_SEND, steps as f64);
    heading("An enrollment's first write");
    rows(&cadence.enrolling, &[Function::Enroll], enrollments);
    heading("An enrollment's last step");
    rows(&cadence.by_step[STEPS - 1], &[Function::Send], enrollments);
    heading("A delivery webhook (two a step)");
    rows(&usage, &[Function::Webhook], usage.count(&[Function::Webhook], &Request::Webhook) as f64);
    say(&format!("  settings, at most every 30 s of each worker: {:.1} reads", cadence.settings_reads()));
}

pub(super) fn limits(limits: &Limits) {
    say(&format!(
        "\nLimits, for each of {} messages due at once: {:.2} writes of its sender's rate and day, {:.2} of its contact",
        limits.messages,
        limits.of_the_sender(),
        limits.of_the_contact()
    ));
}

fn heading(what: &str) {
    say(&format!("\n{what:44}  calls  reads  writes   GSI1   GSI2   largest"));
}

/// DynamoDB's requests; the others are in the bill.
fn rows(usage: &Usage, functions: &[Function], count: f64) {
    for function in functions {
        for (request, units) in usage.of(std::slice::from_ref(function)) {
            let Request::Dynamo { operation, strict } = request else { continue };
            let how = match strict {
                false => "",
                true if is_read(operation) => ", consistent",
                true => ", conditional",
            };
            let what = format!("  {:8}{operation}{how}", format!("{function:?}").to_lowercase());
            say(row(&what, units, count).trim_end());
        }
    }
}

fn row(what: &str, units: &Units, count: f64) -> String {
    let index = |name: &str| units.index.get(name).copied().unwrap_or(0.0);
    let cell = |amount: f64| if amount == 0.0 { String::new() } else { format!("{:.2}", amount / count) };
    let largest = if units.largest == 0 { String::new() } else { format!("{} B", units.largest) };
    format!(
        "{what:44} {:>6} {:>6} {:>7} {:>6} {:>6} {largest:>9}",
        cell(units.requests as f64),
        cell(units.read),
        cell(units.write),
        cell(index("GSI1")),
        cell(index("GSI2")),
    )
}

pub(super) fn prices(cadence: &Cadence, limits: &Limits) {
    say("\nDollars per million steps (us-east-1; SQS receives and deletes, and Lambda, by batches of ten)");
    bill(&prices::step(&cadence.step()));
    say("Beside it");
    let sum = |lines: &[Line]| lines.iter().map(Line::dollars).sum::<f64>();
    say(&format!("  a million delivery webhooks {:>42.2}", sum(&prices::webhook(cadence))));
    let [sender, contact] = prices::limits(limits);
    say(&format!("  a million messages of a sender with limits {sender:>27.2}"));
    say(&format!("  a million messages to contacts with limits {contact:>27.2}"));
    say(&format!("  a month in which nothing is due (polls, sweep) {:>23.2}", sum(&prices::idle(cadence))));
}

fn bill(lines: &[Line]) {
    for Line { what, count, price, .. } in lines {
        say(&format!("  {what:36} {count:>10.4} × {price:>7.4} = {:>9.2}", count * price));
    }
    let sum: f64 = lines.iter().map(Line::dollars).sum();
    say(&format!("  {:57} {sum:>12.2}", "sum"));
}

pub(super) fn burst(cadence: &Cadence, burst: &Burst) {
    say("\nOn this machine, in one process");
    let steps = (cadence.enrollments * STEPS) as f64;
    say(&format!("  {:.0} steps/s, each with two delivery reports", steps / cadence.took.as_secs_f64()));
    let Burst { sends, p50, p99, last } = burst;
    say(&format!(
        "  {sends} due in one second: provider called after p50 {}, p99 {}, last {} (16 at a time)",
        seconds(*p50),
        seconds(*p99),
        seconds(*last)
    ));
    if let Some((before, after)) = cadence.memory {
        say(&format!(
            "  memory of the whole process, table and queues in it: {:.0} MB at start, {:.0} MB after {steps} steps",
            before as f64 / MEGABYTE,
            after as f64 / MEGABYTE
        ));
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

pub(super) fn binaries(binaries: &[Binary]) {
    if binaries.is_empty() {
        say("\nThe functions are not built, so their size and cold start are not measured:");
        say(&format!("  {}", build_command()));
        return;
    }
    say("\nFunctions as built      size    start to first answer: min  median     max    memory");
    for Binary { name, bytes, started } in binaries {
        let size = *bytes as f64 / MEGABYTE;
        let mut line = format!("  {name:12} {size:>10.1} MB");
        match started {
            None => line += "   built for another machine",
            Some(started) => {
                let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
                let memory =
                    started.memory.map(|bytes| format!("{:.0} MB", bytes as f64 / MEGABYTE)).unwrap_or_default();
                line +=
                    &format!("{:>33} {:>7} {:>7} {memory:>9}", ms(started.min), ms(started.median), ms(started.max));
            }
        }
        if size > BINARY_BUDGET {
            line += &format!("   over {BINARY_BUDGET:.0} MB");
        }
        say(&line);
    }
}

pub(super) fn budgets(budgets: &[Budget]) {
    say("\nBudgets");
    for budget in budgets {
        let mark = if budget.holds() { "ok" } else { "OVER" };
        say(&format!("  {:46} {:>6.2} of {:>5.2}  {mark}", budget.what, budget.found, budget.limit));
    }
}
