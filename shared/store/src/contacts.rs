//! Contacts, their identities, conversations and targets.
//!
//! An identity is an item of its own that says whose it is: finding a person by a phone is one read,
//! and two contacts cannot have the same one, because writing a contact writes its identities in
//! the same transaction.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use domain::contact::{Contact, Conversation, Person, Target, TargetRef};
use domain::ids::{ContactId, TenantId};
use domain::message::Identity;
use engine::PortError;
use engine::model::Page;
use engine::ports::{ContactSaved, PortResult, Saved};

use crate::DynamoStore;
use crate::enrollment_item;
use crate::errors::unreadable;
use crate::items::{self, Item, s};
use crate::keys::{self, CONTACT, CONVERSATIONS, ENROLLMENTS, GSI1_PK, GSI1_SK, HOT_END, Key, SK, TARGETS};
use crate::payments;
use crate::requests::{ALL_OLD, Expect, Refusal, Transacted, Written, key_text};

const WHAT: &str = "contact";
const CONVERSATION: &str = "conversation";
const TARGET: &str = "target";
const IDENTITY: &str = "identity";

/// Whose an identity is.
const OWNER: &str = "c";
/// DynamoDB's limit for a transaction, less the contact itself.
const MAX_IDENTITIES: usize = 99;

fn encode(tenant: TenantId, contact: &Contact) -> Item {
    let mut item = items::document(&keys::contact(tenant, contact.id), contact.rev, contact);
    item.insert(GSI1_PK.into(), s(keys::contacts_list(tenant)));
    item.insert(GSI1_SK.into(), s(keys::instant(contact.created_at)));
    item
}

fn identity_key(store: &DynamoStore, tenant: TenantId, identity: &Identity) -> Key {
    let (kind, value) = keys::identity_kind(identity);
    let hash = store.keys.hash([tenant.as_bytes(), kind.as_bytes(), value.as_bytes()]);
    keys::identity(tenant, kind, &hash)
}

fn owner(item: &Item) -> PortResult<ContactId> {
    ContactId::parse(items::text(IDENTITY, item, OWNER)?).ok_or_else(|| unreadable(IDENTITY))
}

/// One read.
pub(crate) async fn get(store: &DynamoStore, tenant: TenantId, id: ContactId) -> PortResult<Option<Contact>> {
    store.get_content(WHAT, &keys::contact(tenant, id)).await
}

/// One strong Query of the hot prefix: a read unit for each 4 KB of it.
pub(crate) async fn person(store: &DynamoStore, tenant: TenantId, id: ContactId) -> PortResult<Option<Person>> {
    let pk = keys::contact(tenant, id).pk;
    let items = store.query("person", "pk = :pk AND sk < :end", &[(":pk", &pk), (":end", HOT_END)]).await?;
    let (mut contact, mut conversations, mut targets, mut enrollments) = (None, vec![], vec![], vec![]);
    for item in &items {
        let sk = key_text(item, SK);
        if sk == CONTACT {
            contact = Some(items::content(WHAT, item)?);
        } else if sk.starts_with(CONVERSATIONS) {
            conversations.push(items::content(CONVERSATION, item)?);
        } else if sk.starts_with(TARGETS) {
            targets.push(items::content(TARGET, item)?);
        } else if sk.starts_with(ENROLLMENTS) {
            enrollments.push(enrollment_item::decode(item)?);
        }
    }
    Ok(contact.map(|contact| Person { contact, conversations, targets, enrollments }))
}

/// One read.
pub(crate) async fn find(store: &DynamoStore, tenant: TenantId, identity: &Identity) -> PortResult<Option<ContactId>> {
    let item = store.get(IDENTITY, &identity_key(store, tenant, identity)).await?;
    item.map(|item| owner(&item)).transpose()
}

/// Without identity changes one conditional write (and its index entry, which does not move); with
/// them a transaction of the contact and each identity.
pub(crate) async fn save(
    store: &DynamoStore,
    tenant: TenantId,
    contact: &Contact,
    gained: &[Identity],
    lost: &[Identity],
) -> PortResult<ContactSaved> {
    let item = encode(tenant, contact);
    let expect = Expect::before(contact.rev);
    // One identity is one item, and a transaction may name an item once only.
    let by_key = |list: &[Identity]| -> BTreeMap<Key, Identity> {
        list.iter().map(|i| (identity_key(store, tenant, i), i.clone())).collect()
    };
    let gained = by_key(gained);
    let mut lost: Vec<Key> = by_key(lost).into_keys().filter(|key| !gained.contains_key(key)).collect();
    if gained.len() + lost.len() > MAX_IDENTITIES {
        return Err(PortError::Poison("a contact with too many identities".into()));
    }
    loop {
        if gained.is_empty() && lost.is_empty() {
            return Ok(match store.put_if(WHAT, item.clone(), expect).await? {
                Written::Yes => ContactSaved::Yes,
                Written::No(old) => stale_unless_ours(old.as_ref(), &item),
            });
        }
        let mut writes = vec![expect.put(&store.table, item.clone())];
        writes.extend(gained.keys().map(|key| take(store, key, contact.id)));
        writes.extend(lost.iter().map(|key| release(store, key, contact.id)));
        let Transacted::No(refusals) = store.transact("save contact", writes).await? else {
            return Ok(ContactSaved::Yes);
        };
        let (of_contact, of_identities) = refusals.split_first().ok_or_else(|| unreadable(WHAT))?;
        if of_contact.failed {
            return Ok(stale_unless_ours(of_contact.old.as_ref(), &item));
        }
        let (of_gained, of_lost) = of_identities.split_at_checked(gained.len()).ok_or_else(|| unreadable(WHAT))?;
        let taken = taken(gained.values(), of_gained)?;
        if !taken.is_empty() {
            return Ok(ContactSaved::Taken(taken));
        }
        // What was to be given up belongs to somebody else already: there is nothing to give up.
        let before = lost.len();
        let mut failed = of_lost.iter().map(|r| r.failed);
        lost.retain(|_| !failed.next().unwrap_or(false));
        if lost.len() == before {
            return Err(unreadable(WHAT));
        }
    }
}

/// The contact carries its identities, so the same contact there means that the whole transaction
/// is done: its answer was lost.
fn stale_unless_ours(old: Option<&Item>, item: &Item) -> ContactSaved {
    match old {
        Some(old) if items::same_document(old, item) => ContactSaved::Yes,
        _ => ContactSaved::Stale,
    }
}

fn taken<'a>(
    gained: impl Iterator<Item = &'a Identity>,
    refusals: &[Refusal],
) -> PortResult<Vec<(Identity, ContactId)>> {
    let refused = gained.zip(refusals).filter(|(_, refusal)| refusal.failed);
    refused
        .map(|(identity, refusal)| {
            let old = refusal.old.as_ref().ok_or_else(|| unreadable(IDENTITY))?;
            Ok((identity.clone(), owner(old)?))
        })
        .collect()
}

/// Nobody's yet, or ours already.
const FREE_OR_OURS: &str = "attribute_not_exists(pk) OR c = :me";

fn take(store: &DynamoStore, key: &Key, contact: ContactId) -> TransactWriteItem {
    let mut item = items::empty(key);
    item.insert(OWNER.into(), s(contact.to_string()));
    let put = Put::builder()
        .table_name(&store.table)
        .set_item(Some(item))
        .condition_expression(FREE_OR_OURS)
        .expression_attribute_values(":me", s(contact.to_string()))
        .return_values_on_condition_check_failure(ALL_OLD);
    TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
}

fn release(store: &DynamoStore, key: &Key, contact: ContactId) -> TransactWriteItem {
    let delete = Delete::builder()
        .table_name(&store.table)
        .set_key(Some(key.attributes()))
        .condition_expression(FREE_OR_OURS)
        .expression_attribute_values(":me", s(contact.to_string()))
        .return_values_on_condition_check_failure(ALL_OLD);
    TransactWriteItem::builder().delete(delete.build().expect("table and key are set")).build()
}

/// Newest first: one index Query and a batch read.
pub(crate) async fn list(
    store: &DynamoStore,
    tenant: TenantId,
    cursor: Option<&str>,
    limit: u32,
) -> PortResult<Page<Contact>> {
    let lists = [keys::contacts_list(tenant)];
    store.page(tenant, "contacts", &lists, cursor, limit, |item| items::content(WHAT, item).map(Some)).await
}

/// One conditional write; where its sender is known one more before it, by which its contact is found. That
/// one is the same whenever it is repeated.
pub(crate) async fn save_conversation(
    store: &DynamoStore,
    tenant: TenantId,
    contact: ContactId,
    conversation: &Conversation,
) -> PortResult<Saved<Conversation>> {
    if let Some(sender) = conversation.sender_id {
        payments::own(store, tenant, contact, &Conversation::named(sender, &conversation.id)).await?;
    }
    let key = keys::conversation(tenant, contact, &conversation.id);
    store.save(CONVERSATION, &key, conversation.rev, conversation).await
}

/// One conditional write; for a new target one more before it, by which it is found.
pub(crate) async fn save_target(
    store: &DynamoStore,
    tenant: TenantId,
    contact: ContactId,
    target: &Target,
) -> PortResult<Saved<Target>> {
    let named = TargetRef { kind: target.kind, id: target.id.clone() };
    if target.rev <= 1 {
        payments::own(store, tenant, contact, &named).await?;
    }
    let key = keys::target(tenant, contact, &named);
    store.save(TARGET, &key, target.rev, target).await
}
