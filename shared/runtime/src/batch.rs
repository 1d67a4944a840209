//! A batch of queue messages: each succeeds or fails alone.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use engine::PortError;
use engine::queue::{Subject, decode};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::Metrics;

/// Records of one batch that are worked on at the same time: a whole batch of ours.
pub const CONCURRENCY: usize = 10;

/// Handles every record: which failed, so that the queue delivers them again and at last moves them
/// to its dead-letter queue, and what the others came to.
///
/// Each record is a task of its own, so that a panic fails that record and no other. Dropping the
/// future ends them all. Logs name a record by its message id and what it is about by that one's id,
/// never by what it says. Counted: the failed records, and how long each had been on its queue.
pub async fn batch<T, R, F, Fut>(
    event: SqsEvent,
    concurrency: usize,
    metrics: &mut Metrics,
    handle: F,
) -> (SqsBatchResponse, Vec<R>)
where
    T: DeserializeOwned + Subject + Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> Fut,
    Fut: Future<Output = Result<R, PortError>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(concurrency.max(1)));
    let mut response = SqsBatchResponse::default();
    let mut results = Vec::new();
    let mut running = JoinSet::new();
    let mut names = HashMap::new();
    for record in event.records {
        if let Some(sent) = record.attributes.get("SentTimestamp").and_then(|text| text.parse::<i64>().ok()) {
            metrics.seconds("QueueAge", metrics.at().0 - sent / 1_000);
        }
        // SQS names every message. Without a name nothing smaller than the batch can be failed,
        // which is what Lambda does when it reads an empty identifier.
        let id = record.message_id.unwrap_or_default();
        let Ok(body) = decode::<T>(record.body.as_deref().unwrap_or_default()) else {
            tracing::error!(message_id = %id, code = "unreadable", "queue message failed");
            response.add_failure(id);
            continue;
        };
        let subject = body.subject();
        let (work, permits) = (handle(body), permits.clone());
        let span = tracing::info_span!("record", message_id = %id, %subject);
        let task = async move {
            let _permit = permits.acquire_owned().await;
            work.await
        };
        names.insert(running.spawn(task.instrument(span)).id(), (id, subject));
    }
    while let Some(done) = running.join_next_with_id().await {
        let (task, code, error) = match done {
            Ok((_, Ok(result))) => {
                results.push(result);
                continue;
            }
            Ok((task, Err(error))) => (task, error.code(), error.to_string()),
            // Its text may quote what was worked on; the panic hook has logged the place.
            Err(error) => (error.id(), "panicked", String::new()),
        };
        let (id, subject) = names.remove(&task).unwrap_or_default();
        tracing::warn!(message_id = %id, %subject, code, error, "queue message failed");
        response.add_failure(id);
    }
    metrics.add("RecordsFailed", u32::try_from(response.batch_item_failures.len()).unwrap_or(u32::MAX));
    (response, results)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use domain::time::Timestamp;
    use engine::queue::encode;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
    struct Number(u32);

    impl Subject for Number {
        fn subject(&self) -> String {
            format!("number_{}", self.0)
        }
    }

    fn metrics() -> Metrics {
        Metrics::new("send", Timestamp(1_773_059_400))
    }

    fn event(bodies: &[String]) -> SqsEvent {
        let records: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(n, body)| {
                let sent = (1_773_059_400 - n as i64) * 1_000 - 999;
                json!({"messageId": format!("m{n}"), "body": body, "attributes": {"SentTimestamp": sent.to_string()}})
            })
            .collect();
        serde_json::from_value(json!({"Records": records})).unwrap()
    }

    fn failed(response: &SqsBatchResponse) -> Vec<&str> {
        let mut ids: Vec<_> = response.batch_item_failures.iter().map(|f| f.item_identifier.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    #[tokio::test]
    async fn each_record_fails_alone() {
        let bodies = [
            encode(&Number(0)),
            "not json".into(),
            encode(&Number(1)),
            encode(&Number(2)),
            encode(&"text"),
            encode(&Number(3)),
        ];
        let mut metrics = metrics();
        let (response, results) = batch(event(&bodies), CONCURRENCY, &mut metrics, |Number(n)| async move {
            match n {
                1 => panic!("one record's bug"),
                2 => Err(PortError::Transient("no answer".into())),
                _ => Ok(n),
            }
        })
        .await;
        assert_eq!(failed(&response), ["m1", "m2", "m3", "m4"]);
        assert_eq!(results, [0, 3]);
        let line = metrics.line(None).unwrap();
        assert_eq!((&line["RecordsFailed"], &line["QueueAge"]), (&json!(4), &json!([1, 2, 3, 4, 5, 6])), "{line}");
        let (response, _) = batch(event(&bodies[..1]), 1, &mut metrics, |_: Number| async { Ok(()) }).await;
        assert_eq!(serde_json::to_value(response).unwrap(), json!({"batchItemFailures": []}));
    }

    #[tokio::test]
    async fn only_so_many_at_once() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let bodies: Vec<_> = (0..10).map(|n| encode(&Number(n))).collect();
        let (response, _) = batch(event(&bodies), 3, &mut metrics(), |_: Number| {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        })
        .await;
        assert_eq!((failed(&response).len(), most.load(Ordering::SeqCst)), (0, 3));
    }

    #[tokio::test]
    async fn a_message_without_a_name_fails_the_batch() {
        let event = serde_json::from_value(json!({"Records": [{"body": "?"}]})).unwrap();
        let (response, _) = batch(event, 1, &mut metrics(), |_: Number| async { Ok(()) }).await;
        assert_eq!(failed(&response), [""]);
    }
}
