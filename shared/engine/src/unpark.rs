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
    pub async fn release(&self, tenant: TenantId, reason: ParkReason, ids: &mut Ids) -> Result<Job, Refused> {
        self.start(tenant, JobWork::Unpark { reason }, vec![Value::Null], true, ids).await
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
