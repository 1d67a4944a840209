//! `POST /xms/v1/{service_plan_id}/batches`.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use domain::message::ProviderKind;
use serde_json::{Value, json};

use super::request;
use super::stand_in::SinchSmsStandIn;
use crate::local::{Cut, ErrorCode, Failure};
use crate::stand_in::{SenderKey, cut};

pub(super) const KIND: ProviderKind = ProviderKind::SinchSms;

pub(super) fn router(stand_in: SinchSmsStandIn) -> Router {
    Router::new().route("/xms/v1/{service_plan_id}/batches", post(batches)).with_state(stand_in)
}

async fn batches(
    State(stand_in): State<SinchSmsStandIn>,
    Path(plan): Path<String>,
    headers: HeaderMap,
    raw: Bytes,
) -> Response {
    stand_in.desk.count_request(KIND);
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let access = stand_in.desk.sender(SenderKey::config(KIND, "service_plan_id", &plan)).await;
    let access = access.filter(|access| token.is_some() && access.credential("api_token") == token);
    // Another's plan, and none, look alike.
    let Some(access) = access else { return StatusCode::UNAUTHORIZED.into_response() };
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let failure = stand_in.desk.next_failure(KIND, request::raw_recipient(&body));
    let mut aborted = None;
    match &failure {
        Some(Failure::Status(status)) => {
            return StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
        // A name is of an answer, a number of the report that follows it.
        Some(Failure::ErrorCode(ErrorCode::Name(name))) => {
            let syntax = name.starts_with("syntax_");
            let status = if syntax { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
            return refused(status, name, "Stand-in fault");
        }
        Some(Failure::ErrorCode(ErrorCode::Number(code))) => aborted = Some(*code),
        Some(Failure::Timeout(Cut::Before)) => return cut(),
        _ => {}
    }
    let batch = match request::read(&body, access.config("from").unwrap_or_default()) {
        Ok(batch) => batch,
        Err((code, text)) => return refused(StatusCode::BAD_REQUEST, code, &text),
    };
    if let Some(Failure::DelayMs(milliseconds)) = failure {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let report = failure != Some(Failure::DropStatusWebhook(true));
    match stand_in.accept(&access, &batch, body.clone(), aborted, report) {
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Ok(_) if failure == Some(Failure::Timeout(Cut::After)) => cut(),
        Ok(id) => {
            let mut answer = body;
            let now = stand_in.desk.now().to_string();
            for (name, value) in [("id", json!(id)), ("canceled", json!(false)), ("created_at", json!(now))] {
                answer[name] = value;
            }
            (StatusCode::CREATED, Json(answer)).into_response()
        }
    }
}

fn refused(status: StatusCode, code: &str, text: &str) -> Response {
    (status, Json(json!({"code": code, "text": text}))).into_response()
}
