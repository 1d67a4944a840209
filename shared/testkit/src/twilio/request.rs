//! What Twilio refuses in a send before it looks at anything else. Parameters that are not known are
//! passed over, as Twilio does.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::Uri;

use super::twilio_error::TwilioError;
use crate::sms::{MAX_TEXT, is_number};

/// The parameters of a request, the last of equal ones.
pub(super) type Form = BTreeMap<String, String>;

/// A body's parameters; none where it is no form.
pub(super) fn form(raw: &[u8]) -> Form {
    let text = std::str::from_utf8(raw).unwrap_or_default();
    let uri: Uri = format!("/?{text}").parse().unwrap_or_default();
    Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map(|Query(pairs)| pairs.into_iter().collect())
        .unwrap_or_default()
}

/// A send that is well-formed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) to: String,
    /// The number, or the service's id.
    pub(super) from: From,
    pub(super) text: String,
    pub(super) callback: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    Number(String),
    Service(String),
}

impl From {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Number(text) | Self::Service(text) => text,
        }
    }
}

/// Reads a send.
///
/// # Errors
/// Twilio's refusal.
pub(super) fn read(form: &Form) -> Result<Request, TwilioError> {
    let text = |name: &str| form.get(name).filter(|text| !text.is_empty()).cloned();
    let to = text("To").ok_or(TwilioError(21_604))?;
    if !is_number(&to) {
        return Err(TwilioError(21_211));
    }
    let service = text("MessagingServiceSid").map(From::Service);
    let from = service.or_else(|| text("From").map(From::Number)).ok_or(TwilioError(21_603))?;
    let words = text("Body").ok_or(TwilioError(21_602))?;
    if words.chars().count() > MAX_TEXT {
        return Err(TwilioError(21_617));
    }
    let callback = text("StatusCallback");
    if callback.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        return Err(TwilioError(21_609));
    }
    let seconds = text("ValidityPeriod").map(|text| text.parse::<u32>().unwrap_or_default());
    if seconds.is_some_and(|seconds| !(1..=36_000).contains(&seconds)) {
        return Err(TwilioError(20_001));
    }
    Ok(Request { to, from, text: words, callback })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_sends_are_refused_as_twilio_does() {
        let check = |raw: &str, code: Option<i64>| {
            assert_eq!(read(&form(raw.as_bytes())).err(), code.map(TwilioError), "{raw}");
        };
        let to = "To=%2B5511987654321";
        check(&format!("{to}&From=%2B15005550006&Body=Ol%C3%A1&StatusCallback=https%3A%2F%2Fx%2Fy"), None);
        check(&format!("{to}&MessagingServiceSid=MG1&Body={}", "%C3%A9".repeat(1_600)), None);
        check(&format!("{to}&MessagingServiceSid=MG1&Body={}", "%C3%A9".repeat(1_601)), Some(21_617));
        check("", Some(21_604));
        check("To=5511987654321&From=%2B15005550006&Body=a", Some(21_211));
        check("To=%2B55&From=%2B15005550006&Body=a", Some(21_211));
        check(&format!("{to}&Body=a"), Some(21_603));
        check(&format!("{to}&From=%2B15005550006"), Some(21_602));
        check(&format!("{to}&From=%2B15005550006&Body=a&StatusCallback=x"), Some(21_609));
        check(&format!("{to}&From=%2B15005550006&Body=a&ValidityPeriod=0"), Some(20_001));
    }
}
