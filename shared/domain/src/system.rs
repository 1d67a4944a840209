//! The sequences that ship with the product (PRODUCT.md section 1): every account has them, as version
//! 1, published and never changed. They may be used and cloned, not edited or deleted.

use std::sync::LazyLock;

use crate::ids::SequenceId;
use crate::sequence::Sequence;

/// Their only version.
pub const VERSION: u32 = 1;
/// Who owns them: nobody of the account.
pub const OWNER: &str = "system";

/// A sequence of the product, the same in every account.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemSequence {
    pub id: SequenceId,
    pub sequence: Sequence,
}

static ALL: LazyLock<Vec<SystemSequence>> = LazyLock::new(|| {
    // The ids stand in enrollments: they are never changed, nor given to another sequence.
    [(*b"RITMO-01", include_str!("system/recommended.json")), (*b"RITMO-02", include_str!("system/email_cc.json"))]
        .into_iter()
        .map(|(id, document)| SystemSequence {
            id: SequenceId::from_bytes(id),
            sequence: serde_json::from_str(document).expect("a test reads them all"),
        })
        .collect()
});

pub fn system_sequences() -> &'static [SystemSequence] {
    &ALL
}

pub fn system_sequence(id: SequenceId) -> Option<&'static SystemSequence> {
    ALL.iter().find(|s| s.id == id)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::publish::shape;

    #[test]
    fn they_are_good_sequences_with_ids_that_stay() {
        let names: Vec<_> = system_sequences().iter().map(|s| (s.id.to_string(), s.sequence.name.as_str())).collect();
        assert_eq!(
            names,
            [("seq_UklUTU8tMDE".to_owned(), "Recommended"), ("seq_UklUTU8tMDI".to_owned(), "Recommended for Email CC")]
        );
        for system in system_sequences() {
            assert_eq!(shape(&system.sequence), [], "{}", system.sequence.name);
            assert_eq!(system_sequence(system.id), Some(system));
        }
        assert_eq!(system_sequence(SequenceId::from_bytes([7; 8])), None);
    }
}
