//! A draft: made, read, replaced, copied, archived, deleted.
//!
//! `delete_sequence` looks at the index of enrollments, which lags by moments. Versions stay when
//! their sequence goes, so an enrollment that it did not show yet still runs to its end.

use domain::account::Role;
use domain::ids::{Ids, SequenceId, TenantId};
use domain::publish;
use domain::sequence::Sequence;

use super::{SequenceRefused, UNKNOWN};
use crate::model::{Caller, StoredSequence};
use crate::ports::{EnrollmentFilter, Saved, Store as _};
use crate::{Engine, MAX_RACES, Ports, Refused};

/// Tests are few: the first page nearly always tells.
const PAGE: u32 = 20;

impl<P: Ports> Engine<P> {
    /// A new draft, owned by the caller ([`Caller::giving_to`]). With the same `ids` it is the same
    /// sequence.
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
        self.sequence(tenant, id).await?.ok_or(UNKNOWN)
    }

    /// Replaces the draft that stands at `revision`, and its owner where one is named; versions stay
    /// as they are. Refuses with `not_owner` and `stale_revision`.
    pub async fn update_sequence(
        &self,
        caller: &Caller,
        id: SequenceId,
        revision: u64,
        draft: Sequence,
        owner: Option<String>,
    ) -> Result<StoredSequence, SequenceRefused> {
        let stored = self.own_sequence(caller, id).await?;
        let owner = new_owner(caller, &stored.owner, owner)?;
        if stored.revision != revision {
            return Err(stale(stored.revision).into());
        }
        well_formed(&draft)?;
        let next = StoredSequence { revision: revision + 1, updated_at: self.now(), draft, owner, ..stored };
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
        if stored.published > 0 && self.is_in_use(caller.tenant, id).await? {
            let detail = "contacts are or were enrolled in the sequence: archive it instead";
            return Err(Refused::rule("sequence_in_use", detail));
        }
        self.store.delete_sequence(caller.tenant, id).await?;
        Ok(())
    }

    /// Whether anybody is or was enrolled, tests aside.
    async fn is_in_use(&self, tenant: TenantId, id: SequenceId) -> Result<bool, Refused> {
        let filter = EnrollmentFilter { sequence: Some(id), ..EnrollmentFilter::default() };
        let mut cursor = None;
        loop {
            let page = self.store.enrollments(tenant, &filter, cursor.as_deref(), PAGE).await?;
            if page.data.iter().any(|e| !e.is_test()) {
                return Ok(true);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(false);
            }
        }
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
}

fn well_formed(sequence: &Sequence) -> Result<(), SequenceRefused> {
    let problems = publish::shape(sequence);
    if problems.is_empty() { Ok(()) } else { Err(SequenceRefused::Problems(problems)) }
}

impl Caller {
    /// The same caller, whose next creation belongs to `owner`. Refuses with `not_owner`.
    pub fn giving_to(self, owner: Option<String>) -> Result<Self, Refused> {
        let owner = new_owner(&self, &self.owner, owner)?;
        Ok(Self { owner, ..self })
    }
}

/// Whose it is to be: only admins give something away.
fn new_owner(caller: &Caller, owner: &str, wished: Option<String>) -> Result<String, Refused> {
    match wished {
        Some(wished) if wished != owner && caller.role < Role::Admin => {
            Err(Refused::at("not_owner", "/owner", "only an admin may give a sequence to somebody else"))
        }
        wished => Ok(wished.unwrap_or_else(|| owner.to_owned())),
    }
}

fn stale(revision: u64) -> Refused {
    Refused::rule("stale_revision", format!("the sequence has changed since: it is at revision {revision}"))
}
