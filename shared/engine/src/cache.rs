//! What workers need not read for every message: versions and first days for ever, settings and senders
//! for 30 s, credentials for ten minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use domain::account::Account;
use domain::enrollment::DaySlot;
use domain::enrollment::test_send::is_test_version;
use domain::ids::{SenderId, SequenceId, TenantId};
use domain::sender::Sender;
use domain::system::{self, system_sequence};
use domain::time::{NaiveDate, Timestamp};
use serde_json::Value;

use crate::model::Version;
use crate::ports::{Clock as _, PortResult, Ports, Secrets as _, Store as _};
use crate::{Engine, PortError, sequences};

const FRESH_SECONDS: i64 = 30;
/// For so long a day that was full is not asked for again: a crowd that is due together would ask
/// thousands of times.
const FULL_SECONDS: i64 = 10;
/// More than one account's worth of sequences; beyond it the cache starts again.
const MAX_VERSIONS: usize = 1_000;

type Secrets = HashMap<(TenantId, String), (Timestamp, Arc<Value>)>;
type Aged<T> = HashMap<TenantId, (Timestamp, Arc<T>)>;

#[derive(Debug, Default)]
pub struct Cache {
    versions: Mutex<HashMap<(TenantId, SequenceId, u32), Arc<Version>>>,
    accounts: Mutex<Aged<Account>>,
    senders: Mutex<Aged<Vec<Sender>>>,
    secrets: Mutex<Secrets>,
    first_days: Mutex<HashMap<SenderId, NaiveDate>>,
    /// Since when a sender's day has been full, and at which allowance.
    full_days: Mutex<HashMap<DaySlot, (Timestamp, u32)>>,
}

fn fresh<T: Clone>(found: Option<&(Timestamp, T)>, now: Timestamp) -> Option<T> {
    younger(found, now, FRESH_SECONDS)
}

fn younger<T: Clone>(found: Option<&(Timestamp, T)>, now: Timestamp, seconds: i64) -> Option<T> {
    // A clock set back makes entries look new: those count as old.
    found.filter(|(at, _)| (0..seconds).contains(&now.seconds_since(*at))).map(|(_, v)| v.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while holding it leaves a whole map: inserts are single steps.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<P: Ports> Engine<P> {
    /// A version that was published: nobody asks for what tests run on.
    pub async fn published_version(
        &self,
        tenant: TenantId,
        id: SequenceId,
        number: u32,
    ) -> PortResult<Option<Arc<Version>>> {
        if is_test_version(number) { Ok(None) } else { self.version(tenant, id, number).await }
    }

    /// What a run is on, a published version or a test's; it never changes.
    pub async fn version(&self, tenant: TenantId, id: SequenceId, number: u32) -> PortResult<Option<Arc<Version>>> {
        let key = (tenant, id, number);
        if let Some(found) = lock(&self.cache.versions).get(&key) {
            return Ok(Some(found.clone()));
        }
        let found = match system_sequence(id) {
            Some(system) if !is_test_version(number) => (number == system::VERSION).then(|| sequences::version(system)),
            _ => self.store.version(tenant, id, number).await?,
        };
        let Some(version) = found.map(Arc::new) else { return Ok(None) };
        let mut versions = lock(&self.cache.versions);
        if versions.len() >= MAX_VERSIONS {
            versions.clear();
        }
        versions.insert(key, version.clone());
        Ok(Some(version))
    }

    /// The account; up to 30 s old in workers.
    pub async fn account(&self, tenant: TenantId) -> PortResult<Arc<Account>> {
        let now = self.clock.now();
        if self.config.cache_settings
            && let Some(found) = fresh(lock(&self.cache.accounts).get(&tenant), now)
        {
            return Ok(found);
        }
        let account = self.store.account(tenant).await?.map(Arc::new);
        let account = account.ok_or_else(|| PortError::Poison("no such account".into()))?;
        if self.config.cache_settings {
            lock(&self.cache.accounts).insert(tenant, (now, account.clone()));
        }
        Ok(account)
    }

    /// The account's senders; up to 30 s old in workers.
    pub async fn senders(&self, tenant: TenantId) -> PortResult<Arc<Vec<Sender>>> {
        let now = self.clock.now();
        if self.config.cache_settings
            && let Some(found) = fresh(lock(&self.cache.senders).get(&tenant), now)
        {
            return Ok(found);
        }
        let senders = Arc::new(self.store.senders(tenant).await?);
        if self.config.cache_settings {
            lock(&self.cache.senders).insert(tenant, (now, senders.clone()));
        }
        Ok(senders)
    }

    /// The day of a sender's first message; it never changes. `today`, where this is the first.
    pub(crate) async fn first_day(&self, sender: SenderId, today: NaiveDate) -> PortResult<NaiveDate> {
        if let Some(found) = lock(&self.cache.first_days).get(&sender) {
            return Ok(*found);
        }
        let first = self.store.first_day(sender, today).await?;
        lock(&self.cache.first_days).insert(sender, first);
        Ok(first)
    }

    /// Takes one of a sender's messages of a day, unless the day was full a moment ago.
    pub(crate) async fn take_day(&self, slot: DaySlot, allowance: u32) -> PortResult<bool> {
        let now = self.clock.now();
        let known = lock(&self.cache.full_days).get(&slot).copied();
        let full =
            known.is_some_and(|(at, most)| allowance <= most && (0..FULL_SECONDS).contains(&now.seconds_since(at)));
        if full {
            return Ok(false);
        }
        let taken = self.store.take_day(slot, allowance).await?;
        if !taken && self.config.cache_settings {
            let mut full_days = lock(&self.cache.full_days);
            full_days.retain(|_, (at, _)| now.seconds_since(*at) < FULL_SECONDS);
            full_days.insert(slot, (now, allowance));
        }
        Ok(taken)
    }

    /// The credentials of a sender or payment source as they are stored; in workers up to
    /// [`Config::credentials_seconds`](crate::Config) old.
    pub async fn stored_credentials(&self, tenant: TenantId, name: &str) -> PortResult<Option<Arc<Value>>> {
        let now = self.clock.now();
        let key = (tenant, name.to_owned());
        if self.config.cache_settings
            && let Some(found) = younger(lock(&self.cache.secrets).get(&key), now, self.config.credentials_seconds)
        {
            return Ok(Some(found));
        }
        let secret = self.secrets.secret(tenant, name).await?.map(Arc::new);
        if let Some(secret) = secret.as_ref().filter(|_| self.config.cache_settings) {
            lock(&self.cache.secrets).insert(key, (now, secret.clone()));
        }
        Ok(secret)
    }

    /// Forgets what this process holds of an account, after it changed something itself.
    pub fn forget(&self, tenant: TenantId) {
        lock(&self.cache.accounts).remove(&tenant);
        lock(&self.cache.senders).remove(&tenant);
        lock(&self.cache.secrets).retain(|(t, _), _| *t != tenant);
    }
}
