//! `Idempotency-Key`: the same key and body give the same answer for 24 h.
//!
//! The record is put before the request runs, with a seed from which every new id derives: whoever
//! takes over a lapsed try makes the same objects. If it dies before the answer is stored, the next
//! request with the key runs again on the same seed.

use std::future::Future;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use engine::model::{Caller, IdempotencyRecord};
use engine::ports::{Begun, Random as _, Store as _};
use engine::{Engine, Ports};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use crate::problem::Problem;

pub(crate) const HEADER: &str = "idempotency-key";
const MAX_KEY: usize = 255;
/// How long others wait for the one that runs.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
/// A larger answer is not kept: an item holds 400 KB, encrypted and with its other fields.
const MAX_KEPT: usize = 300 * 1024;

/// What an answer belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    key: String,
    body_hash: String,
}

/// The request's key, if it brings one.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|t| !t.is_empty() && t.len() <= MAX_KEY);
    text.map(Some).ok_or_else(|| {
        let detail = format!("Idempotency-Key must be 1 to {MAX_KEY} visible ASCII characters");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_idempotency_key", detail)
    })
}

impl Scope {
    /// Another API key, method or path is another request. The query decides what a body means, so
    /// it counts as part of it.
    pub(crate) fn of(caller: Option<&Caller>, method: &str, path: &str, query: &str, key: &str, body: &[u8]) -> Self {
        let who = caller.map_or_else(|| "operator".to_owned(), |c| format!("{}#{}", c.tenant, c.key));
        Self {
            key: format!("{who}#{}", hash(&[method.as_bytes(), path.as_bytes(), key.as_bytes()])),
            body_hash: hash(&[query.as_bytes(), body]),
        }
    }
}

/// SHA-256 over the parts, each led by its length so that no two lists of parts look the same.
fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs the request once for its scope, or gives the answer that was given before.
pub(crate) async fn once<P: Ports, F: Future<Output = Response>>(
    engine: &Engine<P>,
    scope: &Scope,
    run: impl FnOnce([u8; 32]) -> F,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + PATIENCE;
    let fresh = engine.random.seed();
    let seed = loop {
        match engine.store.begin(&scope.key, &scope.body_hash, fresh, engine.now()).await? {
            Begun::Run { seed } => break seed,
            Begun::Done(record) => return Ok(again(record)),
            Begun::Mismatch => {
                let detail = "this Idempotency-Key came with another body before";
                return Err(Problem::rule("idempotency_mismatch", detail));
            }
            Begun::InProgress if Instant::now() >= deadline => {
                let detail = "a request with this Idempotency-Key is still running";
                return Err(Problem { retry_after: Some(5), ..Problem::rule("idempotency_in_progress", detail) });
            }
            Begun::InProgress => sleep(POLL).await,
        }
    };
    let (parts, body) = run(seed).await.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|error| {
        tracing::error!(%error, "an answer without its body");
        Problem::internal()
    })?;
    if is_final(parts.status) && body.len() <= MAX_KEPT {
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let record = IdempotencyRecord {
            body_hash: scope.body_hash.clone(),
            status: parts.status.as_u16(),
            content_type: content_type.to_owned(),
            body: body.to_vec(),
        };
        // The effect is there and the answer right: a repeat runs again on the same seed.
        if let Err(error) = engine.store.finish(&scope.key, &record, engine.now()).await {
            tracing::warn!(%error, "an answer was not kept for its Idempotency-Key");
        }
    } else if let Err(error) = engine.store.abandon(&scope.key).await {
        tracing::warn!(%error, "an Idempotency-Key stays taken until its lease ends");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Whether an answer stays true: 5xx and 429 pass.
fn is_final(status: StatusCode) -> bool {
    !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS
}

fn again(record: IdempotencyRecord) -> Response {
    let status = StatusCode::from_u16(record.status).unwrap_or(StatusCode::OK);
    let mut response = (status, record.body).into_response();
    let headers = response.headers_mut();
    match HeaderValue::from_str(&record.content_type) {
        Ok(value) if !record.content_type.is_empty() => headers.insert(header::CONTENT_TYPE, value),
        _ => headers.remove(header::CONTENT_TYPE),
    };
    headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use domain::account::Role;
    use domain::ids::{ApiKeyId, TenantId};

    use super::*;

    #[test]
    fn a_scope_is_key_method_and_path_and_the_rest_is_body() {
        let caller = |n| Caller {
            tenant: TenantId::from_bytes([1; 9]),
            role: Role::Admin,
            owner: "a".into(),
            key: ApiKeyId::from_bytes([n; 9]),
        };
        let one = caller(1);
        let scope = |c: &Caller, method, path, query, key, body: &str| {
            Scope::of(Some(c), method, path, query, key, body.as_bytes())
        };
        let base = scope(&one, "POST", "/v1/contacts", "", "k", "{}");
        assert_eq!(base, scope(&one, "POST", "/v1/contacts", "", "k", "{}"));
        for other in [
            scope(&caller(2), "POST", "/v1/contacts", "", "k", "{}"),
            scope(&one, "POST", "/v1/events", "", "k", "{}"),
            scope(&one, "POST", "/v1/contacts", "", "l", "{}"),
        ] {
            assert_ne!(base.key, other.key);
        }
        for other in [
            scope(&one, "POST", "/v1/contacts", "", "k", "{ }"),
            scope(&one, "POST", "/v1/contacts", "last=true", "k", "{}"),
        ] {
            assert_eq!(base.key, other.key);
            assert_ne!(base.body_hash, other.body_hash);
        }
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
    }

    #[test]
    fn keys_have_a_length() {
        let check = |value: &str, ok: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, value.parse().expect("a header"));
            assert_eq!(key_of(&headers).is_ok(), ok, "{}", value.len());
        };
        check("k", true);
        check(&"k".repeat(255), true);
        check(&"k".repeat(256), false);
        check(" ", false);
        assert_eq!(key_of(&HeaderMap::new()).expect("no header is fine"), None);
    }

    #[test]
    fn passing_answers_are_not_kept() {
        for (status, kept) in [(201, true), (404, true), (422, true), (429, false), (500, false), (503, false)] {
            assert_eq!(is_final(StatusCode::from_u16(status).expect("a status")), kept, "{status}");
        }
    }
}
