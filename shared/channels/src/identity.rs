//! The identities that a provider's id of a person stands for.

use domain::contact::phone_of_wa_id;
use domain::message::Identity;

/// Every identity that a raw wa_id gives: the id itself and, when it can be a phone at all (E.164:
/// at most 15 digits), the number.
pub(crate) fn of_wa_id(wa_id: &str) -> Vec<Identity> {
    let digits: String = wa_id.chars().filter(char::is_ascii_digit).collect();
    let mut out = Vec::new();
    if (7..=15).contains(&digits.len()) {
        out.push(Identity::Phone(phone_of_wa_id(&digits)));
    }
    if !digits.is_empty() && digits.len() <= 32 {
        out.push(Identity::WaId(digits));
    }
    out
}

/// The number that an SMS came from or went to: digits with country code, with or without a plus. Short
/// codes and names are nobody's.
pub(crate) fn of_phone(number: &str) -> Option<Identity> {
    let plain = number.strip_prefix('+').unwrap_or(number);
    let digits = (7..=15).contains(&plain.len()) && plain.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| Identity::Phone(phone_of_wa_id(plain)))
}

/// A business-scoped user id, if the text can be one: country, dot, letters and digits
/// (`US.13491208655302741918`, with a parent's `US.ENT.…`).
pub(crate) fn of_bsuid(text: &str) -> Option<Identity> {
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
            assert_eq!(phone_of_wa_id(raw), canonical, "{raw}");
        }
    }
}
