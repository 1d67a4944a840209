//! The gateway.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header::HOST};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use domain::message::{DeliveryStatus, ProviderKind};
use serde_json::{Value, json};

use super::signature::{is_signed, sign};
use crate::local::{Cut, Failure, InboundBody};
use crate::stand_in::{Accepted, Desk, SenderAccess, SenderKey, StandIn, WebhookDelivery, cut, recipient_key};

const KIND: ProviderKind = ProviderKind::Http;

/// A gateway in this process. Clones are the same stand-in.
#[derive(Clone)]
pub struct GatewayStandIn {
    desk: Desk,
}

impl GatewayStandIn {
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

impl StandIn for GatewayStandIn {
    fn provider(&self) -> ProviderKind {
        KIND
    }

    fn router(&self) -> Router {
        Router::new().route("/", post(send)).route("/{*path}", post(send)).with_state(self.clone())
    }

    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        let at = self.desk.now();
        let id = format!("in_{}", self.desk.number().map_err(|error| error.to_string())?);
        let body = json!({"type": "message.received", "timestamp": at.to_string(),
            "data": {"id": id, "from": recipient_key(&inbound.from), "text": inbound.text}});
        Ok(vec![sign(sender, &id, at, &body)])
    }
}

async fn send(State(stand_in): State<GatewayStandIn>, uri: Uri, headers: HeaderMap, raw: Bytes) -> Response {
    let desk = &stand_in.desk;
    desk.count_request(KIND);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Some(access) = stand_in.sender(&format!("http://{host}"), &uri.to_string()).await else {
        return refusal(StatusCode::NOT_FOUND, "no_such_box");
    };
    if !is_signed(&access, &headers, &raw, desk.now()) {
        return refusal(StatusCode::UNAUTHORIZED, "bad_signature");
    }
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let failure = desk.next_failure(KIND, text("/data/to"));
    match &failure {
        Some(Failure::Status(status)) => {
            return StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
        Some(Failure::ErrorCode(code)) => return refusal(StatusCode::UNPROCESSABLE_ENTITY, &code.to_string()),
        Some(Failure::Timeout(Cut::Before)) => return cut(),
        Some(Failure::DelayMs(milliseconds)) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
        _ => {}
    }
    let known = text("/type") == Some("message.send") && text("/timestamp").is_some() && text("/data/id").is_some();
    let template = body.pointer("/data/template/name").and_then(Value::as_str);
    let (Some(reference), Some(to), Some(said)) =
        (text("/data/reference"), text("/data/to"), text("/data/text").or(template).filter(|_| known))
    else {
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "message_rejected");
    };
    let digits = to.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "recipient_unreachable");
    }
    // The reference is the attempt's: what comes again under it was taken before.
    let before = desk
        .messages(None, Some(to))
        .into_iter()
        .find(|message| message.reference.as_deref() == Some(reference) && message.sender_id == access.sender_id);
    if let Some(message) = before {
        return Json(json!({"data": {"id": message.provider_message_id}})).into_response();
    }
    let Ok(number) = desk.number() else { return refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    let id = format!("out_{number}");
    let accepted = Accepted {
        id: id.clone(),
        to: to.into(),
        text: said.into(),
        reference: Some(reference.into()),
        body: body.clone(),
    };
    let Ok(at) = desk.accept(&access, accepted) else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    };
    if failure != Some(Failure::DropStatusWebhook(true)) {
        desk.report(at, |status, at| {
            let mut data = json!({"id": id, "reference": reference, "status": status});
            if status == DeliveryStatus::Failed {
                data["code"] = json!("recipient_unreachable");
            }
            let body = json!({"type": "message.status", "timestamp": at.to_string(), "data": data});
            Some(sign(&access, &format!("{id}_{}", at.0), at, &body))
        });
    }
    match failure {
        Some(Failure::Timeout(Cut::After)) => cut(),
        _ => Json(json!({"data": {"id": id}})).into_response(),
    }
}

impl GatewayStandIn {
    /// By the address that it posts to; without a path an address may end with a `/` or not.
    async fn sender(&self, origin: &str, path: &str) -> Option<SenderAccess> {
        let mut urls = vec![format!("{origin}{path}")];
        if path == "/" {
            urls.push(origin.to_owned());
        }
        for url in urls {
            if let Some(access) = self.desk.sender(SenderKey::config(KIND, "url", url)).await {
                return Some(access);
            }
        }
        None
    }
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({"code": code}))).into_response()
}
