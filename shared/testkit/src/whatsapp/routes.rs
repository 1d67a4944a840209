//! The routes of the Graph API.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::message::ProviderKind;
use domain::sender::TemplateParts;
use domain::sequence::{TemplateButtonType, TemplateHeaderType};
use serde_json::{Value, json};

use super::meta_error::MetaError;
use super::request::{self, Content, Request, To};
use super::stand_in::WhatsappStandIn;
use crate::local::{Cut, ErrorCode, Failure};
use crate::stand_in::{SenderAccess, SenderKey, cut};

const KIND: ProviderKind = ProviderKind::WhatsappCloud;
const DEFAULT_PAGE: usize = 25;

pub(super) fn router(stand_in: WhatsappStandIn) -> Router {
    Router::new()
        .route("/{version}/{phone_number_id}/messages", post(messages))
        .route("/{version}/{phone_number_id}/marketing_messages", post(marketing_messages))
        .route("/{version}/{waba_id}/message_templates", get(message_templates))
        .with_state(stand_in)
}

async fn messages(
    State(stand_in): State<WhatsappStandIn>,
    Path((_version, phone_number_id)): Path<(String, String)>,
    headers: HeaderMap,
    raw: Bytes,
) -> Response {
    send(&stand_in, &phone_number_id, &headers, &raw, |_, _| Ok(())).await
}

/// Takes marketing templates and nothing else.
async fn marketing_messages(
    State(stand_in): State<WhatsappStandIn>,
    Path((_version, phone_number_id)): Path<(String, String)>,
    headers: HeaderMap,
    raw: Bytes,
) -> Response {
    let only_marketing = |body: &Value, request: &Request| {
        let policy = body.get("product_policy").and_then(Value::as_str);
        if !matches!(policy, None | Some("CLOUD_API_FALLBACK" | "STRICT")) {
            return Err(MetaError::parameter("Param product_policy must be one of {CLOUD_API_FALLBACK, STRICT}."));
        }
        match &request.content {
            Content::Template(template) if stand_in.state().templates.is_marketing(template) => Ok(()),
            _ => Err(MetaError::parameter("Only marketing template messages are supported by this endpoint.")),
        }
    };
    send(&stand_in, &phone_number_id, &headers, &raw, only_marketing).await
}

async fn send(
    stand_in: &WhatsappStandIn,
    phone_number_id: &str,
    headers: &HeaderMap,
    raw: &[u8],
    takes: impl FnOnce(&Value, &Request) -> Result<(), MetaError>,
) -> Response {
    stand_in.desk.count_request(KIND);
    let access = match authorised(stand_in, SenderKey::config(KIND, "phone_number_id", phone_number_id), headers).await
    {
        Ok(Some(access)) => access,
        Ok(None) => return MetaError::unknown_node(phone_number_id).into_response(),
        Err(error) => return error.into_response(),
    };
    // What is no JSON has no parameters.
    let body: Value = serde_json::from_slice(raw).unwrap_or_default();
    if body.get("status").and_then(Value::as_str) == Some("read") {
        return Json(json!({"success": true})).into_response();
    }
    let failure = stand_in.desk.next_failure(KIND, request::raw_recipient(&body));
    match failure {
        Some(Failure::Status(status)) => return bare(status),
        Some(Failure::ErrorCode(ErrorCode::Number(code))) => return MetaError::of(code).into_response(),
        // Meta's errors are numbers.
        Some(Failure::ErrorCode(ErrorCode::Name(_))) => return MetaError::of(0).into_response(),
        Some(Failure::Timeout(Cut::Before)) => return cut(),
        _ => {}
    }
    let request = match request::read(&body) {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    if let Err(error) = takes(&body, &request) {
        return error.into_response();
    }
    if let Some(Failure::DelayMs(milliseconds)) = failure {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let report = failure != Some(Failure::DropStatusWebhook(true));
    match stand_in.accept(&access, &request, body, report) {
        Err(error) => error.into_response(),
        Ok(_) if failure == Some(Failure::Timeout(Cut::After)) => cut(),
        Ok(id) => Json(answer(&request, &id)).into_response(),
    }
}

/// Lists templates with the paging of the Graph API: `limit`, `after`, and `next` while there is more.
async fn message_templates(
    State(stand_in): State<WhatsappStandIn>,
    Path((version, waba_id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    match authorised(&stand_in, SenderKey::config(KIND, "waba_id", &waba_id), &headers).await {
        Ok(Some(_)) => {}
        Ok(None) => return MetaError::unknown_node(&waba_id).into_response(),
        Err(error) => return error.into_response(),
    }
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let start = number("after").unwrap_or(0);
    let limit = number("limit").unwrap_or(DEFAULT_PAGE).clamp(1, 1_000);
    let all = stand_in.state().templates.all(&waba_id);
    let end = start.saturating_add(limit).min(all.len());
    let data: Vec<Value> = all
        .iter()
        .enumerate()
        .take(end)
        .skip(start)
        .map(|(index, template)| {
            let parts = template.parts.clone().unwrap_or_default();
            json!({
                "id": format!("{}", 1_000_000 + index),
                "name": template.name,
                "language": template.language,
                "status": template.status,
                "category": template.category,
                "parameter_format": if parts.body_names.is_empty() && parts.header_name.is_none() { "POSITIONAL" } else { "NAMED" },
                "components": components(&parts, template.body_parameters.unwrap_or(0)),
            })
        })
        .collect();
    let mut paging = json!({"cursors": {"before": start.to_string(), "after": end.to_string()}});
    if end < all.len() {
        paging["next"] = json!(format!("https://graph.facebook.com/{version}/{waba_id}/message_templates?after={end}"));
    }
    Json(json!({"data": data, "paging": paging})).into_response()
}

/// A template's components as Meta lists them. Buttons that take no value stand in the places between.
fn components(parts: &TemplateParts, body_parameters: u32) -> Vec<Value> {
    let mut components = Vec::new();
    if let Some(header) = parts.header {
        components.push(match header {
            TemplateHeaderType::Text => {
                let name = parts.header_name.as_deref().unwrap_or("1");
                json!({"type": "HEADER", "format": "TEXT", "text": format!("Header {{{{{name}}}}}")})
            }
            TemplateHeaderType::Image => json!({"type": "HEADER", "format": "IMAGE"}),
            TemplateHeaderType::Video => json!({"type": "HEADER", "format": "VIDEO"}),
            TemplateHeaderType::Document => json!({"type": "HEADER", "format": "DOCUMENT"}),
        });
    }
    let numbers = (1..=body_parameters).map(|n| n.to_string());
    let names: Vec<String> = if parts.body_names.is_empty() { numbers.collect() } else { parts.body_names.clone() };
    let variables: Vec<String> = names.iter().map(|name| format!("{{{{{name}}}}}")).collect();
    components.push(json!({"type": "BODY", "text": format!("Text {}", variables.join(" "))}));
    if let Some(last) = parts.buttons.iter().map(|b| b.index).max() {
        let button = |index| match parts.buttons.iter().find(|b| b.index == index).map(|b| b.sub_type) {
            Some(TemplateButtonType::Url) => json!({"type": "URL", "text": "Open", "url": "https://example.com/{{1}}"}),
            Some(TemplateButtonType::QuickReply) => json!({"type": "QUICK_REPLY", "text": "Reply"}),
            Some(TemplateButtonType::CopyCode) => json!({"type": "COPY_CODE", "example": "CODE"}),
            None => json!({"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550051310"}),
        };
        components.push(json!({"type": "BUTTONS", "buttons": (0..=last).map(button).collect::<Vec<_>>()}));
    }
    components
}

/// The sender behind a node, `None` when there is none.
///
/// # Errors
/// 190 without a bearer token or with another than the sender's.
async fn authorised(
    stand_in: &WhatsappStandIn,
    key: SenderKey,
    headers: &HeaderMap,
) -> Result<Option<SenderAccess>, MetaError> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(MetaError::unauthorised)?;
    match stand_in.desk.sender(key).await {
        Some(access) if access.credential("access_token") == Some(token) => Ok(Some(access)),
        Some(_) => Err(MetaError::unauthorised()),
        None => Ok(None),
    }
}

fn answer(request: &Request, id: &str) -> Value {
    let contact = match &request.to {
        To::Phone(digits) => json!({"input": digits, "wa_id": digits}),
        To::UserId(user) => json!({"input": user, "user_id": user}),
    };
    let mut message = json!({"id": id});
    if matches!(request.content, Content::Template(_)) {
        message["message_status"] = json!("accepted");
    }
    json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})
}

/// An HTTP status with an error that carries no code.
fn bare(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"error": {"message": "Stand-in fault", "type": "OAuthException"}}))).into_response()
}
