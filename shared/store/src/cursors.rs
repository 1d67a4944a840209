//! Cursors: opaque to the caller, and good only for the account and list that they were made for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use domain::ids::TenantId;
use engine::PortError;
use engine::ports::PortResult;

use crate::crypt::Keys;

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The partition (of the table or an index) being read.
    pub(crate) list: String,
    /// The last entry that was handed out: its `sk`, and on an index also its index sort key and
    /// `pk`. Empty at a list's beginning.
    pub(crate) after: Vec<String>,
}

const TAG_BYTES: usize = 16;

/// `kind` names the list, its filter included.
pub(crate) fn encode(keys: &Keys, tenant: TenantId, kind: &str, place: &Place) -> String {
    let body = serde_json::to_vec(&(&place.list, &place.after)).expect("texts only");
    let tag: [u8; TAG_BYTES] = keys.cursor_tag([tenant.as_bytes(), kind.as_bytes(), &body]);
    B64.encode([tag.as_slice(), &body].concat())
}

/// # Errors
/// `Poison("cursor")` for anything that [`encode`] did not make for this account and list: the
/// first page instead would repeat what the caller has seen.
pub(crate) fn decode(keys: &Keys, tenant: TenantId, kind: &str, cursor: &str) -> PortResult<Place> {
    let read = || {
        let bytes = B64.decode(cursor).ok()?;
        let (tag, body) = bytes.split_at_checked(TAG_BYTES)?;
        if keys.cursor_tag([tenant.as_bytes(), kind.as_bytes(), body]) != tag {
            return None;
        }
        let (list, after) = serde_json::from_slice(body).ok()?;
        Some(Place { list, after })
    };
    read().ok_or_else(|| PortError::Poison("cursor".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_account_and_list_only() {
        let keys = Keys::derive(&[1; 32]);
        let mine = TenantId::from_bytes([1; 9]);
        let place = Place { list: "T#a#CONTACTS".into(), after: vec!["1".into(), "pk".into(), "sk".into()] };
        let cursor = encode(&keys, mine, "contacts", &place);
        assert_eq!(decode(&keys, mine, "contacts", &cursor), Ok(place));
        let refused = Err(PortError::Poison("cursor".into()));
        assert_eq!(decode(&keys, TenantId::from_bytes([2; 9]), "contacts", &cursor), refused);
        assert_eq!(decode(&keys, mine, "messages", &cursor), refused);
        assert_eq!(decode(&Keys::derive(&[2; 32]), mine, "contacts", &cursor), refused);
        for garbage in ["", "x", "!!", "AAAA", &cursor[1..], &format!("{cursor}AAAA")] {
            assert_eq!(decode(&keys, mine, "contacts", garbage), refused, "{garbage}");
        }
    }
}
