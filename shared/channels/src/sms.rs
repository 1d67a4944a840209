//! What the SMS providers have in common.

use std::borrow::Cow;

use domain::message::{Message, Outbound, Reaction, Recipient, SendOutcome};

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

/// A plus and 7 to 15 digits.
pub(crate) fn is_e164(number: &str) -> bool {
    number
        .strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}
