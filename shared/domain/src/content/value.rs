//! Values while a text is rendered.

use std::cmp::Ordering;
use std::rc::Rc;

use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};

use super::numbers::{DecimalMark, read_number};

/// Texts and lists are shared, so that a name used twice is not copied twice.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Nil,
    Empty,
    Blank,
    Bool(bool),
    Number(Decimal),
    Text(Rc<str>),
    List(Rc<Vec<Value<'a>>>),
    Object(&'a Map<String, Json>),
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn count(count: usize) -> Self {
        Self::Number(Decimal::from(count))
    }

    /// Work to read a JSON value into this form, in bytes.
    pub(crate) fn cost(json: &Json) -> u64 {
        match json {
            Json::String(text) => 4 + text.len() as u64,
            Json::Array(list) => list.iter().map(Self::cost).fold(4, u64::saturating_add),
            _ => 4,
        }
    }

    pub(crate) fn from_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(b) => Self::Bool(*b),
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(list) => Self::List(Rc::new(list.iter().map(Self::from_json).collect())),
            Json::Object(map) => Self::Object(map),
            Json::Number(number) => {
                let text = number.to_string();
                match text.parse().or_else(|_| Decimal::from_scientific(&text)) {
                    Ok(decimal) => Self::Number(decimal),
                    // Beyond 28 digits no message computes with it; it still shows as given.
                    Err(_) => Self::text(text),
                }
            }
        }
    }

    /// Everything but nil and false.
    pub(crate) fn truthy(&self) -> bool {
        !matches!(self, Self::Nil | Self::Bool(false))
    }

    /// Shows as nothing, or as white space. A boolean and a number always show.
    pub(crate) fn shows_nothing(&self) -> bool {
        match self {
            Self::Nil | Self::Empty | Self::Blank | Self::Object(_) => true,
            Self::Bool(_) | Self::Number(_) => false,
            Self::Text(text) => text.trim().is_empty(),
            Self::List(list) => list.iter().all(Self::shows_nothing),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Object(map) => map.is_empty(),
            _ => false,
        }
    }

    /// Liquid's `blank`: nil, false, empty, or only white space.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Nil | Self::Blank | Self::Bool(false) => true,
            Self::Text(text) => text.trim().is_empty(),
            other => other.is_empty(),
        }
    }

    /// As it shows. An object shows as nothing: whoever writes `{{ contact }}` must not send a
    /// person's whole record.
    pub(crate) fn shown(&self) -> Rc<str> {
        match self {
            Self::Nil | Self::Empty | Self::Blank | Self::Object(_) => Rc::from(""),
            Self::Bool(b) => Rc::from(if *b { "true" } else { "false" }),
            Self::Number(number) => Rc::from(number.normalize().to_string()),
            Self::Text(text) => Rc::clone(text),
            Self::List(list) => list.iter().map(|v| v.shown().to_string()).collect::<String>().into(),
        }
    }

    /// Bytes held, and at least one for each element.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::Text(text) => 1 + text.len() as u64,
            Self::List(list) => list.iter().map(Self::weight).fold(4, u64::saturating_add),
            _ => 4,
        }
    }

    /// A number, or a text that reads as one (`129,90`).
    pub(crate) fn number(&self, account: Option<DecimalMark>) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => read_number(text, account),
            _ => None,
        }
    }

    pub(crate) fn whole(&self) -> Option<i64> {
        use rust_decimal::prelude::ToPrimitive;
        self.number(None)?.trunc().to_i64()
    }

    pub(crate) fn equals(&self, other: &Self, account: Option<DecimalMark>) -> bool {
        match (self, other) {
            (Self::Empty, v) | (v, Self::Empty) => v.is_empty() || matches!(v, Self::Blank),
            (Self::Blank, v) | (v, Self::Blank) => v.is_blank(),
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b, account))
            }
            (Self::Object(a), Self::Object(b)) => std::ptr::eq(*a, *b),
            // Attributes that nobody declared are text, so `target.parcels == 1` must read them.
            (Self::Number(_), Self::Number(_) | Self::Text(_)) | (Self::Text(_), Self::Number(_)) => {
                matches!((self.number(account), other.number(account)), (Some(a), Some(b)) if a == b)
            }
            _ => false,
        }
    }

    pub(crate) fn order(&self, other: &Self, account: Option<DecimalMark>) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Number(_), Self::Number(_) | Self::Text(_)) | (Self::Text(_), Self::Number(_)) => {
                Some(self.number(account)?.cmp(&other.number(account)?))
            }
            _ => None,
        }
    }

    pub(crate) fn contains(&self, other: &Self, account: Option<DecimalMark>) -> bool {
        match self {
            Self::Text(text) => !matches!(other, Self::Nil) && text.contains(&*other.shown()),
            Self::List(list) => list.iter().any(|v| v.equals(other, account)),
            Self::Object(map) => map.contains_key(&*other.shown()),
            _ => false,
        }
    }

    /// `.size`: characters of a text, elements of a list.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().count(),
            Self::Number(_) | Self::Bool(_) => self.shown().chars().count(),
            Self::List(list) => list.len(),
            Self::Object(map) => map.len(),
            Self::Nil | Self::Empty | Self::Blank => 0,
        }
    }

    /// One step of a path. A field that an object lacks is looked for among its attributes, so that
    /// `target.amount` and `target.attributes.amount` are the same.
    pub(crate) fn field(&self, key: &str) -> Option<&'a Json> {
        let Self::Object(map) = self else { return None };
        map.get(key).or_else(|| map.get("attributes")?.as_object()?.get(key))
    }
}
