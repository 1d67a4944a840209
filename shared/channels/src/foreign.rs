//! Foreign JSON, read field by field: what is missing, empty or of another type is `None`, never an error.

use domain::time::Timestamp;
use serde_json::Value;

/// Bytes of a text that is kept; people write no more.
pub(crate) const MAX_TEXT: usize = 64 * 1024;
/// Bytes of a person's name that are kept.
pub(crate) const MAX_NAME: usize = 256;
/// Bytes of an id that is kept: a store's key must hold it.
const MAX_ID: usize = 512;

pub(crate) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// An id, written as text or number.
pub(crate) fn id(object: &Value, name: &str) -> Option<String> {
    let id = match object.get(name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (1..=MAX_ID).contains(&id.len()).then_some(id)
}

/// A whole number, written as number or text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

pub(crate) fn list<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

/// An instant in RFC 3339.
pub(crate) fn instant(object: &Value, name: &str) -> Option<Timestamp> {
    Timestamp::parse(text(object, name)?)
}

/// At most `limit` bytes, cut between characters.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}
