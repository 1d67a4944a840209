//! A timer fired.
//!
//! Reads and plans; a normal send is only buffered. Dies before the send is queued: the step
//! message comes again and plans the same. Dies after: two planned sends, one claim. Dies between a
//! change's write and its timer: the message comes again, finds its generation gone and arms the
//! current one's timer (the redelivery rule).

use domain::contact::Person;
use domain::enrollment::plan::{Context, Plan, plan};
use domain::enrollment::{Enrollment, ParkReason, State};
use domain::ids::TenantId;

use crate::ports::{Queues as _, Saved, Store as _, Timers as _};
use crate::queue::StepDue;
use crate::{Engine, PortError, Ports};

/// What a timer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// A send is on its queue.
    Planned,
    /// The enrollment is parked.
    Held(ParkReason),
    /// A lease ran out: nobody knows whether the step went out.
    Unknown,
    /// Any other change.
    Changed,
    /// The timer came before its time, or met a live lease.
    Early,
    /// The work was done already, or is another's.
    Outdated,
}

impl<P: Ports> Engine<P> {
    /// One strong read, then a planned send on its queue, or a change of the enrollment.
    pub async fn step(&self, due: &StepDue) -> Result<Stepped, PortError> {
        let tenant = due.tenant;
        let Some(person) = self.store.person(tenant, due.enrollment.contact).await? else {
            return Ok(Stepped::Outdated);
        };
        let Some(enrollment) = person.enrollments.iter().find(|e| e.id == due.enrollment) else {
            return Ok(Stepped::Outdated);
        };
        if enrollment.generation != due.generation {
            self.arm(tenant, enrollment).await?;
            return Ok(Stepped::Outdated);
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
            Plan::Stale => self.arm(tenant, enrollment).await.map(|()| Stepped::Outdated),
            Plan::NotBefore(at) => self.timers.arm_again(due, at, now).await.map(|()| Stepped::Early),
            Plan::Send(planned) => self.queues.send(&planned, now).await.map(|()| Stepped::Planned),
            Plan::Reserve(_) => unreachable!("a reservation comes to a send or a change"),
            Plan::Change(next) => {
                let stepped = match &next.state {
                    State::Parked(reason) => Stepped::Held(*reason),
                    _ if enrollment.lease.as_ref().is_some_and(|l| l.resolve_at.is_none()) => Stepped::Unknown,
                    _ => Stepped::Changed,
                };
                let (standing, stepped) = match self.store.commit(tenant, &next).await? {
                    Saved::Yes => (*next, stepped),
                    Saved::No(Some(newer)) => (newer, Stepped::Outdated),
                    Saved::No(None) => return Ok(Stepped::Outdated),
                };
                self.arm(tenant, &standing).await.map(|()| stepped)
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
            templates: &version.templates,
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
