use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use domain::account::{Account, ApiKey};
use domain::contact::{Contact, Conversation, Target};
use domain::content::Attribute;
use domain::enrollment::Enrollment;
use domain::ids::{ContactId, EnrollmentId, JobId, MessageId, SenderId, SequenceId, SourceId, TemplateId, TenantId};
use domain::message::Identity;
use domain::payment::PaymentSource;
use domain::sender::Sender;
use domain::sequence::TargetKind;
use domain::time::{NaiveDate, Timestamp};
use engine::PortError;
use engine::model::{
    Job, JobPart, Page, StoredMessage, StoredSequence, StoredTemplate, Suppression, Unmatched, Version,
};
use engine::ports::{DUE_SHARDS, DueEntry, PortResult, Saved};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::once::Idempotent;

/// Everything stored, with the store port's verbs as plain functions.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub(super) accounts: BTreeMap<TenantId, Account>,
    pub(super) keys: BTreeMap<String, ApiKey>,
    pub(super) contacts: BTreeMap<(TenantId, ContactId), Contact>,
    pub(super) identities: BTreeMap<(TenantId, Identity), ContactId>,
    pub(super) conversations: BTreeMap<(TenantId, ContactId, String), Conversation>,
    pub(super) targets: BTreeMap<(TenantId, ContactId, TargetKind, String), Target>,
    pub(super) enrollments: BTreeMap<(TenantId, EnrollmentId), Enrollment>,
    /// Shard and entry; an enrollment without a `wake` has none.
    pub(super) due: BTreeSet<(u8, DueEntry)>,
    pub(super) sequences: BTreeMap<(TenantId, SequenceId), StoredSequence>,
    pub(super) versions: BTreeMap<(TenantId, SequenceId, u32), Version>,
    pub(super) templates: BTreeMap<(TenantId, TemplateId), StoredTemplate>,
    pub(super) senders: BTreeMap<SenderId, Sender>,
    pub(super) sources: BTreeMap<SourceId, PaymentSource>,
    pub(super) unmatched: BTreeMap<(SourceId, Timestamp, String), Unmatched>,
    /// When a sender's next slot is free, in microseconds.
    pub(super) rates: BTreeMap<SenderId, i64>,
    /// How many messages of a sender's day are given away.
    pub(super) days: BTreeMap<(SenderId, NaiveDate), u32>,
    pub(super) first_days: BTreeMap<SenderId, NaiveDate>,
    pub(super) attributes: BTreeMap<(TenantId, TargetKind, String), Attribute>,
    pub(super) messages: BTreeMap<(TenantId, ContactId, Timestamp, MessageId), StoredMessage>,
    pub(super) suppressions: BTreeMap<(TenantId, String), Suppression>,
    pub(super) jobs: BTreeMap<(TenantId, JobId), Job>,
    /// Rows only: how far they are done is in `progress`.
    pub(super) parts: BTreeMap<(TenantId, JobId, u32), JobPart>,
    pub(super) progress: BTreeMap<(TenantId, JobId, u32), u32>,
    pub(super) idempotent: BTreeMap<String, Idempotent>,
    /// What the conditions of writes leave out: only the test of the guards sets any.
    pub guards: StoreGuards,
    /// Every write of an enrollment since it was last emptied, when somebody wants to watch.
    pub watched: Option<Vec<EnrollmentWrite>>,
    /// Every slot that was given since it was last emptied, in microseconds.
    pub slots: Vec<i64>,
}

/// Conditions of the store that the test of the guards can switch off. The default is all on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreGuards {
    pub claim_ignores_state: bool,
    pub claim_ignores_generation: bool,
    pub claim_ignores_step: bool,
    pub claim_forgets_its_token: bool,
    pub commit_ignores_rev: bool,
    pub commit_forgets_its_write: bool,
    pub insert_overwrites: bool,
    pub push_back_unconditional: bool,
    pub reserve_ignores_others: bool,
    pub take_day_ignores_others: bool,
    /// A message of a day is given back also by a write that lost its race.
    pub gives_back_always: bool,
}

/// One write of an enrollment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrollmentWrite {
    pub verb: Verb,
    pub tenant: TenantId,
    pub before: Option<Enrollment>,
    pub after: Enrollment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Insert,
    Claim,
    Commit,
    PushBack,
}

/// The due index's shard of a contact, as the real adapter spreads them.
pub fn due_shard(contact: ContactId) -> u8 {
    let hash: [u8; 32] = Sha256::digest(contact.as_bytes()).into();
    hash[0] % DUE_SHARDS
}

/// Whether revision `rev` may be written where `old` stands: the revision before, or nothing at 1.
pub(super) fn follows(old: Option<u64>, rev: u64) -> bool {
    match old {
        Some(old) => rev > 1 && old == rev - 1,
        None => rev <= 1,
    }
}

/// Writes `new` (of revision `rev`) under `key`: over the revision before, or over nothing at 1.
/// Finding the same content there is success: it is our own write, whose answer was lost.
pub(super) fn save<K: Ord, T: Clone + PartialEq>(
    map: &mut BTreeMap<K, T>,
    key: K,
    new: &T,
    rev: u64,
    rev_of: impl Fn(&T) -> u64,
) -> Saved<T> {
    let old = map.get(&key);
    if old == Some(new) {
        return Saved::Yes;
    }
    if !follows(old.map(rev_of), rev) {
        return Saved::No(old.cloned());
    }
    map.insert(key, new.clone());
    Saved::Yes
}

/// A page over a list sorted by unique keys. The cursor names the list and the last key shown, so
/// that it is good for no other list, and what is written meanwhile repeats nothing.
pub(super) fn page<K: Ord + Serialize + DeserializeOwned, T: Clone>(
    list: String,
    all: &BTreeMap<K, &T>,
    cursor: Option<&str>,
    limit: u32,
) -> PortResult<Page<T>> {
    let refused = || PortError::Poison("cursor".into());
    let from = match cursor.map(serde_json::from_str::<(String, K)>) {
        None => Bound::Unbounded,
        Some(Ok((of, key))) if of == list => Bound::Excluded(key),
        Some(_) => return Err(refused()),
    };
    let limit = limit.max(1) as usize;
    let mut found: Vec<(&K, &&T)> = all.range((from, Bound::Unbounded)).take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(|(key, _)| serde_json::to_string(&(&list, key)));
    let next_cursor = last.transpose().map_err(|_| refused())?;
    Ok(Page { data: found.into_iter().map(|(_, item)| (*item).clone()).collect(), next_cursor })
}

/// Calls a macro with the signature of every verb of the store, so that each wrapper is written once.
macro_rules! for_each_store_verb {
    ($each:ident) => {
        $each! {
            create_account(account: &Account) -> Inserted<Account>;
            account(tenant: TenantId) -> Option<Account>;
            save_account(account: &Account) -> Saved<Account>;
            put_key(key: &ApiKey, secret_hash: &str) -> ();
            key_by_hash(secret_hash: &str) -> Option<ApiKey>;
            keys(tenant: TenantId) -> Vec<ApiKey>;
            delete_key(tenant: TenantId, id: ApiKeyId) -> bool;
            contact(tenant: TenantId, id: ContactId) -> Option<Contact>;
            person(tenant: TenantId, id: ContactId) -> Option<Person>;
            find_contact(tenant: TenantId, identity: &Identity) -> Option<ContactId>;
            save_contact(tenant: TenantId, contact: &Contact, gained: &[Identity], lost: &[Identity]) -> ContactSaved;
            contacts(tenant: TenantId, cursor: Option<&str>, limit: u32) -> Page<Contact>;
            save_conversation(tenant: TenantId, contact: ContactId, conversation: &Conversation) -> Saved<Conversation>;
            save_target(tenant: TenantId, contact: ContactId, target: &Target) -> Saved<Target>;
            owners(tenant: TenantId, target: &TargetRef) -> Vec<ContactId>;
            insert_enrollment(tenant: TenantId, enrollment: &Enrollment) -> Inserted<Enrollment>;
            enrollment(tenant: TenantId, id: EnrollmentId) -> Option<Enrollment>;
            claim(tenant: TenantId, id: EnrollmentId, generation: u32, step: u32, lease: &Lease) -> Claim;
            commit(tenant: TenantId, enrollment: &Enrollment, gives_back: Option<DaySlot>) -> Saved<Enrollment>;
            push_back(entry: DueEntry, generation: u32, wake: Timestamp, swept: u32) -> bool;
            due(shard: u8, until: Timestamp, limit: u32) -> Vec<DueEntry>;
            enrollments(tenant: TenantId, filter: &EnrollmentFilter, cursor: Option<&str>, limit: u32) -> Page<Enrollment>;
            save_sequence(tenant: TenantId, sequence: &StoredSequence) -> Saved<StoredSequence>;
            publish(tenant: TenantId, sequence: &StoredSequence, version: &Version) -> Saved<StoredSequence>;
            sequence(tenant: TenantId, id: SequenceId) -> Option<StoredSequence>;
            sequences(tenant: TenantId) -> Vec<StoredSequence>;
            delete_sequence(tenant: TenantId, id: SequenceId) -> bool;
            version(tenant: TenantId, id: SequenceId, version: u32) -> Option<Version>;
            put_test_version(tenant: TenantId, version: &Version) -> Inserted<Version>;
            versions(tenant: TenantId, id: SequenceId) -> Vec<Version>;
            save_template(tenant: TenantId, template: &StoredTemplate) -> Saved<StoredTemplate>;
            template(tenant: TenantId, id: TemplateId) -> Option<StoredTemplate>;
            templates(tenant: TenantId) -> Vec<StoredTemplate>;
            delete_template(tenant: TenantId, id: TemplateId) -> bool;
            save_sender(tenant: TenantId, sender: &Sender) -> Saved<Sender>;
            sender(id: SenderId) -> Option<Sender>;
            senders(tenant: TenantId) -> Vec<Sender>;
            delete_sender(id: SenderId) -> bool;
            reserve(sender: SenderId, spacing: i64, now: Timestamp, latest: Timestamp) -> Option<i64>;
            save_source(tenant: TenantId, source: &PaymentSource) -> Saved<PaymentSource>;
            source(id: SourceId) -> Option<PaymentSource>;
            sources(tenant: TenantId) -> Vec<PaymentSource>;
            delete_source(id: SourceId) -> bool;
            put_unmatched(entry: &Unmatched) -> ();
            unmatched(source: SourceId, now: Timestamp, cursor: Option<&str>, limit: u32) -> Page<Unmatched>;
            take_day(slot: DaySlot, allowance: u32) -> bool;
            first_day(sender: SenderId, day: NaiveDate) -> NaiveDate;
            save_attribute(tenant: TenantId, attribute: &Attribute) -> ();
            declare_attribute(tenant: TenantId, attribute: &Attribute) -> Inserted<Attribute>;
            attributes(tenant: TenantId) -> Vec<Attribute>;
            put_message(tenant: TenantId, message: &StoredMessage) -> ();
            messages(tenant: TenantId, contact: ContactId, cursor: Option<&str>, limit: u32) -> Page<StoredMessage>;
            put_suppression(tenant: TenantId, suppression: &Suppression) -> ();
            suppression(tenant: TenantId, channel: Channel, address: &str) -> Option<Suppression>;
            suppressions(tenant: TenantId) -> Vec<Suppression>;
            delete_suppression(tenant: TenantId, id: &str) -> Option<Suppression>;
            create_job(job: &Job, parts: &[JobPart]) -> ();
            add_parts(job: &Job, parts: &[JobPart]) -> Saved<Job>;
            job(tenant: TenantId, id: JobId) -> Option<Job>;
            part(tenant: TenantId, job: JobId, number: u32) -> Option<JobPart>;
            advance_part(tenant: TenantId, job: JobId, before: u32, part: &JobPart, counted: &JobCounts) -> Saved<JobPart>;
            begin(key: &str, body_hash: &str, seed: [u8; 32], now: Timestamp) -> Begun;
            finish(key: &str, record: &IdempotencyRecord, now: Timestamp) -> ();
            abandon(key: &str) -> ();
        }
    };
}
pub(crate) use for_each_store_verb;
