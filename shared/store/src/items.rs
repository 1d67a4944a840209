//! Stored items: attributes that conditions look at, and one document for the rest.
//!
//! Documents ([`document`]) are JSON text in `d`. Callers' own values (attributes, an event's data,
//! a CSV's rows) go into them, and DynamoDB's numbers and nesting are narrower than JSON's: as text
//! whatever came in comes out again, `1e300` too, and "the same content" is the same text.
//! The enrollment has its own form ([`crate::enrollment_item`]).
//!
//! `v` is the item's version. A later form reads older ones here.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use engine::ports::PortResult;
use serde::{Serialize, de::DeserializeOwned};

use crate::errors::unreadable;
use crate::keys::Key;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const VERSION: &str = "v";
pub(crate) const REV: &str = "rev";
pub(crate) const DATA: &str = "d";

const CURRENT: u64 = 1;

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.into()))
}

/// An item with its key and version, and nothing else yet.
pub(crate) fn empty(key: &Key) -> Item {
    let mut item = key.attributes();
    item.insert(VERSION.into(), n(CURRENT));
    item
}

/// An item whose content no condition looks at, but for its revision.
pub(crate) fn document<T: Serialize>(key: &Key, rev: u64, content: &T) -> Item {
    let mut item = record(key, content);
    item.insert(REV.into(), n(rev));
    item
}

/// An item that is written as a whole and never on a revision.
pub(crate) fn record<T: Serialize>(key: &Key, content: &T) -> Item {
    let mut item = empty(key);
    item.insert(DATA.into(), json(content));
    item
}

pub(crate) fn json<T: Serialize>(content: &T) -> AttributeValue {
    s(serde_json::to_string(content).expect("documents have text keys and no fallible parts"))
}

/// The content of a [`document`] or [`record`].
pub(crate) fn content<T: DeserializeOwned>(what: &'static str, item: &Item) -> PortResult<T> {
    version(what, item)?;
    serde_json::from_str(text(what, item, DATA)?).map_err(|_| unreadable(what))
}

/// Whether both are the same write: a repeat of ours, not somebody else's.
pub(crate) fn same_document(a: &Item, b: &Item) -> bool {
    a.get(REV) == b.get(REV) && a.get(DATA) == b.get(DATA)
}

/// Refuses items of a version that this build does not know.
pub(crate) fn version(what: &'static str, item: &Item) -> PortResult<()> {
    (number::<u64>(what, item, VERSION)? == CURRENT).then_some(()).ok_or_else(|| unreadable(what))
}

pub(crate) fn text<'a>(what: &'static str, item: &'a Item, name: &str) -> PortResult<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(unreadable(what)),
    }
}

pub(crate) fn number<T: std::str::FromStr>(what: &'static str, item: &Item, name: &str) -> PortResult<T> {
    maybe_number(what, item, name)?.ok_or_else(|| unreadable(what))
}

pub(crate) fn maybe_number<T: std::str::FromStr>(what: &'static str, item: &Item, name: &str) -> PortResult<Option<T>> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::N(digits)) => digits.parse().map(Some).map_err(|_| unreadable(what)),
        Some(_) => Err(unreadable(what)),
    }
}

pub(crate) fn bytes<'a>(what: &'static str, item: &'a Item, name: &str) -> PortResult<&'a [u8]> {
    match item.get(name) {
        Some(AttributeValue::B(blob)) => Ok(blob.as_ref()),
        _ => Err(unreadable(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn key() -> Key {
        crate::keys::account(domain::ids::TenantId::from_bytes([1; 9]))
    }

    #[test]
    fn documents_give_back_whatever_json_came_in() {
        let mut deep = json!(1);
        for _ in 0..60 {
            deep = json!([deep]);
        }
        let precise = json!(0.993_608_865_131_366_1);
        for value in [precise, json!(1e300), json!(1.0), json!(u64::MAX), json!({"": ""}), deep, Value::Null] {
            let item = document(&key(), 3, &value);
            assert_eq!(content::<Value>("test", &item), Ok(value));
        }
    }

    #[test]
    fn other_versions_and_broken_items_are_poison_without_their_content() {
        let mut item = record(&key(), &"secret");
        item.insert(VERSION.into(), n(2));
        let error = content::<String>("test", &item).expect_err("of a later version");
        assert_eq!(error.to_string(), "unreadable: a stored test");
        item.insert(VERSION.into(), n(1));
        assert!(content::<u32>("test", &item).is_err());
        item.remove(DATA);
        assert!(content::<String>("test", &item).is_err());
    }
}
