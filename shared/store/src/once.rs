//! What must count once: requests by their idempotency key.
//!
//! They expire by `ttl`. DynamoDB deletes days late, so every read compares it with the clock.

use domain::time::Timestamp;
use engine::model::IdempotencyRecord;
use engine::ports::{Begun, PortResult};
use sha2::{Digest as _, Sha256};

use crate::DynamoStore;
use crate::crypt::Purpose;
use crate::errors::{port_error, unreadable};
use crate::items::{self, Item, b, n, s};
use crate::keys::{self, Key, TTL};
use crate::requests::{ALL_OLD, refused_delete, refused_put, refused_update};

const WHAT: &str = "idempotency record";

/// Answers are kept this long.
const KEPT_SECONDS: i64 = 24 * 3600;
/// Whoever began and has not answered for this long is taken for dead.
const LEASE_SECONDS: i64 = 30;

const BODY_HASH: &str = "body_hash";
/// Sealed: secrets that a request makes derive from it.
const SEED: &str = "seed";
const HOLDER: &str = "holder";
const LEASE_UNTIL: &str = "lease_until";
const STATUS: &str = "http_status";
const CONTENT_TYPE: &str = "content_type";
/// Sealed: answers hold secrets and people's data.
const BODY: &str = "body";

fn key_of(store: &DynamoStore, key: &str) -> Key {
    keys::idempotency(&store.keys.hash([b"idempotency", key.as_bytes()]))
}

/// Names one call of `begin`, so that it knows its own write again: seeds are random, and what
/// stands in the table in the clear must not tell the seed.
fn holder(seed: &[u8; 32]) -> String {
    let hash: [u8; 32] = Sha256::digest([b"holder".as_slice(), seed].concat()).into();
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One conditional write; a second one takes over a lapsed lease.
pub(crate) async fn begin(
    store: &DynamoStore,
    key: &str,
    body_hash: &str,
    seed: [u8; 32],
    now: Timestamp,
) -> PortResult<Begun> {
    let at = key_of(store, key);
    let me = holder(&seed);
    let mut item = items::empty(&at);
    item.insert(BODY_HASH.into(), s(body_hash));
    item.insert(SEED.into(), b(store.keys.seal(Purpose::Answers, key.as_bytes(), &seed)));
    item.insert(HOLDER.into(), s(&me));
    item.insert(LEASE_UNTIL.into(), n(now.plus_seconds(LEASE_SECONDS).0));
    item.insert(TTL.into(), n(now.plus_seconds(KEPT_SECONDS).0));
    let put = store
        .client
        .put_item()
        .table_name(&store.table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
        .expression_attribute_names("#ttl", TTL)
        .expression_attribute_values(":now", n(now.0))
        .return_values_on_condition_check_failure(ALL_OLD);
    let Err(error) = put.send().await else { return Ok(Begun::Run { seed }) };
    let Some(old) = refused_put(&error) else { return Err(port_error("begin", &error)) };
    let old = old.ok_or_else(|| unreadable(WHAT))?;
    match found(store, key, body_hash, &me, &old)? {
        Found::Settled(begun) => Ok(begun),
        Found::Running { until } if until > now => Ok(Begun::InProgress),
        Found::Running { .. } => take_over(store, &at, key, body_hash, &me, &old, now).await,
    }
}

enum Found {
    Settled(Begun),
    Running { until: Timestamp },
}

fn found(store: &DynamoStore, key: &str, body_hash: &str, me: &str, old: &Item) -> PortResult<Found> {
    items::version(WHAT, old)?;
    if items::text(WHAT, old, BODY_HASH)? != body_hash {
        return Ok(Found::Settled(Begun::Mismatch));
    }
    if old.contains_key(STATUS) {
        return Ok(Found::Settled(Begun::Done(decode(store, key, old)?)));
    }
    if items::text(WHAT, old, HOLDER)? == me {
        return Ok(Found::Settled(Begun::Run { seed: seed_of(store, key, old)? }));
    }
    Ok(Found::Running { until: Timestamp(items::number(WHAT, old, LEASE_UNTIL)?) })
}

/// The lease has lapsed: go on with the seed of whoever held it, so that the same objects are made.
async fn take_over(
    store: &DynamoStore,
    at: &Key,
    key: &str,
    body_hash: &str,
    me: &str,
    old: &Item,
    now: Timestamp,
) -> PortResult<Begun> {
    let update = store
        .update(at)
        .update_expression("SET holder = :me, lease_until = :until")
        .condition_expression("attribute_exists(pk) AND holder = :old AND attribute_not_exists(http_status)")
        .expression_attribute_values(":me", s(me))
        .expression_attribute_values(":until", n(now.plus_seconds(LEASE_SECONDS).0))
        .expression_attribute_values(":old", s(items::text(WHAT, old, HOLDER)?));
    let Err(error) = update.send().await else { return Ok(Begun::Run { seed: seed_of(store, key, old)? }) };
    match refused_update(&error) {
        None => Err(port_error("begin", &error)),
        // Given back in between; the caller's next try begins anew.
        Some(None) => Ok(Begun::InProgress),
        Some(Some(now_there)) => match found(store, key, body_hash, me, &now_there)? {
            Found::Settled(begun) => Ok(begun),
            Found::Running { .. } => Ok(Begun::InProgress),
        },
    }
}

fn seed_of(store: &DynamoStore, key: &str, item: &Item) -> PortResult<[u8; 32]> {
    let seed = store.keys.open(Purpose::Answers, key.as_bytes(), items::bytes(WHAT, item, SEED)?);
    seed.and_then(|seed| seed.try_into().ok()).ok_or_else(|| unreadable(WHAT))
}

fn decode(store: &DynamoStore, key: &str, item: &Item) -> PortResult<IdempotencyRecord> {
    let body = store.keys.open(Purpose::Answers, key.as_bytes(), items::bytes(WHAT, item, BODY)?);
    Ok(IdempotencyRecord {
        body_hash: items::text(WHAT, item, BODY_HASH)?.to_owned(),
        status: items::number(WHAT, item, STATUS)?,
        content_type: items::text(WHAT, item, CONTENT_TYPE)?.to_owned(),
        body: body.ok_or_else(|| unreadable(WHAT))?,
    })
}

/// One write, over whatever stands there: two that finish one key ran on one seed.
pub(crate) async fn finish(
    store: &DynamoStore,
    key: &str,
    record: &IdempotencyRecord,
    now: Timestamp,
) -> PortResult<()> {
    let mut item = items::empty(&key_of(store, key));
    item.insert(BODY_HASH.into(), s(&record.body_hash));
    item.insert(STATUS.into(), n(record.status));
    item.insert(CONTENT_TYPE.into(), s(&record.content_type));
    item.insert(BODY.into(), b(store.keys.seal(Purpose::Answers, key.as_bytes(), &record.body)));
    item.insert(TTL.into(), n(now.plus_seconds(KEPT_SECONDS).0));
    store.put("finish", item).await
}

/// One conditional write. An answer that stands there already stays.
pub(crate) async fn abandon(store: &DynamoStore, key: &str) -> PortResult<()> {
    let delete = store
        .client
        .delete_item()
        .table_name(&store.table)
        .set_key(Some(key_of(store, key).attributes()))
        .condition_expression("attribute_not_exists(http_status)");
    match delete.send().await {
        Ok(_) => Ok(()),
        Err(e) if refused_delete(&e) => Ok(()),
        Err(e) => Err(port_error("abandon", &e)),
    }
}
