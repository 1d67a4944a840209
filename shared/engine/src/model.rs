//! What is stored beside contacts and enrollments.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use domain::account::Role;
use domain::contact::TargetRef;
use domain::content::Templates;
use domain::enrollment::{ParkReason, Source};
use domain::ids::{ContactId, EnrollmentId, JobId, MessageId, SenderId, SequenceId, SourceId, TemplateId, TenantId};
use domain::message::{Channel, InboundKind, Message};
use domain::payment::ChargeEvent;
use domain::sequence::{MessageTemplate, Sequence};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A page of a list; the cursor is opaque.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub data: Vec<T>,
    pub next_cursor: Option<String>,
}

/// A sequence: its draft, and which version is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSequence {
    pub id: SequenceId,
    /// Bumped by every write; `If-Match`.
    pub revision: u64,
    /// The creating key's user email, else the key's id.
    pub owner: String,
    #[serde(default)]
    pub archived: bool,
    /// The newest version; 0 when never published.
    #[serde(default)]
    pub published: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub draft: Sequence,
}

/// A message template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredTemplate {
    pub id: TemplateId,
    /// Bumped by every write; `If-Match`.
    pub revision: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub template: MessageTemplate,
}

/// An immutable published version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub sequence_id: SequenceId,
    pub number: u32,
    pub published_at: Timestamp,
    pub published_by: String,
    pub sequence: Sequence,
    /// The message templates that it uses, as they were.
    #[serde(default, skip_serializing_if = "Templates::is_empty")]
    pub templates: Templates,
}

/// A message in or out, as stored (`9#MSG`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    pub id: MessageId,
    pub contact: ContactId,
    pub at: Timestamp,
    pub direction: Direction,
    pub channel: Channel,
    pub sender: SenderId,
    /// Out: what went out. In: its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<InboundKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<EnrollmentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    In,
    Out,
}

/// An address that gets nothing more on a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suppression {
    pub channel: Channel,
    /// Canonical: E.164 with `+`, lower-case email, or a business-scoped id.
    pub address: String,
    pub reason: String,
    pub at: Timestamp,
}

/// The public id of an entry: fixed by what it suppresses, so that doing it twice is one entry. It stands
/// in addresses of the API, so it is another for each account.
pub fn suppression_id(tenant: TenantId, channel: Channel, address: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(format!("{tenant}:{}:{address}", channel.as_str()).as_bytes()).into();
    format!("sup_{}", B64.encode(&hash[..15]))
}

/// What a payment source told and nobody was found for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unmatched {
    pub source: SourceId,
    pub reason: UnmatchedReason,
    /// The event's: telling it twice is one entry.
    pub key: String,
    pub at: Timestamp,
    pub received_at: Timestamp,
    /// Without its payer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<ChargeEvent>,
}

impl Unmatched {
    const KEPT_DAYS: i64 = 30;

    pub fn expires_at(&self) -> Timestamp {
        self.received_at.plus_days(Self::KEPT_DAYS)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnmatchedReason {
    /// No charge has one of its ids, and no contact the payer's email or phone.
    NoMatch,
    /// Verified, and not JSON.
    Unreadable,
}

/// Work over many contacts, in parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub tenant: TenantId,
    pub rev: u64,
    pub created_at: Timestamp,
    pub work: JobWork,
    /// How many parts there are so far.
    pub parts: u32,
    /// No more parts will come.
    pub closed: bool,
    pub total: u32,
    pub counts: JobCounts,
}

impl Job {
    pub fn is_done(&self) -> bool {
        self.closed && self.counts.parts_done == self.parts
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobWork {
    /// Rows are contact ids.
    Enroll { sequence: SequenceId, source: Source, by: String, target: Option<TargetRef> },
    /// Rows are CSV records as objects; `role` of the key decides nothing here, the default country does.
    Import { default_country: Option<String>, by: String },
    /// One row, of nothing: everybody held for this reason goes on.
    Unpark { reason: ParkReason },
    /// Rows are enrollments' ids, or pages of lists that are still to be read: everybody on an older
    /// version goes on in this one, which was published at `since`.
    Migrate { sequence: SequenceId, version: u32, since: Timestamp },
}

/// Counters of a job; a part's are added once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct JobCounts {
    pub parts_done: u32,
    /// Enroll: enrolled. Import: created. Migrate: on the new version, or to be as soon as the send in
    /// flight is settled.
    pub created: u32,
    /// Enroll: duplicates. Import: updated. Migrate: left alone, because they ended meanwhile or were
    /// moved by hand.
    pub repeated: u32,
    pub failed: u32,
    /// The first few, each `{"row","field","code","detail"}`.
    pub errors: Vec<RowError>,
}

impl JobCounts {
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.parts_done += other.parts_done;
        self.created += other.created;
        self.repeated += other.repeated;
        self.failed += other.failed;
        self.errors.extend(other.errors);
        self
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RowError {
    /// 1-based among the data rows.
    pub row: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    pub code: String,
    pub detail: String,
}

/// At most 200 KB of rows, with how far they are done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobPart {
    pub number: u32,
    /// Index of the first row in the whole job.
    pub first_row: u32,
    pub rows: Vec<Value>,
    /// Rows done.
    pub cursor: u32,
}

/// A request's answer, kept for its idempotency key. The body is encrypted by the store.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyRecord {
    pub body_hash: String,
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// Who asks: resolved from an API key.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub tenant: TenantId,
    pub role: Role,
    /// What this caller's creations are owned by.
    pub owner: String,
    pub key: domain::ids::ApiKeyId,
}
