//! What was held goes on when its reason is gone: the module switched on, a sender mended or added.
//!
//! Runs as a job of one row on the enroll queue, because thousands may be held. Dies in between:
//! the queue repeats it, and what has gone on already is no longer in the list.

use domain::enrollment::plan::Plan;
use domain::enrollment::{Enrollment, ParkReason, Planning, State, target_dates};
use domain::ids::{Ids, TenantId};
use serde_json::Value;

use crate::enroll::attributes;
use crate::model::{Job, JobWork};
use crate::ports::{EnrollmentFilter, Saved, Store as _, Timers as _};
use crate::queue::StepDue;
use crate::{Engine, PortError, Ports, Refused};

const PAGE: u32 = 100;

impl<P: Ports> Engine<P> {
    /// Sets everybody held for this reason going again, by a job.
    ///
    /// `rev`: of what was mended. A repeat of the request mends once more, after others may have been
    /// held: it needs a job of its own, the first one may be done.
    pub async fn release(&self, tenant: TenantId, reason: ParkReason, rev: u64, ids: &mut Ids) -> Result<Job, Refused> {
        let mut seed = ids.bytes::<32>();
        seed.iter_mut().zip(rev.to_be_bytes()).for_each(|(byte, of_rev)| *byte ^= of_rev);
        let mut ids = Ids::from_seed(seed);
        self.start(tenant, JobWork::Unpark { reason }, vec![Value::Null], true, None, &mut ids).await
    }

    /// Lets a run go whose reason for being held has gone while it was being parked: whoever took the
    /// reason away may have looked before the run was held, and it may have been parked on what was
    /// read before that. Held first and looked at afterwards, one of the two sees the other.
    pub(crate) async fn still_held(&self, tenant: TenantId, held: &Enrollment) -> Result<(), PortError> {
        let State::Parked(reason) = held.state else { return Ok(()) };
        self.forget(tenant);
        let Some(person) = self.store.person(tenant, held.id.contact).await? else { return Ok(()) };
        let Some(standing) = person.enrollments.iter().find(|e| e.id == held.id && e.state == held.state) else {
            return Ok(());
        };
        let version = self.version_of(tenant, standing).await?;
        let settings = &self.account(tenant).await?.settings;
        let calendar = settings.calendar(person.contact.profile.timezone.as_deref());
        let dates = target_dates(&version.sequence, attributes(&person, standing.target.as_ref()));
        let planning = Planning { sequence: &version.sequence, calendar: &calendar, target_dates: &dates };
        let now = self.now();
        let freed = standing.unparked(reason, &planning, now).filter(|e| e.state != held.state);
        let Some(freed) = freed else { return Ok(()) };
        match self.plan(tenant, &person, &freed, freed.generation).await? {
            Plan::Change(next) if next.state == held.state => return Ok(()),
            _ => {}
        }
        if self.commit(tenant, standing, &freed).await? == Saved::Yes
            && let Some(at) = freed.next_at()
        {
            let due = StepDue { tenant, enrollment: freed.id, generation: freed.generation };
            self.timers.arm(&due, at, now).await?;
        }
        Ok(())
    }

    /// The job's work: every enrollment held for this reason is planned again, keeping its schedule.
    pub(crate) async fn unpark(&self, tenant: TenantId, reason: ParkReason) -> Result<(), Refused> {
        for sequence in self.sequences(tenant).await? {
            let filter = EnrollmentFilter { sequence: Some(sequence.id), coarse: Some("parked"), contact: None };
            let mut cursor = None;
            loop {
                let page = self.store.enrollments(tenant, &filter, cursor.as_deref(), PAGE).await?;
                for enrollment in page.data {
                    let Some(person) = self.store.person(tenant, enrollment.id.contact).await? else { continue };
                    self.with_planning(tenant, &person, enrollment, |e, planning, now| {
                        e.unparked(reason, planning, now)
                    })
                    .await?;
                }
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }
}
