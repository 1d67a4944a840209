//! The fake in memory does what the real store does, whatever is asked of them in whatever order:
//! random verbs on a few colliding keys and revisions, every answer compared, and all that stands
//! there in the end.
//!
//! Where the port promises no order (lists of one second, a person's runs), none is compared. Which
//! seed differed and what was asked of it is printed. `RITMO_ALIKE_SEEDS=100` runs more of them.

#![allow(clippy::unwrap_used)]
#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "only its worlds are needed")]
#[path = "../contract/mod.rs"]
mod contract;

use std::collections::BTreeSet;
use std::fmt::Debug;

use contract::{NOW, enrollment};
use domain::account::{Account, ApiKey, Role, Settings};
use domain::contact::{Contact, Conversation, Person, Profile, Target, TargetRef};
use domain::content::{Attribute, VariableType};
use domain::enrollment::{
    DaySlot, Enrollment, Happening, HappeningCode, Lease, MessageForm, Outcome, ParkReason, State,
};
use domain::ids::{
    ApiKeyId, ContactId, EnrollmentId, Ids, JobId, MessageId, SenderId, SequenceId, SourceId, TemplateId, TenantId,
};
use domain::message::{Channel, Identity, ProviderKind};
use domain::payment::{PaymentProvider, PaymentSource};
use domain::sender::{Sender, SenderLimits};
use domain::sequence::TargetKind;
use domain::time::{NaiveDate, Timestamp};
use engine::model::{
    Direction, IdempotencyRecord, Job, JobCounts, JobPart, JobWork, RowError, StoredMessage, StoredSequence,
    StoredTemplate, Suppression, Unmatched, UnmatchedReason, Version, suppression_id,
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
    NaiveDate,
    Account,
    ApiKey,
    Contact,
    ContactId,
    Enrollment,
    StoredSequence,
    StoredTemplate,
    Version,
    PaymentSource,
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

mod asks;

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
    sources: [SourceId; 2],
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
            sources: tenants.map(|tenant| SourceId::of(tenant, &mut ids)),
            jobs: std::array::from_fn(|_| JobId::new(&mut ids)),
            keys: std::array::from_fn(|_| ApiKeyId::new(&mut ids)),
            messages: std::array::from_fn(|_| MessageId::new(&mut ids)),
            written: Vec::new(),
        };
        for _ in 0..VERBS {
            match twins.rng.random_range(0..11) {
                0..4 => twins.about_enrollments().await,
                4 | 5 => twins.about_contacts().await,
                6 | 7 => twins.about_jobs().await,
                8 => twins.about_sequences_and_senders().await,
                9 => twins.about_days().await,
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

    /// All that stands there.
    async fn everything(&mut self) {
        for shard in 0..DUE_SHARDS {
            drop(both!(self.due(shard, NOW.plus_days(1), 100)));
        }
        for source in self.sources {
            both_walk!(self.unmatched(source, NOW), 2);
        }
        for tenant in self.tenants {
            drop(both!(self.account(tenant)));
            drop(both!(self.keys(tenant)));
            drop(both!(self.senders(tenant)));
            drop(both!(self.sources(tenant)));
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
            for (kind, name) in [(TargetKind::Deal, "1"), (TargetKind::Charge, "1"), (TargetKind::Charge, "1#2")] {
                let target = TargetRef { kind, id: name.into() };
                drop(both!(self.owners(tenant, &target)));
            }
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
