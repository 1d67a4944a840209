//! The inbound queue: verified events that could not be applied when they came.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use engine::queue::InboundWork;
use engine::{Engine, Ports};
use runtime::Metrics;

/// Handles one batch of the inbound queue; names the records that are to come again.
pub async fn handle_queue<P: Ports>(
    engine: &Arc<Engine<P>>,
    event: SqsEvent,
    report: impl Fn(&Metrics),
) -> SqsBatchResponse {
    let mut metrics = Metrics::new("webhook", engine.now());
    let work = |body: InboundWork| {
        let engine = engine.clone();
        async move { engine.apply_queued(&body).await }
    };
    let (response, _) = runtime::batch(event, runtime::CONCURRENCY, &mut metrics, work).await;
    report(&metrics);
    response
}
