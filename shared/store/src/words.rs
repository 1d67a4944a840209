//! Short forms for the texts that every enrollment repeats. A write costs by the kilobyte, each
//! executed step makes two, and a run's item would outgrow the first kilobyte by its own words.
//!
//! A short form is `~` and a code; `~@` is a sender of the item's own account; a text that begins
//! with `~` gets one more. So any text comes back as it was, whatever field it stands in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use domain::ids::{SenderId, TenantId};

const MARK: char = '~';
const SENDER: char = '@';

/// Stored for ever: words may be added, none may change its code.
const WORDS: [(&str, &str); 28] = [
    ("w", "whatsapp"),
    ("e", "email"),
    ("m", "sms"),
    ("c", "conversation"),
    ("p", "pending"),
    ("h", "scheduled"),
    ("k", "skipped"),
    ("f", "failed"),
    ("s", "sent"),
    ("d", "delivered"),
    ("r", "read"),
    ("y", "replied"),
    ("q", "quiet_hours"),
    ("i", "window"),
    ("b", "business_day"),
    ("o", "holiday"),
    ("x", "spread"),
    ("a", "past"),
    ("wd", "weekday"),
    ("dg", "dst_gap"),
    ("fi", "finished"),
    ("pa", "paused"),
    ("re", "resumed"),
    ("ry", "retrying"),
    ("au", "automation"),
    ("ma", "manual"),
    ("ev", "event"),
    ("bu", "bulk"),
];

pub(crate) fn shorten(tenant: TenantId, text: &str) -> String {
    if let Some((code, _)) = WORDS.iter().find(|(_, word)| *word == text) {
        return format!("{MARK}{code}");
    }
    if let Some(sender) = SenderId::parse(text).filter(|s| s.tenant() == tenant) {
        return format!("{MARK}{SENDER}{}", B64.encode(&sender.as_bytes()[9..]));
    }
    if text.starts_with(MARK) { format!("{MARK}{text}") } else { text.to_owned() }
}

/// `None` for a code that this build does not know.
pub(crate) fn expand(tenant: TenantId, text: &str) -> Option<String> {
    let Some(code) = text.strip_prefix(MARK) else { return Some(text.to_owned()) };
    if code.starts_with(MARK) {
        return Some(code.to_owned());
    }
    if let Some(own) = code.strip_prefix(SENDER) {
        let mut raw = [0; 18];
        raw[..9].copy_from_slice(tenant.as_bytes());
        raw[9..].copy_from_slice(&<[u8; 9]>::try_from(B64.decode(own).ok()?).ok()?);
        return Some(SenderId::from_bytes(raw).to_string());
    }
    WORDS.iter().find(|(known, _)| *known == code).map(|(_, word)| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back() {
        let tenant = TenantId::from_bytes([1; 9]);
        let (ours, theirs) = (SenderId::from_bytes([1; 18]).to_string(), SenderId::from_bytes([2; 18]).to_string());
        let hostile = ["", "~", "~~", "~w", "~@", "~@AAAA", "snd_", "Delivered", &ours, &theirs, "~snd_x"];
        for text in hostile.into_iter().chain(WORDS.iter().map(|(_, word)| *word)) {
            assert_eq!(expand(tenant, &shorten(tenant, text)).as_deref(), Some(text));
        }
        assert_eq!(shorten(tenant, "delivered"), "~d");
        assert_eq!(shorten(tenant, &ours).len(), 14);
        assert_eq!(shorten(tenant, &theirs), theirs);
    }

    #[test]
    fn codes_are_single_and_unknown_ones_are_refused() {
        let tenant = TenantId::from_bytes([1; 9]);
        for (n, (code, word)) in WORDS.iter().enumerate() {
            assert!(WORDS[..n].iter().all(|(c, w)| c != code && w != word), "{code} {word}");
            assert!(!code.starts_with([MARK, SENDER]));
        }
        for text in ["~zz", "~", "~@", "~@short"] {
            assert_eq!(expand(tenant, text), None, "{text}");
        }
    }
}
