//! Credentials of senders, encrypted in the account's own partition.

use domain::ids::TenantId;
use engine::ports::{PortResult, Secrets};
use serde_json::Value;

use crate::DynamoStore;
use crate::crypt::Purpose;
use crate::errors::unreadable;
use crate::items::{self, DATA, b};
use crate::keys;

const WHAT: &str = "secret";

/// What a secret is bound to: copied under another name or account it cannot be opened.
fn place(tenant: TenantId, name: &str) -> Vec<u8> {
    [tenant.as_bytes().as_slice(), name.as_bytes()].concat()
}

impl Secrets for DynamoStore {
    /// One write.
    async fn put_secret(&self, tenant: TenantId, name: &str, value: &Value) -> PortResult<()> {
        let plain = value.to_string();
        let mut item = items::empty(&keys::secret(tenant, name));
        let sealed = self.keys.seal(Purpose::Secrets, &place(tenant, name), plain.as_bytes());
        item.insert(DATA.into(), b(sealed));
        self.put(WHAT, item).await
    }

    /// One read.
    async fn secret(&self, tenant: TenantId, name: &str) -> PortResult<Option<Value>> {
        let Some(item) = self.get(WHAT, &keys::secret(tenant, name)).await? else { return Ok(None) };
        items::version(WHAT, &item)?;
        let plain = self.keys.open(Purpose::Secrets, &place(tenant, name), items::bytes(WHAT, &item, DATA)?);
        let value = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        value.map(Some).ok_or_else(|| unreadable(WHAT))
    }

    /// One write.
    async fn delete_secret(&self, tenant: TenantId, name: &str) -> PortResult<()> {
        self.delete(WHAT, &keys::secret(tenant, name)).await.map(drop)
    }
}
