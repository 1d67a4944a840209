//! The API has one address; a header names the operation.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use domain::message::ProviderKind;
use serde_json::{Value, json};

use super::aws_error::AwsError;
use super::request::{self, Request};
use super::stand_in::AwsSmsStandIn;
use crate::local::{Cut, Failure};
use crate::sns;
use crate::stand_in::{SenderAccess, SenderKey, cut};

pub(super) const KIND: ProviderKind = ProviderKind::AwsSms;

const OPERATION: &str = "PinpointSMSVoiceV2.SendTextMessage";
const JSON: &str = "application/x-amz-json-1.0";

pub(super) fn router(stand_in: AwsSmsStandIn) -> Router {
    Router::new().route("/", post(call)).with_state(stand_in).merge(sns::routes())
}

async fn call(State(stand_in): State<AwsSmsStandIn>, headers: HeaderMap, raw: Bytes) -> Response {
    stand_in.desk.count_request(KIND);
    // What is no JSON has no parameters.
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let failure = stand_in.desk.next_failure(KIND, body.get("DestinationPhoneNumber").and_then(Value::as_str));
    match &failure {
        Some(Failure::Status(status)) => {
            return StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
        Some(Failure::ErrorCode(code)) => return AwsError::planned(code).into_response(),
        Some(Failure::Timeout(Cut::Before)) => return cut(),
        _ => {}
    }
    let (access, request) = match allowed(&stand_in, &headers, &body).await {
        Ok(allowed) => allowed,
        Err(error) => return error.into_response(),
    };
    if let Some(Failure::DelayMs(milliseconds)) = failure {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let report = failure != Some(Failure::DropStatusWebhook(true));
    match stand_in.accept(&access, &request, body, report) {
        Err(error) => error.into_response(),
        Ok(_) if failure == Some(Failure::Timeout(Cut::After)) => cut(),
        Ok(id) => ([(CONTENT_TYPE, JSON)], json!({"MessageId": id}).to_string()).into_response(),
    }
}

/// The sender of a signed request that is well-formed. Whether the signature is right only AWS can tell: its
/// parts must be there.
async fn allowed(
    stand_in: &AwsSmsStandIn,
    headers: &HeaderMap,
    body: &Value,
) -> Result<(SenderAccess, Request), AwsError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("x-amz-target") != OPERATION || header("content-type") != JSON {
        return Err(AwsError::of("UnknownOperationException"));
    }
    let authorization = header("authorization");
    let signed = authorization.starts_with("AWS4-HMAC-SHA256 ")
        && ["Credential=", "/sms-voice/aws4_request", "SignedHeaders=", "Signature="]
            .iter()
            .all(|part| authorization.contains(part))
        && !header("x-amz-date").is_empty();
    if !signed {
        return Err(AwsError::of("MissingAuthenticationTokenException"));
    }
    let request = request::read(body)?;
    let key = SenderKey::config(KIND, "origination_identity", &request.identity);
    let access = stand_in.desk.sender(key).await.ok_or_else(|| AwsError::of("ResourceNotFoundException"))?;
    // The account knows the configuration sets that its senders name.
    if request.configuration_set.is_some() && request.configuration_set.as_deref() != access.config("configuration_set")
    {
        return Err(AwsError::of("ResourceNotFoundException"));
    }
    Ok((access, request))
}
