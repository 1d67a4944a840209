//! The counts against their limits. Units, not requests: a write of 1.5 KB is two.

use crate::bench::cadence::{Cadence, STEP_AND_SEND, STEPS};
use crate::bench::limits::Limits;
use crate::bench::prices;
use crate::usage::{Function, Request, Units, Usage};

/// A count that must not be exceeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    pub what: &'static str,
    pub limit: f64,
    pub found: f64,
}

impl Budget {
    pub fn holds(&self) -> bool {
        self.found <= self.limit
    }
}

/// One executed step's units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Step {
    pub reads: f64,
    pub conditional_writes: f64,
    pub other_writes: f64,
    pub index_writes: f64,
    pub timers: f64,
    pub queue_requests: f64,
}

impl Step {
    /// Of what the step and send functions asked for so many steps.
    pub fn of(usage: &Usage, steps: usize) -> Self {
        let each = |amount: fn(&Request, &Units) -> f64| {
            usage.of(&STEP_AND_SEND).map(|(request, units)| amount(request, units)).sum::<f64>() / steps as f64
        };
        Self {
            reads: each(|_, units| units.read),
            conditional_writes: each(|request, units| if is_strict(request) { units.write } else { 0.0 }),
            other_writes: each(|request, units| if is_strict(request) { 0.0 } else { units.write }),
            index_writes: each(|_, units| units.index_writes()),
            timers: each(|request, units| match request {
                Request::Schedule | Request::ShortTimer => units.requests as f64,
                _ => 0.0,
            }),
            queue_requests: each(|request, units| (prices::queue_requests_of_ten(request) * units.requests) as f64)
                / 10.0,
        }
    }
}

fn is_strict(request: &Request) -> bool {
    matches!(request, Request::Dynamo { strict: true, .. })
}

/// Every budget with what was found.
pub fn of(cadence: &Cadence) -> Vec<Budget> {
    let steps: Vec<Step> = cadence.by_step.iter().map(|usage| Step::of(usage, cadence.enrollments)).collect();
    let (last, others) = steps.split_last().expect("a cadence has steps");
    let most = |steps: &[Step], count: fn(&Step) -> f64| steps.iter().map(count).fold(0.0, f64::max);
    let budget = |what, limit, found| Budget { what, limit, found };
    let first_index: f64 = cadence.enrolling.of(&[Function::Enroll]).map(|(_, units)| units.index_writes()).sum();
    let webhooks: Usage = cadence.by_step.iter().fold(Usage::default(), |mut sum, usage| {
        sum.add(usage);
        sum
    });
    let reported = webhooks.count(&[Function::Webhook], &Request::Webhook) as f64;
    let written: f64 = webhooks.of(&[Function::Webhook]).map(|(_, units)| units.write + units.index_writes()).sum();
    debug_assert_eq!(steps.len(), STEPS);
    vec![
        budget("reads a step (4 KB, consistent)", 1.0, most(&steps, |step| step.reads)),
        budget("conditional writes a step", 2.0, most(&steps, |step| step.conditional_writes)),
        budget("message records a step", 1.0, most(&steps, |step| step.other_writes)),
        budget("index writes a step", 2.0, most(others, |step| step.index_writes)),
        budget("index writes of an enrollment's last step", 3.0, last.index_writes),
        budget("index writes of an enrollment's first write", 2.0, first_index / cadence.enrollments as f64),
        budget("timers a step", 1.0, most(&steps, |step| step.timers)),
        budget("SQS requests a step", 3.0, most(&steps, |step| step.queue_requests)),
        budget("writes a delivery webhook", 1.0, written / reported),
        budget("dollars a million steps, by counts alone", 5.0, prices::counted(&cadence.step())),
    ]
}

/// Beside a step, where there are limits. How many of a batch share a write is this machine's doing, but
/// for a rate and a day together more than one is too many.
pub fn of_limits(limits: &Limits) -> Vec<Budget> {
    vec![
        Budget { what: "writes a message of its sender's limits", limit: 1.0, found: limits.of_the_sender() },
        Budget { what: "writes a message of its contact's limits", limit: 1.0, found: limits.of_the_contact() },
    ]
}
