//! What must happen once: requests with an idempotency key.

use domain::time::Timestamp;
use engine::model::IdempotencyRecord;
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
