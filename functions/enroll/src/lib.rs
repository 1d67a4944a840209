//! A part of a job: enrollments or contacts. Decisions are the engine's (`engine::jobs`).

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use engine::queue::EnrollWork;
use engine::{Engine, Ports};

/// Handles one batch of the enroll queue; names the records that are to come again.
pub async fn handle<P: Ports>(engine: &Arc<Engine<P>>, event: SqsEvent) -> SqsBatchResponse {
    runtime::batch(event, runtime::CONCURRENCY, |body: EnrollWork| {
        let engine = engine.clone();
        async move { engine.work(&body).await }
    })
    .await
}
