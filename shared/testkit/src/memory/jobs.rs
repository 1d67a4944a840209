//! Jobs and their parts.

use domain::ids::{JobId, TenantId};
use engine::model::{Job, JobCounts, JobPart};
use engine::ports::{PortResult, Saved};

use super::tables::{Tables, save};

/// A job keeps about this many errors.
const KEPT_ERRORS: usize = 100;

impl Tables {
    fn put_parts(&mut self, job: &Job, parts: &[JobPart]) {
        for part in parts {
            self.parts.entry((job.tenant, job.id, part.number)).or_insert_with(|| part.clone());
        }
    }

    pub fn create_job(&mut self, job: &Job, parts: &[JobPart]) -> PortResult<()> {
        self.put_parts(job, parts);
        self.jobs.entry((job.tenant, job.id)).or_insert_with(|| job.clone());
        Ok(())
    }

    pub fn add_parts(&mut self, job: &Job, parts: &[JobPart]) -> PortResult<Saved<Job>> {
        let saved = save(&mut self.jobs, (job.tenant, job.id), job, job.rev, |j| j.rev);
        if saved == Saved::Yes {
            self.put_parts(job, parts);
        }
        Ok(saved)
    }

    pub fn job(&mut self, tenant: TenantId, id: JobId) -> PortResult<Option<Job>> {
        Ok(self.jobs.get(&(tenant, id)).cloned())
    }

    pub fn part(&mut self, tenant: TenantId, job: JobId, number: u32) -> PortResult<Option<JobPart>> {
        Ok(self.parts.get(&(tenant, job, number)).cloned())
    }

    pub fn advance_part(
        &mut self,
        tenant: TenantId,
        job: JobId,
        before: u32,
        part: &JobPart,
        counted: &JobCounts,
    ) -> PortResult<Saved<JobPart>> {
        let Some(stored) = self.parts.get_mut(&(tenant, job, part.number)) else { return Ok(Saved::No(None)) };
        let Some(job) = self.jobs.get_mut(&(tenant, job)) else { return Ok(Saved::No(None)) };
        if stored.cursor != before {
            return Ok(Saved::No(Some(stored.clone())));
        }
        stored.cursor = part.cursor;
        job.counts.parts_done += counted.parts_done;
        job.counts.created += counted.created;
        job.counts.repeated += counted.repeated;
        job.counts.failed += counted.failed;
        job.counts.errors.extend(counted.errors.iter().cloned());
        job.counts.errors.sort_by_key(|e| e.row);
        job.counts.errors.truncate(KEPT_ERRORS);
        Ok(Saved::Yes)
    }
}
