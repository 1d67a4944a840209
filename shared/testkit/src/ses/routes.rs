//! `POST /v2/email/outbound-emails`.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use domain::message::ProviderKind;
use domain::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::request::{self, Send, SesError, bare};
use super::{SesStandIn, events};
use crate::local::{Cut, Failure};
use crate::stand_in::{Accepted, SenderAccess, SenderKey, cut};

const KIND: ProviderKind = ProviderKind::Ses;
/// The tag that carries our reference.
pub(super) const TAG: &str = "ritmo_attempt";

pub(super) fn router(stand_in: SesStandIn) -> Router {
    Router::new().route("/v2/email/outbound-emails", post(send)).with_state(stand_in)
}

async fn send(State(stand_in): State<SesStandIn>, headers: HeaderMap, raw: Bytes) -> Response {
    stand_in.desk.count_request(KIND);
    let Some(region) = signed_for(&headers) else {
        return SesError::new("MissingAuthenticationTokenException", "Missing Authentication Token").into_response();
    };
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let to = body.pointer("/Destination/ToAddresses/0").and_then(Value::as_str);
    let failure = stand_in.desk.next_failure(KIND, to);
    match &failure {
        Some(Failure::Status(status)) => {
            return StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
        Some(Failure::ErrorCode(code)) => return SesError::new(&code.to_string(), "Stand-in fault").into_response(),
        Some(Failure::Timeout(Cut::Before)) => return cut(),
        _ => {}
    }
    let request = match request::read(&body) {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    let Some(sender) = sender(&stand_in, &request).await else {
        return SesError::unverified(&region, bare(&request.from)).into_response();
    };
    if let Some(set) =
        request.configuration_set.as_deref().filter(|set| sender.config("configuration_set") != Some(set))
    {
        let message = format!("Configuration set <{set}> does not exist.");
        return SesError::new("NotFoundException", message).into_response();
    }
    if let Some(Failure::DelayMs(milliseconds)) = failure {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let report = failure != Some(Failure::DropStatusWebhook(true));
    match accept(&stand_in, &sender, &request, &region, body, report) {
        Err(_) => SesError::new("InternalFailure", "the journal cannot be written").into_response(),
        Ok(_) if failure == Some(Failure::Timeout(Cut::After)) => cut(),
        Ok(id) => Json(json!({"MessageId": id})).into_response(),
    }
}

/// The region that a request is signed for; the signature itself is not looked at.
fn signed_for(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
    let scope: Vec<&str> = value.split(',').next()?.split('/').collect();
    let [_, _, region, "ses", "aws4_request"] = scope[..] else { return None };
    (value.contains("SignedHeaders=") && value.contains("Signature=")).then(|| region.to_owned())
}

/// Whoever is verified to send from there: their own writing of it may have a name, and letters that are no
/// ASCII.
async fn sender(stand_in: &SesStandIn, request: &Send) -> Option<SenderAccess> {
    let address = bare(&request.from).to_owned();
    let name = request.from.rsplit_once('<').map_or("", |(name, _)| name.trim()).trim_matches('"');
    let name = decoded(name);
    let written = [request.from.clone(), format!("{name} <{address}>"), format!("\"{name}\" <{address}>"), address];
    for from in written {
        if let Some(found) = stand_in.desk.sender(SenderKey::config(KIND, "from", from)).await {
            return Some(found);
        }
    }
    None
}

/// Encoded words of UTF-8 as what they say.
fn decoded(text: &str) -> String {
    use base64::Engine as _;
    let word = |word: &str| {
        let inner = word.strip_prefix("=?UTF-8?B?")?.strip_suffix("?=")?;
        base64::engine::general_purpose::STANDARD.decode(inner).ok()
    };
    let words: Option<Vec<_>> = text.split(' ').map(word).collect();
    words.and_then(|words| String::from_utf8(words.concat()).ok()).unwrap_or_else(|| text.to_owned())
}

fn accept(
    stand_in: &SesStandIn,
    sender: &SenderAccess,
    request: &Send,
    region: &str,
    body: Value,
    report: bool,
) -> std::io::Result<String> {
    let desk = &stand_in.desk;
    let id = message_id(desk.number()?, desk.now(), region);
    let accepted = Accepted {
        id: id.clone(),
        to: request.to[0].clone(),
        body,
        text: request.text.clone(),
        reference: request.tag(TAG).and_then(|tag| tag.rsplit_once('-')).map(|(id, n)| format!("{id}.{n}")),
    };
    let at = desk.accept(sender, accepted)?;
    // Only a configuration set has somebody to tell.
    if report && request.configuration_set.is_some() {
        match events::simulated(request) {
            Some(told) => {
                for (seconds, event) in (1..).zip(told) {
                    let when = at.plus_seconds(seconds);
                    desk.schedule(when, events::event(sender, request, &id, *event, at, when));
                }
            }
            None => desk.report(at, |status, when| {
                Some(events::event(sender, request, &id, events::Event::of(status), at, when))
            }),
        }
    }
    Ok(id)
}

/// An id that looks like SES's and differs for every message, without randomness.
fn message_id(count: u64, at: Timestamp, region: &str) -> String {
    let hash: String =
        Sha256::digest(format!("{count} {} {region}", at.0)).iter().map(|byte| format!("{byte:02x}")).collect();
    let place = if region == "us-east-1" { "0100" } else { "0102" };
    let uuid = [&hash[..8], &hash[8..12], &hash[12..16], &hash[16..20], &hash[20..32]].join("-");
    format!("{place}{:012x}-{uuid}-000000", at.0 * 1_000)
}
