//! From a draft to a version.
//!
//! Publishing is one transaction. Dies before it: nothing happened. After it, before the jobs that
//! move the running enrollments are there or queued: it is published and nobody is moved; the
//! caller's repeat publishes the same draft as the version after, and moves everybody to that one.

use domain::content::Templates;
use domain::ids::{Ids, JobId, SequenceId, TenantId};
use domain::publish::{Facts, check};
use domain::sequence::{Sequence, TargetKind};

use super::{Problem, Report, SequenceRefused, UNKNOWN};
use crate::model::{Caller, StoredSequence, Version};
use crate::ports::{PortResult, Saved, Store as _};
use crate::{Engine, MAX_RACES, Ports, Refused};

pub type PublishRefused = SequenceRefused;

/// What a publish does to the enrollments that are running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Running {
    /// They stay on the version that they began on.
    #[default]
    Pinned,
    /// They go on in the new version, moved by a job.
    Migrate,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    pub version: u32,
    pub warnings: Vec<Problem>,
    /// The job that moves the running enrollments, if they are to be moved.
    pub job: Option<JobId>,
}

impl<P: Ports> Engine<P> {
    /// Everything that publishing this sequence would refuse or warn of, with the account as it is.
    pub async fn validate_sequence(&self, tenant: TenantId, sequence: &Sequence) -> Result<Report, Refused> {
        let templates = self.templates_of(tenant, sequence).await?;
        self.judged(tenant, sequence, &templates).await
    }

    /// The same, with the message templates that the sequence uses.
    async fn judged(&self, tenant: TenantId, sequence: &Sequence, templates: &Templates) -> Result<Report, Refused> {
        let account = self.account(tenant).await?;
        let senders = self.senders(tenant).await?;
        let attributes = self.declared_attributes(tenant).await?;
        let facts = Facts {
            settings: &account.settings,
            senders: &senders,
            attributes: &attributes,
            templates,
            now: self.now(),
        };
        Ok(check(sequence, &facts))
    }

    /// Takes the draft as the next version, on which new enrollments start. Of two at once one goes
    /// first and the other publishes the version after it; an unchanged draft makes a version too.
    ///
    /// `confirmed`: the token of an impact; refuses with `impact_changed` where that is no longer true.
    pub async fn publish(
        &self,
        caller: &Caller,
        id: SequenceId,
        running: Running,
        confirmed: Option<&str>,
        ids: &mut Ids,
    ) -> Result<Published, PublishRefused> {
        for _ in 0..MAX_RACES {
            let stored = self.own_sequence(caller, id).await?;
            let templates = self.templates_of(caller.tenant, &stored.draft).await?;
            let report = self.judged(caller.tenant, &stored.draft, &templates).await?;
            if !report.problems.is_empty() {
                return Err(SequenceRefused::Problems(report.problems));
            }
            if let Some(token) = confirmed {
                let forecast = self.forecast_of(caller.tenant, &stored).await?;
                if forecast.token != token {
                    let detail = "the draft or the running enrollments have changed since: look at the impact again";
                    return Err(Refused::at("impact_changed", "/confirm_impact", detail).into());
                }
            }
            let now = self.now();
            let version = Version {
                sequence_id: id,
                number: stored.published + 1,
                published_at: now,
                published_by: caller.owner.clone(),
                sequence: stored.draft.clone(),
                templates,
            };
            let next =
                StoredSequence { revision: stored.revision + 1, published: version.number, updated_at: now, ..stored };
            match self.store.publish(caller.tenant, &next, &version).await? {
                Saved::Yes => {
                    let job = match running {
                        // Versions are immutable and enrollments name theirs: there is nothing to do for it.
                        Running::Pinned => None,
                        Running::Migrate => Some(self.migrate_all(caller.tenant, &version, ids).await?),
                    };
                    return Ok(Published { version: version.number, warnings: report.warnings, job });
                }
                // Somebody edited or published in between: what is published is what was checked.
                Saved::No(Some(_)) => {}
                Saved::No(None) => return Err(UNKNOWN.into()),
            }
        }
        Err(Refused::Busy.into())
    }

    /// The declared attributes as [`Facts`] wants them.
    pub(crate) async fn declared_attributes(&self, tenant: TenantId) -> PortResult<Vec<(TargetKind, String)>> {
        let declared = self.store.attributes(tenant).await?;
        Ok(declared.into_iter().map(|a| (a.of, a.name)).collect())
    }
}
