//! Sequences: drafts, their checks, and the immutable versions that enrollments run on.
//!
//! Every write is one conditional put on the draft's revision, and a publish is one transaction over
//! the draft and its new version, so nothing is half done wherever it dies: before the write nothing
//! happened, after it everything did, and the caller's repeat finds the newer revision.
//!
//! `delete_sequence` looks at the index of enrollments, which lags by moments. Versions stay when
//! their sequence goes, so an enrollment that it did not show yet still runs to its end.

use domain::account::Role;
use domain::ids::{Ids, SequenceId, TenantId};
use domain::publish::{self, Facts, check};
use domain::sequence::{Sequence, TargetKind};

use crate::model::{Caller, StoredSequence, Version};
use crate::ports::{EnrollmentFilter, PortResult, Saved, Store as _};
use crate::{Engine, MAX_RACES, PortError, Ports, Refused};

pub use domain::publish::{Problem, Report};

/// A sequence that is refused for what it says, with everything that is wrong, or by a rule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SequenceRefused {
    #[error("the sequence has {} problems", .0.len())]
    Problems(Vec<Problem>),
    #[error(transparent)]
    Refused(#[from] Refused),
}

pub type PublishRefused = SequenceRefused;

impl From<PortError> for SequenceRefused {
    fn from(error: PortError) -> Self {
        Self::Refused(error.into())
    }
}

/// What a publish does to the enrollments that are running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Running {
    /// They stay on the version that they began on.
    #[default]
    Pinned,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    pub version: u32,
    pub warnings: Vec<Problem>,
}

/// A sequence of the path.
const UNKNOWN: Refused = Refused::Unknown { what: "sequence", pointer: "" };

impl<P: Ports> Engine<P> {
    /// A new draft, owned by the caller. With the same `ids` it is the same sequence.
    pub async fn create_sequence(
        &self,
        caller: &Caller,
        draft: Sequence,
        ids: &mut Ids,
    ) -> Result<StoredSequence, SequenceRefused> {
        well_formed(&draft)?;
        let now = self.now();
        let sequence = StoredSequence {
            id: SequenceId::new(ids),
            revision: 1,
            owner: caller.owner.clone(),
            archived: false,
            published: 0,
            created_at: now,
            updated_at: now,
            draft,
        };
        match self.store.save_sequence(caller.tenant, &sequence).await? {
            Saved::Yes => Ok(sequence),
            // The id comes from this request: an earlier try of it made this.
            Saved::No(Some(made)) => Ok(made),
            Saved::No(None) => Err(Refused::Busy.into()),
        }
    }

    pub async fn get_sequence(&self, tenant: TenantId, id: SequenceId) -> Result<StoredSequence, Refused> {
        self.store.sequence(tenant, id).await?.ok_or(UNKNOWN)
    }

    /// Replaces the draft that stands at `revision`; versions stay as they are. Refuses with
    /// `not_owner` and `stale_revision`.
    pub async fn update_sequence(
        &self,
        caller: &Caller,
        id: SequenceId,
        revision: u64,
        draft: Sequence,
    ) -> Result<StoredSequence, SequenceRefused> {
        let stored = self.own_sequence(caller, id).await?;
        if stored.revision != revision {
            return Err(stale(stored.revision).into());
        }
        well_formed(&draft)?;
        let next = StoredSequence { revision: revision + 1, updated_at: self.now(), draft, ..stored };
        match self.store.save_sequence(caller.tenant, &next).await? {
            Saved::Yes => Ok(next),
            Saved::No(Some(faster)) => Err(stale(faster.revision).into()),
            Saved::No(None) => Err(UNKNOWN.into()),
        }
    }

    /// Refuses with `not_owner`, and `sequence_in_use` when any enrollment, finished ones included,
    /// is on it.
    pub async fn delete_sequence(&self, caller: &Caller, id: SequenceId) -> Result<(), Refused> {
        let stored = self.own_sequence(caller, id).await?;
        if stored.published > 0 {
            let filter = EnrollmentFilter { sequence: Some(id), ..EnrollmentFilter::default() };
            if !self.store.enrollments(caller.tenant, &filter, None, 1).await?.data.is_empty() {
                let detail = "contacts are or were enrolled in the sequence: archive it instead";
                return Err(Refused::rule("sequence_in_use", detail));
            }
        }
        self.store.delete_sequence(caller.tenant, id).await?;
        Ok(())
    }

    /// Everything that publishing this sequence would refuse or warn of, with the account as it is.
    pub async fn validate_sequence(&self, tenant: TenantId, sequence: &Sequence) -> Result<Report, Refused> {
        let account = self.account(tenant).await?;
        let senders = self.senders(tenant).await?;
        let attributes = self.declared_attributes(tenant).await?;
        let facts = Facts { settings: &account.settings, senders: &senders, attributes: &attributes, now: self.now() };
        Ok(check(sequence, &facts))
    }

    /// Takes the draft as the next version, on which new enrollments start. Of two at once one goes
    /// first and the other publishes the version after it; an unchanged draft makes a version too.
    pub async fn publish(
        &self,
        caller: &Caller,
        id: SequenceId,
        running: Running,
    ) -> Result<Published, PublishRefused> {
        match running {
            // Versions are immutable and enrollments name theirs: there is nothing to do for it.
            Running::Pinned => {}
        }
        for _ in 0..MAX_RACES {
            let stored = self.own_sequence(caller, id).await?;
            let report = self.validate_sequence(caller.tenant, &stored.draft).await?;
            if !report.problems.is_empty() {
                return Err(SequenceRefused::Problems(report.problems));
            }
            let now = self.now();
            let version = Version {
                sequence_id: id,
                number: stored.published + 1,
                published_at: now,
                published_by: caller.owner.clone(),
                sequence: stored.draft.clone(),
                templates: Default::default(),
            };
            let next =
                StoredSequence { revision: stored.revision + 1, published: version.number, updated_at: now, ..stored };
            match self.store.publish(caller.tenant, &next, &version).await? {
                Saved::Yes => return Ok(Published { version: version.number, warnings: report.warnings }),
                // Somebody edited or published in between: what is published is what was checked.
                Saved::No(Some(_)) => {}
                Saved::No(None) => return Err(UNKNOWN.into()),
            }
        }
        Err(Refused::Busy.into())
    }

    /// A draft of one's own with the steps and rules of another's.
    pub async fn clone_sequence(
        &self,
        caller: &Caller,
        id: SequenceId,
        name: String,
        description: String,
        ids: &mut Ids,
    ) -> Result<StoredSequence, SequenceRefused> {
        let original = self.get_sequence(caller.tenant, id).await?;
        self.create_sequence(caller, Sequence { name, description, ..original.draft }, ids).await
    }

    /// Archives, so that nobody enrolls any more while running enrollments go on, or takes that
    /// back. As it is already: no change.
    pub async fn archive_sequence(
        &self,
        caller: &Caller,
        id: SequenceId,
        archived: bool,
    ) -> Result<StoredSequence, Refused> {
        for _ in 0..MAX_RACES {
            let stored = self.own_sequence(caller, id).await?;
            if stored.archived == archived {
                return Ok(stored);
            }
            let next = StoredSequence { revision: stored.revision + 1, updated_at: self.now(), archived, ..stored };
            match self.store.save_sequence(caller.tenant, &next).await? {
                Saved::Yes => return Ok(next),
                Saved::No(Some(_)) => {}
                Saved::No(None) => return Err(UNKNOWN),
            }
        }
        Err(Refused::Busy)
    }

    /// The declared attributes as [`Facts`] wants them.
    pub(crate) async fn declared_attributes(&self, tenant: TenantId) -> PortResult<Vec<(TargetKind, String)>> {
        let declared = self.store.attributes(tenant).await?;
        Ok(declared.into_iter().map(|a| (a.of, a.name)).collect())
    }

    /// A sequence that the caller may change: others in the account may only use it.
    async fn own_sequence(&self, caller: &Caller, id: SequenceId) -> Result<StoredSequence, Refused> {
        let stored = self.get_sequence(caller.tenant, id).await?;
        if stored.owner != caller.owner && caller.role < Role::Admin {
            let detail = "only its owner and admins may change a sequence; clone it to make your own";
            return Err(Refused::rule("not_owner", detail));
        }
        Ok(stored)
    }
}

fn well_formed(sequence: &Sequence) -> Result<(), SequenceRefused> {
    let problems = publish::shape(sequence);
    if problems.is_empty() { Ok(()) } else { Err(SequenceRefused::Problems(problems)) }
}

fn stale(revision: u64) -> Refused {
    Refused::rule("stale_revision", format!("the sequence has changed since: it is at revision {revision}"))
}
