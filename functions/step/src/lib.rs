//! A timer fired: plan the enrollment's step. Decisions are the engine's (`engine::step`).

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::enrollment::ParkReason;
use engine::queue::StepDue;
use engine::step::Stepped;
use engine::{Engine, Ports};
use runtime::Metrics;

/// Handles one batch of the step queue; names the records that are to come again.
pub async fn handle<P: Ports>(engine: &Arc<Engine<P>>, event: SqsEvent, report: impl Fn(&Metrics)) -> SqsBatchResponse {
    let mut metrics = Metrics::new("step", engine.now());
    let work = |body: StepDue| {
        let engine = engine.clone();
        async move { engine.step(&body).await }
    };
    let (response, all) = runtime::batch(event, runtime::CONCURRENCY, &mut metrics, work).await;
    for stepped in all {
        let name = match stepped {
            Stepped::Planned => "Planned",
            Stepped::Held(ParkReason::SenderSuspended) => "SenderSuspended",
            Stepped::Held(_) => "Held",
            Stepped::Unknown => "Unknown",
            Stepped::Changed => "Changed",
            Stepped::Early => "Early",
            Stepped::Outdated => "Outdated",
        };
        metrics.add(name, 1);
    }
    report(&metrics);
    response
}
