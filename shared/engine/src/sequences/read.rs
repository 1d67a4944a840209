//! Reading: the account's own sequences, and those that every account has ([`domain::system`]).

use domain::ids::{SequenceId, TenantId};
use domain::system::{self, SystemSequence, system_sequence, system_sequences};
use domain::time::Timestamp;

use crate::model::{StoredSequence, Version};
use crate::ports::{PortResult, Store as _};
use crate::{Engine, Ports};

/// When the system's sequences came: 2026-11-27T00:00:00Z.
const SINCE: Timestamp = Timestamp(1_795_737_600);

impl<P: Ports> Engine<P> {
    pub async fn sequence(&self, tenant: TenantId, id: SequenceId) -> PortResult<Option<StoredSequence>> {
        match system_sequence(id) {
            Some(system) => Ok(Some(draft(system))),
            None => self.store.sequence(tenant, id).await,
        }
    }

    /// The system's first.
    pub async fn sequences(&self, tenant: TenantId) -> PortResult<Vec<StoredSequence>> {
        let own = self.store.sequences(tenant).await?;
        Ok(system_sequences().iter().map(draft).chain(own).collect())
    }

    pub async fn versions(&self, tenant: TenantId, id: SequenceId) -> PortResult<Vec<Version>> {
        match system_sequence(id) {
            Some(system) => Ok(vec![version(system)]),
            None => self.store.versions(tenant, id).await,
        }
    }
}

fn draft(system: &SystemSequence) -> StoredSequence {
    StoredSequence {
        id: system.id,
        revision: 1,
        owner: system::OWNER.into(),
        archived: false,
        published: system::VERSION,
        created_at: SINCE,
        updated_at: SINCE,
        draft: system.sequence.clone(),
    }
}

/// The only version of one of the system's sequences.
pub(crate) fn version(system: &SystemSequence) -> Version {
    Version {
        sequence_id: system.id,
        number: system::VERSION,
        published_at: SINCE,
        published_by: system::OWNER.into(),
        sequence: system.sequence.clone(),
        templates: Default::default(),
    }
}
