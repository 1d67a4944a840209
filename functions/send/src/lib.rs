//! A planned send: claim, call the provider, settle. Decisions are the engine's (`engine::send`).

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::enrollment::PlannedSend;
use engine::send::{CallResult, Sent};
use engine::{Engine, Ports};
use runtime::Metrics;

/// Handles one batch of the send queue; names the records that are to come again.
pub async fn handle<P: Ports>(engine: &Arc<Engine<P>>, event: SqsEvent, report: impl Fn(&Metrics)) -> SqsBatchResponse {
    let mut metrics = Metrics::new("send", engine.now());
    let work = |body: PlannedSend| {
        let engine = engine.clone();
        async move { engine.send(&body).await }
    };
    let (response, all) = runtime::batch(event, runtime::CONCURRENCY, &mut metrics, work).await;
    for sent in all {
        let name = match sent {
            Sent::Called { lag, result } => {
                metrics.seconds("DueLag", lag);
                match result {
                    CallResult::Accepted => "Accepted",
                    CallResult::Unknown => "Unknown",
                    CallResult::Retried => "Retried",
                    CallResult::Refused => "Refused",
                    CallResult::SenderSuspended => "SenderSuspended",
                }
            }
            Sent::PlannedAgain => "PlannedAgain",
            Sent::Outdated => "Outdated",
        };
        metrics.add(name, 1);
    }
    report(&metrics);
    response
}
