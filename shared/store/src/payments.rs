//! Payment sources, what they told that matched nobody, and who has a target of some name.

use domain::contact::TargetRef;
use domain::ids::{ContactId, SourceId, TenantId};
use domain::payment::PaymentSource;
use domain::time::Timestamp;
use engine::PortError;
use engine::model::{Page, Unmatched};
use engine::ports::{PortResult, Saved};

use crate::DynamoStore;
use crate::errors::unreadable;
use crate::items::{self, n};
use crate::keys::{self, Key, OWNERS, SK, SOURCES, TTL, UNMATCHED};
use crate::requests::key_text;

const SOURCE: &str = "payment source";
const ENTRY: &str = "unmatched payment";
const OWNER: &str = "owner of a target";

/// One conditional write.
///
/// # Errors
/// `Poison` for a source whose id is of another account: its key would be in that one's partition.
pub(crate) async fn save(
    store: &DynamoStore,
    tenant: TenantId,
    source: &PaymentSource,
) -> PortResult<Saved<PaymentSource>> {
    if source.id.tenant() != tenant {
        return Err(PortError::Poison("a payment source of another account".into()));
    }
    store.save(SOURCE, &keys::source(source.id), source.rev, source).await
}

/// One read.
pub(crate) async fn get(store: &DynamoStore, id: SourceId) -> PortResult<Option<PaymentSource>> {
    store.get_content(SOURCE, &keys::source(id)).await
}

/// One Query.
pub(crate) async fn list(store: &DynamoStore, tenant: TenantId) -> PortResult<Vec<PaymentSource>> {
    let items = store.all(SOURCE, &keys::tenant(tenant), SOURCES).await?;
    items.iter().map(|item| items::content(SOURCE, item)).collect()
}

/// One write.
pub(crate) async fn delete(store: &DynamoStore, id: SourceId) -> PortResult<bool> {
    Ok(store.delete(SOURCE, &keys::source(id)).await?.is_some())
}

/// One write.
pub(crate) async fn put_unmatched(store: &DynamoStore, entry: &Unmatched) -> PortResult<()> {
    let hash = store.keys.hash([b"unmatched", entry.key.as_bytes()]);
    let mut item = items::record(&keys::unmatched(entry.source, entry.at, &hash), entry);
    item.insert(TTL.into(), n(entry.expires_at().0));
    store.put(ENTRY, item).await
}

/// One Query, newest first; eventually consistent. What has expired may still stand there for days.
pub(crate) async fn unmatched(
    store: &DynamoStore,
    source: SourceId,
    now: Timestamp,
    cursor: Option<&str>,
    limit: u32,
) -> PortResult<Page<Unmatched>> {
    let prefix = Key { pk: keys::unmatched_of(source), sk: UNMATCHED.to_owned() };
    let kind = format!("unmatched/{source}");
    let (found, next_cursor) = store.partition_page(source.tenant(), &kind, &prefix, cursor, limit).await?;
    let mut data: Vec<Unmatched> = found.iter().map(|item| items::content(ENTRY, item)).collect::<PortResult<_>>()?;
    data.retain(|entry| entry.expires_at() > now);
    Ok(Page { data, next_cursor })
}

fn owners_of(store: &DynamoStore, tenant: TenantId, target: &TargetRef) -> String {
    let kind = target.kind.as_str();
    keys::owners(tenant, &store.keys.hash([tenant.as_bytes(), b"target", kind.as_bytes(), target.id.as_bytes()]))
}

/// One write, the same whenever it is repeated. It comes before the target itself, so that nobody has
/// a target without being found by it.
pub(crate) async fn own(
    store: &DynamoStore,
    tenant: TenantId,
    contact: ContactId,
    target: &TargetRef,
) -> PortResult<()> {
    let key = keys::owner(owners_of(store, tenant, target), contact);
    store.put(OWNER, items::empty(&key)).await
}

/// One strong Query.
pub(crate) async fn owners(store: &DynamoStore, tenant: TenantId, target: &TargetRef) -> PortResult<Vec<ContactId>> {
    let found = store.all(OWNER, &owners_of(store, tenant, target), OWNERS).await?;
    found.iter().map(|item| keys::owner_of(key_text(item, SK)).ok_or_else(|| unreadable(OWNER))).collect()
}
