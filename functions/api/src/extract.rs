//! What handlers take out of a request. By the time one runs, the [guard](crate::guard) has seen to
//! key, role, size and type, and put the caller and the seed beside the request.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use domain::ids::Ids;
use engine::model::Caller;
use http::header;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::shape::{parse, shape};

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct By(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Only a route without a key has no caller, and its handler does not ask.
        parts.extensions.get::<By>().cloned().ok_or_else(Problem::internal)
    }
}

/// Where this request's new ids come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(pub(crate) [u8; 32]);

pub(crate) struct NewIds(pub(crate) Ids);

impl<S: Sync> FromRequestParts<S> for NewIds {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let seed = parts.extensions.get::<Seed>().ok_or_else(Problem::internal)?;
        Ok(Self(Ids::from_seed(seed.0)))
    }
}

/// The path's parameters; what is no text names nothing.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(params) =
            Path::<T>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found("object"))?;
        Ok(Self(params))
    }
}

/// The query string, checked: a filter that is misspelt must not list everything.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::<T>::from_request_parts(parts, state).await.map_err(|rejection| {
            let detail = rejection.body_text();
            let detail = detail.split_once(": ").map_or(detail.as_str(), |(_, d)| d).to_owned();
            let code = if detail.contains("unknown field") { "unknown_parameter" } else { "invalid_parameter" };
            Problem::rule(code, format!("query: {detail}"))
        })?;
        Ok(Self(query))
    }
}

/// A JSON body of the right shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(value) = Json::from_request(request, state).await?;
        Ok(Self(shape(value)?))
    }
}

/// The same where everything has a default: no body at all is `{}`.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        let value = if bytes.is_empty() { Value::Object(Map::new()) } else { parse(&bytes)? };
        Ok(Self(shape(value)?))
    }
}

/// Any JSON: the handler reads its shape.
pub(crate) struct Json(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// The body's bytes; the guard has read and bounded them.
pub(crate) struct Raw(pub(crate) axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        to_bytes(request.into_body(), usize::MAX).await.map(Self).map_err(|_| Problem::internal())
    }
}

/// `If-Match: "<revision>"`: 428 without; what is no revision of ours matches none.
pub(crate) struct IfMatch(pub(crate) Expected);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// `*`: whatever stands there.
    Any,
    Revision(u64),
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            let detail = "send the revision that you have read: `If-Match: \"3\"`";
            return Err(Problem::rule("precondition_required", detail));
        };
        read_if_match(value.to_str().unwrap_or_default()).map(Self).ok_or_else(|| {
            let detail = "If-Match names no revision of this object";
            Problem::rule("stale_revision", detail)
        })
    }
}

fn read_if_match(text: &str) -> Option<Expected> {
    let text = text.trim();
    if text == "*" {
        return Some(Expected::Any);
    }
    let text = text.strip_prefix("W/").unwrap_or(text);
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    bare.parse().ok().map(Expected::Revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_names_a_revision() {
        let check = |text: &str, expected: Option<Expected>| assert_eq!(read_if_match(text), expected, "{text}");
        check("\"3\"", Some(Expected::Revision(3)));
        check("3", Some(Expected::Revision(3)));
        check("W/\"3\"", Some(Expected::Revision(3)));
        check("*", Some(Expected::Any));
        check("\"abc\"", None);
        check("", None);
    }
}
