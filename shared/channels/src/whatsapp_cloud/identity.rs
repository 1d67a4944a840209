//! The identities that a WhatsApp id stands for.

use domain::message::Identity;

/// A wa_id (or phone) as canonical E.164 with `+`.
///
/// Brazilian WhatsApp ids may lack the mobile ninth digit (`551692318222` is `+5516992318222`), and
/// the short form is no valid number: with `55`, an area code of two digits and eight more, of which
/// the first is 6 to 9 (a mobile; landlines start with 2 to 5), the `9` is inserted. Other signs
/// than digits are dropped. The raw wa_id stays the address to send to.
pub fn canonical_wa_id(wa_id: &str) -> String {
    let digits: String = wa_id.chars().filter(char::is_ascii_digit).collect();
    match (digits.strip_prefix("55"), digits.as_bytes().get(4)) {
        (Some(_), Some(b'6'..=b'9')) if digits.len() == 12 => format!("+{}9{}", &digits[..4], &digits[4..]),
        _ => format!("+{digits}"),
    }
}

/// Every identity that a raw wa_id gives: the id itself and, when it can be a phone at all (E.164:
/// at most 15 digits), the number.
pub(super) fn of_wa_id(wa_id: &str) -> Vec<Identity> {
    let digits: String = wa_id.chars().filter(char::is_ascii_digit).collect();
    let mut out = Vec::new();
    if (7..=15).contains(&digits.len()) {
        out.push(Identity::Phone(canonical_wa_id(&digits)));
    }
    if !digits.is_empty() && digits.len() <= 32 {
        out.push(Identity::WaId(digits));
    }
    out
}

/// A business-scoped user id, if the text can be one: country, dot, letters and digits
/// (`US.13491208655302741918`, with a parent's `US.ENT.…`).
pub(super) fn of_bsuid(text: &str) -> Option<Identity> {
    let plausible = text.len() <= 128
        && text.contains('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    plausible.then(|| Identity::Bsuid(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brazils_ninth_digit_is_restored() {
        for (raw, canonical) in [
            ("551692318222", "+5516992318222"),
            ("5516992318222", "+5516992318222"),
            ("+55 (16) 9231-8222", "+5516992318222"),
            ("551161234567", "+5511961234567"),
            // Landlines stay.
            ("551121234567", "+551121234567"),
            ("551151234567", "+551151234567"),
            // Other countries stay, whatever their length.
            ("972987654321", "+972987654321"),
            ("16505551234", "+16505551234"),
            ("55", "+55"),
            ("", "+"),
        ] {
            assert_eq!(canonical_wa_id(raw), canonical, "{raw}");
        }
    }
}
