//! Messages in and out, and the list of suppressed addresses.

use domain::ids::{ContactId, TenantId};
use domain::message::Channel;
use engine::model::{Page, StoredMessage, Suppression, suppression_id};
use engine::ports::PortResult;

use crate::DynamoStore;
use crate::items::{self, Item, s};
use crate::keys::{self, GSI1_PK, GSI1_SK, Key, MESSAGES};

const MESSAGE: &str = "message";
const SUPPRESSION: &str = "suppression";
/// Entries of the suppression list read at a time.
const SUPPRESSIONS_A_PAGE: u32 = 1_000;

/// One write; more where a text is longer than a kilobyte.
pub(crate) async fn put(store: &DynamoStore, tenant: TenantId, message: &StoredMessage) -> PortResult<()> {
    let key = keys::message(tenant, message.contact, message.at, message.id);
    store.put(MESSAGE, items::record(&key, message)).await
}

/// One Query, newest first; eventually consistent.
pub(crate) async fn list(
    store: &DynamoStore,
    tenant: TenantId,
    contact: ContactId,
    cursor: Option<&str>,
    limit: u32,
) -> PortResult<Page<StoredMessage>> {
    let prefix = Key { pk: keys::contact(tenant, contact).pk, sk: MESSAGES.to_owned() };
    let kind = format!("messages/{contact}");
    let (found, next_cursor) = store.partition_page(tenant, &kind, &prefix, cursor, limit).await?;
    let data = found.iter().map(|item| items::content(MESSAGE, item)).collect::<PortResult<_>>()?;
    Ok(Page { data, next_cursor })
}

/// The public id leads to the item, and the hash in the key is salted all the same.
fn suppression_key(store: &DynamoStore, tenant: TenantId, id: &str) -> Key {
    keys::suppression(tenant, &store.keys.hash([tenant.as_bytes(), b"suppression", id.as_bytes()]))
}

/// One write and an index entry.
pub(crate) async fn suppress(store: &DynamoStore, tenant: TenantId, entry: &Suppression) -> PortResult<()> {
    let id = suppression_id(tenant, entry.channel, &entry.address);
    let mut item = items::record(&suppression_key(store, tenant, &id), entry);
    item.insert(GSI1_PK.into(), s(keys::suppressions_list(tenant)));
    item.insert(GSI1_SK.into(), s(keys::instant(entry.at)));
    store.put(SUPPRESSION, item).await
}

/// One read, strong: what is suppressed is found at once.
pub(crate) async fn suppression(
    store: &DynamoStore,
    tenant: TenantId,
    channel: Channel,
    address: &str,
) -> PortResult<Option<Suppression>> {
    store.get_content(SUPPRESSION, &suppression_key(store, tenant, &suppression_id(tenant, channel, address))).await
}

/// The whole list, newest first: an index Query and ten batch reads a thousand; eventually consistent.
pub(crate) async fn suppressions(store: &DynamoStore, tenant: TenantId) -> PortResult<Vec<Suppression>> {
    let lists = [keys::suppressions_list(tenant)];
    let read = |item: &Item| items::content(SUPPRESSION, item).map(Some);
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.page(tenant, "suppressions", &lists, cursor.as_deref(), SUPPRESSIONS_A_PAGE, read).await?;
        all.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// One write.
pub(crate) async fn unsuppress(store: &DynamoStore, tenant: TenantId, id: &str) -> PortResult<Option<Suppression>> {
    let old = store.delete(SUPPRESSION, &suppression_key(store, tenant, id)).await?;
    old.map(|item| items::content(SUPPRESSION, &item)).transpose()
}
