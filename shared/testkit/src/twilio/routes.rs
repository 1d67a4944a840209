//! `POST /2010-04-01/Accounts/{sid}/Messages.json`.

use std::time::Duration;

use axum::extract::rejection::RawFormRejection;
use axum::extract::{Path, RawForm, State};
use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::content::sms_segments;
use domain::message::ProviderKind;
use serde_json::{Value, json};

use super::request::{self, From, Request};
use super::stand_in::TwilioStandIn;
use super::twilio_error::TwilioError;
use crate::local::{Cut, ErrorCode, Failure};
use crate::stand_in::{SenderAccess, SenderKey, cut};

pub(super) const KIND: ProviderKind = ProviderKind::Twilio;

pub(super) fn router(stand_in: TwilioStandIn) -> Router {
    Router::new().route("/2010-04-01/Accounts/{sid}/Messages.json", post(messages)).with_state(stand_in)
}

async fn messages(
    State(stand_in): State<TwilioStandIn>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    raw: Result<RawForm, RawFormRejection>,
) -> Response {
    stand_in.desk.count_request(KIND);
    // What is no form has no parameters.
    let form = raw.map(|RawForm(raw)| request::form(&raw)).unwrap_or_default();
    let failure = stand_in.desk.next_failure(KIND, form.get("To").map(String::as_str));
    match failure {
        Some(Failure::Status(status)) => {
            return StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
        Some(Failure::ErrorCode(ErrorCode::Number(code))) => return TwilioError(code).into_response(),
        // Twilio's errors are numbers.
        Some(Failure::ErrorCode(ErrorCode::Name(_))) => return TwilioError(20_500).into_response(),
        Some(Failure::Timeout(Cut::Before)) => return cut(),
        _ => {}
    }
    let (access, request) = match allowed(&stand_in, &sid, &headers, &form).await {
        Ok(allowed) => allowed,
        Err(error) => return error.into_response(),
    };
    if let Some(Failure::DelayMs(milliseconds)) = failure {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let report = failure != Some(Failure::DropStatusWebhook(true));
    match stand_in.accept(&access, &request, json!(form), report) {
        Err(error) => error.into_response(),
        Ok(_) if failure == Some(Failure::Timeout(Cut::After)) => cut(),
        Ok(id) => (StatusCode::CREATED, Json(answer(&sid, &request, &id))).into_response(),
    }
}

/// The sender of a request that is whose it says, and well-formed.
async fn allowed(
    stand_in: &TwilioStandIn,
    sid: &str,
    headers: &HeaderMap,
    form: &request::Form,
) -> Result<(SenderAccess, Request), TwilioError> {
    let (user, token) = basic(headers).ok_or(TwilioError(20_003))?;
    let account = stand_in.desk.sender(SenderKey::config(KIND, "account_sid", sid)).await;
    let account = account.ok_or(TwilioError(20_404))?;
    if user != sid || account.credential("auth_token") != Some(&token) {
        return Err(TwilioError(20_003));
    }
    let request = request::read(form)?;
    let (field, unknown) = match &request.from {
        From::Number(_) => ("from", TwilioError(21_606)),
        From::Service(_) => ("messaging_service_sid", TwilioError(21_701)),
    };
    // An account has several numbers.
    let access = stand_in.desk.sender(SenderKey::config(KIND, field, request.from.text())).await;
    let access = access.filter(|access| access.config("account_sid") == Some(sid)).ok_or(unknown)?;
    Ok((access, request))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn answer(sid: &str, request: &Request, id: &str) -> Value {
    let (from, service, status) = match &request.from {
        From::Number(number) => (json!(number), Value::Null, "queued"),
        From::Service(service) => (Value::Null, json!(service), "accepted"),
    };
    json!({
        "account_sid": sid, "api_version": "2010-04-01", "sid": id, "status": status, "direction": "outbound-api",
        "to": request.to, "from": from, "messaging_service_sid": service, "body": request.text,
        "num_segments": sms_segments(&request.text).segments.to_string(), "num_media": "0",
        "error_code": null, "error_message": null, "price": null, "price_unit": "USD",
        "uri": format!("/2010-04-01/Accounts/{sid}/Messages/{id}.json"),
    })
}
