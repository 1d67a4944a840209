//! `GET|POST /webhooks/{provider}/{sender_id}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use channels::{Providers, Unavailable, Webhook};
use domain::ids::{SenderId, TenantId};
use domain::message::ProviderKind;
use domain::sender::Sender;
use engine::credentials::{in_force, present};
use engine::payments::Told;
use engine::ports::{Secrets as _, Store as _};
use engine::{Engine, PortError, Ports};
use runtime::Metrics;
use serde_json::{Value, json};

use crate::{payments, unsubscribe};

/// Meta's limit for a webhook's body.
pub const MAX_BODY: usize = 3 * 1024 * 1024;

/// The routes of all providers.
pub fn router<P: Ports>(
    engine: Arc<Engine<P>>,
    providers: Providers,
    report: impl Fn(&Metrics) + Clone + Send + Sync + 'static,
) -> Router {
    let clock = engine.clone();
    Router::new()
        .route("/webhooks/{provider}/{sender_id}", get(subscribe::<P>).post(receive::<P>))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Extension(providers))
        .merge(payments::routes())
        .merge(unsubscribe::routes())
        .layer(map_response(move |response: Response| {
            // Everything else API Gateway counts by itself, for each status.
            if response.status() == StatusCode::UNAUTHORIZED {
                let mut metrics = Metrics::new("webhook", clock.now());
                metrics.add("Forged", 1);
                report(&metrics);
            }
            async { response }
        }))
        .with_state(engine)
}

/// The provider asks whether this address is ours.
async fn subscribe<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    Path((provider, sender_id)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Response> {
    let sender = sender(&engine, &provider, &sender_id).await?;
    let known = credentials(&engine, sender.id.tenant(), &sender.id.to_string()).await?;
    let answer_by = |known: &Value| channels::verify_subscription(sender.provider, &query, &present(known));
    let mut answer = answer_by(&known);
    if answer.is_err() {
        let renewed = renewed(&engine, sender.id.tenant(), &sender.id.to_string(), &known).await?;
        answer = renewed.map_or(answer, |known| answer_by(&known));
    }
    match answer {
        Ok(challenge) => Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response()),
        Err(denied) => Err(problem(StatusCode::FORBIDDEN, "webhook_denied", &denied.to_string())),
    }
}

/// The provider tells us something.
async fn receive<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    Path((provider, sender_id)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
    Extension(providers): Extension<Providers>,
    headers: HeaderMap,
    raw: Bytes,
) -> Result<Response, Response> {
    let sender = sender(&engine, &provider, &sender_id).await?;
    let (webhook, now) = (Webhook { raw: &raw, headers: &headers, query: &query }, engine.now());
    let later = |_: Unavailable| busy();
    let (tenant, name) = (sender.id.tenant(), sender.id.to_string());
    let proven_by = async |known: &Value| {
        for known in in_force(known, now) {
            if providers.verify(&sender, &webhook, &known, now).await.map_err(later)? {
                return Ok(true);
            }
        }
        Ok::<_, Response>(false)
    };
    let known = credentials(&engine, tenant, &name).await?;
    let mut proven = proven_by(&known).await?;
    if !proven && let Some(known) = renewed(&engine, tenant, &name, &known).await? {
        proven = proven_by(&known).await?;
    }
    if !proven {
        tracing::warn!(sender = %sender.id, "webhook with a wrong signature");
        return Err(problem(StatusCode::UNAUTHORIZED, "bad_signature", "the body is not signed by this sender"));
    }
    providers.confirm(&sender, &webhook).await.map_err(later)?;
    // Proven but unreadable: the provider would only send the same bytes again, for days.
    let Ok(events) = channels::normalise(&sender, &webhook, now) else {
        tracing::warn!(sender = %sender.id, "signed webhook that cannot be read");
        return Ok(taken(&sender));
    };
    if events.is_empty() {
        return Ok(taken(&sender));
    }
    match engine.apply(sender.id, events).await {
        Ok(Told::Applied) => Ok(taken(&sender)),
        // It will be applied, and nobody would come again.
        Ok(Told::Queued) if !sender.repeats_webhooks() => Ok(taken(&sender)),
        Ok(Told::Queued) => Err(busy()),
        Err(error) => Err(unavailable(&sender, &error)),
    }
}

/// 200, in the provider's words.
fn taken(sender: &Sender) -> Response {
    match sender.provider {
        ProviderKind::Twilio => ([(header::CONTENT_TYPE, "application/xml")], channels::twilio::ANSWER).into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

/// The sender that this address names.
async fn sender<P: Ports>(engine: &Engine<P>, provider: &str, id: &str) -> Result<Sender, Response> {
    let none = || problem(StatusCode::NOT_FOUND, "not_found", "there is no such webhook");
    let kind: ProviderKind = serde_json::from_value(json!(provider)).map_err(|_| none())?;
    let id = SenderId::parse(id).ok_or_else(none)?;
    let sender = engine.store.sender(id).await.map_err(|_| busy())?;
    sender.filter(|sender| sender.provider == kind).ok_or_else(none)
}

/// The secrets of a sender or payment source as they are stored, possibly minutes old. Whose secrets are gone proves nothing.
pub(crate) async fn credentials<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    name: &str,
) -> Result<Arc<Value>, Response> {
    engine.stored_credentials(tenant, name).await.map(Option::unwrap_or_default).map_err(|_| busy())
}

/// What did not fit may have been changed meanwhile: the stored secrets, if they differ from those
/// that were tried.
pub(crate) async fn renewed<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    name: &str,
    tried: &Value,
) -> Result<Option<Value>, Response> {
    if !engine.config.cache_settings {
        return Ok(None);
    }
    let stored = engine.secrets.secret(tenant, name).await;
    stored.map(|stored| stored.filter(|stored| stored != tried)).map_err(|_| busy())
}

fn unavailable(sender: &Sender, error: &PortError) -> Response {
    tracing::warn!(sender = %sender.id, %error, "webhook not applied");
    busy()
}

/// 503: the provider comes again, and what was applied already is not applied twice.
pub(crate) fn busy() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "try again later")
}

/// An error as `application/problem+json`.
pub fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "errors": [],
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
