//! What the SMS providers have in common.

use std::borrow::Cow;

use domain::contact::phone_of_wa_id;
use domain::message::{Identity, Message, Outbound, Reaction, Recipient, SendOutcome};

use crate::call::refused;

/// The number with its plus, and the words.
///
/// # Errors
/// The refusal of what is no SMS.
pub(crate) fn parts(outbound: &Outbound) -> Result<(String, Cow<'_, str>), SendOutcome> {
    let Recipient::Phone(digits) = &outbound.to else { return Err(refused(Reaction::Recipient, "not_a_phone")) };
    let text = match &outbound.message {
        Message::Text { text } => Cow::Borrowed(text.as_str()),
        Message::Rich(rich) => Cow::Owned(rich.plain()),
        Message::WhatsappTemplate(_) | Message::Email(_) | Message::Bot { .. } => {
            return Err(refused(Reaction::Message, "not_a_text"));
        }
    };
    Ok((format!("+{}", digits.trim_start_matches('+')), text))
}

/// Whose number this is: E.164 with its plus. Short codes, names, and addresses of other channels
/// (`whatsapp:+55…`) are nobody's.
pub(crate) fn identity(number: &str) -> Option<Identity> {
    is_e164(number).then(|| Identity::Phone(phone_of_wa_id(number)))
}

/// A plus and 7 to 15 digits.
pub(crate) fn is_e164(number: &str) -> bool {
    number
        .strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_is_somebodys() {
        for (number, phone) in [
            ("+5511987654321", Some("+5511987654321")),
            ("+551692318222", Some("+5516992318222")),
            ("+14255550182", Some("+14255550182")),
            ("whatsapp:+5511987654321", None),
            ("5511987654321", None),
            ("28149", None),
            ("VIVO", None),
            ("+55119876543210000", None),
            ("+55 11", None),
            ("+", None),
            ("", None),
        ] {
            assert_eq!(identity(number), phone.map(|p| Identity::Phone(p.into())), "{number}");
        }
    }
}
