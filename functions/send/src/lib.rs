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
        match sent {
            Sent::Called { lag, result } => {
                metrics.seconds("DueLag", lag);
                metrics.share("Retried", result == CallResult::Retried);
                metrics.share("Refused", result == CallResult::Refused);
                metrics.share("Unknown", result == CallResult::Unknown);
                metrics.add("Accepted", u32::from(result == CallResult::Accepted));
                metrics.add("SenderSuspended", u32::from(result == CallResult::SenderSuspended));
            }
            Sent::PlannedAgain => metrics.add("PlannedAgain", 1),
            Sent::Early => metrics.add("Early", 1),
            Sent::Outdated => metrics.add("Outdated", 1),
        }
    }
    report(&metrics);
    response
}
