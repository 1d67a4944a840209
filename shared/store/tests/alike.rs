//! The fake in memory does what the real store does, whatever is asked of them in whatever order:
//! random verbs on a few colliding keys and revisions, every answer compared, and all that stands
//! there in the end.
//!
//! Where the port promises no order (lists of one second, a person's runs), none is compared. Which
//! seed differed and what was asked of it is printed. `RITMO_ALIKE_SEEDS=100` runs more of them.

#![allow(clippy::unwrap_used)]
#![allow(unreachable_pub)]

mod common;
#[allow(dead_code, reason = "only its worlds are needed")]
mod contract;

use std::collections::BTreeSet;
use std::fmt::Debug;

use contract::{NOW, enrollment};
use domain::account::{Account, ApiKey, Role, Settings};
use domain::contact::{Contact, Conversation, Person, Profile, Target};
use domain::enrollment::{Enrollment, Happening, HappeningCode, Lease, MessageForm, Outcome, ParkReason, State};
use domain::ids::{ApiKeyId, ContactId, EnrollmentId, Ids, JobId, MessageId, SenderId, SequenceId, TenantId};
use domain::message::{Channel, Identity, ProviderKind};
use domain::sender::{Sender, SenderLimits};
use domain::sequence::TargetKind;
use domain::time::Timestamp;
use engine::model::{
    Attribute, AttributeType, Direction, IdempotencyRecord, Job, JobCounts, JobPart, JobWork, RowError, StoredMessage,
    StoredSequence, Suppression, Version, suppression_id,
};
use engine::ports::{Claim, ContactSaved, DUE_SHARDS, DueEntry, EnrollmentFilter, Secrets as _, Store as _};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use store::DynamoStore;
use testkit::memory::{MemorySecrets, MemoryStore};

const VERBS: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_them() {
    let seeds = std::env::var("RITMO_ALIKE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    // Two at once, as there are cores: each seed has stores of its own.
    for first in (0..seeds).step_by(2) {
        let both = [first, first + 1].map(|seed| tokio::spawn(Twins::run(seed)));
        for run in both {
            run.await.unwrap();
        }
    }
}

/// An answer without the order that the port does not promise.
trait Plain {
    fn plain(self) -> String;
}

macro_rules! plain_as_it_is {
    ($($type:ty),*) => { $(impl Plain for $type {
        fn plain(self) -> String {
            format!("{self:?}")
        }
    })* };
}
plain_as_it_is!(
    (),
    bool,
    Claim,
    Account,
    ApiKey,
    Contact,
    ContactId,
    Enrollment,
    StoredSequence,
    Version,
    Sender,
    Suppression,
    Job,
    JobPart,
    engine::ports::Begun,
    serde_json::Value
);

impl<T: Debug> Plain for engine::ports::Saved<T> {
    fn plain(self) -> String {
        format!("{self:?}")
    }
}

impl<T: Debug> Plain for engine::ports::Inserted<T> {
    fn plain(self) -> String {
        format!("{self:?}")
    }
}

impl Plain for ContactSaved {
    fn plain(self) -> String {
        match self {
            Self::Taken(mut taken) => {
                taken.sort();
                format!("{taken:?}")
            }
            other => format!("{other:?}"),
        }
    }
}

impl Plain for Person {
    fn plain(self) -> String {
        let Self { contact, conversations, targets, enrollments } = self;
        [format!("{contact:?}"), conversations.plain(), targets.plain(), enrollments.plain()].join("\n")
    }
}

impl<T: Debug> Plain for Vec<T> {
    fn plain(self) -> String {
        let mut all: Vec<String> = self.iter().map(|item| format!("{item:?}")).collect();
        all.sort();
        all.join("\n")
    }
}

impl<T: Plain> Plain for Option<T> {
    fn plain(self) -> String {
        self.map_or_else(|| "nothing".into(), Plain::plain)
    }
}

impl<T: Plain> Plain for Result<T, engine::PortError> {
    fn plain(self) -> String {
        self.map_or_else(|error| format!("{error:?}"), Plain::plain)
    }
}

/// Asks both and compares what they say.
macro_rules! both {
    ($t:ident.$verb:ident($($arg:expr),*)) => {{
        let asked = format!("{}{:?}", stringify!($verb), ($(&$arg,)*));
        $t.asked.push(asked);
        let (real, fake) = ($t.real.$verb($($arg),*).await, $t.fake.$verb($($arg),*).await);
        $t.same(real.clone().plain(), fake.plain());
        real
    }};
}

/// The same for a write. At times it comes again, as one does whose answer was lost.
macro_rules! both_write {
    ($t:ident.$verb:ident($($arg:expr),*)) => {{
        let answer = both!($t.$verb($($arg),*));
        if $t.rng.random_bool(0.25) {
            drop(both!($t.$verb($($arg),*)));
        }
        answer
    }};
}

/// The same for every page of a list.
macro_rules! both_walk {
    ($t:ident.$verb:ident($($arg:expr),*), $limit:expr) => {{
        let limit = $limit;
        $t.asked.push(format!("{}{:?}, {limit} a page", stringify!($verb), ($(&$arg,)*)));
        let real = walk!($t.real.$verb($($arg),*), limit);
        let fake = walk!($t.fake.$verb($($arg),*), limit);
        $t.same(real.plain(), fake.plain());
    }};
}

macro_rules! walk {
    ($t:ident.$store:ident.$verb:ident($($arg:expr),*), $limit:ident) => {{
        let (mut all, mut cursor): (Vec<_>, Option<String>) = (Vec::new(), None);
        loop {
            let page = $t.$store.$verb($($arg,)* cursor.as_deref(), $limit).await.unwrap();
            all.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break all;
            }
        }
    }};
}

struct Twins {
    seed: u64,
    rng: StdRng,
    real: DynamoStore,
    fake: MemoryStore,
    secrets: MemorySecrets,
    asked: Vec<String>,
    tenants: [TenantId; 2],
    contacts: [ContactId; 3],
    sequences: [SequenceId; 2],
    /// Of the tenants, in their order.
    senders: [SenderId; 2],
    jobs: [JobId; 2],
    keys: [ApiKeyId; 2],
    messages: [MessageId; 3],
    /// What was written: it comes again, late.
    written: Vec<Enrollment>,
}

impl Twins {
    async fn run(seed: u64) {
        let mut ids = Ids::from_seed([seed as u8; 32]);
        let tenants = std::array::from_fn(|_| TenantId::new(&mut ids));
        let mut twins = Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            real: common::store().await,
            fake: MemoryStore::default(),
            secrets: MemorySecrets::default(),
            asked: Vec::new(),
            tenants,
            contacts: std::array::from_fn(|_| ContactId::new(&mut ids)),
            sequences: std::array::from_fn(|_| SequenceId::new(&mut ids)),
            senders: tenants.map(|tenant| SenderId::of(tenant, &mut ids)),
            jobs: std::array::from_fn(|_| JobId::new(&mut ids)),
            keys: std::array::from_fn(|_| ApiKeyId::new(&mut ids)),
            messages: std::array::from_fn(|_| MessageId::new(&mut ids)),
            written: Vec::new(),
        };
        for _ in 0..VERBS {
            match twins.rng.random_range(0..10) {
                0..4 => twins.about_enrollments().await,
                4 | 5 => twins.about_contacts().await,
                6 | 7 => twins.about_jobs().await,
                8 => twins.about_sequences_and_senders().await,
                _ => twins.about_the_rest().await,
            }
        }
        twins.everything().await;
    }

    fn same(&self, real: String, fake: String) {
        let before = self.asked.len().saturating_sub(12);
        let asked = self.asked[before..].join("\n  ");
        assert_eq!(fake, real, "seed {}: the fake (left) differs from the real store after\n  {asked}", self.seed);
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.rng).unwrap()
    }

    /// Mostly the first of a few, so that verbs meet.
    fn mostly_first<T: Copy>(&mut self, of: &[T]) -> T {
        if self.rng.random_bool(0.7) { of[0] } else { self.one(of) }
    }

    fn tenant(&mut self) -> TenantId {
        self.mostly_first(&self.tenants.clone())
    }

    fn contact(&mut self) -> ContactId {
        self.mostly_first(&self.contacts.clone())
    }

    fn sequence(&mut self) -> SequenceId {
        self.one(&self.sequences.clone())
    }

    /// One of a few instants that differ.
    fn instant(&mut self) -> Timestamp {
        NOW.plus_minutes(self.rng.random_range(0..6))
    }

    /// A revision to write over `old`: mostly the next one.
    fn rev(&mut self, old: Option<u64>) -> u64 {
        let next = old.map_or(1, |old| old + 1);
        if self.rng.random_bool(0.7) { next } else { self.rng.random_range(0..next + 2) }
    }

    fn enrollment_id(&mut self) -> EnrollmentId {
        let (contact, sequence) = (self.contact(), self.sequence());
        EnrollmentId { contact, sequence, scope: [0xfb; 8], run: self.rng.random_range(1..3) }
    }

    fn lease(&mut self, generation: u32) -> Lease {
        Lease {
            token: format!("token {}", self.rng.random_range(0..4)),
            generation,
            claimed_at: NOW,
            expires_at: NOW.plus_seconds(90),
            sender: self.senders[0],
            channel: Channel::Whatsapp,
            form: MessageForm::Text,
            resolve_at: self.rng.random_bool(0.3).then_some(NOW),
            reported: None,
        }
    }

    fn state(&mut self) -> State {
        let finished = State::Finished(Outcome::Replied);
        let parked = State::Parked(ParkReason::SenderSuspended);
        self.one(&[State::Waiting, State::Waiting, State::Sending, State::Paused, parked, finished])
    }

    /// What may come after an enrollment, sensible or not.
    fn changed(&mut self, e: &Enrollment) -> Enrollment {
        let mut next = e.clone();
        next.rev = self.rev(Some(e.rev));
        next.generation += self.rng.random_range(0..2);
        next.state = if self.rng.random_bool(0.4) { State::Waiting } else { self.state() };
        next.step = self.rng.random_range(0..3);
        next.due = self.rng.random_bool(0.7).then(|| self.instant());
        next.wake = self.rng.random_bool(0.7).then(|| self.instant());
        next.lease = self.rng.random_bool(0.3).then(|| self.lease(e.generation));
        next.swept = self.rng.random_range(0..3);
        next.body.send_now = self.rng.random();
        if self.rng.random_bool(0.3) {
            let happening = Happening { at: self.instant(), code: HappeningCode::Paused, step: Some(1), detail: None };
            next.body.happenings.push(happening);
        }
        next
    }

    async fn about_enrollments(&mut self) {
        let (tenant, id) = (self.tenant(), self.enrollment_id());
        let stored = self.fake.enrollment(tenant, id).await.unwrap();
        match self.rng.random_range(0..10) {
            0 | 1 => {
                let fresh = enrollment(id);
                let mut new = if self.rng.random() { fresh } else { self.changed(&fresh) };
                new.rev = 1;
                drop(both_write!(self.insert_enrollment(tenant, &new)));
                self.written.push(new);
            }
            2 | 3 => {
                let current = stored.unwrap_or_else(|| enrollment(id));
                let generation = current.generation.saturating_sub(u32::from(self.rng.random_bool(0.2)));
                let step = if self.rng.random_bool(0.8) { current.step } else { current.step + 1 };
                let lease = self.lease(generation + 1);
                drop(both_write!(self.claim(tenant, id, generation, step, &lease)));
            }
            4..7 => {
                let current = stored.unwrap_or_else(|| enrollment(id));
                let next = self.changed(&current);
                drop(both_write!(self.commit(tenant, &next)));
                self.written.push(next);
            }
            7 => {
                let Some(late) = self.written.choose(&mut self.rng).cloned() else { return };
                if self.rng.random_bool(0.7) {
                    drop(both!(self.commit(tenant, &late)));
                } else {
                    drop(both!(self.insert_enrollment(tenant, &late)));
                }
            }
            8 => {
                let there = stored.as_ref().and_then(|e| e.wake);
                let wake = there.filter(|_| self.rng.random_bool(0.8)).unwrap_or_else(|| self.instant());
                let generation = stored.as_ref().map_or(1, |e| e.generation) + u32::from(self.rng.random_bool(0.2));
                let entry = DueEntry { wake, tenant, enrollment: id };
                let (to, swept) = (self.instant(), self.rng.random_range(0..3));
                drop(both_write!(self.push_back(entry, generation, to, swept)));
                // Whoever wrote what was pushed back asks again.
                if let Some(before) = stored {
                    drop(both!(self.commit(tenant, &before)));
                    drop(both!(self.insert_enrollment(tenant, &before)));
                }
            }
            _ => self.lists().await,
        }
    }

    /// Every index, by a filter or two.
    async fn lists(&mut self) {
        let until = self.instant();
        for shard in self.shards() {
            drop(both!(self.due(shard, until, 100)));
        }
        let tenant = self.tenant();
        let filter = EnrollmentFilter {
            sequence: self.rng.random_bool(0.5).then(|| self.sequence()),
            coarse: self.rng.random_bool(0.5).then(|| self.one(&["active", "paused", "parked", "finished"])),
            contact: self.rng.random_bool(0.4).then(|| self.contact()),
        };
        let limit = self.rng.random_range(1..5);
        both_walk!(self.enrollments(tenant, &filter), limit);
    }

    /// Where the contacts' runs are due.
    fn shards(&self) -> BTreeSet<u8> {
        self.contacts.iter().map(|contact| testkit::memory::due_shard(*contact)).collect()
    }

    fn identities(&mut self) -> Vec<Identity> {
        let all = [
            Identity::Phone("+5511987654321".into()),
            Identity::WaId("5511987654321".into()),
            Identity::Email("ana@example.com".into()),
            Identity::External("5511987654321".into()),
        ];
        let some = self.rng.random_range(0..4);
        (0..some).map(|_| all.choose(&mut self.rng).unwrap().clone()).collect()
    }

    async fn about_contacts(&mut self) {
        let (tenant, id) = (self.tenant(), self.contact());
        match self.rng.random_range(0..8) {
            0..4 => {
                let old = self.fake.contact(tenant, id).await.unwrap();
                let rev = self.rev(old.as_ref().map(|c| c.rev));
                let created = NOW.plus_seconds(i64::from(id.as_bytes()[0]));
                let mut contact = old.unwrap_or_else(|| Contact::new(id, Profile::default(), created));
                contact.rev = rev;
                contact.profile.first_name = Some(self.one(&["Ana", "Bia"]).into());
                let (gained, lost) = (self.identities(), self.identities());
                drop(both_write!(self.save_contact(tenant, &contact, &gained, &lost)));
            }
            4 => {
                let old = self.fake.person(tenant, id).await.unwrap();
                let kept = old.and_then(|p| p.conversation("42#a").cloned());
                let conversation = Conversation {
                    id: self.one(&["42#a", "7"]).into(),
                    rev: self.rev(kept.map(|c| c.rev)),
                    status: Default::default(),
                    channel: self.rng.random_bool(0.5).then_some(Channel::Whatsapp),
                    sender_id: None,
                    assignee: None,
                    attributes: [("n".to_owned(), json!(self.rng.random_range(0..2)))].into(),
                    marks: Default::default(),
                };
                drop(both_write!(self.save_conversation(tenant, id, &conversation)));
            }
            5 => {
                let old = self.fake.person(tenant, id).await.unwrap();
                let (kind, name) = (self.one(&[TargetKind::Deal, TargetKind::Charge]), self.one(&["1", "1#2"]));
                let kept = old.and_then(|p| p.targets.into_iter().find(|t| t.kind == kind && t.id == name));
                let target = Target {
                    kind,
                    id: name.into(),
                    rev: self.rev(kept.map(|t| t.rev)),
                    attributes: [("amount".to_owned(), json!(self.rng.random::<f64>()))].into(),
                    marks: Default::default(),
                };
                drop(both_write!(self.save_target(tenant, id, &target)));
            }
            6 => drop(both!(self.person(tenant, id))),
            _ => {
                for identity in self.identities() {
                    drop(both!(self.find_contact(tenant, &identity)));
                }
            }
        }
    }

    fn counts(&mut self) -> JobCounts {
        let mut next = || self.rng.random_range(0..3);
        let (parts_done, created, repeated, failed) = (next(), next(), next(), next());
        let many = if self.rng.random_bool(0.5) { 70 } else { 1 };
        let errors = (0..failed * many).map(|n| RowError {
            row: self.rng.random_range(0..500),
            field: None,
            code: "unknown_reference".into(),
            detail: format!("{n}"),
        });
        JobCounts { parts_done, created, repeated, failed, errors: errors.collect() }
    }

    async fn about_jobs(&mut self) {
        let (tenant, id) = (self.tenant(), self.mostly_first(&self.jobs.clone()));
        let old = self.fake.job(tenant, id).await.unwrap();
        let standing = old.as_ref().map_or(0, |j| j.parts);
        let new = self.rng.random_range(0..3);
        let first = if self.rng.random_bool(0.8) { standing } else { self.rng.random_range(0..4) };
        let part = |number: u32| JobPart { number, first_row: number * 4, rows: vec![json!(number); 4], cursor: 0 };
        let parts: Vec<JobPart> = (first..first + new).map(part).collect();
        let job = Job {
            id,
            tenant,
            rev: self.rev(old.as_ref().map(|j| j.rev)),
            created_at: NOW,
            work: JobWork::Unpark { reason: ParkReason::ModuleDisabled },
            parts: first + new,
            closed: self.rng.random_bool(0.3),
            total: (first + new) * 4,
            counts: JobCounts::default(),
        };
        match self.rng.random_range(0..6) {
            0 => drop(both_write!(self.create_job(&job, &parts))),
            1 | 2 => drop(both_write!(self.add_parts(&job, &parts))),
            3 | 4 => {
                let number = self.rng.random_range(0..3);
                let there = self.fake.part(tenant, id, number).await.unwrap().map_or(0, |p| p.cursor);
                let before = if self.rng.random_bool(0.7) { there } else { self.rng.random_range(0..4) };
                let moved = JobPart { cursor: (before + self.rng.random_range(0..3)).min(4), ..part(number) };
                let counted = self.counts();
                drop(both_write!(self.advance_part(tenant, id, before, &moved, &counted)));
            }
            _ => {
                let number = self.rng.random_range(0..4);
                drop(both!(self.part(tenant, id, number)));
            }
        }
        drop(both!(self.job(tenant, id)));
    }

    async fn about_sequences_and_senders(&mut self) {
        let (tenant, id) = (self.tenant(), self.sequence());
        let old = self.fake.sequence(tenant, id).await.unwrap();
        let sequence = StoredSequence {
            id,
            revision: self.rev(old.as_ref().map(|s| s.revision)),
            owner: self.one(&["ana@example.com", "bia@example.com"]).into(),
            archived: false,
            published: self.rng.random_range(0..3),
            created_at: NOW,
            updated_at: NOW,
            draft: serde_json::from_value(json!({"name": "s", "target": "contact", "steps": []})).unwrap(),
        };
        match self.rng.random_range(0..8) {
            0 | 1 => drop(both_write!(self.save_sequence(tenant, &sequence))),
            2 | 3 => {
                let version = Version {
                    sequence_id: id,
                    number: self.rng.random_range(1..4),
                    published_at: NOW,
                    published_by: sequence.owner.clone(),
                    sequence: sequence.draft.clone(),
                };
                drop(both_write!(self.publish(tenant, &sequence, &version)));
            }
            4 if self.rng.random_bool(0.3) => drop(both!(self.delete_sequence(tenant, id))),
            5 if self.rng.random_bool(0.2) => {
                let of = self.one(&self.senders.clone());
                drop(both!(self.delete_sender(of)));
            }
            _ => {
                let of = self.one(&self.senders.clone());
                let old = self.fake.sender(of).await.unwrap();
                let sender = Sender {
                    id: of,
                    rev: self.rev(old.map(|s| s.rev)),
                    created_at: NOW,
                    name: self.one(&["one", "two"]).into(),
                    channel: Channel::Whatsapp,
                    provider: ProviderKind::WhatsappCloud,
                    config: json!({"rate": self.rng.random::<f64>() * 100.0}),
                    limits: SenderLimits::default(),
                    suspended: None,
                    templates: None,
                };
                drop(both_write!(self.save_sender(tenant, &sender)));
            }
        }
    }

    async fn about_the_rest(&mut self) {
        let tenant = self.tenant();
        match self.rng.random_range(0..8) {
            0 => {
                let old = self.fake.account(tenant).await.unwrap();
                let settings = Settings { enabled: self.rng.random(), ..Settings::default() };
                let account = Account { id: tenant, rev: self.rev(old.map(|a| a.rev)), created_at: NOW, settings };
                if self.rng.random_bool(0.4) {
                    drop(both_write!(self.create_account(&account)));
                } else {
                    drop(both_write!(self.save_account(&account)));
                }
            }
            1 => {
                let id = self.one(&self.keys.clone());
                let key = ApiKey { id, tenant, name: "n8n".into(), role: Role::Agent, user: None, created_at: NOW };
                // One key has one secret.
                let hash = format!("{tenant}{id}");
                if self.rng.random_bool(0.6) {
                    drop(both!(self.put_key(&key, &hash)));
                } else {
                    drop(both!(self.delete_key(tenant, id)));
                }
                drop(both!(self.key_by_hash(&hash)));
            }
            2 => {
                let address = self.one(&["+5511987654321", "ana@example.com"]);
                let channel = self.one(&[Channel::Whatsapp, Channel::Email]);
                let entry = Suppression { channel, address: address.into(), reason: "stop".into(), at: self.instant() };
                if self.rng.random_bool(0.6) {
                    drop(both!(self.put_suppression(tenant, &entry)));
                } else {
                    let id = suppression_id(channel, address);
                    drop(both!(self.delete_suppression(tenant, &id)));
                }
                drop(both!(self.suppression(tenant, channel, address)));
            }
            3 => {
                let message = StoredMessage {
                    id: self.one(&self.messages.clone()),
                    contact: self.contact(),
                    at: self.instant(),
                    direction: Direction::In,
                    channel: Channel::Whatsapp,
                    sender: self.senders[0],
                    message: None,
                    text: Some(self.one(&["oi", "olá"]).into()),
                    kind: None,
                    provider_message_id: None,
                    enrollment: None,
                    step: None,
                };
                drop(both!(self.put_message(tenant, &message)));
            }
            4 => {
                let type_ = self.one(&[AttributeType::Text, AttributeType::Date]);
                let of = self.one(&[TargetKind::Contact, TargetKind::Deal]);
                let attribute = Attribute { name: self.one(&["plan", "tier"]).into(), type_, of };
                drop(both!(self.save_attribute(tenant, &attribute)));
            }
            5 => {
                let name = self.one(&["snd_1", "snd_2"]);
                let value = json!({"access_token": self.rng.random_range(0..3)});
                if self.rng.random_bool(0.6) {
                    self.real.put_secret(tenant, name, &value).await.unwrap();
                    self.secrets.put_secret(tenant, name, &value).await.unwrap();
                } else {
                    self.real.delete_secret(tenant, name).await.unwrap();
                    self.secrets.delete_secret(tenant, name).await.unwrap();
                }
            }
            _ => self.once().await,
        }
    }

    async fn once(&mut self) {
        let key = self.one(&["a", "b"]);
        let hash = self.one(&["hash", "hash", "hash", "other"]);
        let now = self.one(&[NOW, NOW.plus_seconds(29), NOW.plus_seconds(30), NOW.plus_hours(24)]);
        match self.rng.random_range(0..6) {
            0 => {
                let body = vec![self.rng.random()];
                let content_type = "application/json".into();
                let record = IdempotencyRecord { body_hash: hash.into(), status: 201, content_type, body };
                drop(both!(self.finish(key, &record, now)));
            }
            1 => drop(both!(self.abandon(key))),
            _ => {
                let seed = [self.rng.random_range(0..4); 32];
                drop(both_write!(self.begin(key, hash, seed, now)));
            }
        }
    }

    /// All that stands there.
    async fn everything(&mut self) {
        for shard in 0..DUE_SHARDS {
            drop(both!(self.due(shard, NOW.plus_days(1), 100)));
        }
        for tenant in self.tenants {
            drop(both!(self.account(tenant)));
            drop(both!(self.keys(tenant)));
            drop(both!(self.senders(tenant)));
            drop(both!(self.attributes(tenant)));
            drop(both!(self.suppressions(tenant)));
            drop(both!(self.sequences(tenant)));
            for sequence in self.sequences {
                drop(both!(self.versions(tenant, sequence)));
                drop(both!(self.version(tenant, sequence, 1)));
            }
            for contact in self.contacts {
                drop(both!(self.contact(tenant, contact)));
                drop(both!(self.person(tenant, contact)));
                both_walk!(self.messages(tenant, contact), 2);
            }
            both_walk!(self.contacts(tenant), 1);
            for job in self.jobs {
                drop(both!(self.job(tenant, job)));
            }
            for name in ["snd_1", "snd_2"] {
                let (real, fake) = (self.real.secret(tenant, name).await, self.secrets.secret(tenant, name).await);
                self.same(real.plain(), fake.plain());
            }
        }
    }
}
