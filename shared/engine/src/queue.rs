//! Messages on the queues, versioned: what was queued before a deploy still parses after it.

use domain::enrollment::PlannedSend;
use domain::ids::{EnrollmentId, JobId, SenderId, SourceId, TenantId};
use domain::message::InboundEvent;
use domain::payment::PaymentNotice;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A step's timer, on the step queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepDue {
    pub tenant: TenantId,
    pub enrollment: EnrollmentId,
    pub generation: u32,
}

impl StepDue {
    /// The timer's name: one generation has one due.
    pub fn name(&self) -> String {
        format!("{}-{}", self.enrollment, self.generation)
    }
}

/// A part of a job, on the enroll queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrollWork {
    pub tenant: TenantId,
    pub job: JobId,
    pub part: u32,
    /// It is not worked on before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// What was verified and could not be applied at once, on the inbound queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InboundWork {
    /// A sender's normalised events.
    Events { tenant: TenantId, sender: SenderId, events: Vec<InboundEvent> },
    /// What a payment source told.
    Payment { tenant: TenantId, source: SourceId, notice: PaymentNotice },
}

impl InboundWork {
    pub fn tenant(&self) -> TenantId {
        match self {
            Self::Events { tenant, .. } | Self::Payment { tenant, .. } => *tenant,
        }
    }
}

/// What a message is about, for the log: an id, never anything of what it says.
pub trait Subject {
    fn subject(&self) -> String;
}

impl Subject for StepDue {
    fn subject(&self) -> String {
        self.enrollment.to_string()
    }
}

impl Subject for PlannedSend {
    fn subject(&self) -> String {
        self.enrollment.to_string()
    }
}

impl Subject for EnrollWork {
    fn subject(&self) -> String {
        self.job.to_string()
    }
}

impl Subject for InboundWork {
    fn subject(&self) -> String {
        match self {
            Self::Events { sender, .. } => sender.to_string(),
            Self::Payment { source, .. } => source.to_string(),
        }
    }
}

/// Everything that travels on a queue. `v` comes first so that a later form can be told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum Queued<T> {
    #[serde(rename = "1")]
    V1 { body: T },
}

impl<T> Queued<T> {
    pub fn new(body: T) -> Self {
        Self::V1 { body }
    }

    pub fn into_body(self) -> T {
        match self {
            Self::V1 { body } => body,
        }
    }
}

/// What one message on a queue holds at most.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The text that goes on a queue.
pub fn encode<T: Serialize>(body: &T) -> String {
    let json = serde_json::to_string(&Queued::new(body));
    let json = json.expect("queue messages have string keys and no fallible parts");
    // Queues refuse these two, which people's texts may hold. Only strings do, where JSON may escape.
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// The body back from a queue.
pub fn decode<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Queued<T>>(text).map(Queued::into_body)
}
