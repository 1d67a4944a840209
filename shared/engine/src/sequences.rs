//! Sequences: drafts, their checks, and the immutable versions that enrollments run on.
//!
//! Every write is one conditional put on the draft's revision, and a publish is one transaction over
//! the draft and its new version, so nothing is half done wherever it dies: before the write nothing
//! happened, after it everything did, and the caller's repeat finds the newer revision.

mod compare;
mod draft;
mod publish;
mod read;
mod running;

use domain::account::Role;
use domain::ids::SequenceId;
use domain::system::system_sequence;

use crate::model::{Caller, StoredSequence};
use crate::{Engine, PortError, Ports, Refused};

pub use compare::{Compared, Edition};
pub use domain::publish::{Problem, Report};
pub use publish::{PublishRefused, Published, Running};
pub(crate) use read::version;
pub use running::Forecast;

/// A sequence that is refused for what it says, with everything that is wrong, or by a rule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SequenceRefused {
    #[error("the sequence has {} problems", .0.len())]
    Problems(Vec<Problem>),
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl From<PortError> for SequenceRefused {
    fn from(error: PortError) -> Self {
        Self::Refused(error.into())
    }
}

/// A sequence of the path.
const UNKNOWN: Refused = Refused::Unknown { what: "sequence", pointer: "" };

impl<P: Ports> Engine<P> {
    /// A sequence that the caller may change: others in the account may only use it.
    async fn own_sequence(&self, caller: &Caller, id: SequenceId) -> Result<StoredSequence, Refused> {
        if system_sequence(id).is_some() {
            let detail = "the sequence ships with the product and never changes; clone it to make your own";
            return Err(Refused::rule("system_sequence", detail));
        }
        let stored = self.get_sequence(caller.tenant, id).await?;
        if stored.owner != caller.owner && caller.role < Role::Admin {
            let detail = "only its owner and admins may change a sequence; clone it to make your own";
            return Err(Refused::rule("not_owner", detail));
        }
        Ok(stored)
    }
}
