//! The enrollments that are under way on a sequence: what a publish would do to them, and doing it.
//!
//! They are moved by a job on the enroll queue that reads their lists page by page. A page's part
//! adds two others: those who are on it, a row each, and the next page. Dies before these are there:
//! the part comes again and reads its page again. After that, before they are queued: the part comes
//! again, finds them there and queues them (again). A row is one run, moved by the verb that moves a
//! single one; a part of rows comes again from its last save, and who has moved has moved. What is
//! counted is how each run stands afterwards, so nobody is counted as something else the second time.
//!
//! A run that is being written at the moment of the publish may begin on the version before, after
//! the job has passed: whoever read that version cannot live for two minutes, so a second job looks
//! once more then. It also finds whom the index showed late, or in a list that had been read.

use domain::account::Settings;
use domain::enrollment::{Enrollment, HappeningCode, Planning, target_dates};
use domain::ids::{EnrollmentId, Ids, JobId, SequenceId, TenantId};
use domain::publish::impact::Impact;
use domain::time::Timestamp;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::enroll::attributes;
use crate::model::{Job, JobCounts, JobPart, JobWork, Page, RowError, StoredSequence, Version};
use crate::ports::{EnrollmentFilter, PortResult, Saved, Store as _};
use crate::{Engine, MAX_RACES, PortError, Ports, Refused};

/// An impact looks at this many runs: ten seconds' work at the worst, where an API's answer has 29.
const MOST_LOOKED_AT: u32 = 10_000;
/// Runs of a page, and of a job's part.
const PAGE: u32 = 200;
const AT_ONCE: usize = 20;
/// When the second job looks: later than any function lives that read the old version.
const SECOND_LOOK_SECONDS: i64 = 120;
/// The lists of those who have not ended, in the order in which they are read.
const LISTS: [&str; 3] = ["active", "paused", "parked"];

/// `POST /v1/sequences/{id}/impact`.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    pub impact: Impact,
    /// For `confirm_impact`.
    pub token: String,
    /// Whether every run was looked at.
    pub complete: bool,
}

/// Where a page begins: a row of the moving job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    list: usize,
    cursor: Option<String>,
}

impl<P: Ports> Engine<P> {
    /// What a publish of the draft with `running: "migrate"` would do. Reads every run that has not
    /// ended, up to a bound.
    pub async fn forecast(&self, tenant: TenantId, id: SequenceId) -> Result<Forecast, Refused> {
        let stored = self.get_sequence(tenant, id).await?;
        self.forecast_of(tenant, &stored).await
    }

    pub(super) async fn forecast_of(&self, tenant: TenantId, stored: &StoredSequence) -> Result<Forecast, Refused> {
        let to = stored.published + 1;
        let settings = &self.account(tenant).await?.settings;
        let (mut impact, mut looked_at) = (Impact::default(), 0);
        let mut place = Some(Place { list: 0, cursor: None });
        while let Some(from) = place.take_if(|_| looked_at < MOST_LOOKED_AT) {
            let (page, next) = self.under_way(tenant, stored.id, &from).await?;
            looked_at += page.len() as u32;
            place = next;
            let counted = stream::iter(page).map(|e| self.foresee(tenant, e, to, stored, settings)).buffered(AT_ONCE);
            impact = counted.try_fold(impact, async |sum, one| Ok(sum.plus(one))).await?;
        }
        let token = impact.token(stored.revision, stored.published);
        Ok(Forecast { impact, token, complete: place.is_none() })
    }

    /// One run's part in it, as it stands now: the list may be a moment old.
    async fn foresee(
        &self,
        tenant: TenantId,
        listed: Enrollment,
        to: u32,
        stored: &StoredSequence,
        settings: &Settings,
    ) -> Result<Impact, Refused> {
        let mut impact = Impact::default();
        let Some(person) = self.store.person(tenant, listed.id.contact).await? else { return Ok(impact) };
        let Some(e) = person.enrollments.iter().find(|e| e.id == listed.id) else { return Ok(impact) };
        let version = self.version_of(tenant, e).await?;
        let calendar = settings.calendar(person.contact.profile.timezone.as_deref());
        let known = attributes(&person, e.target.as_ref());
        let (here, there) = (target_dates(&version.sequence, known), target_dates(&stored.draft, known));
        let here = Planning { sequence: &version.sequence, calendar: &calendar, target_dates: &here };
        let there = Planning { sequence: &stored.draft, calendar: &calendar, target_dates: &there };
        impact.count(e, &here, to, &there, self.now());
        Ok(impact)
    }

    /// Moves everybody who is on an older version to this one, by a job.
    pub(super) async fn migrate_all(&self, tenant: TenantId, to: &Version, ids: &mut Ids) -> Result<JobId, Refused> {
        // A repeat of the request publishes once more: its jobs are others.
        let mut seed = ids.bytes::<32>();
        seed.iter_mut().zip(to.number.to_be_bytes()).for_each(|(byte, of_number)| *byte ^= of_number);
        let mut ids = Ids::from_seed(seed);
        let work = JobWork::Migrate { sequence: to.sequence_id, version: to.number, since: to.published_at };
        let first = || vec![place_row(&Place { list: 0, cursor: None })];
        let later = to.published_at.plus_seconds(SECOND_LOOK_SECONDS);
        let job = self.start(tenant, work.clone(), first(), false, None, &mut ids).await?;
        self.start(tenant, work, first(), false, Some(later), &mut ids).await?;
        Ok(job.id)
    }

    /// A row of that job: a run, or a page of a list.
    pub(crate) async fn migrate_row(&self, job: &Job, part: &JobPart, index: usize) -> Result<JobCounts, PortError> {
        let JobWork::Migrate { sequence, version, since } = job.work else {
            return Err(PortError::Poison("a row of another job".into()));
        };
        let value = &part.rows[index];
        if let Some(id) = value.as_str().and_then(EnrollmentId::parse) {
            let to = self.version(job.tenant, sequence, version).await?;
            let to = to.ok_or_else(|| PortError::Poison("the version to move to is missing".into()))?;
            return self.migrate_one(job.tenant, id, &to, since, part.first_row + index as u32 + 1).await;
        }
        let place: Place = serde_json::from_value(value.clone())
            .map_err(|_| PortError::Poison("a page of a job is unreadable".into()))?;
        let (page, next) = self.under_way(job.tenant, sequence, &place).await?;
        let behind = page.iter().filter(|e| is_behind(e, version, since));
        let rows: Vec<Value> = behind.map(|e| e.id.to_string().into()).collect();
        self.go_on(job, part.number, rows, next).await?;
        Ok(JobCounts::default())
    }

    /// Counted by how the run stands afterwards. `row`: its number among the job's.
    async fn migrate_one(
        &self,
        tenant: TenantId,
        id: EnrollmentId,
        to: &Version,
        since: Timestamp,
        row: u32,
    ) -> Result<JobCounts, PortError> {
        let unchanged = JobCounts { repeated: 1, ..JobCounts::default() };
        let Some(person) = self.store.person(tenant, id.contact).await? else { return Ok(unchanged) };
        let Some(e) = person.enrollments.iter().find(|e| e.id == id).cloned() else { return Ok(unchanged) };
        match self.migrate(tenant, &person, e, to, |e| is_behind(e, to.number, since)).await {
            Ok((after, _)) if after.version == to.number || after.migrate_to == Some(to.number) => {
                Ok(JobCounts { created: 1, ..JobCounts::default() })
            }
            // Ended, or moved elsewhere.
            Ok(_) | Err(Refused::Unknown { .. } | Refused::Rule { .. }) => Ok(unchanged),
            // One that cannot be read must not keep the others from being moved.
            Err(Refused::Port(PortError::Poison(detail))) => {
                let detail = format!("{id}: {detail}");
                let error = RowError { row, field: None, code: "unreadable".into(), detail };
                Ok(JobCounts { failed: 1, errors: vec![error], ..JobCounts::default() })
            }
            Err(Refused::Port(error)) => Err(error),
            Err(Refused::Busy) => Err(PortError::Transient("the enrollment changes too often right now".into())),
        }
    }

    /// The parts behind the page of part `number`, there and queued; or the job's end.
    async fn go_on(&self, job: &Job, number: u32, rows: Vec<Value>, next: Option<Place>) -> Result<(), PortError> {
        for _ in 0..MAX_RACES {
            let Some(mut job) = self.store.job(job.tenant, job.id).await? else { return Ok(()) };
            let first = number + 1;
            if job.parts == first && !job.closed {
                let mut parts = Vec::new();
                for rows in [rows.clone(), next.iter().map(place_row).collect()].into_iter().filter(|r| !r.is_empty()) {
                    parts.push(JobPart { number: job.parts, first_row: job.total, rows, cursor: 0 });
                    job.parts += 1;
                }
                job.rev += 1;
                job.total += rows.len() as u32;
                job.closed = next.is_none();
                if self.store.add_parts(&job, &parts).await? != Saved::Yes {
                    continue;
                }
            }
            for part in first..job.parts.min(first + 2) {
                self.queue_part(&job, part, None).await?;
            }
            return Ok(());
        }
        Err(PortError::Transient("the job changes too often right now".into()))
    }

    /// A page of those who had not ended when the index was written, and where the next one begins.
    async fn under_way(
        &self,
        tenant: TenantId,
        sequence: SequenceId,
        from: &Place,
    ) -> PortResult<(Vec<Enrollment>, Option<Place>)> {
        let Some(list) = LISTS.get(from.list) else { return Ok((Vec::new(), None)) };
        let filter = EnrollmentFilter { sequence: Some(sequence), coarse: Some(list), contact: None };
        let page = self.store.enrollments(tenant, &filter, from.cursor.as_deref(), PAGE).await?;
        let Page { data, next_cursor } = page;
        let next = match next_cursor {
            Some(cursor) => Place { list: from.list, cursor: Some(cursor) },
            None => Place { list: from.list + 1, cursor: None },
        };
        let more = next.list < LISTS.len();
        Ok((data, more.then_some(next)))
    }
}

/// Whether the publish at `since` is to move it: on an older version (a test's number is above all),
/// unless somebody has moved it since, who meant that run.
fn is_behind(e: &Enrollment, to: u32, since: Timestamp) -> bool {
    let by_hand = e.happenings.iter().any(|h| h.code == HappeningCode::Migrated && h.at > since);
    e.version < to && e.migrate_to.is_none_or(|wished| wished < to) && !by_hand
}

fn place_row(place: &Place) -> Value {
    serde_json::to_value(place).expect("numbers and text")
}
