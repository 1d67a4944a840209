//! `POST /oauth2/token` and `POST /v1/projects/{project_id}/messages:send`: one origin stands for both of
//! Sinch's.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION, header::CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::message::ProviderKind;
use serde_json::{Value, json};

use super::request;
use super::sinch_error::SinchError;
use super::stand_in::{SinchStandIn, TOKEN_SECONDS};
use crate::local::{Cut, ErrorCode, Failure};
use crate::stand_in::{SenderAccess, SenderKey, cut};

pub(super) const KIND: ProviderKind = ProviderKind::Sinch;

pub(super) fn router(stand_in: SinchStandIn) -> Router {
    Router::new()
        .route("/oauth2/token", post(token))
        .route("/v1/projects/{project_id}/messages:send", post(send))
        .with_state(stand_in)
}

/// Client credentials: a form, by HTTP basic authentication.
async fn token(State(stand_in): State<SinchStandIn>, headers: HeaderMap, raw: Bytes) -> Response {
    let refused = |status: StatusCode, error: &str| (status, Json(json!({"error": error}))).into_response();
    let is_form = header(&headers, CONTENT_TYPE).is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    let Some((key, secret)) = basic(&headers) else { return refused(StatusCode::UNAUTHORIZED, "invalid_client") };
    if !is_form || raw.as_ref() != b"grant_type=client_credentials" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    match stand_in.give_token(&key, &secret) {
        Ok(token) => {
            Json(json!({"access_token": token, "expires_in": TOKEN_SECONDS, "scope": "", "token_type": "bearer"}))
                .into_response()
        }
        Err(_) => refused(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
    }
}

async fn send(
    State(stand_in): State<SinchStandIn>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    raw: Bytes,
) -> Response {
    stand_in.desk.count_request(KIND);
    // What is no JSON has no fields.
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let access = match allowed(&stand_in, &project_id, &headers, &body).await {
        Ok(access) => access,
        Err(error) => return error.into_response(),
    };
    let failure = stand_in.desk.next_failure(KIND, request::raw_recipient(&body));
    let mut reason = None;
    match &failure {
        Some(Failure::Status(status)) => {
            return StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
        // Of an answer, or of the report that follows it.
        Some(Failure::ErrorCode(ErrorCode::Name(name))) => match SinchError::named(name) {
            Some(error) => return error.into_response(),
            None => reason = Some(name.clone()),
        },
        // Sinch's errors are names.
        Some(Failure::ErrorCode(ErrorCode::Number(_))) => return SinchError::unavailable().into_response(),
        Some(Failure::Timeout(Cut::Before)) => return cut(),
        _ => {}
    }
    let request = match request::read(&body) {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    if request.channel != access.channel {
        return SinchError::argument("the app is not configured for this channel").into_response();
    }
    if let Some(Failure::DelayMs(milliseconds)) = failure {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let report = failure != Some(Failure::DropStatusWebhook(true));
    match stand_in.accept(&access, &request, body, reason, report) {
        Err(error) => error.into_response(),
        Ok(_) if failure == Some(Failure::Timeout(Cut::After)) => cut(),
        Ok(id) => Json(json!({"message_id": id, "accepted_time": stand_in.desk.now().to_string()})).into_response(),
    }
}

/// The sender whose app it is, if the token is one of its key's.
async fn allowed(
    stand_in: &SinchStandIn,
    project_id: &str,
    headers: &HeaderMap,
    body: &Value,
) -> Result<SenderAccess, SinchError> {
    let token = header(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(SinchError::unauthenticated)?;
    let app = body.get("app_id").and_then(Value::as_str).unwrap_or_default();
    let access = stand_in.desk.sender(SenderKey::config(KIND, "app_id", app)).await;
    let access = access.ok_or_else(|| SinchError::not_found("app"))?;
    if !stand_in.takes(token, &access) {
        return Err(SinchError::unauthenticated());
    }
    if access.config("project_id") != Some(project_id) {
        return Err(SinchError::not_found("project"));
    }
    Ok(access)
}

fn header(headers: &HeaderMap, name: axum::http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = header(headers, AUTHORIZATION)?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (key, secret) = text.split_once(':')?;
    Some((key.to_owned(), secret.to_owned()))
}
