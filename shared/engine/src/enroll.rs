//! Enrolling one contact.
//!
//! Dies after the read: nothing happened. After the put: the enrollment stands in the due index
//! with its `wake`, so the sweep arms what the missing timer would have. The caller's repeat finds
//! it and answers `duplicate`.

use domain::contact::{Person, TargetRef};
use domain::enrollment::enroll::{Decision, EntryRefusal, Wish};
use domain::enrollment::{Enrollment, Outcome, Planning, Source, target_dates};
use domain::ids::{ContactId, SequenceId, TenantId};
use domain::sequence::OnDuplicate;
use domain::time::Timestamp;

use crate::model::Version;
use crate::ports::{Inserted, PortResult, Saved, Store as _, Timers as _};
use crate::queue::StepDue;
use crate::{Engine, MAX_RACES, PortError, Ports, Refused};

/// Who is to be enrolled in what.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrollRequest {
    /// Of the request itself: whoever repeats it repeats this, and gets the run that it began, also
    /// when that has finished since.
    pub entry: u64,
    pub sequence: SequenceId,
    pub contact: ContactId,
    pub conversation: Option<String>,
    pub target: Option<TargetRef>,
    pub start_at: Option<Timestamp>,
    pub source: Source,
    pub by: String,
    /// When the request was received, or the trigger occurred.
    pub since: Timestamp,
    pub trigger: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Enrolled {
    pub enrollment: Enrollment,
    /// It stood there before.
    pub duplicate: bool,
}

impl<P: Ports> Engine<P> {
    /// Enrolls a contact on the sequence's published version, or answers with the unfinished
    /// enrollment of the same scope.
    ///
    /// Refuses with `sequence_not_published`, `sequence_archived`, `target_required`,
    /// `reentry_refused`, or an unknown sequence or contact.
    pub async fn enroll(&self, tenant: TenantId, request: &EnrollRequest) -> Result<Enrolled, Refused> {
        let version = self.published(tenant, request.sequence).await?;
        let settings = &self.account(tenant).await?.settings;
        let wish = Wish {
            id: request.entry,
            sequence: request.sequence,
            version: version.number,
            conversation: request.conversation.clone(),
            target: request.target.clone(),
            start_at: request.start_at,
            by: request.by.clone(),
            source: request.source.clone(),
            since: request.since,
            trigger: request.trigger.clone(),
        };
        for _ in 0..MAX_RACES {
            let person = self.store.person(tenant, request.contact).await?;
            let person = person.ok_or(Refused::Unknown { what: "contact", pointer: "/contact_id" })?;
            let now = self.now();
            let calendar = settings.calendar(person.contact.profile.timezone.as_deref());
            let dates = target_dates(&version.sequence, attributes(&person, request.target.as_ref()));
            let planning = Planning { sequence: &version.sequence, calendar: &calendar, target_dates: &dates };
            match wish.decide(&person, &planning, now) {
                Decision::Refused(refusal) => return Err(refused(refusal)),
                // Our own, whose answer was lost, perhaps before its timer was armed.
                Decision::Existing(existing) if existing.entered.id == request.entry => {
                    self.arm(tenant, &existing).await?;
                    return Ok(Enrolled { enrollment: *existing, duplicate: false });
                }
                Decision::Existing(existing) => {
                    let restart = version.sequence.entry.on_duplicate == OnDuplicate::Restart
                        && existing.trigger.as_ref().is_none_or(|t| request.trigger.as_ref() != Some(t));
                    if !restart || existing.state.is_finished() {
                        return Ok(Enrolled { enrollment: *existing, duplicate: true });
                    }
                    // Lost to another writer: the next turn reads again.
                    if let Some(ended) = existing.finished(Outcome::Removed, Some("restarted".into()), now) {
                        self.commit(tenant, &existing, &ended).await?;
                    }
                }
                Decision::New(enrollment) => match self.store.insert_enrollment(tenant, &enrollment).await? {
                    Inserted::Yes => {
                        self.arm(tenant, &enrollment).await?;
                        return Ok(Enrolled { enrollment: *enrollment, duplicate: false });
                    }
                    Inserted::Exists(other) if !other.state.is_finished() => {
                        return Ok(Enrolled { enrollment: other, duplicate: true });
                    }
                    // The run that took the key has finished meanwhile: the next one may begin, unless it
                    // was ours.
                    Inserted::Exists(_) => {}
                },
            }
        }
        Err(Refused::Busy)
    }

    /// The version that new enrollments start on, read strongly.
    async fn published(&self, tenant: TenantId, id: SequenceId) -> Result<std::sync::Arc<Version>, Refused> {
        let unknown = Refused::Unknown { what: "sequence", pointer: "/sequence_id" };
        let sequence = self.sequence(tenant, id).await?.ok_or(unknown)?;
        if sequence.archived {
            return Err(Refused::rule("sequence_archived", "the sequence is archived: it takes no new enrollments"));
        }
        if sequence.published == 0 {
            return Err(Refused::rule("sequence_not_published", "publish the sequence before enrolling anyone"));
        }
        let version = self.version(tenant, id, sequence.published).await?;
        Ok(version.ok_or_else(|| PortError::Poison("the published version is missing".into()))?)
    }

    /// Arms the timer of an enrollment's current generation, if it needs one.
    pub(crate) async fn arm(&self, tenant: TenantId, enrollment: &Enrollment) -> Result<(), PortError> {
        let Some(at) = enrollment.next_at() else { return self.still_held(tenant, enrollment).await };
        let due = StepDue { tenant, enrollment: enrollment.id, generation: enrollment.generation };
        self.timers.arm(&due, at, self.now()).await
    }

    /// Writes `next` over `before`. What of its sender's day it no longer has and has not used goes back
    /// with it.
    pub(crate) async fn commit(
        &self,
        tenant: TenantId,
        before: &Enrollment,
        next: &Enrollment,
    ) -> PortResult<Saved<Enrollment>> {
        self.store.commit(tenant, next, before.gives_back(next, self.now())).await
    }

    /// Writes what `change` makes of an enrollment, computing it again from what stands there
    /// whenever somebody was faster. `None` from `change` means that there is nothing to do.
    ///
    /// Answers the enrollment as it stands afterwards, and whether this call changed it. The timer
    /// of a new generation is armed.
    pub(crate) async fn update(
        &self,
        tenant: TenantId,
        first: Enrollment,
        mut change: impl FnMut(&Enrollment) -> Option<Enrollment>,
    ) -> Result<(Enrollment, bool), Refused> {
        let mut current = first;
        for _ in 0..MAX_RACES {
            let Some(next) = change(&current) else { return Ok((current, false)) };
            match self.commit(tenant, &current, &next).await? {
                Saved::Yes => {
                    if next.generation != current.generation {
                        self.arm(tenant, &next).await?;
                    }
                    return Ok((next, true));
                }
                Saved::No(Some(newer)) => current = newer,
                Saved::No(None) => return Err(Refused::Unknown { what: "enrollment", pointer: "" }),
            }
        }
        Err(Refused::Busy)
    }
}

pub(crate) fn attributes<'a>(
    person: &'a Person,
    target: Option<&TargetRef>,
) -> Option<&'a std::collections::BTreeMap<String, serde_json::Value>> {
    person.target(target?).map(|t| &t.attributes)
}

fn refused(refusal: EntryRefusal) -> Refused {
    match refusal {
        EntryRefusal::TargetRequired(kind) => {
            Refused::at("target_required", "/target", format!("this sequence is about a {}: name it", kind.as_str()))
        }
        EntryRefusal::Once => {
            Refused::rule("reentry_refused", "the contact has been through this sequence, which allows it once")
        }
        EntryRefusal::NotBefore(at) => {
            Refused::rule("reentry_refused", format!("the contact may enter this sequence again from {at}"))
        }
    }
}
