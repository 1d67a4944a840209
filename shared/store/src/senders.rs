//! Senders and declared attributes: small lists in the account's own partition.

use domain::content::Attribute;
use domain::ids::{SenderId, TenantId};
use domain::sender::Sender;
use engine::PortError;
use engine::ports::{Inserted, PortResult, Saved};

use crate::DynamoStore;
use crate::errors::unreadable;
use crate::items;
use crate::keys::{self, ATTRIBUTES, SENDERS};
use crate::requests::{Expect, Written};

const SENDER: &str = "sender";
const ATTRIBUTE: &str = "attribute";

/// One conditional write.
///
/// # Errors
/// `Poison` for a sender whose id is of another account: its key would be in that one's partition.
pub(crate) async fn save(store: &DynamoStore, tenant: TenantId, sender: &Sender) -> PortResult<Saved<Sender>> {
    if sender.id.tenant() != tenant {
        return Err(PortError::Poison("a sender of another account".into()));
    }
    store.save(SENDER, &keys::sender(sender.id), sender.rev, sender).await
}

/// One read.
pub(crate) async fn get(store: &DynamoStore, id: SenderId) -> PortResult<Option<Sender>> {
    store.get_content(SENDER, &keys::sender(id)).await
}

/// One Query.
pub(crate) async fn list(store: &DynamoStore, tenant: TenantId) -> PortResult<Vec<Sender>> {
    let items = store.all(SENDER, &keys::tenant(tenant), SENDERS).await?;
    items.iter().map(|item| items::content(SENDER, item)).collect()
}

/// One write.
pub(crate) async fn delete(store: &DynamoStore, id: SenderId) -> PortResult<bool> {
    Ok(store.delete(SENDER, &keys::sender(id)).await?.is_some())
}

/// One write. A name is declared once for each kind of object.
pub(crate) async fn save_attribute(store: &DynamoStore, tenant: TenantId, attribute: &Attribute) -> PortResult<()> {
    let key = keys::attribute(tenant, attribute.of, &attribute.name);
    store.put(ATTRIBUTE, items::record(&key, attribute)).await
}

/// One conditional write.
pub(crate) async fn declare_attribute(
    store: &DynamoStore,
    tenant: TenantId,
    attribute: &Attribute,
) -> PortResult<Inserted<Attribute>> {
    let key = keys::attribute(tenant, attribute.of, &attribute.name);
    match store.put_if("declare attribute", items::record(&key, attribute), Expect::Nothing).await? {
        Written::Yes => Ok(Inserted::Yes),
        Written::No(old) => {
            let old: Attribute = items::content(ATTRIBUTE, &old.ok_or_else(|| unreadable(ATTRIBUTE))?)?;
            Ok(if old == *attribute { Inserted::Yes } else { Inserted::Exists(old) })
        }
    }
}

/// One Query.
pub(crate) async fn attributes(store: &DynamoStore, tenant: TenantId) -> PortResult<Vec<Attribute>> {
    let items = store.all(ATTRIBUTE, &keys::tenant(tenant), ATTRIBUTES).await?;
    items.iter().map(|item| items::content(ATTRIBUTE, item)).collect()
}
