//! Message templates: small documents in the account's own partition.

use domain::ids::{TemplateId, TenantId};
use engine::model::StoredTemplate;
use engine::ports::{PortResult, Saved};

use crate::DynamoStore;
use crate::items;
use crate::keys::{self, TEMPLATES};

const TEMPLATE: &str = "template";

/// One conditional write.
pub(crate) async fn save(
    store: &DynamoStore,
    tenant: TenantId,
    template: &StoredTemplate,
) -> PortResult<Saved<StoredTemplate>> {
    store.save(TEMPLATE, &keys::template(tenant, template.id), template.revision, template).await
}

/// One read.
pub(crate) async fn get(store: &DynamoStore, tenant: TenantId, id: TemplateId) -> PortResult<Option<StoredTemplate>> {
    store.get_content(TEMPLATE, &keys::template(tenant, id)).await
}

/// One Query: a request a megabyte.
pub(crate) async fn list(store: &DynamoStore, tenant: TenantId) -> PortResult<Vec<StoredTemplate>> {
    let items = store.all(TEMPLATE, &keys::tenant(tenant), TEMPLATES).await?;
    items.iter().map(|item| items::content(TEMPLATE, item)).collect()
}

/// One write. Versions that use it have it as it was.
pub(crate) async fn delete(store: &DynamoStore, tenant: TenantId, id: TemplateId) -> PortResult<bool> {
    Ok(store.delete(TEMPLATE, &keys::template(tenant, id)).await?.is_some())
}
