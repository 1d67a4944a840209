//! Words that many bodies share: instants, pages, ids in paths.

use std::borrow::Cow;

use domain::ids::{ApiKeyId, ContactId, EnrollmentId, JobId, SenderId, SequenceId, SourceId, TemplateId};
use domain::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};

use crate::problem::Problem;

/// An instant on the wire: RFC 3339, UTC with `Z` in answers, any offset in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Timestamp);

impl From<Timestamp> for At {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(d)?;
        Timestamp::parse(&text).map(Self).ok_or_else(|| D::Error::custom("is not an RFC 3339 time"))
    }
}

impl utoipa::PartialSchema for At {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl utoipa::ToSchema for At {}

/// The query of every list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    pub(crate) limit: Option<u32>,
    pub(crate) cursor: Option<String>,
}

pub(crate) const DEFAULT_LIMIT: u32 = 50;
pub(crate) const MAX_LIMIT: u32 = 200;

/// The page size: 50 unless said otherwise; more than 200 gives 200 and a cursor.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        Some(0) => Err(Problem::rule("invalid_parameter", "query: limit must be at least 1")),
        Some(n) => Ok(n.min(MAX_LIMIT)),
        None => Ok(DEFAULT_LIMIT),
    }
}

/// A query parameter that is there and not blank.
pub(crate) fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty())
}

/// `{"data":[…],"next_cursor":null|"…"}`.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page of the store's, each entry as `view` shows it.
    pub(crate) fn of<S>(page: engine::model::Page<S>, view: impl FnMut(S) -> T) -> Self {
        Self { data: page.data.into_iter().map(view).collect(), next_cursor: page.next_cursor }
    }

    /// A page of a list that is read whole. The cursor holds the last entry's key, so that what is
    /// added or deleted in between moves nothing.
    pub(crate) fn cut(mut all: Vec<T>, query: &ListQuery, key: impl Fn(&T) -> String) -> Result<Self, Problem> {
        let limit = limit(query.limit)? as usize;
        all.sort_by_cached_key(&key);
        if let Some(cursor) = given(&query.cursor) {
            let after = B64.decode(cursor).ok().and_then(|raw| String::from_utf8(raw).ok());
            let after = after.ok_or_else(Problem::cursor)?;
            all.retain(|entry| key(entry) > after);
        }
        let more = all.len() > limit;
        all.truncate(limit);
        let next_cursor = all.last().filter(|_| more).map(|last| B64.encode(key(last)));
        Ok(Self { data: all, next_cursor })
    }
}

/// An id that may stand in a path: one that is none of ours names nothing.
pub(crate) trait PathId: Sized {
    const WHAT: &'static str;
    fn read(text: &str) -> Option<Self>;
}

macro_rules! path_ids {
    ($($id:ty => $what:literal),+ $(,)?) => {$(
        impl PathId for $id {
            const WHAT: &'static str = $what;
            fn read(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )+};
}

path_ids! {
    ApiKeyId => "API key",
    ContactId => "contact",
    EnrollmentId => "enrollment",
    JobId => "job",
    SenderId => "sender",
    SequenceId => "sequence",
    SourceId => "payment source",
    TemplateId => "template",
}

impl PathId for u32 {
    const WHAT: &'static str = "version";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// The id of a path segment, else 404.
pub(crate) fn id<T: PathId>(text: &str) -> Result<T, Problem> {
    T::read(text).ok_or_else(|| Problem::not_found(T::WHAT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_rfc_3339() {
        let at: At = serde_json::from_str("\"2026-03-09T09:00:00.9-04:00\"").expect("a time");
        assert_eq!(serde_json::to_string(&at).expect("a text"), "\"2026-03-09T13:00:00Z\"");
        assert!(serde_json::from_str::<At>("\"tomorrow\"").is_err());
    }

    #[test]
    fn pages_follow_each_other_while_the_list_changes() {
        let query = |cursor: Option<String>| ListQuery { limit: Some(2), cursor };
        let all = |extra: &[u32]| [&[5, 3, 1, 4, 2], extra].concat();
        let key = |n: &u32| format!("{n:03}");
        let first = List::cut(all(&[]), &query(None), key).expect("a page");
        assert_eq!(first.data, [1, 2]);
        let second = List::cut(all(&[0]), &query(first.next_cursor), key).expect("a page");
        assert_eq!(second.data, [3, 4]);
        let last = List::cut(all(&[]), &query(second.next_cursor), key).expect("a page");
        assert_eq!((last.data, last.next_cursor), (vec![5], None));
        assert!(List::cut(all(&[]), &query(Some("%".into())), key).is_err());
    }

    #[test]
    fn foreign_ids_are_not_found() {
        assert_eq!(id::<ContactId>("seq_AAAAAAAAAAA").expect_err("is none").status.as_u16(), 404);
        assert_eq!(id::<u32>("three").expect_err("is none").status.as_u16(), 404);
    }
}
