//! Jobs and their parts.
//!
//! What is written often stands apart from what is large: a part's rows never change, its progress
//! is an item of its own, and the job's counters are added to without a revision, so that many
//! parts are worked on at once.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::ids::{JobId, TenantId};
use domain::time::Timestamp;
use engine::model::{Job, JobCounts, JobPart, JobWork, RowError};
use engine::ports::{PortResult, Saved};
use serde::{Deserialize, Serialize};

use crate::DynamoStore;
use crate::errors::unreadable;
use crate::items::{self, DATA, Item, n};
use crate::keys::{self, Key, SK};
use crate::requests::{ALL_OLD, Expect, Refusal, Transacted, key_text, rev_of};

const JOB: &str = "job";
const PART: &str = "job part";

const PARTS: &str = "parts";
const CLOSED: &str = "closed";
const TOTAL: &str = "total";
const DONE: &str = "parts_done";
const CREATED: &str = "created";
const REPEATED: &str = "repeated";
const FAILED: &str = "failed";
/// A list of JSON texts.
const ERRORS: &str = "row_errors";
const CURSOR: &str = "rows_done";

/// A job keeps about this many errors, the first that come in. An item may not grow with the rows.
const KEPT_ERRORS: usize = 100;
/// A transaction may hold 4 MB and 100 items.
const BYTES_A_TRANSACTION: usize = 3_000_000;
const PARTS_A_TRANSACTION: usize = 90;

/// What of a job never changes.
#[derive(Serialize, Deserialize)]
struct Fixed {
    created_at: Timestamp,
    work: JobWork,
}

#[derive(Serialize, Deserialize)]
struct Rows {
    first_row: u32,
    rows: Vec<serde_json::Value>,
}

fn encode(job: &Job) -> Item {
    let fixed = Fixed { created_at: job.created_at, work: job.work.clone() };
    let mut item = items::document(&keys::job(job.tenant, job.id), job.rev, &fixed);
    item.insert(PARTS.into(), n(job.parts));
    item.insert(CLOSED.into(), AttributeValue::Bool(job.closed));
    item.insert(TOTAL.into(), n(job.total));
    item.insert(DONE.into(), n(job.counts.parts_done));
    item.insert(CREATED.into(), n(job.counts.created));
    item.insert(REPEATED.into(), n(job.counts.repeated));
    item.insert(FAILED.into(), n(job.counts.failed));
    item.insert(ERRORS.into(), errors(&job.counts));
    item
}

fn decode(tenant: TenantId, id: JobId, item: &Item) -> PortResult<Job> {
    let Fixed { created_at, work } = items::content(JOB, item)?;
    let count = |name| items::number(JOB, item, name);
    let closed = match item.get(CLOSED) {
        Some(AttributeValue::Bool(closed)) => *closed,
        _ => return Err(unreadable(JOB)),
    };
    let counts = JobCounts {
        parts_done: count(DONE)?,
        created: count(CREATED)?,
        repeated: count(REPEATED)?,
        failed: count(FAILED)?,
        errors: errors_of(item)?,
    };
    let (rev, parts, total) = (rev_of(JOB, item)?, count(PARTS)?, count(TOTAL)?);
    Ok(Job { id, tenant, rev, created_at, work, parts, closed, total, counts })
}

fn errors(counts: &JobCounts) -> AttributeValue {
    AttributeValue::L(counts.errors.iter().take(KEPT_ERRORS).map(items::json).collect())
}

/// By row: parts are worked on in any order.
fn errors_of(item: &Item) -> PortResult<Vec<RowError>> {
    let Some(AttributeValue::L(texts)) = item.get(ERRORS) else { return Err(unreadable(JOB)) };
    let read = |text: &AttributeValue| serde_json::from_str(text.as_s().ok()?).ok();
    let errors: Option<Vec<RowError>> = texts.iter().map(read).collect();
    let mut errors = errors.ok_or_else(|| unreadable(JOB))?;
    errors.sort_by_key(|e| e.row);
    errors.truncate(KEPT_ERRORS);
    Ok(errors)
}

fn encode_part(job: &Job, part: &JobPart) -> Item {
    let rows = Rows { first_row: part.first_row, rows: part.rows.clone() };
    items::record(&keys::part(job.tenant, job.id, part.number), &rows)
}

/// A conditional write for the job and each part. The job comes last: a job that exists has its
/// parts. Written again it changes nothing.
pub(crate) async fn create(store: &DynamoStore, job: &Job, parts: &[JobPart]) -> PortResult<()> {
    for part in parts {
        store.put_if(PART, encode_part(job, part), Expect::Nothing).await?;
    }
    store.put_if(JOB, encode(job), Expect::Nothing).await.map(drop)
}

/// A transaction of the job (over the revision before) and the parts: whoever is overtaken has
/// written no part under a number that the faster one uses. The counters that stand there stay.
///
/// More rows than a transaction holds go in several, the revision with the last: if it dies between
/// two, the parts that were written stay and are worked on.
pub(crate) async fn add_parts(store: &DynamoStore, job: &Job, parts: &[JobPart]) -> PortResult<Saved<Job>> {
    let key = keys::job(job.tenant, job.id);
    let chunks = chunks(job, parts);
    let mut before = job.parts.saturating_sub(parts.len() as u32);
    let last = chunks.len() - 1;
    for (index, chunk) in chunks.into_iter().enumerate() {
        let after = before + chunk.len() as u32;
        let mut writes = vec![extend(store, &key, job, before, after, index == last)];
        writes.extend(chunk.into_iter().map(|item| Expect::Nothing.put(&store.table, item)));
        if let Transacted::No(refusals) = store.transact("add parts", writes).await? {
            return overtaken(store, job, refusals).await;
        }
        before = after;
    }
    Ok(Saved::Yes)
}

/// At least one, which may be empty: closing a job adds no part.
fn chunks(job: &Job, parts: &[JobPart]) -> Vec<Vec<Item>> {
    let mut full = Vec::new();
    let (mut chunk, mut bytes): (Vec<Item>, usize) = (Vec::new(), 0);
    for item in parts.iter().map(|part| encode_part(job, part)) {
        let size = item.get(DATA).and_then(|d| d.as_s().ok()).map_or(0, String::len);
        if chunk.len() == PARTS_A_TRANSACTION || (!chunk.is_empty() && bytes + size > BYTES_A_TRANSACTION) {
            full.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
        bytes += size;
        chunk.push(item);
    }
    full.push(chunk);
    full
}

fn extend(store: &DynamoStore, key: &Key, job: &Job, before: u32, after: u32, last: bool) -> TransactWriteItem {
    let set = if last {
        "SET rev = :rev, #parts = :parts, #closed = :closed, #total = :total"
    } else {
        "SET #parts = :parts"
    };
    let mut update = Update::builder()
        .table_name(&store.table)
        .set_key(Some(key.attributes()))
        .update_expression(set)
        .condition_expression("attribute_exists(pk) AND rev = :old AND #parts = :before")
        .expression_attribute_names("#parts", PARTS)
        .expression_attribute_values(":old", n(job.rev.saturating_sub(1)))
        .expression_attribute_values(":before", n(before))
        .expression_attribute_values(":parts", n(after))
        .return_values_on_condition_check_failure(ALL_OLD);
    if last {
        update = update
            .expression_attribute_names("#closed", CLOSED)
            .expression_attribute_names("#total", TOTAL)
            .expression_attribute_values(":rev", n(job.rev))
            .expression_attribute_values(":closed", AttributeValue::Bool(job.closed))
            .expression_attribute_values(":total", n(job.total));
    }
    TransactWriteItem::builder().update(update.build().expect("table, key and expression are set")).build()
}

async fn overtaken(store: &DynamoStore, job: &Job, refusals: Vec<Refusal>) -> PortResult<Saved<Job>> {
    let of_job = refusals.into_iter().next().filter(|r| r.failed);
    let there = match of_job {
        Some(refusal) => refusal.old.map(|old| decode(job.tenant, job.id, &old)).transpose()?,
        // A part is there that the job does not count: read it again.
        None => get(store, job.tenant, job.id).await?,
    };
    let ours = there.as_ref().is_some_and(|there| {
        (there.rev, there.parts, there.closed, there.total) == (job.rev, job.parts, job.closed, job.total)
    });
    Ok(if ours { Saved::Yes } else { Saved::No(there) })
}

/// One read.
pub(crate) async fn get(store: &DynamoStore, tenant: TenantId, id: JobId) -> PortResult<Option<Job>> {
    store.get(JOB, &keys::job(tenant, id)).await?.map(|item| decode(tenant, id, &item)).transpose()
}

/// One Query, which finds the rows and their progress.
pub(crate) async fn part(
    store: &DynamoStore,
    tenant: TenantId,
    job: JobId,
    number: u32,
) -> PortResult<Option<JobPart>> {
    let key = keys::part(tenant, job, number);
    let items = store.all(PART, &key.pk, &key.sk).await?;
    let (mut rows, mut cursor) = (None, 0);
    for item in &items {
        if key_text(item, SK) == key.sk {
            rows = Some(items::content::<Rows>(PART, item)?);
        } else {
            cursor = items::number(PART, item, CURSOR)?;
        }
    }
    Ok(rows.map(|Rows { first_row, rows }| JobPart { number, first_row, rows, cursor }))
}

/// A transaction of two small items, whatever the size of the part.
pub(crate) async fn advance(
    store: &DynamoStore,
    tenant: TenantId,
    job: JobId,
    before: u32,
    part: &JobPart,
    counted: &JobCounts,
) -> PortResult<Saved<JobPart>> {
    let progress = keys::progress(tenant, job, part.number);
    let mut with_errors = !counted.errors.is_empty();
    loop {
        let both = vec![
            move_cursor(store, &progress, before, part.cursor),
            count(store, &keys::job(tenant, job), counted, with_errors),
        ];
        let Transacted::No(refusals) = store.transact("advance part", both).await? else { return Ok(Saved::Yes) };
        let [of_part, of_job] = refusals.as_slice() else { return Err(unreadable(JOB)) };
        if of_part.failed {
            let cursor = of_part.old.as_ref().map(|old| items::number(PART, old, CURSOR)).transpose()?.unwrap_or(0);
            // The same rows counted by a write whose answer was lost, or by a twin: once.
            let same = cursor == part.cursor;
            return Ok(if same { Saved::Yes } else { Saved::No(Some(JobPart { cursor, ..part.clone() })) });
        }
        if of_job.old.is_none() || !with_errors {
            return Ok(Saved::No(None));
        }
        // It has its errors: only the counters.
        with_errors = false;
    }
}

fn move_cursor(store: &DynamoStore, key: &Key, before: u32, after: u32) -> TransactWriteItem {
    let condition = if before == 0 { "attribute_not_exists(pk) OR rows_done = :before" } else { "rows_done = :before" };
    let update = Update::builder()
        .table_name(&store.table)
        .set_key(Some(key.attributes()))
        .update_expression("SET rows_done = :after, v = :v")
        .condition_expression(condition)
        .expression_attribute_values(":before", n(before))
        .expression_attribute_values(":after", n(after))
        .expression_attribute_values(":v", n(1))
        .return_values_on_condition_check_failure(ALL_OLD);
    TransactWriteItem::builder().update(update.build().expect("table, key and expression are set")).build()
}

fn count(store: &DynamoStore, key: &Key, counted: &JobCounts, with_errors: bool) -> TransactWriteItem {
    let add = "ADD #done :done, #created :created, #repeated :repeated, #failed :failed";
    let mut update = Update::builder()
        .table_name(&store.table)
        .set_key(Some(key.attributes()))
        .expression_attribute_names("#done", DONE)
        .expression_attribute_names("#created", CREATED)
        .expression_attribute_names("#repeated", REPEATED)
        .expression_attribute_names("#failed", FAILED)
        .expression_attribute_values(":done", n(counted.parts_done))
        .expression_attribute_values(":created", n(counted.created))
        .expression_attribute_values(":repeated", n(counted.repeated))
        .expression_attribute_values(":failed", n(counted.failed))
        .return_values_on_condition_check_failure(ALL_OLD);
    update = if with_errors {
        update
            .update_expression(format!("{add} SET #errors = list_append(#errors, :errors)"))
            .condition_expression("attribute_exists(pk) AND size(#errors) < :kept")
            .expression_attribute_names("#errors", ERRORS)
            .expression_attribute_values(":errors", errors(counted))
            .expression_attribute_values(":kept", n(KEPT_ERRORS))
    } else {
        update.update_expression(add).condition_expression("attribute_exists(pk)")
    };
    TransactWriteItem::builder().update(update.build().expect("table, key and expression are set")).build()
}
