//! What a step costs, as counts: `cargo run -- bench` with few enrollments.
#![allow(clippy::unwrap_used)]

use local::bench::budgets::{self, Step};
use local::bench::cadence::{self, STEPS};
use local::bench::limits;
use local::usage::Function;

#[tokio::test(flavor = "multi_thread")]
async fn a_step_costs_what_it_may() {
    let cadence = cadence::run(12).await.unwrap();
    for budget in budgets::of(&cadence) {
        assert!(budget.holds(), "over budget: {budget:?}");
    }
    // Exactly, so that what becomes cheaper is told too.
    let steps: Vec<_> = cadence.by_step.iter().map(|usage| Step::of(usage, cadence.enrollments)).collect();
    let each = Step {
        reads: 1.0,
        conditional_writes: 2.0,
        other_writes: 1.0,
        index_writes: 2.0,
        timers: 1.0,
        queue_requests: 1.5,
    };
    assert_eq!(steps[..STEPS - 1], [each; STEPS - 1]);
    // The list moves, the due entry goes; nothing is due any more.
    let last = Step { index_writes: 3.0, timers: 0.0, queue_requests: 0.5, ..each };
    assert_eq!(steps[STEPS - 1], last);

    let insert = cadence.enrolling.of(&[Function::Enroll]).find(|(_, units)| units.index_writes() > 0.0).unwrap().1;
    assert_eq!(insert.requests, 12);
    assert_eq!((insert.write, insert.index["GSI1"], insert.index["GSI2"]), (12.0, 12.0, 12.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_cost_what_they_may() {
    let limits = limits::run(40).await.unwrap();
    for budget in budgets::of_limits(&limits) {
        assert!(budget.holds(), "over budget: {budget:?}");
    }
    assert_eq!(limits.of_the_contact(), 1.0);
    assert!(limits.of_the_sender() > 0.0);
}
