//! What every request passes, in this order: key and role, module, size, type, idempotency.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use engine::ports::Random as _;
use engine::{Engine, Ports};
use http::{HeaderMap, Method, StatusCode, header};
use tracing::Instrument as _;

use crate::auth::{Access, admit};
use crate::extract::{By, Seed};
use crate::idempotency::{self, Scope};
use crate::problem::Problem;

const MIB: usize = 1024 * 1024;

/// What a route's body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Anything that comes along is ignored.
    Nothing,
    Json,
    Csv,
}

impl Takes {
    fn limit(self) -> usize {
        match self {
            Self::Nothing | Self::Json => MIB,
            Self::Csv => 5 * MIB,
        }
    }

    /// A body without a type is not guessed at; no body needs no type.
    fn check(self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        if self == Self::Nothing || body.is_empty() {
            return Ok(());
        }
        let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (right, wanted) = match self {
            Self::Csv => (essence == "text/csv", "text/csv"),
            _ => (
                essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json"),
                "application/json",
            ),
        };
        if right {
            return Ok(());
        }
        let detail = if essence.is_empty() { "no Content-Type".to_owned() } else { format!("`{essence}`") };
        Err(Problem::rule("unsupported_media_type", format!("this takes {wanted}, not {detail}")))
    }
}

/// What a route asks of a request before its handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub access: Access,
    /// 403 `module_disabled` while the account's module is off.
    pub needs_module: bool,
    pub takes: Takes,
}

pub(crate) async fn guard<P: Ports>(
    State((engine, policy)): State<(Arc<Engine<P>>, Policy)>,
    request: Request,
    next: Next,
) -> Response {
    pass(&engine, policy, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn pass<P: Ports>(engine: &Engine<P>, policy: Policy, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = admit(engine, policy.access, &parts.headers).await?;
    if let Some(caller) = &caller
        && policy.needs_module
        && !engine.account(caller.tenant).await?.settings.enabled
    {
        return Err(Problem::rule("module_disabled", "the module is switched off for this account"));
    }
    let body = read(body, &parts.headers, policy.takes.limit()).await?;
    policy.takes.check(&parts.headers, &body)?;

    let key = if parts.method == Method::POST { idempotency::key_of(&parts.headers)? } else { None };
    let scope = key.map(|key| {
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        Scope::of(caller.as_ref(), parts.method.as_str(), path, query, key, &body)
    });
    if let Some(caller) = caller {
        parts.extensions.insert(By(caller));
    }
    let run = |seed: [u8; 32]| {
        parts.extensions.insert(Seed(seed));
        handle(next, Request::from_parts(parts, Body::from(body)))
    };
    match &scope {
        Some(scope) => idempotency::once(engine, scope, run).await,
        None => Ok(run(engine.random.seed()).await),
    }
}

/// The handler as a task of its own: its panic is one request's 500, and a caller who hangs up does
/// not stop it half-way.
async fn handle(next: Next, request: Request) -> Response {
    let task = tokio::spawn(next.run(request).in_current_span());
    task.await.unwrap_or_else(|error| {
        // Its text may quote the request; the panic hook has logged the place.
        tracing::error!(panicked = error.is_panic(), "a handler failed");
        Problem::internal().into_response()
    })
}

async fn read(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::rule("too_large", format!("the body must have at most {} MiB", limit / MIB));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(too_large());
    }
    // A body that ends early looks the same here: a caller who is gone reads no answer.
    to_bytes(body, limit).await.map_err(|_| too_large())
}

/// 404 for a path that is none of ours.
pub(crate) async fn no_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such route")
}

/// 405 for a path of ours with another method.
pub(crate) async fn no_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not have this method")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_a_type() {
        let check = |takes: Takes, content_type: Option<&str>, body: &str, ok: bool| {
            let mut headers = HeaderMap::new();
            if let Some(value) = content_type {
                headers.insert(header::CONTENT_TYPE, value.parse().expect("a header"));
            }
            let checked = takes.check(&headers, body.as_bytes());
            assert_eq!(checked.is_ok(), ok, "{takes:?} {content_type:?}");
            if let Err(problem) = checked {
                assert_eq!(problem.status.as_u16(), 415);
            }
        };
        check(Takes::Json, Some("application/json"), "{}", true);
        check(Takes::Json, Some("Application/JSON; charset=utf-8"), "{}", true);
        check(Takes::Json, Some("application/merge-patch+json"), "{}", true);
        check(Takes::Json, Some("text/csv"), "{}", false);
        check(Takes::Json, None, "{}", false);
        check(Takes::Json, None, "", true);
        check(Takes::Csv, Some("text/csv; charset=utf-8"), "a", true);
        check(Takes::Csv, Some("application/json"), "a", false);
        check(Takes::Nothing, Some("text/plain"), "a", true);
    }

    #[tokio::test]
    async fn bodies_have_a_size() {
        let read = |bytes: usize| async move { read(Body::from(vec![b'x'; bytes]), &HeaderMap::new(), MIB).await };
        assert!(read(MIB).await.is_ok());
        assert_eq!(read(MIB + 1).await.expect_err("is too large").status.as_u16(), 413);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, "9999999".parse().expect("a header"));
        assert_eq!(super::read(Body::empty(), &headers, MIB).await.expect_err("is too large").status.as_u16(), 413);
    }
}
