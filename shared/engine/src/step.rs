//! A timer fired.
//!
//! Reads and plans; a normal send is only buffered. Dies before the send is queued: the step
//! message comes again and plans the same. Dies after: two planned sends, one claim. Dies between a
//! change's write and its timer: the message comes again, finds its generation gone and arms the
//! current one's timer (the redelivery rule).

use domain::contact::{Contact, Person};
use domain::enrollment::day::DayWish;
use domain::enrollment::plan::{Context, Plan, plan};
use domain::enrollment::{DaySlot, Enrollment, ParkReason, PlannedSend, State};
use domain::guard;
use domain::ids::TenantId;
use domain::time::{NaiveDate, civil_day};

use crate::ports::{ContactSaved, PortResult, Queues as _, Saved, Store as _, Timers as _};
use crate::queue::StepDue;
use crate::{Engine, MAX_RACES, PortError, Ports};

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
        // What was taken for it before somebody else's message to the same person made it look again.
        let mut holds = None;
        for _ in 0..MAX_RACES {
            if let Some(stepped) = self.step_once(due, &mut holds).await? {
                return Ok(stepped);
            }
        }
        Err(PortError::Throttled("the contact changes too often right now".into()))
    }

    /// `None` when the contact has changed since it was read, and with it perhaps the plan.
    async fn step_once(&self, due: &StepDue, holds: &mut Option<DaySlot>) -> Result<Option<Stepped>, PortError> {
        let tenant = due.tenant;
        let Some(person) = self.store.person(tenant, due.enrollment.contact).await? else {
            return Ok(Some(Stepped::Outdated));
        };
        let Some(enrollment) = person.enrollments.iter().find(|e| e.id == due.enrollment) else {
            return Ok(Some(Stepped::Outdated));
        };
        if enrollment.generation != due.generation {
            self.arm(tenant, enrollment).await?;
            return Ok(Some(Stepped::Outdated));
        }
        let mut enrollment = enrollment.clone();
        enrollment.day = holds.or(enrollment.day);
        let mut planned = self.plan(tenant, &person, &enrollment, due.generation).await?;
        // Nobody is held on settings that are up to 30 s old.
        if matches!(&planned, Plan::Change(next) if matches!(next.state, State::Parked(_))) {
            self.forget(tenant);
            planned = self.plan(tenant, &person, &enrollment, due.generation).await?;
        }
        if let Plan::Day(wish) = planned {
            let taken = self.take_one(&wish).await?;
            planned = match wish.with(taken, self.now()) {
                Ok(holding) => {
                    enrollment = holding;
                    self.plan(tenant, &person, &enrollment, due.generation).await?
                }
                Err(waits) => waits,
            };
        }
        let now = self.now();
        if let Plan::Reserve(reservation) = planned {
            let (sender, spacing, latest) = (reservation.sender(), reservation.spacing, reservation.latest);
            let slot = self.store.reserve(sender, spacing, now, latest).await?;
            planned = reservation.with(slot, now);
        }
        let stepped = match planned {
            Plan::Stale => self.arm(tenant, &enrollment).await.map(|()| Stepped::Outdated),
            Plan::NotBefore(at) => self.timers.arm_again(due, at, now).await.map(|()| Stepped::Early),
            Plan::Send(planned) => {
                if !self.count(&person.contact, &enrollment, &planned).await? {
                    *holds = enrollment.day;
                    return Ok(None);
                }
                self.queues.send(&planned, now).await.map(|()| Stepped::Planned)
            }
            // The day has just ended: the message comes again.
            Plan::Day(_) => return Ok(None),
            Plan::Reserve(_) => unreachable!("a reservation comes to a send or a change"),
            Plan::Change(next) => {
                let stepped = match &next.state {
                    State::Parked(reason) => Stepped::Held(*reason),
                    _ if enrollment.lease.as_ref().is_some_and(|l| l.resolve_at.is_none()) => Stepped::Unknown,
                    _ => Stepped::Changed,
                };
                let (standing, stepped) = match self.commit(tenant, &enrollment, &next).await? {
                    Saved::Yes => (*next, stepped),
                    Saved::No(Some(newer)) => (newer, Stepped::Outdated),
                    Saved::No(None) => return Ok(Some(Stepped::Outdated)),
                };
                self.arm(tenant, &standing).await.map(|()| stepped)
            }
        };
        stepped.map(Some)
    }

    /// One of the days that it may go out on and that has a message left.
    async fn take_one(&self, wish: &DayWish) -> PortResult<Option<NaiveDate>> {
        let first = match wish.limits.ramp_up {
            Some(_) => Some(self.first_day(wish.sender, wish.today).await?),
            None => None,
        };
        for (day, _) in &wish.days {
            let slot = DaySlot { sender: wish.sender, day: *day };
            if self.take_day(slot, wish.allowance(*day, first)).await? {
                return Ok(Some(*day));
            }
        }
        Ok(None)
    }

    /// Counts a message with its contact, where the account has limits for one. `false` when the contact
    /// has changed since it was read: somebody else's message may have taken the last place.
    async fn count(&self, contact: &Contact, e: &Enrollment, planned: &PlannedSend) -> PortResult<bool> {
        let settings = &self.account(planned.tenant).await?.settings;
        let version = self.version_of(planned.tenant, e).await?;
        let Some(step) = version.sequence.steps.get(planned.step as usize) else { return Ok(true) };
        let today = civil_day(settings.zone(), self.now());
        let counting = contact.counting(e.contact_limits(settings), e.id, &step.key, today);
        let Some(counting) = counting.filter(|_| guard!(ContactCount, true)) else { return Ok(true) };
        let saved = self.store.save_contact(planned.tenant, &counting, &[], &[]).await?;
        Ok(!guard!(CountAgain, saved != ContactSaved::Yes))
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
            links: &self.config.tokens.links(tenant, person.contact.id),
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
