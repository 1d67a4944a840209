//! Messages for one queue that are put at the same time share a request: a batch of timers that fire
//! together plans up to ten sends, and a request costs the same for one as for ten.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use engine::PortError;
use engine::ports::PortResult;
use tokio::sync::oneshot;

use crate::error::{entry_error, port_error};

const CALL: &str = "SendMessageBatch";
/// How long the first waits for others. A batch's reads are answered within a few milliseconds of each
/// other; whoever comes later gets the next request.
const LINGER: Duration = Duration::from_millis(10);
/// SQS's own limit for one request …
const MOST: usize = 10;
/// … and four of the 64 KB that it counts as a request.
const MOST_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    client: Client,
    url: String,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    body: String,
    group: String,
    /// Seconds, as SQS takes them: up to 15 minutes.
    delay: i32,
    done: oneshot::Sender<PortResult<()>>,
}

impl Outbox {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url, waiting: Arc::default() }
    }

    /// Returns once the queue has the message, or has refused it.
    pub(crate) async fn put(&self, body: String, group: String, delay: i32) -> PortResult<()> {
        let (done, answer) = oneshot::channel();
        let is_first = {
            let mut waiting = self.lock();
            waiting.push(Waiting { body, group, delay, done });
            waiting.len() == 1
        };
        if is_first {
            // A task of its own: whoever came first may be given up without the others.
            let outbox = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                outbox.flush().await;
            });
        }
        answer.await.unwrap_or_else(|_| Err(PortError::Transient(format!("{CALL}: no answer"))))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        // Pushed and taken whole: a panic elsewhere spoils nothing.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn flush(&self) {
        let mut batch: Vec<Waiting> = Vec::new();
        let waiting = std::mem::take(&mut *self.lock());
        for next in waiting {
            let bytes: usize = batch.iter().map(|other| other.body.len()).sum();
            if batch.len() == MOST || bytes + next.body.len() > MOST_BYTES && !batch.is_empty() {
                self.send(std::mem::take(&mut batch)).await;
            }
            batch.push(next);
        }
        self.send(batch).await;
    }

    async fn send(&self, batch: Vec<Waiting>) {
        let entry = |(n, waiting): (usize, &Waiting)| {
            let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(&waiting.body);
            // Left out where there is none: the queue's own delay is none either.
            let delay = (waiting.delay > 0).then_some(waiting.delay);
            entry.message_group_id(&waiting.group).set_delay_seconds(delay).build().expect("id and body are set")
        };
        let entries: Vec<_> = batch.iter().enumerate().map(entry).collect();
        let call = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| port_error(CALL, &error));
        for (n, waiting) in batch.into_iter().enumerate() {
            let refused = |failed: &&BatchResultErrorEntry| failed.id() == n.to_string();
            let result = match &answer {
                Ok(answer) => {
                    answer.failed().iter().find(refused).map_or(Ok(()), |failed| Err(entry_error(CALL, failed)))
                }
                Err(error) => Err(error.clone()),
            };
            // Whoever no longer listens has been ended; the message is queued, and its claim decides.
            let _ = waiting.done.send(result);
        }
    }
}
