//! AWS End User Messaging Social before the same stand-in: `SendWhatsAppMessage`, which takes Meta's own body
//! and tells through SNS what Meta makes of it. Facts are from the SDK and AWS's page on event formats.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router, routing::post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::message::ProviderKind;
use serde_json::{Value, json};

use super::request;
use super::stand_in::WhatsappStandIn;
use super::{accept, webhook};
use crate::local::{Cut, ErrorCode, Failure};
use crate::sns;
use crate::stand_in::{SenderKey, cut};

const KIND: ProviderKind = ProviderKind::WhatsappCloud;

/// `POST /v1/whatsapp/send`, and the certificate by which SNS signs.
pub(super) fn router(stand_in: WhatsappStandIn) -> Router {
    Router::new().route("/v1/whatsapp/send", post(send)).with_state(stand_in).merge(sns::routes())
}

async fn send(State(stand_in): State<WhatsappStandIn>, headers: HeaderMap, raw: Bytes) -> Response {
    stand_in.desk.count_request(KIND);
    let signed = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !signed.starts_with("AWS4-HMAC-SHA256 ") || !signed.contains("/social-messaging/aws4_request") {
        return refused("MissingAuthenticationTokenException");
    }
    let asked: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let text = |name: &str| asked.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(number), Some(message), Some(version)) =
        (text("originationPhoneNumberId"), text("message"), text("metaApiVersion"))
    else {
        return refused("ValidationException");
    };
    let access = stand_in.desk.sender(SenderKey::config(KIND, "relay_phone_number_id", number)).await;
    let Some(access) = access else { return refused("ResourceNotFoundException") };
    let is_version = version.strip_prefix('v').and_then(|v| v.split_once('.')).is_some_and(|(major, minor)| {
        [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    });
    if !is_version {
        return refused("ValidationException");
    }
    let body = STANDARD.decode(message).ok().and_then(|raw| serde_json::from_slice::<Value>(&raw).ok());
    let Some(body) = body else { return refused("InvalidParametersException") };
    let failure = stand_in.desk.next_failure(KIND, request::raw_recipient(&body));
    match &failure {
        Some(Failure::Status(status)) => {
            return StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
        Some(Failure::ErrorCode(ErrorCode::Name(name))) => return refused(name),
        Some(Failure::Timeout(Cut::Before)) => return cut(),
        _ => {}
    }
    let Ok(request) = request::read(&body) else { return refused("InvalidParametersException") };
    let report = failure != Some(Failure::DropStatusWebhook(true));
    let accepted = match &failure {
        // Meta's errors are numbers: AWS has taken the message by then.
        Some(Failure::ErrorCode(ErrorCode::Number(code))) => Err(*code),
        _ => stand_in.accept(&access, &request, body, report).map_err(|error| error.code),
    };
    let id = match accepted {
        Ok(id) => id,
        Err(code) => {
            let Ok(number) = stand_in.desk.number() else { return refused("InternalServiceException") };
            let at = stand_in.desk.now().plus_seconds(1);
            let id = accept::message_id(access.config("phone_number_id").unwrap_or_default(), number, at);
            stand_in.desk.schedule(at, webhook::failed(&access, &request, &id, code, at));
            id
        }
    };
    if failure == Some(Failure::Timeout(Cut::After)) { cut() } else { Json(json!({"messageId": id})).into_response() }
}

fn refused(name: &str) -> Response {
    let status = match name {
        "ThrottledRequestException" => StatusCode::TOO_MANY_REQUESTS,
        "AccessDeniedException" | "MissingAuthenticationTokenException" => StatusCode::FORBIDDEN,
        "ResourceNotFoundException" => StatusCode::NOT_FOUND,
        "DependencyException" => StatusCode::BAD_GATEWAY,
        "InternalServiceException" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    (status, [("x-amzn-errortype", name.to_owned())], Json(json!({"message": "as the stand-in was told"})))
        .into_response()
}
