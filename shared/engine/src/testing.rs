//! Test sends (`POST /v1/sequences/{id}/test`): a run over a snapshot of the draft.
//!
//! Dies after the snapshot: nobody runs on it, and the next test of this draft finds it. Dies after
//! the run's put: as with any enrollment, the sweep arms what the missing timer would have, and the
//! caller's repeat answers with the run.

use domain::enrollment::test_send::{TestWish, test_version, tested};
use domain::enrollment::{Enrollment, Planning, target_dates};
use domain::ids::{EnrollmentId, Ids, SequenceId};

use crate::enroll::attributes;
use crate::model::{Caller, StoredSequence, Version};
use crate::ports::{Inserted, Store as _};
use crate::sequences::SequenceRefused;
use crate::{Engine, MAX_RACES, Ports, Refused};

impl<P: Ports> Engine<P> {
    /// Sends the draft, or one step of it, to the account's test contact, at once and beside every
    /// count. Refuses a draft with problems in what is tested, a step that it does not have, and
    /// `test_contact_required`.
    pub async fn test(
        &self,
        caller: &Caller,
        id: SequenceId,
        step: Option<u32>,
        ids: &mut Ids,
    ) -> Result<Enrollment, SequenceRefused> {
        let tenant = caller.tenant;
        // First, so that a repeat draws the same whatever it finds.
        let (entry, scope) = (u64::from_be_bytes(ids.bytes()), ids.bytes());
        let stored = self.get_sequence(tenant, id).await?;
        let steps = stored.draft.steps.len();
        if let Some(step) = step.filter(|step| *step as usize >= steps) {
            let detail = format!("there is no step {step}: the draft's steps are 0 to {}", steps.saturating_sub(1));
            return Err(Refused::at("out_of_range", "/step", detail).into());
        }
        let mut problems = self.validate_sequence(tenant, &stored.draft).await?.problems;
        problems.retain(|p| concerns(&p.pointer, step));
        if !problems.is_empty() {
            return Err(SequenceRefused::Problems(problems));
        }
        let settings = &self.account(tenant).await?.settings;
        let missing = || {
            let detail = "tests go to the account's test contact: set test_contact_id with PATCH /v1/account";
            Refused::rule("test_contact_required", detail)
        };
        let contact = settings.test_contact_id.ok_or_else(missing)?;
        let person = self.store.person(tenant, contact).await?.ok_or_else(missing)?;
        let now = self.now();
        let version = self.snapshot(caller, &stored, step).await?;
        let wish = TestWish {
            id: EnrollmentId { contact, sequence: id, scope, run: 1 },
            entry,
            version: version.number,
            step,
            by: caller.owner.clone(),
        };
        let calendar = settings.calendar(person.contact.profile.timezone.as_deref());
        let target = person.newest_target(version.sequence.target).map(|t| t.named());
        let dates = target_dates(&version.sequence, attributes(&person, target.as_ref()));
        let planning = Planning { sequence: &version.sequence, calendar: &calendar, target_dates: &dates };
        let run = wish.begin(&person, &planning, now);
        let run = match self.store.insert_enrollment(tenant, &run).await? {
            Inserted::Yes => run,
            // The scope comes from this request: an earlier try of it began this.
            Inserted::Exists(begun) => begun,
        };
        self.arm(tenant, &run).await?;
        Ok(run)
    }

    /// What the test runs on, with its message templates as they are now: stored, if no test was before
    /// it on the same.
    async fn snapshot(
        &self,
        caller: &Caller,
        stored: &StoredSequence,
        step: Option<u32>,
    ) -> Result<Version, SequenceRefused> {
        let sequence = tested(&stored.draft, step);
        let templates = self.templates_of(caller.tenant, &sequence).await?;
        let mut version = Version {
            sequence_id: stored.id,
            number: 0,
            published_at: self.now(),
            published_by: caller.owner.clone(),
            sequence,
            templates,
        };
        for nth in 0..MAX_RACES as u32 {
            version.number = test_version(&version.sequence, &version.templates, nth);
            match self.store.put_test_version(caller.tenant, &version).await? {
                Inserted::Yes => return Ok(version),
                Inserted::Exists(same)
                    if (&same.sequence, &same.templates) == (&version.sequence, &version.templates) =>
                {
                    return Ok(same);
                }
                Inserted::Exists(_) => {}
            }
        }
        Err(Refused::Busy.into())
    }
}

/// Whether a problem is of what is tested.
fn concerns(pointer: &str, step: Option<u32>) -> bool {
    let Some(step) = step else { return pointer.starts_with("/steps") };
    pointer.strip_prefix(&format!("/steps/{step}")).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::concerns;

    #[test]
    fn problems_of_other_steps_do_not_matter() {
        for (pointer, step, expected) in [
            ("/steps/1/window", None, true),
            ("/steps/1/window", Some(1), true),
            ("/steps/1", Some(1), true),
            ("/steps/10/window", Some(1), false),
            ("/steps/0/channel", Some(1), false),
            ("/entry/triggers/0/ai", None, false),
        ] {
            assert_eq!(concerns(pointer, step), expected, "{pointer} {step:?}");
        }
    }
}
