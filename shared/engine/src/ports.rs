//! What the engine needs from outside. Methods are the domain's verbs; a condition lives behind the
//! verb and its failure is in the return type. Each port has a real adapter (`store`, `aws`,
//! `channels`) that also runs locally.

use std::future::Future;

use domain::account::{Account, ApiKey};
use domain::contact::{Contact, Conversation, Person, Target, TargetRef};
use domain::content::Attribute;
use domain::conversation::Look;
use domain::enrollment::{DaySlot, Enrollment, Lease, PlannedSend};
use domain::ids::{ApiKeyId, ContactId, EnrollmentId, JobId, SenderId, SequenceId, SourceId, TemplateId, TenantId};
use domain::message::{Channel, Identity, Outbound, ProviderKind, SendOutcome};
use domain::payment::{ChargeEvent, PaymentProvider, PaymentSource};
use domain::sender::{KnownTemplate, Sender};
use domain::time::{NaiveDate, Timestamp};
use serde_json::Value;

use crate::model::{
    IdempotencyRecord, Job, JobPart, Page, StoredMessage, StoredSequence, StoredTemplate, Suppression, Unmatched,
    Version,
};
use crate::queue::{EnrollWork, InboundWork, StepDue};

/// A port call that failed, by reaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Too fast: the record fails and its queue retries it.
    #[error("throttled: {0}")]
    Throttled(String),
    /// A passing fault.
    #[error("temporarily unavailable: {0}")]
    Transient(String),
    /// Data or an answer that we cannot read: retrying will not help.
    #[error("unreadable: {0}")]
    Poison(String),
}

impl PortError {
    /// The reaction in one word, for logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Throttled(_) => "throttled",
            Self::Transient(_) => "transient",
            Self::Poison(_) => "poison",
        }
    }
}

pub type PortResult<T> = Result<T, PortError>;

/// A write on a revision that may have been overtaken.
#[derive(Debug, Clone, PartialEq)]
pub enum Saved<T> {
    Yes,
    /// Somebody was faster; what stands there now, `None` if nothing does.
    No(Option<T>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Inserted<T> {
    Yes,
    /// The key is taken by this.
    Exists(T),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// Ours, as it now stands (also when our own write's answer was lost and this is the repeat).
    Claimed(Box<Enrollment>),
    /// Not to be sent by this message; what stands there, `None` if nothing does.
    Refused(Option<Box<Enrollment>>),
}

/// Writing a contact together with its identities.
#[derive(Debug, Clone, PartialEq)]
pub enum ContactSaved {
    Yes,
    /// The contact has changed since it was read (or exists already).
    Stale,
    /// These identities belong to other contacts.
    Taken(Vec<(Identity, ContactId)>),
}

/// The due index is split into this many shards, by contact.
pub const DUE_SHARDS: u8 = 128;

/// An entry of the due index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueEntry {
    pub wake: Timestamp,
    pub tenant: TenantId,
    pub enrollment: EnrollmentId,
}

/// The list of enrollments that is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EnrollmentFilter {
    pub sequence: Option<SequenceId>,
    /// Coarse: `active | paused | parked | finished` (see [`domain::enrollment::State::coarse`]).
    pub coarse: Option<&'static str>,
    pub contact: Option<ContactId>,
}

/// What an idempotency key finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// Ours to run, with this seed for new ids (an earlier try's, if it lapsed).
    Run {
        seed: [u8; 32],
    },
    Done(IdempotencyRecord),
    InProgress,
    /// The same key came with another body.
    Mismatch,
}

/// DynamoDB. Reads are strongly consistent unless a method says otherwise.
///
/// Conditional writes ask for the old item when they fail: finding our own write there is success.
pub trait Store: Send + Sync + 'static {
    // Accounts and keys.
    fn create_account(&self, account: &Account) -> impl Future<Output = PortResult<Inserted<Account>>> + Send;
    fn account(&self, tenant: TenantId) -> impl Future<Output = PortResult<Option<Account>>> + Send;
    /// `account.rev` is the new one; the condition is the one before.
    fn save_account(&self, account: &Account) -> impl Future<Output = PortResult<Saved<Account>>> + Send;
    /// `secret_hash`: SHA-256 of the secret, hex.
    fn put_key(&self, key: &ApiKey, secret_hash: &str) -> impl Future<Output = PortResult<()>> + Send;
    fn key_by_hash(&self, secret_hash: &str) -> impl Future<Output = PortResult<Option<ApiKey>>> + Send;
    fn keys(&self, tenant: TenantId) -> impl Future<Output = PortResult<Vec<ApiKey>>> + Send;
    /// `false` when there is no such key.
    fn delete_key(&self, tenant: TenantId, id: ApiKeyId) -> impl Future<Output = PortResult<bool>> + Send;

    // Contacts.
    fn contact(&self, tenant: TenantId, id: ContactId) -> impl Future<Output = PortResult<Option<Contact>>> + Send;
    /// The hot prefix: contact, conversations, targets and enrollments by one Query.
    fn person(&self, tenant: TenantId, id: ContactId) -> impl Future<Output = PortResult<Option<Person>>> + Send;
    fn find_contact(
        &self,
        tenant: TenantId,
        identity: &Identity,
    ) -> impl Future<Output = PortResult<Option<ContactId>>> + Send;
    /// Writes a contact (new when `contact.rev == 1`, else over `rev - 1`) with the identities that
    /// it gains and loses, in one transaction; without identity changes it is one conditional put.
    fn save_contact(
        &self,
        tenant: TenantId,
        contact: &Contact,
        gained: &[Identity],
        lost: &[Identity],
    ) -> impl Future<Output = PortResult<ContactSaved>> + Send;
    /// Eventually consistent.
    fn contacts(
        &self,
        tenant: TenantId,
        cursor: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = PortResult<Page<Contact>>> + Send;
    /// New when `rev == 1`, else over `rev - 1`.
    fn save_conversation(
        &self,
        tenant: TenantId,
        contact: ContactId,
        conversation: &Conversation,
    ) -> impl Future<Output = PortResult<Saved<Conversation>>> + Send;
    fn save_target(
        &self,
        tenant: TenantId,
        contact: ContactId,
        target: &Target,
    ) -> impl Future<Output = PortResult<Saved<Target>>> + Send;
    /// Who has a target of that name, or is about to: several may.
    fn owners(&self, tenant: TenantId, target: &TargetRef) -> impl Future<Output = PortResult<Vec<ContactId>>> + Send;

    // Enrollments.
    fn insert_enrollment(
        &self,
        tenant: TenantId,
        enrollment: &Enrollment,
    ) -> impl Future<Output = PortResult<Inserted<Enrollment>>> + Send;
    fn enrollment(
        &self,
        tenant: TenantId,
        id: EnrollmentId,
    ) -> impl Future<Output = PortResult<Option<Enrollment>>> + Send;
    /// `waiting AND generation AND step` → `sending` with this lease. One conditional update; a
    /// failed condition that finds the lease's own token is a success.
    fn claim(
        &self,
        tenant: TenantId,
        id: EnrollmentId,
        generation: u32,
        step: u32,
        lease: &Lease,
    ) -> impl Future<Output = PortResult<Claim>> + Send;
    /// Writes an enrollment over `rev - 1`. Finding the same `rev` with the same content is success,
    /// whatever [`push_back`](Self::push_back) has moved since; so it is for
    /// [`insert_enrollment`](Self::insert_enrollment).
    ///
    /// `gives_back`: a message of its sender's day that is free again, exactly if this is written.
    fn commit(
        &self,
        tenant: TenantId,
        enrollment: &Enrollment,
        gives_back: Option<DaySlot>,
    ) -> impl Future<Output = PortResult<Saved<Enrollment>>> + Send;
    /// The sweep's push-back: only `wake` and `swept`, if generation and wake are still these.
    fn push_back(
        &self,
        entry: DueEntry,
        generation: u32,
        wake: Timestamp,
        swept: u32,
    ) -> impl Future<Output = PortResult<bool>> + Send;
    /// Entries of one shard of the due index up to `until`, earliest first; eventually consistent.
    fn due(&self, shard: u8, until: Timestamp, limit: u32) -> impl Future<Output = PortResult<Vec<DueEntry>>> + Send;
    /// Eventually consistent.
    fn enrollments(
        &self,
        tenant: TenantId,
        filter: &EnrollmentFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = PortResult<Page<Enrollment>>> + Send;

    // Sequences.
    /// New when `revision == 1`, else over `revision - 1`.
    fn save_sequence(
        &self,
        tenant: TenantId,
        sequence: &StoredSequence,
    ) -> impl Future<Output = PortResult<Saved<StoredSequence>>> + Send;
    /// The draft's new state and the immutable version, in one transaction. `No` when the version is
    /// there already.
    fn publish(
        &self,
        tenant: TenantId,
        sequence: &StoredSequence,
        version: &Version,
    ) -> impl Future<Output = PortResult<Saved<StoredSequence>>> + Send;
    fn sequence(
        &self,
        tenant: TenantId,
        id: SequenceId,
    ) -> impl Future<Output = PortResult<Option<StoredSequence>>> + Send;
    fn sequences(&self, tenant: TenantId) -> impl Future<Output = PortResult<Vec<StoredSequence>>> + Send;
    fn delete_sequence(&self, tenant: TenantId, id: SequenceId) -> impl Future<Output = PortResult<bool>> + Send;
    fn version(
        &self,
        tenant: TenantId,
        id: SequenceId,
        version: u32,
    ) -> impl Future<Output = PortResult<Option<Version>>> + Send;
    /// Writes what a test runs on: a version under one of the numbers that
    /// [`is_test_version`](domain::enrollment::test_send::is_test_version) knows. One that is there
    /// stays, and [`versions`](Self::versions) lists none.
    fn put_test_version(
        &self,
        tenant: TenantId,
        version: &Version,
    ) -> impl Future<Output = PortResult<Inserted<Version>>> + Send;
    fn versions(&self, tenant: TenantId, id: SequenceId) -> impl Future<Output = PortResult<Vec<Version>>> + Send;

    // Message templates.
    /// New when `revision == 1`, else over `revision - 1`.
    fn save_template(
        &self,
        tenant: TenantId,
        template: &StoredTemplate,
    ) -> impl Future<Output = PortResult<Saved<StoredTemplate>>> + Send;
    fn template(
        &self,
        tenant: TenantId,
        id: TemplateId,
    ) -> impl Future<Output = PortResult<Option<StoredTemplate>>> + Send;
    fn templates(&self, tenant: TenantId) -> impl Future<Output = PortResult<Vec<StoredTemplate>>> + Send;
    fn delete_template(&self, tenant: TenantId, id: TemplateId) -> impl Future<Output = PortResult<bool>> + Send;

    // Senders and attributes.
    /// New when `rev == 1`, else over `rev - 1`. `Poison` for a sender of another account.
    fn save_sender(&self, tenant: TenantId, sender: &Sender) -> impl Future<Output = PortResult<Saved<Sender>>> + Send;
    fn sender(&self, id: SenderId) -> impl Future<Output = PortResult<Option<Sender>>> + Send;
    fn senders(&self, tenant: TenantId) -> impl Future<Output = PortResult<Vec<Sender>>> + Send;
    fn delete_sender(&self, id: SenderId) -> impl Future<Output = PortResult<bool>> + Send;
    /// Takes the next slot of a sender's rate, in microseconds since the epoch: the first one at or after
    /// `now`, `spacing` microseconds behind the one before. `None` when it would lie after `latest`, and
    /// then none is taken. A lost answer wastes a slot; no two callers get the same.
    fn reserve(
        &self,
        sender: SenderId,
        spacing: i64,
        now: Timestamp,
        latest: Timestamp,
    ) -> impl Future<Output = PortResult<Option<i64>>> + Send;
    /// New when `rev == 1`, else over `rev - 1`. `Poison` for a payment source of another account.
    fn save_source(
        &self,
        tenant: TenantId,
        source: &PaymentSource,
    ) -> impl Future<Output = PortResult<Saved<PaymentSource>>> + Send;
    fn source(&self, id: SourceId) -> impl Future<Output = PortResult<Option<PaymentSource>>> + Send;
    fn sources(&self, tenant: TenantId) -> impl Future<Output = PortResult<Vec<PaymentSource>>> + Send;
    fn delete_source(&self, id: SourceId) -> impl Future<Output = PortResult<bool>> + Send;
    /// Keyed by source, time and event: writing it twice is one entry.
    fn put_unmatched(&self, entry: &Unmatched) -> impl Future<Output = PortResult<()>> + Send;
    /// Newest first, without what has expired by `now`; a page may hold fewer than `limit` though more
    /// follow. Eventually consistent.
    fn unmatched(
        &self,
        source: SourceId,
        now: Timestamp,
        cursor: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = PortResult<Page<Unmatched>>> + Send;
    /// Takes one of the messages that a sender may send on a day, of `allowance`; `false` when there is none
    /// left. A lost answer wastes one.
    fn take_day(&self, slot: DaySlot, allowance: u32) -> impl Future<Output = PortResult<bool>> + Send;
    /// The day of a sender's first message: `day`, if there was none before.
    fn first_day(&self, sender: SenderId, day: NaiveDate) -> impl Future<Output = PortResult<NaiveDate>> + Send;
    fn save_attribute(&self, tenant: TenantId, attribute: &Attribute) -> impl Future<Output = PortResult<()>> + Send;
    /// Unless the name is declared for that kind already; finding the same declaration is success.
    fn declare_attribute(
        &self,
        tenant: TenantId,
        attribute: &Attribute,
    ) -> impl Future<Output = PortResult<Inserted<Attribute>>> + Send;
    fn attributes(&self, tenant: TenantId) -> impl Future<Output = PortResult<Vec<Attribute>>> + Send;

    // Messages, suppressions.
    /// Keyed by contact, time and id: writing it twice is one record.
    fn put_message(&self, tenant: TenantId, message: &StoredMessage) -> impl Future<Output = PortResult<()>> + Send;
    fn messages(
        &self,
        tenant: TenantId,
        contact: ContactId,
        cursor: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = PortResult<Page<StoredMessage>>> + Send;
    fn put_suppression(
        &self,
        tenant: TenantId,
        suppression: &Suppression,
    ) -> impl Future<Output = PortResult<()>> + Send;
    fn suppression(
        &self,
        tenant: TenantId,
        channel: Channel,
        address: &str,
    ) -> impl Future<Output = PortResult<Option<Suppression>>> + Send;
    fn suppressions(&self, tenant: TenantId) -> impl Future<Output = PortResult<Vec<Suppression>>> + Send;
    fn delete_suppression(
        &self,
        tenant: TenantId,
        id: &str,
    ) -> impl Future<Output = PortResult<Option<Suppression>>> + Send;

    // Jobs.
    /// The job and its parts; a part that exists stays as it is.
    fn create_job(&self, job: &Job, parts: &[JobPart]) -> impl Future<Output = PortResult<()>> + Send;
    /// New parts and the job's new extent, over the revision before. What is counted stays.
    fn add_parts(&self, job: &Job, parts: &[JobPart]) -> impl Future<Output = PortResult<Saved<Job>>> + Send;
    fn job(&self, tenant: TenantId, id: JobId) -> impl Future<Output = PortResult<Option<Job>>> + Send;
    fn part(
        &self,
        tenant: TenantId,
        job: JobId,
        number: u32,
    ) -> impl Future<Output = PortResult<Option<JobPart>>> + Send;
    /// A part's progress and its sum into the job, in one transaction, over the part's old cursor:
    /// rows are counted once however often the part is worked on, and finding the part there already
    /// is success. `No` when overtaken.
    fn advance_part(
        &self,
        tenant: TenantId,
        job: JobId,
        before: u32,
        part: &JobPart,
        counted: &crate::model::JobCounts,
    ) -> impl Future<Output = PortResult<Saved<JobPart>>> + Send;

    // Once only.
    fn begin(
        &self,
        key: &str,
        body_hash: &str,
        seed: [u8; 32],
        now: Timestamp,
    ) -> impl Future<Output = PortResult<Begun>> + Send;
    fn finish(
        &self,
        key: &str,
        record: &IdempotencyRecord,
        now: Timestamp,
    ) -> impl Future<Output = PortResult<()>> + Send;
    /// Gives an idempotency key back: the request failed in a way that may be tried again.
    fn abandon(&self, key: &str) -> impl Future<Output = PortResult<()>> + Send;
}

/// One-shot timers: up to 15 minutes a delayed queue message, beyond that EventBridge Scheduler.
pub trait Timers: Send + Sync + 'static {
    /// Sends [`StepDue`] to the step queue at `at` (never before; late is fine). Beyond 15 minutes a
    /// timer of the same enrollment and generation is the same timer; a nearer one may come twice.
    fn arm(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> impl Future<Output = PortResult<()>> + Send;
    /// The same once more under the same generation, for a timer that fired early: always by a
    /// queue message, delayed by at most 15 minutes (it then comes early and is armed again).
    fn arm_again(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> impl Future<Output = PortResult<()>> + Send;
}

/// The queues between the functions: at least once, in any order. `Poison` for a message of more
/// than [`MAX_BYTES`](crate::queue::MAX_BYTES).
pub trait Queues: Send + Sync + 'static {
    /// Delayed until its slot, where it has one: at most 15 minutes from `now`.
    fn send(&self, planned: &PlannedSend, now: Timestamp) -> impl Future<Output = PortResult<()>> + Send;
    /// Delayed like [`send`](Self::send).
    fn enroll(&self, work: &EnrollWork, now: Timestamp) -> impl Future<Output = PortResult<()>> + Send;
    fn inbound(&self, work: &InboundWork) -> impl Future<Output = PortResult<()>> + Send;
}

/// The one source of "now".
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// The one source of randomness.
pub trait Random: Send + Sync + 'static {
    fn seed(&self) -> [u8; 32];
}

/// Credentials of senders, never shown and never logged.
pub trait Secrets: Send + Sync + 'static {
    fn put_secret(&self, tenant: TenantId, name: &str, value: &Value) -> impl Future<Output = PortResult<()>> + Send;
    fn secret(&self, tenant: TenantId, name: &str) -> impl Future<Output = PortResult<Option<Value>>> + Send;
    fn delete_secret(&self, tenant: TenantId, name: &str) -> impl Future<Output = PortResult<()>> + Send;
}

/// The providers.
pub trait Channels: Send + Sync + 'static {
    fn send(
        &self,
        sender: &Sender,
        credentials: &Value,
        outbound: &Outbound,
    ) -> impl Future<Output = SendOutcome> + Send;
    /// What the helpdesk shows of a conversation; it changes nothing.
    fn look(
        &self,
        sender: &Sender,
        credentials: &Value,
        conversation: &str,
    ) -> impl Future<Output = Result<Look, domain::message::Refusal>> + Send;
    fn templates(
        &self,
        sender: &Sender,
        credentials: &Value,
    ) -> impl Future<Output = Result<Vec<KnownTemplate>, domain::message::Refusal>> + Send;
    /// What its provider says of a payment that a webhook only named; `None` when that is nothing.
    fn read_back(
        &self,
        source: &PaymentSource,
        credentials: &Value,
        payment: &str,
    ) -> impl Future<Output = Result<Option<ChargeEvent>, domain::message::Refusal>> + Send;
    /// As [`check`](Self::check), of a payment source.
    fn check_source(
        &self,
        provider: PaymentProvider,
        config: &Value,
        credentials: Option<&Value>,
    ) -> Vec<(String, String, String)>;
    /// What is wrong with a sender's configuration or credentials: (pointer, code, detail).
    fn check(
        &self,
        provider: ProviderKind,
        config: &Value,
        credentials: Option<&Value>,
    ) -> Vec<(String, String, String)>;
}

/// The ports of one deployment.
pub trait Ports: Send + Sync + Sized + 'static {
    type Store: Store;
    type Timers: Timers;
    type Queues: Queues;
    type Clock: Clock;
    type Random: Random;
    type Secrets: Secrets;
    type Channels: Channels;
}
