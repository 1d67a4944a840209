//! What was held goes on when its reason is gone: the module switched on, a sender mended or added.
//!
//! Runs as a job of one row on the enroll queue, because thousands may be held. Dies in between:
//! the queue repeats it, and what has gone on already is no longer in the list.

use domain::enrollment::ParkReason;
use domain::ids::{Ids, TenantId};
use serde_json::Value;

use crate::model::{Job, JobWork};
use crate::ports::{EnrollmentFilter, Store as _};
use crate::{Engine, Ports, Refused};

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
        self.start(tenant, JobWork::Unpark { reason }, vec![Value::Null], true, &mut ids).await
    }

    /// The job's work: every enrollment held for this reason is planned again, keeping its schedule.
    pub(crate) async fn unpark(&self, tenant: TenantId, reason: ParkReason) -> Result<(), Refused> {
        for sequence in self.store.sequences(tenant).await? {
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
