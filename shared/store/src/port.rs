//! The engine's port, verb by verb; each is in the module of its subject.

use domain::account::{Account, ApiKey};
use domain::contact::{Contact, Conversation, Person, Target, TargetRef};
use domain::content::Attribute;
use domain::enrollment::{DaySlot, Enrollment, Lease};
use domain::ids::{ApiKeyId, ContactId, EnrollmentId, JobId, SenderId, SequenceId, SourceId, TemplateId, TenantId};
use domain::message::{Channel, Identity};
use domain::payment::PaymentSource;
use domain::sender::Sender;
use domain::time::{NaiveDate, Timestamp};
use engine::model::{
    IdempotencyRecord, Job, JobCounts, JobPart, Page, StoredMessage, StoredSequence, StoredTemplate, Suppression,
    Unmatched, Version,
};
use engine::ports::{Begun, Claim, ContactSaved, DueEntry, EnrollmentFilter, Inserted, PortResult, Saved, Store};

use crate::{
    DynamoStore, accounts, contacts, enrollments, jobs, limits, messages, once, payments, senders, sequences, templates,
};

impl Store for DynamoStore {
    async fn create_account(&self, account: &Account) -> PortResult<Inserted<Account>> {
        accounts::create(self, account).await
    }

    async fn account(&self, tenant: TenantId) -> PortResult<Option<Account>> {
        accounts::get(self, tenant).await
    }

    async fn save_account(&self, account: &Account) -> PortResult<Saved<Account>> {
        accounts::save(self, account).await
    }

    async fn put_key(&self, key: &ApiKey, secret_hash: &str) -> PortResult<()> {
        accounts::put_key(self, key, secret_hash).await
    }

    async fn key_by_hash(&self, secret_hash: &str) -> PortResult<Option<ApiKey>> {
        accounts::key_by_hash(self, secret_hash).await
    }

    async fn keys(&self, tenant: TenantId) -> PortResult<Vec<ApiKey>> {
        accounts::keys(self, tenant).await
    }

    async fn delete_key(&self, tenant: TenantId, id: ApiKeyId) -> PortResult<bool> {
        accounts::delete_key(self, tenant, id).await
    }

    async fn contact(&self, tenant: TenantId, id: ContactId) -> PortResult<Option<Contact>> {
        contacts::get(self, tenant, id).await
    }

    async fn person(&self, tenant: TenantId, id: ContactId) -> PortResult<Option<Person>> {
        contacts::person(self, tenant, id).await
    }

    async fn find_contact(&self, tenant: TenantId, identity: &Identity) -> PortResult<Option<ContactId>> {
        contacts::find(self, tenant, identity).await
    }

    async fn save_contact(
        &self,
        tenant: TenantId,
        contact: &Contact,
        gained: &[Identity],
        lost: &[Identity],
    ) -> PortResult<ContactSaved> {
        contacts::save(self, tenant, contact, gained, lost).await
    }

    async fn contacts(&self, tenant: TenantId, cursor: Option<&str>, limit: u32) -> PortResult<Page<Contact>> {
        contacts::list(self, tenant, cursor, limit).await
    }

    async fn save_conversation(
        &self,
        tenant: TenantId,
        contact: ContactId,
        conversation: &Conversation,
    ) -> PortResult<Saved<Conversation>> {
        contacts::save_conversation(self, tenant, contact, conversation).await
    }

    async fn save_target(&self, tenant: TenantId, contact: ContactId, target: &Target) -> PortResult<Saved<Target>> {
        contacts::save_target(self, tenant, contact, target).await
    }

    async fn owners(&self, tenant: TenantId, target: &TargetRef) -> PortResult<Vec<ContactId>> {
        payments::owners(self, tenant, target).await
    }

    async fn insert_enrollment(&self, tenant: TenantId, enrollment: &Enrollment) -> PortResult<Inserted<Enrollment>> {
        enrollments::insert(self, tenant, enrollment).await
    }

    async fn enrollment(&self, tenant: TenantId, id: EnrollmentId) -> PortResult<Option<Enrollment>> {
        enrollments::get(self, tenant, id).await
    }

    async fn claim(
        &self,
        tenant: TenantId,
        id: EnrollmentId,
        generation: u32,
        step: u32,
        lease: &Lease,
    ) -> PortResult<Claim> {
        enrollments::claim(self, tenant, id, generation, step, lease).await
    }

    async fn commit(
        &self,
        tenant: TenantId,
        enrollment: &Enrollment,
        gives_back: Option<DaySlot>,
    ) -> PortResult<Saved<Enrollment>> {
        enrollments::commit(self, tenant, enrollment, gives_back).await
    }

    async fn push_back(&self, entry: DueEntry, generation: u32, wake: Timestamp, swept: u32) -> PortResult<bool> {
        enrollments::push_back(self, entry, generation, wake, swept).await
    }

    async fn due(&self, shard: u8, until: Timestamp, limit: u32) -> PortResult<Vec<DueEntry>> {
        enrollments::due(self, shard, until, limit).await
    }

    async fn enrollments(
        &self,
        tenant: TenantId,
        filter: &EnrollmentFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> PortResult<Page<Enrollment>> {
        enrollments::list(self, tenant, filter, cursor, limit).await
    }

    async fn save_sequence(&self, tenant: TenantId, sequence: &StoredSequence) -> PortResult<Saved<StoredSequence>> {
        sequences::save(self, tenant, sequence).await
    }

    async fn publish(
        &self,
        tenant: TenantId,
        sequence: &StoredSequence,
        version: &Version,
    ) -> PortResult<Saved<StoredSequence>> {
        sequences::publish(self, tenant, sequence, version).await
    }

    async fn sequence(&self, tenant: TenantId, id: SequenceId) -> PortResult<Option<StoredSequence>> {
        sequences::get(self, tenant, id).await
    }

    async fn sequences(&self, tenant: TenantId) -> PortResult<Vec<StoredSequence>> {
        sequences::list(self, tenant).await
    }

    async fn delete_sequence(&self, tenant: TenantId, id: SequenceId) -> PortResult<bool> {
        sequences::delete(self, tenant, id).await
    }

    async fn version(&self, tenant: TenantId, id: SequenceId, version: u32) -> PortResult<Option<Version>> {
        sequences::version(self, tenant, id, version).await
    }

    async fn put_test_version(&self, tenant: TenantId, version: &Version) -> PortResult<Inserted<Version>> {
        sequences::put_test_version(self, tenant, version).await
    }

    async fn versions(&self, tenant: TenantId, id: SequenceId) -> PortResult<Vec<Version>> {
        sequences::versions(self, tenant, id).await
    }

    async fn save_template(&self, tenant: TenantId, template: &StoredTemplate) -> PortResult<Saved<StoredTemplate>> {
        templates::save(self, tenant, template).await
    }

    async fn template(&self, tenant: TenantId, id: TemplateId) -> PortResult<Option<StoredTemplate>> {
        templates::get(self, tenant, id).await
    }

    async fn templates(&self, tenant: TenantId) -> PortResult<Vec<StoredTemplate>> {
        templates::list(self, tenant).await
    }

    async fn delete_template(&self, tenant: TenantId, id: TemplateId) -> PortResult<bool> {
        templates::delete(self, tenant, id).await
    }

    async fn save_sender(&self, tenant: TenantId, sender: &Sender) -> PortResult<Saved<Sender>> {
        senders::save(self, tenant, sender).await
    }

    async fn sender(&self, id: SenderId) -> PortResult<Option<Sender>> {
        senders::get(self, id).await
    }

    async fn senders(&self, tenant: TenantId) -> PortResult<Vec<Sender>> {
        senders::list(self, tenant).await
    }

    async fn delete_sender(&self, id: SenderId) -> PortResult<bool> {
        senders::delete(self, id).await
    }

    async fn reserve(
        &self,
        sender: SenderId,
        spacing: i64,
        now: Timestamp,
        latest: Timestamp,
    ) -> PortResult<Option<i64>> {
        limits::reserve(self, sender, spacing, now, latest).await
    }

    async fn save_source(&self, tenant: TenantId, source: &PaymentSource) -> PortResult<Saved<PaymentSource>> {
        payments::save(self, tenant, source).await
    }

    async fn source(&self, id: SourceId) -> PortResult<Option<PaymentSource>> {
        payments::get(self, id).await
    }

    async fn sources(&self, tenant: TenantId) -> PortResult<Vec<PaymentSource>> {
        payments::list(self, tenant).await
    }

    async fn delete_source(&self, id: SourceId) -> PortResult<bool> {
        payments::delete(self, id).await
    }

    async fn put_unmatched(&self, entry: &Unmatched) -> PortResult<()> {
        payments::put_unmatched(self, entry).await
    }

    async fn unmatched(
        &self,
        source: SourceId,
        now: Timestamp,
        cursor: Option<&str>,
        limit: u32,
    ) -> PortResult<Page<Unmatched>> {
        payments::unmatched(self, source, now, cursor, limit).await
    }

    async fn take_day(&self, slot: DaySlot, allowance: u32) -> PortResult<bool> {
        limits::take_day(self, slot, allowance).await
    }

    async fn first_day(&self, sender: SenderId, day: NaiveDate) -> PortResult<NaiveDate> {
        limits::first_day(self, sender, day).await
    }

    async fn save_attribute(&self, tenant: TenantId, attribute: &Attribute) -> PortResult<()> {
        senders::save_attribute(self, tenant, attribute).await
    }

    async fn declare_attribute(&self, tenant: TenantId, attribute: &Attribute) -> PortResult<Inserted<Attribute>> {
        senders::declare_attribute(self, tenant, attribute).await
    }

    async fn attributes(&self, tenant: TenantId) -> PortResult<Vec<Attribute>> {
        senders::attributes(self, tenant).await
    }

    async fn put_message(&self, tenant: TenantId, message: &StoredMessage) -> PortResult<()> {
        messages::put(self, tenant, message).await
    }

    async fn messages(
        &self,
        tenant: TenantId,
        contact: ContactId,
        cursor: Option<&str>,
        limit: u32,
    ) -> PortResult<Page<StoredMessage>> {
        messages::list(self, tenant, contact, cursor, limit).await
    }

    async fn put_suppression(&self, tenant: TenantId, suppression: &Suppression) -> PortResult<()> {
        messages::suppress(self, tenant, suppression).await
    }

    async fn suppression(&self, tenant: TenantId, channel: Channel, address: &str) -> PortResult<Option<Suppression>> {
        messages::suppression(self, tenant, channel, address).await
    }

    async fn suppressions(&self, tenant: TenantId) -> PortResult<Vec<Suppression>> {
        messages::suppressions(self, tenant).await
    }

    async fn delete_suppression(&self, tenant: TenantId, id: &str) -> PortResult<Option<Suppression>> {
        messages::unsuppress(self, tenant, id).await
    }

    async fn create_job(&self, job: &Job, parts: &[JobPart]) -> PortResult<()> {
        jobs::create(self, job, parts).await
    }

    async fn add_parts(&self, job: &Job, parts: &[JobPart]) -> PortResult<Saved<Job>> {
        jobs::add_parts(self, job, parts).await
    }

    async fn job(&self, tenant: TenantId, id: JobId) -> PortResult<Option<Job>> {
        jobs::get(self, tenant, id).await
    }

    async fn part(&self, tenant: TenantId, job: JobId, number: u32) -> PortResult<Option<JobPart>> {
        jobs::part(self, tenant, job, number).await
    }

    async fn advance_part(
        &self,
        tenant: TenantId,
        job: JobId,
        before: u32,
        part: &JobPart,
        counted: &JobCounts,
    ) -> PortResult<Saved<JobPart>> {
        jobs::advance(self, tenant, job, before, part, counted).await
    }

    async fn begin(&self, key: &str, body_hash: &str, seed: [u8; 32], now: Timestamp) -> PortResult<Begun> {
        once::begin(self, key, body_hash, seed, now).await
    }

    async fn finish(&self, key: &str, record: &IdempotencyRecord, now: Timestamp) -> PortResult<()> {
        once::finish(self, key, record, now).await
    }

    async fn abandon(&self, key: &str) -> PortResult<()> {
        once::abandon(self, key).await
    }
}
