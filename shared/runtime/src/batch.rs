//! A batch of queue messages: each succeeds or fails alone.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use engine::PortError;
use engine::queue::decode;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// Records of one batch that are worked on at the same time: a whole batch of ours.
pub const CONCURRENCY: usize = 10;

/// Handles every record and names those that failed, which the queue then delivers again, and at
/// last moves to its dead-letter queue.
///
/// Each record is a task of its own, so that a panic fails that record and no other. Dropping the
/// future ends them all. Logs name a record by its message id, never by what it says.
pub async fn batch<T, F, Fut>(event: SqsEvent, concurrency: usize, handle: F) -> SqsBatchResponse
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(T) -> Fut,
    Fut: Future<Output = Result<(), PortError>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(concurrency.max(1)));
    let mut response = SqsBatchResponse::default();
    let mut running = JoinSet::new();
    let mut names = HashMap::new();
    for record in event.records {
        // SQS names every message. Without a name nothing smaller than the batch can be failed,
        // which is what Lambda does when it reads an empty identifier.
        let id = record.message_id.unwrap_or_default();
        let Ok(body) = decode::<T>(record.body.as_deref().unwrap_or_default()) else {
            tracing::error!(message_id = %id, "unreadable queue message");
            response.add_failure(id);
            continue;
        };
        let (work, permits) = (handle(body), permits.clone());
        let span = tracing::info_span!("record", message_id = %id);
        let task = async move {
            let _permit = permits.acquire_owned().await;
            work.await
        };
        names.insert(running.spawn(task.instrument(span)).id(), id);
    }
    while let Some(done) = running.join_next_with_id().await {
        let (task, failure) = match done {
            Ok((_, Ok(()))) => continue,
            Ok((task, Err(error))) => (task, error.to_string()),
            Err(error) => (error.id(), "panicked".to_owned()),
        };
        let id = names.remove(&task).unwrap_or_default();
        tracing::warn!(message_id = %id, error = %failure, "queue message failed");
        response.add_failure(id);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use engine::queue::encode;
    use serde_json::json;

    use super::*;

    fn event(bodies: &[String]) -> SqsEvent {
        let records: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(n, body)| json!({"messageId": format!("m{n}"), "body": body, "attributes": {}}))
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
        let bodies = [encode(&0), "not json".into(), encode(&1), encode(&2), encode(&"text"), encode(&3)];
        let response = batch(event(&bodies), CONCURRENCY, |n: u32| async move {
            match n {
                1 => panic!("one record's bug"),
                2 => Err(PortError::Transient("no answer".into())),
                _ => Ok(()),
            }
        })
        .await;
        assert_eq!(failed(&response), ["m1", "m2", "m3", "m4"]);
        assert_eq!(
            serde_json::to_value(batch(event(&bodies[..1]), 1, |_: u32| async { Ok(()) }).await).unwrap(),
            json!({"batchItemFailures": []})
        );
    }

    #[tokio::test]
    async fn only_so_many_at_once() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let bodies: Vec<_> = (0..10).map(|n| encode(&n)).collect();
        let response = batch(event(&bodies), 3, |_: u32| {
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
        let response = batch(event, 1, |_: u32| async { Ok(()) }).await;
        assert_eq!(failed(&response), [""]);
    }
}
