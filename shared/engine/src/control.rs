//! What people do to an enrollment. One conditional write; dies before it: nothing happened; after
//! it and before the timer: the sweep arms it.

use domain::contact::Person;
use domain::enrollment::control::ResumeMode;
use domain::enrollment::{Enrollment, Outcome, Planning, target_dates};
use domain::ids::{EnrollmentId, TenantId};
use domain::time::Timestamp;

use crate::enroll::attributes;
use crate::ports::Store as _;
use crate::{Engine, Ports, Refused};

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Pause,
    Resume(ResumeMode),
    Skip,
    SendNow,
    Exit { reason: Option<String> },
}

impl<P: Ports> Engine<P> {
    /// Applies an action and answers the enrollment as it stands afterwards. What is asked for and
    /// already so (pausing a paused one) changes nothing. 409 `enrollment_finished`.
    pub async fn control(&self, tenant: TenantId, id: EnrollmentId, action: &Action) -> Result<Enrollment, Refused> {
        let unknown = Refused::Unknown { what: "enrollment", pointer: "" };
        let person = self.store.person(tenant, id.contact).await?.ok_or(unknown.clone())?;
        let enrollment = person.enrollments.iter().find(|e| e.id == id).ok_or(unknown)?.clone();
        let (after, changed) = self
            .with_planning(tenant, &person, enrollment, |e, planning, now| match action {
                Action::Pause => e.paused(now),
                Action::Resume(mode) => e.resumed(*mode, planning, now),
                Action::Skip => e.skipped(planning, now),
                Action::SendNow => e.sent_now(now),
                Action::Exit { reason } => e.finished(Outcome::Removed, reason.clone(), now),
            })
            .await?;
        let ended_before = !changed && after.state.is_finished();
        let exit_again = matches!(action, Action::Exit { .. }) && after.outcome() == Some(Outcome::Removed);
        if ended_before && !exit_again {
            return Err(Refused::rule("enrollment_finished", "the enrollment has finished: nothing can change it"));
        }
        Ok(after)
    }

    /// [`Engine::update`] with everything that scheduling needs.
    pub(crate) async fn with_planning(
        &self,
        tenant: TenantId,
        person: &Person,
        enrollment: Enrollment,
        mut change: impl FnMut(&Enrollment, &Planning<'_>, Timestamp) -> Option<Enrollment>,
    ) -> Result<(Enrollment, bool), Refused> {
        let version = self.version_of(tenant, &enrollment).await?;
        let settings = &self.account(tenant).await?.settings;
        let calendar = settings.calendar(person.contact.profile.timezone.as_deref());
        let dates = target_dates(&version.sequence, attributes(person, enrollment.target.as_ref()));
        let planning = Planning { sequence: &version.sequence, calendar: &calendar, target_dates: &dates };
        self.update(tenant, enrollment, |e| change(e, &planning, self.now())).await
    }
}
