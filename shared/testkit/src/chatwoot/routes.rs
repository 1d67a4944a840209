//! The routes of Chatwoot's API that an account's conversations have.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::message::{DeliveryStatus, ProviderKind};
use serde_json::{Value, json};

use super::desk::ChatwootStandIn;
use super::state::{By, Conversation, Message};
use super::webhook;
use crate::local::{Cut, ErrorCode, Failure};
use crate::stand_in::{Accepted, SenderAccess, SenderKey, cut};

const KIND: ProviderKind = ProviderKind::Chatwoot;
const MAX_CONTENT: usize = 150_000;
/// The account's agent bots.
const BOTS: [u64; 2] = [4, 5];

type Named = Path<(String, String)>;

pub(super) fn router(stand_in: ChatwootStandIn) -> Router {
    let base = "/api/v1/accounts/{account_id}/conversations/{id}";
    Router::new()
        .route(base, get(show))
        .route(&format!("{base}/messages"), get(list).post(create))
        .route(&format!("{base}/assignments"), post(assign))
        .with_state(stand_in)
}

fn refused(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}

/// Whose token it is, and the conversation.
///
/// # Errors
/// As Chatwoot answers: no or another token, no such account or conversation.
async fn found(
    stand_in: &ChatwootStandIn,
    (account_id, id): (String, String),
    headers: &HeaderMap,
) -> Result<(SenderAccess, Conversation), Response> {
    let Some(token) = headers.get("api_access_token").and_then(|token| token.to_str().ok()) else {
        let errors = json!({"errors": ["You need to sign in or sign up before continuing."]});
        return Err((StatusCode::UNAUTHORIZED, Json(errors)).into_response());
    };
    let access = stand_in.desk.sender(SenderKey::config(KIND, "account_id", &account_id)).await;
    let access = access.filter(|access| access.credential("api_access_token") == Some(token));
    let access = access.ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "Invalid Access Token"))?;
    let conversation = id.parse().ok().and_then(|id| stand_in.state().get(&account_id, id).cloned());
    let conversation = conversation.ok_or_else(|| refused(StatusCode::NOT_FOUND, "Resource could not be found"))?;
    Ok((access, conversation))
}

async fn show(
    State(stand_in): State<ChatwootStandIn>,
    Path(named): Named,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    let (_, conversation) = found(&stand_in, named, &headers).await?;
    Ok(Json(webhook::shown(&conversation, stand_in.desk.now())))
}

async fn list(
    State(stand_in): State<ChatwootStandIn>,
    Path(named): Named,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    let (_, conversation) = found(&stand_in, named, &headers).await?;
    let payload: Vec<_> =
        conversation.latest().iter().map(|message| webhook::shown_message(&conversation, message)).collect();
    Ok(Json(json!({"meta": {"labels": []}, "payload": payload})))
}

/// The content of a message, or why Chatwoot refuses it at once.
fn check(body: &Value) -> Result<String, &'static str> {
    let content = body.get("content").and_then(Value::as_str).unwrap_or_default();
    if content.trim().is_empty() {
        return Err("Content can't be blank");
    }
    if content.chars().count() > MAX_CONTENT {
        return Err("Content is too long (maximum is 150000 characters)");
    }
    if body.get("message_type").and_then(Value::as_str) != Some("outgoing") {
        return Err("Incoming messages are only allowed in Api inboxes");
    }
    if body.get("private") != Some(&json!(false)) || body.get("content_type") != Some(&json!("text")) {
        return Err("'content_type' is not a valid content_type");
    }
    if !body.get("content_attributes").is_none_or(Value::is_object) {
        return Err("Content attributes is invalid");
    }
    Ok(content.to_owned())
}

/// Why a message that was taken does not reach the person, in the words of `external_error`.
fn undeliverable(conversation: &Conversation, body: &Value, can_reply: bool) -> Option<String> {
    let Some(template) = body.get("template_params") else {
        return (!can_reply).then(|| "131047: Re-engagement message".to_owned());
    };
    if !conversation.whatsapp {
        return None;
    }
    let named = |name: &str| template.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    if !named("name") || !named("language") {
        return Some("Template not found or invalid template name".into());
    }
    // A blank value is dropped, and the others move up.
    let values = template.pointer("/processed_params/body").and_then(Value::as_object).into_iter().flatten();
    let is_blank = |value: &Value| value.as_str().is_none_or(|text| text.trim().is_empty());
    values.map(|(_, value)| value).any(is_blank).then(|| "132000: Number of parameters does not match".to_owned())
}

async fn create(
    State(stand_in): State<ChatwootStandIn>,
    Path(named): Named,
    headers: HeaderMap,
    raw: Bytes,
) -> Result<Response, Response> {
    stand_in.desk.count_request(KIND);
    let (access, mut conversation) = found(&stand_in, named, &headers).await?;
    let failure = stand_in.desk.next_failure(KIND, Some(&conversation.id.to_string()));
    let gave_up = failure == Some(Failure::Status(504));
    match failure {
        Some(Failure::Status(_)) if gave_up => {}
        Some(Failure::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(refused(status, "Stand-in fault"));
        }
        Some(Failure::Timeout(Cut::Before)) => return Ok(cut()),
        Some(Failure::DelayMs(milliseconds)) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        _ => {}
    }
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    let content = check(&body).map_err(|error| refused(StatusCode::UNPROCESSABLE_ENTITY, error))?;
    let now = stand_in.desk.now();
    let error = match &failure {
        Some(Failure::ErrorCode(ErrorCode::Number(code))) => Some(format!("{code}: Stand-in fault")),
        Some(Failure::ErrorCode(ErrorCode::Name(name))) => Some(name.clone()),
        _ => undeliverable(&conversation, &body, conversation.can_reply(now)),
    };
    let not_kept = |_| refused(StatusCode::INTERNAL_SERVER_ERROR, "the stand-in's journal cannot be written");
    let message = Message {
        id: stand_in.desk.number().map_err(not_kept)?,
        at: now,
        by: By::User,
        content: content.clone(),
        content_attributes: body.get("content_attributes").cloned().unwrap_or_else(|| json!({})),
        status: "sent".into(),
    };
    conversation.messages.push(message.clone());
    conversation.updated_at = now;
    let reference = message.content_attributes.get("ritmo_reference").and_then(Value::as_str).map(str::to_owned);
    let accepted =
        Accepted { id: message.id.to_string(), to: conversation.id.to_string(), body, text: content, reference };
    stand_in.desk.accept(&access, accepted).map_err(not_kept)?;
    stand_in.put(conversation.clone()).map_err(not_kept)?;
    if failure != Some(Failure::DropStatusWebhook(true)) {
        stand_in.desk.schedule(now, webhook::message(&access, &conversation, &message, "message_created", now));
        stand_in.report(&access, &conversation, &message, error);
    }
    if failure == Some(Failure::Timeout(Cut::After)) {
        return Ok(cut());
    }
    if gave_up {
        return Err(refused(StatusCode::GATEWAY_TIMEOUT, "Stand-in fault"));
    }
    Ok(Json(webhook::shown_message(&conversation, &message)).into_response())
}

async fn assign(
    State(stand_in): State<ChatwootStandIn>,
    Path(named): Named,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Response> {
    let (access, mut conversation) = found(&stand_in, named, &headers).await?;
    let id = body.get("assignee_id").and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()));
    let of_bots = body.get("assignee_type").and_then(Value::as_str) == Some("AgentBot");
    let Some(bot) = id.filter(|id| of_bots && BOTS.contains(id)) else { return Ok(Json(Value::Null)) };
    let now = stand_in.desk.now();
    conversation.bot = Some(bot);
    conversation.status = "pending".into();
    conversation.updated_at = now;
    let not_kept = |_| refused(StatusCode::INTERNAL_SERVER_ERROR, "the stand-in's journal cannot be written");
    stand_in.put(conversation.clone()).map_err(not_kept)?;
    for event in ["conversation_status_changed", "conversation_updated"] {
        stand_in.desk.schedule(now, webhook::conversation(&access, &conversation, event, now));
    }
    Ok(Json(json!({"id": bot, "name": "Stand-in bot", "description": null, "thumbnail": "", "bot_type": "webhook",
        "assignee_type": "AgentBot"})))
}

pub(super) fn word(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Read => "read",
    }
}
