//! A provider's webhook as it came. Nothing about it is believed before it is proven.

use domain::time::Timestamp;
use http::HeaderMap;

/// How far a signature's time may be from ours, in seconds, on either side.
const TOLERANCE: i64 = 300;

/// A webhook body that is not what its provider writes (no JSON document, no form). One that is, but
/// says nothing that we know, is no error: it normalises to no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unreadable body")]
pub struct Malformed;

/// The verification of a webhook's address carries another token than the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wrong verification token")]
pub struct Denied;

/// The raw bytes, never parsed and written again before they are proven.
#[derive(Debug, Clone, Copy)]
pub struct Webhook<'a> {
    pub raw: &'a [u8],
    pub headers: &'a HeaderMap,
    pub query: &'a [(String, String)],
}

impl<'a> Webhook<'a> {
    /// A header that comes once: which of two counts must not be the sender's choice.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?.to_str().ok()?;
        all.next().is_none().then_some(first)
    }

    /// A query parameter, as [`header`](Self::header).
    pub(crate) fn query(&self, name: &str) -> Option<&'a str> {
        let mut all = self.query.iter().filter(|(key, _)| key == name);
        let (_, first) = all.next()?;
        all.next().is_none().then_some(first)
    }
}

/// Whether a signature's time, in seconds, is near `now`.
pub(crate) fn is_fresh(time: &str, now: Timestamp) -> bool {
    let digits = !time.is_empty() && time.len() <= 12 && time.bytes().all(|b| b.is_ascii_digit());
    digits && time.parse().is_ok_and(|time: i64| (now.0 - time).abs() <= TOLERANCE)
}
