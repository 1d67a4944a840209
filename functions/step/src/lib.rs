//! A timer fired: plan the enrollment's step. Decisions are the engine's (`engine::step`).

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use engine::queue::StepDue;
use engine::{Engine, Ports};

/// Handles one batch of the step queue; names the records that are to come again.
pub async fn handle<P: Ports>(engine: &Arc<Engine<P>>, event: SqsEvent) -> SqsBatchResponse {
    runtime::batch(event, runtime::CONCURRENCY, |body: StepDue| {
        let engine = engine.clone();
        async move { engine.step(&body).await }
    })
    .await
}
