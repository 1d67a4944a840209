//! A timer fired.
//!
//! Reads and plans; a normal send is only buffered. Dies before the send is queued: the step
//! message comes again and plans the same. Dies after: two planned sends, one claim. Dies between a
//! change's write and its timer: the message comes again, finds its generation gone and arms the
//! current one's timer (the redelivery rule).

use domain::contact::Person;
use domain::enrollment::plan::{Context, Plan, plan};
use domain::enrollment::{Enrollment, State};
use domain::ids::TenantId;

use crate::ports::{Queues as _, Saved, Store as _, Timers as _};
use crate::queue::StepDue;
use crate::{Engine, PortError, Ports};

impl<P: Ports> Engine<P> {
    /// One strong read, then a planned send on its queue, or a change of the enrollment.
    pub async fn step(&self, due: &StepDue) -> Result<(), PortError> {
        let tenant = due.tenant;
        let Some(person) = self.store.person(tenant, due.enrollment.contact).await? else { return Ok(()) };
        let Some(enrollment) = person.enrollments.iter().find(|e| e.id == due.enrollment) else { return Ok(()) };
        if enrollment.generation != due.generation {
            return self.arm(tenant, enrollment).await;
        }
        let mut planned = self.plan(tenant, &person, enrollment, due.generation).await?;
        // Nobody is held on settings that are up to 30 s old.
        if matches!(&planned, Plan::Change(next) if matches!(next.state, State::Parked(_))) {
            self.forget(tenant);
            planned = self.plan(tenant, &person, enrollment, due.generation).await?;
        }
        let now = self.now();
        if let Plan::Reserve(reservation) = planned {
            let (sender, spacing, latest) = (reservation.sender(), reservation.spacing, reservation.latest);
            let slot = self.store.reserve(sender, spacing, now, latest).await?;
            planned = reservation.with(slot, now);
        }
        match planned {
            Plan::Stale => self.arm(tenant, enrollment).await,
            Plan::NotBefore(at) => self.timers.arm_again(due, at, now).await,
            Plan::Send(planned) => self.queues.send(&planned, now).await,
            Plan::Reserve(_) => unreachable!("a reservation comes to a send or a change"),
            Plan::Change(next) => {
                let standing = match self.store.commit(tenant, &next).await? {
                    Saved::Yes => *next,
                    Saved::No(Some(newer)) => newer,
                    Saved::No(None) => return Ok(()),
                };
                self.arm(tenant, &standing).await
            }
        }
    }

    pub(crate) async fn plan(
        &self,
        tenant: TenantId,
        person: &Person,
        enrollment: &Enrollment,
        generation: u32,
    ) -> Result<Plan, PortError> {
        let version = self.version_of(tenant, enrollment).await?;
        let moves_to = match enrollment.migrate_to {
            Some(to) => self.version(tenant, enrollment.id.sequence, to).await?,
            None => None,
        };
        let account = self.account(tenant).await?;
        let senders = self.senders(tenant).await?;
        let context = Context {
            tenant,
            person,
            sequence: &version.sequence,
            moves_to: moves_to.as_ref().map(|v| &v.sequence),
            settings: &account.settings,
            senders: &senders,
        };
        Ok(plan(enrollment, generation, &context, self.now()))
    }

    pub(crate) async fn version_of(
        &self,
        tenant: TenantId,
        enrollment: &Enrollment,
    ) -> Result<std::sync::Arc<crate::model::Version>, PortError> {
        let version = self.version(tenant, enrollment.id.sequence, enrollment.version).await?;
        version.ok_or_else(|| PortError::Poison("the enrollment's version is missing".into()))
    }
}
