//! Accounts and API keys.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use domain::account::{Account, ApiKey, Settings};
use domain::ids::{ApiKeyId, TenantId};
use domain::time::Timestamp;
use engine::ports::{Inserted, PortResult, Saved};
use serde::{Deserialize, Serialize};

use crate::DynamoStore;
use crate::errors::unreadable;
use crate::items::{self, Item};
use crate::keys::{self, API_KEYS, Key};
use crate::requests::{Expect, Transacted, Written, rev_of};

const ACCOUNT: &str = "account";
const KEY: &str = "API key";

/// The stored form; id and revision stand beside it.
#[derive(Serialize, Deserialize)]
struct StoredAccount {
    created_at: Timestamp,
    settings: Settings,
}

/// A key as its account lists it, with what leads to the item that authenticates.
#[derive(Serialize, Deserialize)]
struct ListedKey {
    key: ApiKey,
    hash: String,
}

fn encode(account: &Account) -> Item {
    let stored = StoredAccount { created_at: account.created_at, settings: account.settings.clone() };
    items::document(&keys::account(account.id), account.rev, &stored)
}

fn decode(id: TenantId, item: &Item) -> PortResult<Account> {
    let stored: StoredAccount = items::content(ACCOUNT, item)?;
    Ok(Account { id, rev: rev_of(ACCOUNT, item)?, created_at: stored.created_at, settings: stored.settings })
}

/// One conditional write.
pub(crate) async fn create(store: &DynamoStore, account: &Account) -> PortResult<Inserted<Account>> {
    let item = encode(account);
    match store.put_if(ACCOUNT, item.clone(), Expect::Nothing).await? {
        Written::Yes => Ok(Inserted::Yes),
        Written::No(Some(old)) if items::same_document(&old, &item) => Ok(Inserted::Yes),
        Written::No(old) => Ok(Inserted::Exists(decode(account.id, &old.ok_or_else(|| unreadable(ACCOUNT))?)?)),
    }
}

/// One read.
pub(crate) async fn get(store: &DynamoStore, tenant: TenantId) -> PortResult<Option<Account>> {
    let item = store.get(ACCOUNT, &keys::account(tenant)).await?;
    item.map(|item| decode(tenant, &item)).transpose()
}

/// One conditional write.
pub(crate) async fn save(store: &DynamoStore, account: &Account) -> PortResult<Saved<Account>> {
    let item = encode(account);
    match store.put_if(ACCOUNT, item.clone(), Expect::Rev(account.rev.saturating_sub(1))).await? {
        Written::Yes => Ok(Saved::Yes),
        Written::No(Some(old)) if items::same_document(&old, &item) => Ok(Saved::Yes),
        Written::No(old) => Ok(Saved::No(old.map(|old| decode(account.id, &old)).transpose()?)),
    }
}

/// A transaction of two small items: the one that authenticates and the one that is listed.
pub(crate) async fn put_key(store: &DynamoStore, key: &ApiKey, hash: &str) -> PortResult<()> {
    let listed = ListedKey { key: key.clone(), hash: hash.to_owned() };
    let put = |item| {
        let put = Put::builder().table_name(&store.table).set_item(Some(item));
        TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
    };
    let both = vec![
        put(items::record(&keys::api_key_by_hash(hash), key)),
        put(items::record(&keys::api_key(key.tenant, key.id), &listed)),
    ];
    // Without conditions nothing is refused, and a repeat writes the same again.
    store.transact("put key", both).await.map(drop)
}

/// One read, strong: a key that was deleted is refused from then on.
pub(crate) async fn key_by_hash(store: &DynamoStore, hash: &str) -> PortResult<Option<ApiKey>> {
    store.get_content(KEY, &keys::api_key_by_hash(hash)).await
}

/// One Query.
pub(crate) async fn keys(store: &DynamoStore, tenant: TenantId) -> PortResult<Vec<ApiKey>> {
    let items = store.all(KEY, &keys::tenant(tenant), API_KEYS).await?;
    items.iter().map(|item| items::content::<ListedKey>(KEY, item).map(|listed| listed.key)).collect()
}

/// One read and a transaction of two small items.
pub(crate) async fn delete_key(store: &DynamoStore, tenant: TenantId, id: ApiKeyId) -> PortResult<bool> {
    let listed = keys::api_key(tenant, id);
    let Some(found) = store.get_content::<ListedKey>(KEY, &listed).await? else { return Ok(false) };
    let delete = |key: &Key| {
        let delete = Delete::builder().table_name(&store.table).set_key(Some(key.attributes()));
        TransactWriteItem::builder().delete(delete.build().expect("table and key are set")).build()
    };
    let both = vec![delete(&keys::api_key_by_hash(&found.hash)), delete(&listed)];
    Ok(matches!(store.transact("delete key", both).await?, Transacted::Yes))
}
