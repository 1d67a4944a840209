//! SQS, standard queues.

use aws_sdk_sqs::Client;
use domain::enrollment::PlannedSend;
use domain::ids::TenantId;
use domain::time::Timestamp;
use engine::ports::{PortResult, Queues};
use engine::queue::{EnrollWork, InboundWork, encode};
use serde::Serialize;

use crate::error::port_error;
use crate::outbox::Outbox;
use crate::timers::MAX_DELAY_SECONDS;

/// The queues by their URL. The step queue is the timers'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUrls {
    pub enroll: String,
    pub step: String,
    pub send: String,
    pub inbound: String,
}

#[derive(Debug, Clone)]
pub struct SqsQueues {
    client: Client,
    urls: QueueUrls,
    sends: Outbox,
}

impl SqsQueues {
    pub fn new(client: Client, urls: QueueUrls) -> Self {
        let sends = Outbox::new(client.clone(), urls.send.clone());
        Self { client, urls, sends }
    }

    /// `delay`: in seconds.
    async fn put<T: Serialize>(&self, url: &str, tenant: TenantId, body: &T, delay: i32) -> PortResult<()> {
        self.client
            .send_message()
            .queue_url(url)
            .message_body(encode(body))
            .message_group_id(tenant.to_string())
            // Left out where there is none: the queue's own delay is none either.
            .set_delay_seconds((delay > 0).then_some(delay))
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error("SendMessage", &error))
    }
}

/// On a standard queue the message group asks for no order: it makes the queue fair, so that one
/// account's bulk does not keep the others waiting.
impl Queues for SqsQueues {
    async fn send(&self, planned: &PlannedSend, now: Timestamp) -> PortResult<()> {
        self.sends.put(encode(planned), planned.tenant.to_string(), delay(planned.not_before, now)).await
    }

    async fn enroll(&self, work: &EnrollWork, now: Timestamp) -> PortResult<()> {
        self.put(&self.urls.enroll, work.tenant, work, delay(work.not_before, now)).await
    }

    async fn inbound(&self, work: &InboundWork) -> PortResult<()> {
        self.put(&self.urls.inbound, work.tenant(), work, 0).await
    }
}

/// Seconds, as SQS takes them: up to 15 minutes.
fn delay(not_before: Option<Timestamp>, now: Timestamp) -> i32 {
    let ahead = not_before.map_or(0, |at| at.seconds_since(now));
    i32::try_from(ahead.clamp(0, MAX_DELAY_SECONDS)).unwrap_or(0)
}
