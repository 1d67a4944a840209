//! The ports over the maps, for whoever needs no faults: contract suites and plain tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::account::{Account, ApiKey};
use domain::contact::{Contact, Conversation, Person, Target, TargetRef};
use domain::content::Attribute;
use domain::enrollment::{DaySlot, Enrollment, Lease};
use domain::ids::{
    ApiKeyId, ContactId, EnrollmentId, Ids, JobId, SenderId, SequenceId, SourceId, TemplateId, TenantId,
};
use domain::message::{Channel, Identity};
use domain::payment::PaymentSource;
use domain::sender::Sender;
use domain::time::{NaiveDate, Timestamp};
use engine::model::{
    IdempotencyRecord, Job, JobCounts, JobPart, Page, StoredMessage, StoredSequence, StoredTemplate, Suppression,
    Unmatched, Version,
};
use engine::ports::{
    Begun, Claim, Clock, ContactSaved, DueEntry, EnrollmentFilter, Inserted, PortError, PortResult, Random, Saved,
    Secrets, Store,
};
use serde_json::Value;

use super::tables::{Tables, for_each_store_verb};

/// A panic while holding it leaves whole maps: verbs check before they write.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The store port in memory. Clones share their tables. Every call lets other tasks run first, as
/// one over a network would.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    calls: Arc<Mutex<BTreeMap<&'static str, u32>>>,
}

impl MemoryStore {
    /// The tables themselves, to look at or to prepare.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }

    /// How often each verb has been called since this was last asked.
    pub fn calls(&self) -> BTreeMap<&'static str, u32> {
        std::mem::take(&mut lock(&self.calls))
    }
}

macro_rules! over_tables {
    ($($verb:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        impl Store for MemoryStore {
            $(async fn $verb(&self, $($arg: $type),*) -> PortResult<$out> {
                tokio::task::yield_now().await;
                *lock(&self.calls).entry(stringify!($verb)).or_default() += 1;
                self.tables().$verb($($arg),*)
            })*
        }
    };
}
for_each_store_verb!(over_tables);

/// Credentials in memory. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct MemorySecrets(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    values: BTreeMap<(TenantId, String), Value>,
    reads: usize,
    failures: VecDeque<PortError>,
}

impl MemorySecrets {
    /// How often one was read.
    pub fn reads(&self) -> usize {
        lock(&self.0).reads
    }

    /// The next read fails so.
    pub fn fail(&self, error: PortError) {
        lock(&self.0).failures.push_back(error);
    }
}

impl Secrets for MemorySecrets {
    async fn put_secret(&self, tenant: TenantId, name: &str, value: &Value) -> PortResult<()> {
        lock(&self.0).values.insert((tenant, name.to_owned()), value.clone());
        Ok(())
    }

    async fn secret(&self, tenant: TenantId, name: &str) -> PortResult<Option<Value>> {
        let mut kept = lock(&self.0);
        kept.reads += 1;
        let failure = kept.failures.pop_front();
        failure.map_or_else(|| Ok(kept.values.get(&(tenant, name.to_owned())).cloned()), Err)
    }

    async fn delete_secret(&self, tenant: TenantId, name: &str) -> PortResult<()> {
        lock(&self.0).values.remove(&(tenant, name.to_owned()));
        Ok(())
    }
}

/// A clock that stands until it is set. Clones share their time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    pub fn set(&self, now: Timestamp) {
        *lock(&self.0) = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }
}

/// Seeds that follow from one seed: the same one gives the same row of them.
#[derive(Debug)]
pub struct SeededRandom(Mutex<Ids>);

impl SeededRandom {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Mutex::new(Ids::from_seed(seed)))
    }
}

impl Random for SeededRandom {
    fn seed(&self) -> [u8; 32] {
        lock(&self.0).bytes()
    }
}
