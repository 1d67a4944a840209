//! What people do to an enrollment. One conditional write; dies before it: nothing happened; after
//! it and before the timer: the sweep arms it.

use domain::contact::Person;
use domain::enrollment::control::ResumeMode;
use domain::enrollment::{Enrollment, Outcome, Planning, target_dates};
use domain::guard;
use domain::ids::{EnrollmentId, TenantId};
use domain::sequence::Sequence;
use domain::time::Timestamp;

use crate::enroll::attributes;
use crate::model::Version;
use crate::ports::Store as _;
use crate::{Engine, MAX_RACES, Ports, Refused};

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Pause,
    Resume(ResumeMode),
    Skip,
    SendNow,
    /// On to this version of its sequence.
    Migrate {
        version: u32,
    },
    Exit {
        reason: Option<String>,
    },
}

impl<P: Ports> Engine<P> {
    /// Applies an action and answers the enrollment as it stands afterwards. What is asked for and
    /// already so (pausing a paused one) changes nothing. 409 `enrollment_finished`; a version that does
    /// not exist is an unknown reference.
    pub async fn control(&self, tenant: TenantId, id: EnrollmentId, action: &Action) -> Result<Enrollment, Refused> {
        let unknown = Refused::Unknown { what: "enrollment", pointer: "" };
        let person = self.store.person(tenant, id.contact).await?.ok_or(unknown.clone())?;
        let enrollment = person.enrollments.iter().find(|e| e.id == id).ok_or(unknown)?.clone();
        if let Action::Migrate { version } = action {
            if enrollment.is_test() {
                return Err(Refused::rule("test_enrollment", "a test send stays on the draft that it tests"));
            }
            let unknown = Refused::Unknown { what: "version", pointer: "/version" };
            let to = self.published_version(tenant, id.sequence, *version).await?.ok_or(unknown)?;
            let (after, changed) = self.migrate(tenant, &person, enrollment, &to, |_| true).await?;
            return answer(after, changed, action);
        }
        let (after, changed) = self
            .with_planning(tenant, &person, enrollment, |e, planning, now| match action {
                Action::Migrate { .. } => None,
                Action::Pause => e.paused(now),
                Action::Resume(mode) => e.resumed(*mode, planning, now),
                Action::Skip => e.skipped(planning, now),
                Action::SendNow => e.sent_now(planning, now),
                Action::Exit { reason } => e.finished(Outcome::Removed, reason.clone(), now),
            })
            .await?;
        answer(after, changed, action)
    }

    /// Moves a run on to this version of its sequence, if it is still `wanted`: the one verb for one run
    /// and for all of them.
    pub(crate) async fn migrate(
        &self,
        tenant: TenantId,
        person: &Person,
        enrollment: Enrollment,
        to: &Version,
        wanted: impl Fn(&Enrollment) -> bool,
    ) -> Result<(Enrollment, bool), Refused> {
        let dates = target_dates(&to.sequence, attributes(person, enrollment.target.as_ref()));
        self.with_planning(tenant, person, enrollment, |e, planning, now| {
            let there = Planning { sequence: &to.sequence, calendar: planning.calendar, target_dates: &dates };
            wanted(e).then(|| e.migrated(to.number, planning.sequence, &there, now)).flatten()
        })
        .await
    }

    /// [`Engine::on_its_version`] with everything that scheduling needs.
    pub(crate) async fn with_planning(
        &self,
        tenant: TenantId,
        person: &Person,
        enrollment: Enrollment,
        mut change: impl FnMut(&Enrollment, &Planning<'_>, Timestamp) -> Option<Enrollment>,
    ) -> Result<(Enrollment, bool), Refused> {
        let settings = &self.account(tenant).await?.settings;
        let calendar = settings.calendar(person.contact.profile.timezone.as_deref());
        self.on_its_version(tenant, enrollment, |e, sequence| {
            let dates = target_dates(sequence, attributes(person, e.target.as_ref()));
            change(e, &Planning { sequence, calendar: &calendar, target_dates: &dates }, self.now())
        })
        .await
    }

    /// [`Engine::update`] on the version that the run is on: on another one, if somebody has moved it
    /// there meanwhile.
    pub(crate) async fn on_its_version(
        &self,
        tenant: TenantId,
        enrollment: Enrollment,
        mut change: impl FnMut(&Enrollment, &Sequence) -> Option<Enrollment>,
    ) -> Result<(Enrollment, bool), Refused> {
        let mut current = enrollment;
        for _ in 0..MAX_RACES {
            let version = self.version_of(tenant, &current).await?;
            let mut moved = false;
            let (after, changed) = self
                .update(tenant, current, |e| {
                    moved = guard!(OnItsVersion, e.version != version.number);
                    if moved { None } else { change(e, &version.sequence) }
                })
                .await?;
            if !moved {
                return Ok((after, changed));
            }
            current = after;
        }
        Err(Refused::Busy)
    }
}

/// What is asked of a run that has finished is refused, but for what ended it.
fn answer(after: Enrollment, changed: bool, action: &Action) -> Result<Enrollment, Refused> {
    let ended_before = !changed && after.state.is_finished();
    let exit_again = matches!(action, Action::Exit { .. }) && after.outcome() == Some(Outcome::Removed);
    if ended_before && !exit_again {
        return Err(Refused::rule("enrollment_finished", "the enrollment has finished: nothing can change it"));
    }
    Ok(after)
}
