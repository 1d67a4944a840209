//! What must happen once: events that were seen, and requests with an idempotency key.

use domain::ids::TenantId;
use domain::time::Timestamp;
use engine::model::{IdempotencyRecord, Remembered};
use engine::ports::{Begun, PortResult};

use super::tables::Tables;

/// Answers are kept this long.
const KEPT_SECONDS: i64 = 24 * 3600;
/// Whoever began and has not answered for this long is taken for dead.
const LEASE_SECONDS: i64 = 30;

#[derive(Debug, Clone)]
pub(super) struct Idempotent {
    body_hash: String,
    /// The first try's, which every later one goes on with.
    seed: [u8; 32],
    /// The seed of whoever works on it now: it names the call.
    holder: [u8; 32],
    lease_until: Timestamp,
    expires_at: Timestamp,
    answer: Option<IdempotencyRecord>,
}

impl Tables {
    pub fn is_new(&mut self, tenant: TenantId, source: &str, id: &str, now: Timestamp) -> PortResult<bool> {
        Ok(self.seen.get(&(tenant, source.to_owned(), id.to_owned())).is_none_or(|until| *until <= now))
    }

    pub fn remember(&mut self, tenant: TenantId, seen: &Remembered) -> PortResult<()> {
        self.seen.insert((tenant, seen.source.clone(), seen.id.clone()), seen.expires_at);
        Ok(())
    }

    pub fn begin(&mut self, key: &str, body_hash: &str, seed: [u8; 32], now: Timestamp) -> PortResult<Begun> {
        let lease_until = now.plus_seconds(LEASE_SECONDS);
        if let Some(old) = self.idempotent.get_mut(key).filter(|old| old.expires_at > now) {
            if old.body_hash != body_hash {
                return Ok(Begun::Mismatch);
            }
            if let Some(answer) = &old.answer {
                return Ok(Begun::Done(answer.clone()));
            }
            if old.holder != seed && old.lease_until > now {
                return Ok(Begun::InProgress);
            }
            if old.holder != seed {
                old.holder = seed;
                old.lease_until = lease_until;
            }
            return Ok(Begun::Run { seed: old.seed });
        }
        let new = Idempotent {
            body_hash: body_hash.to_owned(),
            seed,
            holder: seed,
            lease_until,
            expires_at: now.plus_seconds(KEPT_SECONDS),
            answer: None,
        };
        self.idempotent.insert(key.to_owned(), new);
        Ok(Begun::Run { seed })
    }

    pub fn finish(&mut self, key: &str, record: &IdempotencyRecord, now: Timestamp) -> PortResult<()> {
        let done = Idempotent {
            body_hash: record.body_hash.clone(),
            seed: [0; 32],
            holder: [0; 32],
            lease_until: now,
            expires_at: now.plus_seconds(KEPT_SECONDS),
            answer: Some(record.clone()),
        };
        self.idempotent.insert(key.to_owned(), done);
        Ok(())
    }

    pub fn abandon(&mut self, key: &str) -> PortResult<()> {
        if self.idempotent.get(key).is_some_and(|i| i.answer.is_none()) {
            self.idempotent.remove(key);
        }
        Ok(())
    }
}
