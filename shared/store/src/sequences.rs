//! Sequences and their versions.
//!
//! A sequence with its draft is one item in the account's partition, so the list is one Query; a
//! published version is an item of its own that never changes.

use domain::ids::{SequenceId, TenantId};
use engine::model::{StoredSequence, Version};
use engine::ports::{Inserted, PortResult, Saved};

use crate::DynamoStore;
use crate::errors::unreadable;
use crate::items;
use crate::keys::{self, SEQUENCES, VERSIONS};
use crate::requests::{Expect, Transacted, Written};

const SEQUENCE: &str = "sequence";
const VERSION: &str = "version";

/// One conditional write.
pub(crate) async fn save(
    store: &DynamoStore,
    tenant: TenantId,
    sequence: &StoredSequence,
) -> PortResult<Saved<StoredSequence>> {
    store.save(SEQUENCE, &keys::sequence(tenant, sequence.id), sequence.revision, sequence).await
}

/// A transaction of the sequence (over the revision before) and the version (which must be new).
pub(crate) async fn publish(
    store: &DynamoStore,
    tenant: TenantId,
    sequence: &StoredSequence,
    version: &Version,
) -> PortResult<Saved<StoredSequence>> {
    let draft = items::document(&keys::sequence(tenant, sequence.id), sequence.revision, sequence);
    let published = items::record(&keys::version(tenant, version.sequence_id, version.number), version);
    let both = vec![
        Expect::before(sequence.revision).put(&store.table, draft.clone()),
        Expect::Nothing.put(&store.table, published),
    ];
    match store.transact("publish", both).await? {
        Transacted::Yes => Ok(Saved::Yes),
        Transacted::No(refusals) => match refusals.into_iter().next() {
            // Both or nothing: the same sequence there means that the version is there too.
            Some(refusal) if refusal.failed => match refusal.old {
                Some(old) if items::same_document(&old, &draft) => Ok(Saved::Yes),
                old => Ok(Saved::No(old.map(|old| items::content(SEQUENCE, &old)).transpose()?)),
            },
            // The version exists though the sequence does not say so.
            _ => Ok(Saved::No(get(store, tenant, sequence.id).await?)),
        },
    }
}

/// One read.
pub(crate) async fn get(store: &DynamoStore, tenant: TenantId, id: SequenceId) -> PortResult<Option<StoredSequence>> {
    store.get_content(SEQUENCE, &keys::sequence(tenant, id)).await
}

/// One Query, drafts included: a request a megabyte.
pub(crate) async fn list(store: &DynamoStore, tenant: TenantId) -> PortResult<Vec<StoredSequence>> {
    let items = store.all(SEQUENCE, &keys::tenant(tenant), SEQUENCES).await?;
    items.iter().map(|item| items::content(SEQUENCE, item)).collect()
}

/// One write. Versions stay: runs may be on them.
pub(crate) async fn delete(store: &DynamoStore, tenant: TenantId, id: SequenceId) -> PortResult<bool> {
    Ok(store.delete(SEQUENCE, &keys::sequence(tenant, id)).await?.is_some())
}

/// One read.
pub(crate) async fn version(
    store: &DynamoStore,
    tenant: TenantId,
    id: SequenceId,
    number: u32,
) -> PortResult<Option<Version>> {
    store.get_content(VERSION, &keys::version(tenant, id, number)).await
}

/// One conditional write.
pub(crate) async fn put_test_version(
    store: &DynamoStore,
    tenant: TenantId,
    version: &Version,
) -> PortResult<Inserted<Version>> {
    let item = items::record(&keys::version(tenant, version.sequence_id, version.number), version);
    match store.put_if(VERSION, item, Expect::Nothing).await? {
        Written::Yes => Ok(Inserted::Yes),
        Written::No(old) => Ok(match items::content(VERSION, &old.ok_or_else(|| unreadable(VERSION))?)? {
            // Ours, whose answer was lost.
            there if there == *version => Inserted::Yes,
            there => Inserted::Exists(there),
        }),
    }
}

/// One Query, oldest first.
pub(crate) async fn versions(store: &DynamoStore, tenant: TenantId, id: SequenceId) -> PortResult<Vec<Version>> {
    let items = store.all(VERSION, &keys::version(tenant, id, 0).pk, VERSIONS).await?;
    items.iter().map(|item| items::content(VERSION, item)).collect()
}
