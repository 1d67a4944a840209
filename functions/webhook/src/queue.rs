//! The inbound queue: verified events that could not be applied when they came.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use engine::queue::InboundWork;
use engine::{Engine, Ports};

/// Handles one batch of the inbound queue; names the records that are to come again.
pub async fn handle_queue<P: Ports>(engine: &Arc<Engine<P>>, event: SqsEvent) -> SqsBatchResponse {
    runtime::batch(event, runtime::CONCURRENCY, |body: InboundWork| {
        let engine = engine.clone();
        async move { engine.apply_queued(&body).await }
    })
    .await
}
