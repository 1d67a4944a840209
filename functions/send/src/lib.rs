//! A planned send: claim, call the provider, settle. Decisions are the engine's (`engine::send`).

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::enrollment::PlannedSend;
use engine::{Engine, Ports};

/// Handles one batch of the send queue; names the records that are to come again.
pub async fn handle<P: Ports>(engine: &Arc<Engine<P>>, event: SqsEvent) -> SqsBatchResponse {
    runtime::batch(event, runtime::CONCURRENCY, |body: PlannedSend| {
        let engine = engine.clone();
        async move { engine.send(&body).await }
    })
    .await
}
