//! Work over many contacts, in parts of at most 500 rows.
//!
//! A part's progress and its sums are one transaction over the part's old cursor, so rows are
//! counted once however often a part is worked on. Dies between the rows and that write: the rows
//! are done again, which is harmless (a repeated enrollment finds its own run, a repeated import
//! updates).

use domain::enrollment::{Source, SourceType};
use domain::ids::{ContactId, Ids, JobId, SequenceId, TenantId};
use domain::time::Timestamp;
use futures::stream::{self, StreamExt as _};
use serde_json::{Map, Value};

use crate::enroll::EnrollRequest;
use crate::model::{Caller, Job, JobCounts, JobPart, JobWork, RowError};
use crate::ports::{Queues as _, Saved, Store as _};
use crate::queue::EnrollWork;
use crate::{Engine, MAX_RACES, PortError, Ports, Refused};

/// Well under an item's 400 KB for the widest rows that the import accepts.
const ROWS_PER_PART: usize = 500;
const BYTES_PER_PART: usize = 200_000;
/// Rows between two saves of the progress.
const CHUNK: usize = 50;
const ROWS_AT_ONCE: usize = 10;
/// A job keeps this many errors.
const ERRORS_KEPT: usize = 100;

impl<P: Ports> Engine<P> {
    /// `POST /v1/enrollments/bulk`: a job over these contacts' ids, a row each.
    pub async fn enroll_many(
        &self,
        caller: &Caller,
        sequence: SequenceId,
        contacts: Vec<String>,
        source: Source,
        ids: &mut Ids,
    ) -> Result<Job, Refused> {
        let rows: Vec<Value> = contacts.into_iter().map(Value::String).collect();
        let work = JobWork::Enroll { sequence, source, by: caller.owner.clone(), target: None };
        self.start(caller.tenant, work, rows, true, None, ids).await
    }

    /// Rows of a CSV too many to answer at once: a new job, or more rows of the one given. A job is
    /// done when its rows are and the newest part was said to be the `last`; one that was taken for
    /// complete goes on when more rows come.
    pub async fn import_many(
        &self,
        caller: &Caller,
        job: Option<JobId>,
        last: bool,
        rows: Vec<Map<String, Value>>,
        ids: &mut Ids,
    ) -> Result<Job, Refused> {
        let rows: Vec<Value> = rows.into_iter().map(Value::Object).collect();
        let Some(id) = job else {
            let default_country = self.account(caller.tenant).await?.settings.default_country.clone();
            let work = JobWork::Import { default_country, by: caller.owner.clone() };
            return self.start(caller.tenant, work, rows, last, None, ids).await;
        };
        for _ in 0..MAX_RACES {
            let before = self.job(caller.tenant, id).await?;
            let mut job = before.clone();
            let parts = parts(rows.clone(), job.parts, job.total);
            job.rev += 1;
            job.parts += parts.len() as u32;
            job.total += rows.len() as u32;
            job.closed = last;
            if self.store.add_parts(&job, &parts).await? == Saved::Yes {
                self.queue_parts(&job, &parts, None).await?;
                return Ok(job);
            }
        }
        Err(Refused::Busy)
    }

    pub async fn job(&self, tenant: TenantId, id: JobId) -> Result<Job, Refused> {
        self.store.job(tenant, id).await?.ok_or(Refused::Unknown { what: "job", pointer: "" })
    }

    /// `not_before`: when its parts are worked on; at once without.
    pub(crate) async fn start(
        &self,
        tenant: TenantId,
        work: JobWork,
        rows: Vec<Value>,
        closed: bool,
        not_before: Option<Timestamp>,
        ids: &mut Ids,
    ) -> Result<Job, Refused> {
        // A page of a list is nobody's row: how many there are is known when they have been read.
        let total = if matches!(work, JobWork::Migrate { .. }) { 0 } else { rows.len() as u32 };
        let parts = parts(rows, 0, 0);
        let job = Job {
            id: JobId::new(ids),
            tenant,
            rev: 1,
            created_at: self.now(),
            work,
            parts: parts.len() as u32,
            closed,
            total,
            counts: JobCounts::default(),
        };
        self.store.create_job(&job, &parts).await?;
        self.queue_parts(&job, &parts, not_before).await?;
        Ok(job)
    }

    async fn queue_parts(&self, job: &Job, parts: &[JobPart], at: Option<Timestamp>) -> Result<(), PortError> {
        for part in parts {
            self.queue_part(job, part.number, at).await?;
        }
        Ok(())
    }

    pub(crate) async fn queue_part(&self, job: &Job, part: u32, at: Option<Timestamp>) -> Result<(), PortError> {
        let work = EnrollWork { tenant: job.tenant, job: job.id, part, not_before: at };
        self.queues.enroll(&work, self.now()).await
    }

    /// Works on one part of a job until it is done (from the enroll queue). The rows that this call
    /// counted, without their errors.
    pub async fn work(&self, work: &EnrollWork) -> Result<JobCounts, PortError> {
        let mut sum = JobCounts::default();
        // Early: this worker's clock is behind.
        if work.not_before.is_some_and(|at| self.now() < at) {
            return self.queues.enroll(work, self.now()).await.map(|()| sum);
        }
        let Some(job) = self.store.job(work.tenant, work.job).await? else { return Ok(sum) };
        let Some(mut part) = self.store.part(work.tenant, work.job, work.part).await? else { return Ok(sum) };
        while (part.cursor as usize) < part.rows.len() {
            let from = part.cursor as usize;
            let to = (from + CHUNK).min(part.rows.len());
            let rows = stream::iter(from..to).map(|i| self.row(&job, &part, i));
            let results: Vec<_> = rows.buffered(ROWS_AT_ONCE).collect().await;
            let mut counted = JobCounts::default();
            for result in results {
                counted = counted.plus(result?);
            }
            counted.errors.truncate(ERRORS_KEPT);
            counted.parts_done = u32::from(to == part.rows.len());
            let next = JobPart { cursor: to as u32, ..part.clone() };
            part = match self.store.advance_part(work.tenant, work.job, part.cursor, &next, &counted).await? {
                Saved::Yes => {
                    sum.created += counted.created;
                    sum.repeated += counted.repeated;
                    sum.failed += counted.failed;
                    next
                }
                // The same part is worked on twice: go on from where the other is.
                Saved::No(Some(other)) => other,
                Saved::No(None) => return Ok(sum),
            };
        }
        Ok(sum)
    }

    /// One row. An error is a passing fault: the part comes again from its last save.
    async fn row(&self, job: &Job, part: &JobPart, index: usize) -> Result<JobCounts, PortError> {
        let number = part.first_row + index as u32 + 1;
        let value = &part.rows[index];
        match &job.work {
            JobWork::Enroll { sequence, source, by, target } => {
                let contact = value.as_str().and_then(ContactId::parse);
                let Some(contact) = contact else {
                    return Ok(failed(row_error(number, "contact_id", "unknown_reference", "not a contact's id")));
                };
                let request = EnrollRequest {
                    entry: entry(job.id, number),
                    sequence: *sequence,
                    contact,
                    conversation: None,
                    target: target.clone(),
                    start_at: None,
                    source: source.clone(),
                    by: by.clone(),
                    since: job.created_at,
                    trigger: None,
                };
                match self.enroll(job.tenant, &request).await {
                    Ok(done) if done.duplicate => Ok(repeated()),
                    Ok(_) => Ok(created()),
                    Err(refused) => failed_row(number, refused),
                }
            }
            JobWork::Unpark { reason } => match self.unpark(job.tenant, *reason).await {
                Ok(()) => Ok(repeated()),
                Err(refused) => failed_row(number, refused),
            },
            JobWork::Migrate { .. } => self.migrate_row(job, part, index).await,
            JobWork::Import { default_country, .. } => {
                let Some(row) = value.as_object() else {
                    return Ok(failed(row_error(number, "", "invalid_row", "not a row")));
                };
                // Fixed by job and row: a repeated row makes the same contact.
                let mut ids = Ids::from_seed(row_seed(job.id, number));
                match self.import_row(job.tenant, default_country.as_deref(), row, &mut ids).await {
                    Ok(true) => Ok(created()),
                    Ok(false) => Ok(repeated()),
                    Err(crate::contacts::RowRefused::Row { field, code, detail }) => {
                        Ok(failed(RowError { row: number, field, code, detail }))
                    }
                    Err(crate::contacts::RowRefused::Port(error)) => Err(error),
                }
            }
        }
    }
}

/// The source of a bulk enrollment that names none.
pub fn bulk_source() -> Source {
    Source { type_: SourceType::Bulk, name: None }
}

fn row_seed(job: JobId, row: u32) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(format!("{job}#{row}").as_bytes()).into()
}

fn row_error(row: u32, field: &str, code: &str, detail: &str) -> RowError {
    let field = (!field.is_empty()).then(|| field.to_owned());
    RowError { row, field, code: code.into(), detail: detail.into() }
}

/// A row enrolls once, however often its part is worked on. Another row of the same contact is another
/// request, which finds the first one's run.
fn entry(job: JobId, row: u32) -> u64 {
    u64::from_be_bytes(Ids::from_seed(row_seed(job, row)).bytes())
}

fn created() -> JobCounts {
    JobCounts { created: 1, ..JobCounts::default() }
}

fn repeated() -> JobCounts {
    JobCounts { repeated: 1, ..JobCounts::default() }
}

fn failed(error: RowError) -> JobCounts {
    JobCounts { failed: 1, errors: vec![error], ..JobCounts::default() }
}

fn failed_row(row: u32, refused: Refused) -> Result<JobCounts, PortError> {
    match refused {
        Refused::Port(error) => Err(error),
        Refused::Busy => Err(PortError::Transient("the contact changes too often right now".into())),
        Refused::Unknown { what, pointer } => {
            let field = pointer.trim_start_matches('/');
            Ok(failed(row_error(row, field, "unknown_reference", &format!("there is no such {what}"))))
        }
        Refused::Rule { code, detail, .. } => Ok(failed(row_error(row, "", code, &detail))),
    }
}

fn parts(rows: Vec<Value>, first_number: u32, first_row: u32) -> Vec<JobPart> {
    let mut all: Vec<JobPart> = Vec::new();
    let mut bytes = 0;
    for (index, row) in rows.into_iter().enumerate() {
        let size = row.to_string().len();
        let full = all.last().is_none_or(|p| p.rows.len() == ROWS_PER_PART || bytes + size > BYTES_PER_PART);
        if full {
            let number = first_number + all.len() as u32;
            all.push(JobPart { number, first_row: first_row + index as u32, rows: Vec::new(), cursor: 0 });
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = all.last_mut() {
            part.rows.push(row);
        }
    }
    all
}
