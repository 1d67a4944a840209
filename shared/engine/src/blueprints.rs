//! Applying a blueprint: the attributes that it uses, then its draft.
//!
//! Dies in between: attributes are declared that nothing uses yet, and the caller's repeat goes on from
//! there. An attribute that the account has declared already, also with another type, stays as it is.

use domain::blueprints::Blueprint;
use domain::content::Attribute;
use domain::ids::Ids;
use domain::sequence::Sequence;

use crate::model::{Caller, StoredSequence};
use crate::ports::{Inserted, Store as _};
use crate::sequences::SequenceRefused;
use crate::{Engine, Ports};

/// What applying a blueprint made.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    pub sequence: StoredSequence,
    /// Those that were not declared before.
    pub attributes: Vec<Attribute>,
}

impl<P: Ports> Engine<P> {
    /// A draft of the caller's own, with the blueprint's name unless another is given. With the same
    /// `ids` it is the same draft. One Query, a write for each new attribute, one for the draft.
    pub async fn apply_blueprint(
        &self,
        caller: &Caller,
        blueprint: &Blueprint,
        name: Option<String>,
        ids: &mut Ids,
    ) -> Result<Applied, SequenceRefused> {
        let mut draft: Sequence = blueprint.sequence.clone();
        draft.name = name.unwrap_or(draft.name);
        let declared = self.store.attributes(caller.tenant).await?;
        let mut created = Vec::new();
        for attribute in &blueprint.attributes {
            let known = declared.iter().any(|a| a.of == attribute.of && a.name == attribute.name);
            if !known && self.store.declare_attribute(caller.tenant, attribute).await? == Inserted::Yes {
                created.push(attribute.clone());
            }
        }
        let sequence = self.create_sequence(caller, draft, ids).await?;
        Ok(Applied { sequence, attributes: created })
    }
}
