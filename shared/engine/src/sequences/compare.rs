//! What is different between two versions, or a version and the draft.

use domain::ids::{SequenceId, TenantId};
use domain::publish::diff::{Diff, diff};
use domain::sequence::Sequence;

use crate::model::StoredSequence;
use crate::{Engine, Ports, Refused};

/// A sequence as it stands, or as it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    Draft,
    Version(u32),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub from: Edition,
    pub to: Edition,
    pub diff: Diff,
}

impl<P: Ports> Engine<P> {
    /// Compares two editions; left out, the newest version with the draft. Refuses with
    /// `sequence_not_published` where there is no version to begin from, and an unknown version.
    pub async fn compare(
        &self,
        tenant: TenantId,
        id: SequenceId,
        from: Option<Edition>,
        to: Option<Edition>,
    ) -> Result<Compared, Refused> {
        let stored = self.get_sequence(tenant, id).await?;
        let from = match from {
            Some(from) => from,
            None if stored.published > 0 => Edition::Version(stored.published),
            None => {
                let detail = "no version has been published that the draft could be compared with";
                return Err(Refused::rule("sequence_not_published", detail));
            }
        };
        let to = to.unwrap_or(Edition::Draft);
        let (old, new) = (self.edition(tenant, &stored, from).await?, self.edition(tenant, &stored, to).await?);
        Ok(Compared { from, to, diff: diff(&old, &new) })
    }

    async fn edition(&self, tenant: TenantId, of: &StoredSequence, edition: Edition) -> Result<Sequence, Refused> {
        match edition {
            Edition::Draft => Ok(of.draft.clone()),
            Edition::Version(number) => {
                let unknown = || Refused::rule("unknown_reference", format!("there is no version {number}"));
                Ok(self.published_version(tenant, of.id, number).await?.ok_or_else(unknown)?.sequence.clone())
            }
        }
    }
}
