//! The counts in dollars: AWS's list prices of us-east-1, without free tiers.

use crate::bench::budgets::Step;
use crate::bench::cadence::Cadence;
use crate::bench::limits::Limits;
use crate::usage::{Function, Request, Usage};

/// A million on-demand write and read request units.
const WRITE: f64 = 0.625;
const READ: f64 = 0.125;
/// A million requests of up to 64 KB.
const SQS: f64 = 0.40;
/// A million invocations.
const SCHEDULER: f64 = 1.00;
/// A million requests of up to 512 KB.
const HTTP_API: f64 = 1.00;
/// A million invocations, and a gigabyte for a second on arm64.
const LAMBDA: f64 = 0.20;
const GB_SECOND: f64 = 0.000_013_333_4;

/// Messages of one ReceiveMessage, DeleteMessageBatch and invocation (`infra/template.yaml`).
const BATCH: f64 = 10.0;
/// Memory of step, send, webhook and sweep (`infra/template.yaml`).
const GIGABYTES: f64 = 0.25;
/// Stated, not measured: a batch's duration on Lambda. The step function waits for one Query and one
/// queue request; the send function for three writes, a timer and the provider (a quarter of a second);
/// a webhook for two reads and a write; a sweep for its 128 Queries, eight at a time.
pub const STEP_SECONDS: f64 = 0.03;
pub const SEND_SECONDS: f64 = 0.40;
const WEBHOOK_SECONDS: f64 = 0.03;
const SWEEP_SECONDS: f64 = 0.15;

const MINUTES_A_MONTH: f64 = 43_800.0;
/// Lambda keeps so many long polls of 20 s open on a queue that is empty.
const IDLE_POLLS_A_MINUTE: f64 = 5.0 * 3.0;
const QUEUES: f64 = 4.0;

/// SQS requests that ten requests of this kind come to, at full batches.
pub fn queue_requests_of_ten(request: &Request) -> u64 {
    match request {
        Request::Message | Request::ShortTimer => 10,
        // Scheduler's own, when it fires.
        Request::Schedule => 10,
        Request::BatchedMessage => 1,
        // Its receipt and its deletion.
        Request::Received => 2,
        Request::Dynamo { .. } | Request::Webhook => 0,
    }
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub what: &'static str,
    /// A step's, a webhook's or a month's.
    pub count: f64,
    /// Dollars for a million.
    pub price: f64,
    /// Whether it follows from counts alone.
    pub counted: bool,
}

impl Line {
    /// Dollars for a million of what `count` is for.
    pub fn dollars(&self) -> f64 {
        self.count * self.price
    }
}

fn counted_line(what: &'static str, count: f64, price: f64) -> Line {
    Line { what, count, price, counted: true }
}

/// Lambda's time: gigabyte-seconds, priced by the million.
fn time(what: &'static str, seconds: f64) -> Line {
    Line { what, count: GIGABYTES * seconds, price: 1e6 * GB_SECOND, counted: false }
}

/// A million executed steps.
pub fn step((usage, steps): &(Usage, usize)) -> Vec<Line> {
    let step = Step::of(usage, *steps);
    vec![
        counted_line("DynamoDB read units", step.reads, READ),
        counted_line("DynamoDB write units, table", step.conditional_writes + step.other_writes, WRITE),
        counted_line("DynamoDB write units, indexes", step.index_writes, WRITE),
        counted_line("Scheduler invocations", step.timers, SCHEDULER),
        counted_line("SQS requests", step.queue_requests, SQS),
        counted_line("Lambda invocations", 2.0 / BATCH, LAMBDA),
        time("Lambda GB-s, step (stated)", STEP_SECONDS / BATCH),
        time("Lambda GB-s, send (stated)", SEND_SECONDS / BATCH),
    ]
}

/// Dollars of a million steps that follow from counts alone.
pub fn counted(step_usage: &(Usage, usize)) -> f64 {
    step(step_usage).iter().filter(|line| line.counted).map(Line::dollars).sum()
}

/// A million delivery webhooks.
pub fn webhook(cadence: &Cadence) -> Vec<Line> {
    let (usage, _) = cadence.step();
    let count = usage.count(&[Function::Webhook], &Request::Webhook) as f64;
    let (mut reads, mut writes) = (0.0, 0.0);
    for (_, units) in usage.of(&[Function::Webhook]) {
        reads += units.read;
        writes += units.write + units.index_writes();
    }
    vec![
        counted_line("DynamoDB read units", reads / count, READ),
        counted_line("DynamoDB write units", writes / count, WRITE),
        counted_line("HTTP API requests", 1.0, HTTP_API),
        counted_line("Lambda invocations", 1.0, LAMBDA),
        time("Lambda GB-s (stated)", WEBHOOK_SECONDS),
    ]
}

/// What a month costs in which nothing happens: polls of empty queues, and the sweep's ticks.
pub fn idle(cadence: &Cadence) -> Vec<Line> {
    let reads: f64 = cadence.idle_sweep.of(&[Function::Sweep]).map(|(_, units)| units.read).sum();
    let millions = MINUTES_A_MONTH / 1e6;
    vec![
        counted_line("SQS polls of 4 empty queues", QUEUES * IDLE_POLLS_A_MINUTE * millions, SQS),
        counted_line("DynamoDB read units of the sweep", reads * millions, READ),
        counted_line("Lambda invocations of the sweep", millions, LAMBDA),
        time("Lambda GB-s of the sweep (stated)", SWEEP_SECONDS * millions),
    ]
}

/// For a million messages: the writes of their sender's limits, and those of their contacts'.
pub fn limits(limits: &Limits) -> [f64; 2] {
    [limits.of_the_sender() * WRITE, limits.of_the_contact() * WRITE]
}
