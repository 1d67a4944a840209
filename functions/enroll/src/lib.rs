//! A part of a job: enrollments or contacts. Decisions are the engine's (`engine::jobs`).

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use engine::queue::EnrollWork;
use engine::{Engine, Ports};
use runtime::Metrics;

/// Handles one batch of the enroll queue; names the records that are to come again.
pub async fn handle<P: Ports>(engine: &Arc<Engine<P>>, event: SqsEvent, report: impl Fn(&Metrics)) -> SqsBatchResponse {
    let mut metrics = Metrics::new("enroll", engine.now());
    let work = |body: EnrollWork| {
        let engine = engine.clone();
        async move { engine.work(&body).await }
    };
    let (response, parts) = runtime::batch(event, runtime::CONCURRENCY, &mut metrics, work).await;
    for rows in parts {
        metrics.add("RowsDone", rows.created);
        metrics.add("RowsRepeated", rows.repeated);
        metrics.add("RowsRefused", rows.failed);
    }
    report(&metrics);
    response
}
