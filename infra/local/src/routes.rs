//! `/_local/…`: the clock, and the stand-ins' side of the world.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ids::TenantId;
use domain::message::{Channel, ProviderKind};
use domain::time::Timestamp;
use engine::Engine;
use engine::ports::{Clock as _, PortError, Store as _};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::local::{Fault, InboundBody, StatusesBody, TemplatesBody};
use testkit::stand_in::{SenderKey, WebhookDelivery};
use webhook::problem;

use crate::handlers::plan_sweeps;
use crate::http::{read, unprocessable};
use crate::messages;
use crate::metrics::Kept;
use crate::ports::{Attempts, LocalPorts};
use crate::runner::{ClockError, Runner};
use crate::stand_ins::StandIns;
use crate::usage::Meters;

/// A webhook that meets a passing fault is posted again, as the provider would.
const POSTS: usize = 5;
const BETWEEN_POSTS: std::time::Duration = std::time::Duration::from_millis(200);

/// What the routes reach.
pub(crate) struct Inside {
    pub(crate) runner: Arc<Runner>,
    pub(crate) engine: Arc<Engine<LocalPorts>>,
    pub(crate) stand_ins: Arc<StandIns>,
    /// Where each is served.
    pub(crate) origins: Vec<(ProviderKind, String)>,
    pub(crate) attempts: Attempts,
    pub(crate) meters: Meters,
    pub(crate) metrics: Kept,
    pub(crate) tenant: TenantId,
    pub(crate) env: String,
}

type Shared = State<Arc<Inside>>;
type Answer = Result<Json<Value>, Response>;

pub(crate) fn router(inside: Arc<Inside>) -> Router {
    Router::new()
        .route("/_local/clock", get(clock).post(move_clock))
        .route("/_local/messages", get(list_messages))
        .route("/_local/inbound", post(inbound))
        .route("/_local/faults", post(faults))
        .route("/_local/statuses", post(statuses))
        .route("/_local/templates", post(templates))
        .route("/_local/restart", post(restart))
        .route("/_local/dead-letters", get(dead_letters))
        .route("/_local/redrive", post(redrive))
        .route("/_local/metrics", get(metrics))
        .route("/_local/stand-ins", get(stand_ins))
        .route("/_local/calls", get(calls))
        .route("/_local/env", get(env))
        .with_state(inside)
}

async fn clock(State(inside): Shared) -> Json<Value> {
    Json(json!({"now": inside.runner.clock().now().to_string()}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveClock {
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    advance_seconds: Option<i64>,
}

async fn move_clock(State(inside): Shared, raw: Bytes) -> Answer {
    let body: MoveClock = read(&raw)?;
    let to = match (body.to, body.advance_seconds) {
        (Some(to), None) => Timestamp::parse(&to).ok_or_else(|| unprocessable("to must be an RFC 3339 time"))?,
        (None, Some(seconds)) => inside.runner.clock().now().plus_seconds(seconds),
        _ => return Err(unprocessable("give either to or advance_seconds")),
    };
    // Far enough for every cadence, and within what RFC 3339 can write.
    if to > Timestamp(253_402_300_799) {
        return Err(unprocessable("the clock ends with the year 9999"));
    }
    match inside.runner.advance(to).await {
        Ok(()) => Ok(clock(State(inside)).await),
        Err(error @ ClockError::Real) => Err(problem(StatusCode::CONFLICT, "real_clock", &error.to_string())),
        Err(error @ ClockError::Back) => Err(unprocessable(&error.to_string())),
        Err(error @ ClockError::File(_)) => {
            Err(problem(StatusCode::INTERNAL_SERVER_ERROR, "clock_file", &error.to_string()))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagesQuery {
    #[serde(default)]
    channel: Option<Channel>,
    #[serde(default)]
    to: Option<String>,
}

async fn list_messages(
    State(inside): Shared,
    query: Result<Query<MessagesQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(query) = query.map_err(|error| unprocessable(&error.body_text()))?;
    // A plus in a query is a blank to whoever did not escape it; no address has blanks.
    let to = query.to.map(|to| to.trim().to_owned());
    let accepted = inside.stand_ins.desk.messages(query.channel, to.as_deref());
    let data = messages::with_steps(accepted, &inside.attempts, &inside.engine).await;
    Ok(Json(json!({"data": data})))
}

async fn inbound(State(inside): Shared, raw: Bytes) -> Answer {
    let body: InboundBody = read(&raw)?;
    // From the moment at which the person writes until it is applied.
    let _call = inside.runner.call();
    let id = match &body.sender_id {
        Some(id) => id.clone(),
        None => default_sender(&inside, body.channel).await?,
    };
    let sender = inside.stand_ins.desk.sender(SenderKey::Id(id.clone())).await;
    let sender = sender.filter(|sender| sender.channel == body.channel).ok_or_else(|| {
        let detail = "there is no such sender of this channel";
        problem(StatusCode::UNPROCESSABLE_ENTITY, "unknown_reference", detail)
    })?;
    let stand_in = inside.stand_ins.of(sender.provider).ok_or_else(|| no_stand_in(sender.provider))?;
    let mut status = 0;
    for delivery in stand_in.inbound(&sender, &body).map_err(|error| unprocessable(&error))? {
        status = post_until_taken(&inside, &delivery).await?;
    }
    Ok(Json(json!({"sender_id": id, "status": status})))
}

async fn post_until_taken(inside: &Inside, delivery: &WebhookDelivery) -> Result<u16, Response> {
    let mut status = 0;
    for _ in 0..POSTS {
        status = inside.stand_ins.post(delivery).await.unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(status);
        }
        tokio::time::sleep(BETWEEN_POSTS).await;
    }
    Err(problem(StatusCode::BAD_GATEWAY, "webhook_refused", &format!("the webhook was answered {status}")))
}

fn no_stand_in(provider: ProviderKind) -> Response {
    unprocessable(&format!("there is no stand-in for {}", provider.as_str()))
}

async fn default_sender(inside: &Inside, channel: Channel) -> Result<String, Response> {
    let account = inside.engine.store.account(inside.tenant).await.map_err(|error| unavailable(&error))?;
    let named = account.and_then(|account| account.settings.default_senders.get(&channel).copied());
    let sender = named.ok_or_else(|| unprocessable("the channel has no default sender: give a sender_id"))?;
    Ok(sender.to_string())
}

async fn faults(State(inside): Shared, raw: Bytes) -> Answer {
    let fault: Fault = read(&raw)?;
    let echo = json!(&fault);
    inside.stand_ins.of(fault.provider).ok_or_else(|| no_stand_in(fault.provider))?;
    inside.stand_ins.desk.add_fault(fault).map_err(|error| unprocessable(&error))?;
    Ok(Json(echo))
}

async fn statuses(State(inside): Shared, raw: Bytes) -> Answer {
    let body: StatusesBody = read(&raw)?;
    inside.stand_ins.desk.set_statuses(body.auto.clone());
    Ok(Json(json!(body)))
}

async fn templates(State(inside): Shared, raw: Bytes) -> Answer {
    let body: TemplatesBody = read(&raw)?;
    let failed = |error: std::io::Error| problem(StatusCode::INTERNAL_SERVER_ERROR, "not_kept", &error.to_string());
    inside.stand_ins.whatsapp.set_templates(body.clone()).map_err(failed)?;
    Ok(Json(json!(body)))
}

async fn restart(State(inside): Shared) -> Answer {
    inside.runner.crash().await;
    let now = inside.runner.clock().now();
    plan_sweeps(&inside.runner, &inside.engine.store, now).await.map_err(|error| unavailable(&error))?;
    Ok(Json(json!({"now": now.to_string()})))
}

async fn dead_letters(State(inside): Shared) -> Json<Value> {
    Json(json!({"data": inside.runner.dead_letters()}))
}

/// Dead letters go back to their queues, as `ritmo redrive` does it on AWS.
async fn redrive(State(inside): Shared) -> Json<Value> {
    Json(json!({"moved": inside.runner.redrive()}))
}

async fn metrics(State(inside): Shared) -> Json<Value> {
    Json(json!({"data": inside.metrics.lines()}))
}

/// Where the stand-ins are, for senders whose address the account gives.
async fn stand_ins(State(inside): Shared) -> Json<Value> {
    let origins = inside.origins.iter().map(|(provider, origin)| json!({"provider": provider, "origin": origin}));
    Json(json!({"data": origins.collect::<Vec<_>>()}))
}

async fn calls(State(inside): Shared) -> Json<Value> {
    let mut counts = json!(inside.meters.calls());
    counts["accepted"] = json!(inside.stand_ins.desk.messages(None, None).len());
    Json(counts)
}

/// The environment of a function that runs beside, on this table (`cargo lambda watch --env-file`).
async fn env(State(inside): Shared) -> String {
    inside.env.clone()
}

fn unavailable(error: &PortError) -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &error.to_string()).into_response()
}
