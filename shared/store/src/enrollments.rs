//! Enrollments: each write is one request with one condition, and the condition is the promise.

use aws_sdk_dynamodb::types::ReturnValue;
use domain::enrollment::{DaySlot, Enrollment, Lease, State};
use domain::ids::{EnrollmentId, TenantId};
use domain::time::Timestamp;
use engine::model::Page;
use engine::ports::{Claim, DueEntry, EnrollmentFilter, Inserted, PortResult, Saved};

use crate::DynamoStore;
use crate::enrollment_item::{self, decode, encode, is_ours};
use crate::errors::{port_error, unreadable};
use crate::items::{self, Item, n, s};
use crate::keys::{self, COARSE, ENROLLMENTS, GSI2, GSI2_SK, Key, SEQUENCES};
use crate::limits;
use crate::requests::{Expect, Refusal, Transacted, Written, key_text, refused_update};

const WHAT: &str = "enrollment";

/// Queries of a contact's partition for one page: a filter that few of its runs pass ends with a
/// short page and a cursor.
const QUERIES_A_PAGE: usize = 10;

/// One conditional write and two index entries.
pub(crate) async fn insert(
    store: &DynamoStore,
    tenant: TenantId,
    enrollment: &Enrollment,
) -> PortResult<Inserted<Enrollment>> {
    match store.put_if("insert enrollment", encode(tenant, enrollment), Expect::Nothing).await? {
        Written::Yes => Ok(Inserted::Yes),
        Written::No(old) => {
            let old = decode(&old.ok_or_else(|| unreadable(WHAT))?)?;
            Ok(if is_ours(enrollment, &old) { Inserted::Yes } else { Inserted::Exists(old) })
        }
    }
}

/// One read.
pub(crate) async fn get(store: &DynamoStore, tenant: TenantId, id: EnrollmentId) -> PortResult<Option<Enrollment>> {
    store.get(WHAT, &keys::enrollment(tenant, id)).await?.map(|item| decode(&item)).transpose()
}

/// One conditional update of no index entry: `sending` is in the list of `waiting`, and `wake` stays.
pub(crate) async fn claim(
    store: &DynamoStore,
    tenant: TenantId,
    id: EnrollmentId,
    generation: u32,
    step: u32,
    lease: &Lease,
) -> PortResult<Claim> {
    let update = store
        .update(&keys::enrollment(tenant, id))
        .update_expression("SET st = :sending, lease = :lease, rev = rev + :one, gen = gen + :one REMOVE swept")
        .condition_expression("attribute_exists(pk) AND st = :waiting AND gen = :gen AND step = :step")
        .expression_attribute_values(":sending", s(enrollment_item::state(State::Sending)))
        .expression_attribute_values(":waiting", s(enrollment_item::state(State::Waiting)))
        .expression_attribute_values(":lease", enrollment_item::lease_map(tenant, lease))
        .expression_attribute_values(":one", n(1))
        .expression_attribute_values(":gen", n(generation))
        .expression_attribute_values(":step", n(step))
        .return_values(ReturnValue::AllNew);
    let error = match update.send().await {
        Ok(answer) => {
            let item = answer.attributes.ok_or_else(|| unreadable(WHAT))?;
            return Ok(Claim::Claimed(Box::new(decode(&item)?)));
        }
        Err(e) => e,
    };
    let Some(old) = refused_update(&error) else { return Err(port_error("claim", &error)) };
    let Some(old) = old.map(|item| decode(&item)).transpose()?.map(Box::new) else { return Ok(Claim::Refused(None)) };
    // Our own claim, whose answer was lost.
    let ours = old.lease.as_ref().is_some_and(|l| l.token == lease.token);
    Ok(if ours { Claim::Claimed(old) } else { Claim::Refused(Some(old)) })
}

/// One conditional write, and those index entries that moved. With a message of a day to give back, a
/// transaction of both.
pub(crate) async fn commit(
    store: &DynamoStore,
    tenant: TenantId,
    enrollment: &Enrollment,
    gives_back: Option<DaySlot>,
) -> PortResult<Saved<Enrollment>> {
    let expect = Expect::Rev(enrollment.rev.saturating_sub(1));
    let item = encode(tenant, enrollment);
    if let Some(slot) = gives_back {
        let both = vec![expect.put(&store.table, item.clone()), limits::give_back(&store.table, slot)];
        match store.transact("commit", both).await? {
            Transacted::Yes => return Ok(Saved::Yes),
            Transacted::No(refusals) => match refusals.into_iter().next() {
                Some(Refusal { failed: true, old }) => return standing(enrollment, old),
                // The day's counter has expired: there is nothing to give back to.
                _ => {}
            },
        }
    }
    match store.put_if("commit", item, expect).await? {
        Written::Yes => Ok(Saved::Yes),
        Written::No(old) => standing(enrollment, old),
    }
}

/// What stands where `ours` was to be written: perhaps our own write, whose answer was lost.
fn standing(ours: &Enrollment, old: Option<Item>) -> PortResult<Saved<Enrollment>> {
    let Some(old) = old.map(|item| decode(&item)).transpose()? else { return Ok(Saved::No(None)) };
    Ok(if is_ours(ours, &old) { Saved::Yes } else { Saved::No(Some(old)) })
}

/// One conditional update and one index entry. No new revision: nothing that is being computed on
/// the enrollment becomes wrong by it.
pub(crate) async fn push_back(
    store: &DynamoStore,
    entry: DueEntry,
    generation: u32,
    wake: Timestamp,
    swept: u32,
) -> PortResult<bool> {
    let update = store
        .update(&keys::enrollment(entry.tenant, entry.enrollment))
        .update_expression("SET wake = :wake, gsi2sk = :order, swept = :swept")
        .condition_expression("attribute_exists(pk) AND gen = :gen AND wake = :old")
        .expression_attribute_values(":wake", n(wake.0))
        .expression_attribute_values(":order", s(keys::instant(wake)))
        .expression_attribute_values(":swept", n(swept))
        .expression_attribute_values(":gen", n(generation))
        .expression_attribute_values(":old", n(entry.wake.0));
    let error = match update.send().await {
        Ok(_) => return Ok(true),
        Err(e) => e,
    };
    let Some(old) = refused_update(&error) else { return Err(port_error("push back", &error)) };
    let old = old.map(|item| decode(&item)).transpose()?;
    // Ours, whose answer was lost: without this the entry would wait for the next push-back.
    Ok(old.is_some_and(|e| e.generation == generation && e.wake == Some(wake) && e.swept == swept))
}

/// One index Query: half a read unit for each 4 KB of entries, and at least that much when nothing
/// is due. The entries name what is due without a read of it.
pub(crate) async fn due(store: &DynamoStore, shard: u8, until: Timestamp, limit: u32) -> PortResult<Vec<DueEntry>> {
    let answer = store
        .client
        .query()
        .table_name(&store.table)
        .index_name(GSI2)
        .key_condition_expression("gsi2pk = :list AND gsi2sk <= :until")
        .expression_attribute_values(":list", s(keys::due_list(shard)))
        .expression_attribute_values(":until", s(keys::instant(until)))
        .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
        .send()
        .await
        .map_err(|e| port_error("due", &e))?;
    // One entry that cannot be read must not keep the sweep from the others.
    let entry = |item: &items::Item| {
        let entry = entry(item);
        if entry.is_none() {
            tracing::error!(shard, "an entry of the due index cannot be read");
        }
        entry
    };
    Ok(answer.items.unwrap_or_default().iter().filter_map(entry).collect())
}

fn entry(item: &items::Item) -> Option<DueEntry> {
    let (tenant, enrollment) = keys::enrollment_of(&Key::of(item)?)?;
    let wake = Timestamp(key_text(item, GSI2_SK).parse().ok()?);
    Some(DueEntry { wake, tenant, enrollment })
}

/// By contact: a Query of its partition. Otherwise a walk over the lists of the index (one a
/// sequence and coarse state, newest first in each), and a batch read; without a sequence it also
/// reads which sequences there are.
pub(crate) async fn list(
    store: &DynamoStore,
    tenant: TenantId,
    filter: &EnrollmentFilter,
    cursor: Option<&str>,
    limit: u32,
) -> PortResult<Page<Enrollment>> {
    let passes = |e: &Enrollment| filter.coarse.is_none_or(|coarse| e.state.coarse() == coarse);
    if filter.contact.is_some() {
        return of_contact(store, tenant, filter, cursor, limit, passes).await;
    }
    let sequences = match filter.sequence {
        Some(id) => vec![id],
        None => {
            let items = store.all("list", &keys::tenant(tenant), SEQUENCES).await?;
            items.iter().filter_map(|item| keys::sequence_id(&Key::of(item)?)).collect()
        }
    };
    let coarse: Vec<&str> = COARSE.into_iter().filter(|c| filter.coarse.is_none_or(|wanted| wanted == *c)).collect();
    let mut lists: Vec<String> = sequences
        .iter()
        .flat_map(|sequence| coarse.iter().map(|c| keys::enrollments_list(tenant, *sequence, c)))
        .collect();
    lists.sort();
    let read = |item: &items::Item| decode(item).map(|e| Some(e).filter(&passes));
    store.page(tenant, &kind(filter), &lists, cursor, limit, read).await
}

async fn of_contact(
    store: &DynamoStore,
    tenant: TenantId,
    filter: &EnrollmentFilter,
    cursor: Option<&str>,
    limit: u32,
    passes: impl Fn(&Enrollment) -> bool,
) -> PortResult<Page<Enrollment>> {
    let Some(contact) = filter.contact else { return Ok(Page { data: Vec::new(), next_cursor: None }) };
    let sk = filter.sequence.map_or_else(|| ENROLLMENTS.to_owned(), keys::enrollments_of);
    let prefix = Key { pk: keys::contact(tenant, contact).pk, sk };
    let (kind, limit) = (kind(filter), limit.max(1));
    let mut page = Page { data: Vec::new(), next_cursor: cursor.map(str::to_owned) };
    for _ in 0..QUERIES_A_PAGE {
        let left = limit - page.data.len() as u32;
        let (items, next) = store.partition_page(tenant, &kind, &prefix, page.next_cursor.as_deref(), left).await?;
        for item in &items {
            page.data.extend(Some(decode(item)?).filter(&passes));
        }
        page.next_cursor = next;
        if page.next_cursor.is_none() || page.data.len() as u32 == limit {
            break;
        }
    }
    Ok(page)
}

/// A cursor goes on in the very list that it was made for.
fn kind(filter: &EnrollmentFilter) -> String {
    let text = |id: Option<String>| id.unwrap_or_default();
    let (sequence, contact) = (filter.sequence.map(|s| s.to_string()), filter.contact.map(|c| c.to_string()));
    format!("enrollments/{}/{}/{}", text(sequence), filter.coarse.unwrap_or_default(), text(contact))
}
