//! Jobs and their parts.

use domain::ids::{JobId, TenantId};
use engine::model::{Job, JobCounts, JobPart};
use engine::ports::{PortResult, Saved};

use super::tables::Tables;

/// A job keeps about this many errors, the first that come in.
const KEPT_ERRORS: usize = 100;

/// A job as it is read: its errors by row.
fn read(job: &Job) -> Job {
    let mut job = job.clone();
    job.counts.errors.sort_by_key(|e| e.row);
    job.counts.errors.truncate(KEPT_ERRORS);
    job
}

impl Tables {
    fn put_parts(&mut self, job: &Job, parts: &[JobPart]) {
        for part in parts {
            let rows = JobPart { cursor: 0, ..part.clone() };
            self.parts.entry((job.tenant, job.id, part.number)).or_insert(rows);
        }
    }

    pub fn create_job(&mut self, job: &Job, parts: &[JobPart]) -> PortResult<()> {
        self.put_parts(job, parts);
        self.jobs.entry((job.tenant, job.id)).or_insert_with(|| job.clone());
        Ok(())
    }

    /// Over the revision before, with new parts only. What is counted stays, and so does what never
    /// changes.
    pub fn add_parts(&mut self, job: &Job, parts: &[JobPart]) -> PortResult<Saved<Job>> {
        let key = |part: &JobPart| (job.tenant, job.id, part.number);
        let before = job.parts.saturating_sub(parts.len() as u32);
        let all_new = !parts.iter().any(|part| self.parts.contains_key(&key(part)));
        let Some(stored) = self.jobs.get_mut(&(job.tenant, job.id)) else { return Ok(Saved::No(None)) };
        if stored.rev != job.rev.saturating_sub(1) || stored.parts != before || !all_new {
            let said = |j: &Job| (j.rev, j.parts, j.closed, j.total);
            return Ok(if said(stored) == said(job) { Saved::Yes } else { Saved::No(Some(read(stored))) });
        }
        (stored.rev, stored.parts, stored.closed, stored.total) = (job.rev, job.parts, job.closed, job.total);
        self.put_parts(job, parts);
        Ok(Saved::Yes)
    }

    pub fn job(&mut self, tenant: TenantId, id: JobId) -> PortResult<Option<Job>> {
        Ok(self.jobs.get(&(tenant, id)).map(read))
    }

    pub fn part(&mut self, tenant: TenantId, job: JobId, number: u32) -> PortResult<Option<JobPart>> {
        let key = (tenant, job, number);
        let cursor = self.progress.get(&key).copied().unwrap_or(0);
        Ok(self.parts.get(&key).map(|rows| JobPart { cursor, ..rows.clone() }))
    }

    pub fn advance_part(
        &mut self,
        tenant: TenantId,
        job: JobId,
        before: u32,
        part: &JobPart,
        counted: &JobCounts,
    ) -> PortResult<Saved<JobPart>> {
        let key = (tenant, job, part.number);
        let cursor = self.progress.get(&key).copied().unwrap_or(0);
        if cursor != before {
            // The same rows counted by a write whose answer was lost, or by a twin: once.
            let same = cursor == part.cursor;
            return Ok(if same { Saved::Yes } else { Saved::No(Some(JobPart { cursor, ..part.clone() })) });
        }
        let Some(job) = self.jobs.get_mut(&(tenant, job)) else { return Ok(Saved::No(None)) };
        self.progress.insert(key, part.cursor);
        job.counts.parts_done += counted.parts_done;
        job.counts.created += counted.created;
        job.counts.repeated += counted.repeated;
        job.counts.failed += counted.failed;
        if job.counts.errors.len() < KEPT_ERRORS {
            job.counts.errors.extend(counted.errors.iter().take(KEPT_ERRORS).cloned());
        }
        Ok(Saved::Yes)
    }
}
