//! Senders and the templates known of them. Credentials go in and never come out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::ids::SenderId;
use domain::message::{Channel, ProviderKind};
use domain::sender::{KnownTemplate, Sender, SenderLimits};
use engine::ports::Store as _;
use engine::senders::{NewSender, SenderChange};
use engine::{Engine, Ports};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::extract::{Asked, Body, By, NewIds, Params};
use crate::problem::Problem;
use crate::routes::{Route, delete, get, patch, post};
use crate::wire::{At, List, ListQuery, id};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SenderBody {
    name: String,
    channel: Channel,
    provider: ProviderKind,
    /// By provider.
    #[schema(value_type = Object)]
    config: Value,
    /// By provider; write-only.
    #[schema(value_type = Object, write_only)]
    credentials: Value,
    #[serde(default)]
    limits: SenderLimits,
}

/// What is given is replaced, the rest stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SenderPatch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    #[serde(default)]
    #[schema(value_type = Option<Object>, write_only)]
    credentials: Option<Value>,
    #[serde(default)]
    limits: Option<SenderLimits>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SenderView {
    id: SenderId,
    name: String,
    channel: Channel,
    provider: ProviderKind,
    #[schema(value_type = Object)]
    config: Value,
    limits: SenderLimits,
    /// Why nothing goes out through it; null while all is well.
    suspended: Option<SuspensionView>,
    /// Whether the provider's list of templates has been read.
    templates_synced: bool,
    /// Where the provider's webhooks go, from the service's own origin.
    #[schema(example = "/webhooks/whatsapp_cloud/snd_…")]
    webhook_path: String,
    created_at: At,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SuspensionView {
    /// The provider's code.
    code: String,
    at: At,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        get("/v1/senders", Role::Viewer, list::<P>).says("List senders").lists::<SenderView>(),
        post("/v1/senders", Role::Admin, create::<P>)
            .says("Make a sender; calls nobody")
            .takes::<SenderBody>()
            .gives::<SenderView>(201, "made"),
        get("/v1/senders/{id}", Role::Viewer, show::<P>).says("Read a sender").gives::<SenderView>(200, "it"),
        patch("/v1/senders/{id}", Role::Admin, change::<P>)
            .says("Replace parts of a sender; new config or credentials lift its suspension")
            .takes::<SenderPatch>()
            .gives::<SenderView>(200, "as it now is"),
        delete("/v1/senders/{id}", Role::Admin, remove::<P>).says("Delete a sender").gives_nothing(),
        get("/v1/senders/{id}/templates", Role::Viewer, templates::<P>)
            .says("List the WhatsApp templates last read from the provider")
            .lists::<KnownTemplate>(),
        post("/v1/senders/{id}/templates/sync", Role::Admin, sync::<P>)
            .says("Read the provider's list of templates")
            .lists::<KnownTemplate>(),
    ]
}

async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<SenderView>>, Problem> {
    let all = engine.store.senders(caller.tenant).await?.into_iter().map(SenderView::from).collect();
    Ok(axum::Json(List::cut(all, &query, |s| format!("{} {}", s.created_at.0, s.id))?))
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Body(body): Body<SenderBody>,
) -> Result<Response, Problem> {
    let new = NewSender {
        name: body.name,
        channel: body.channel,
        provider: body.provider,
        config: body.config,
        credentials: body.credentials,
        limits: body.limits,
    };
    let sender = engine.create_sender(caller.tenant, new, &mut ids).await?;
    Ok((StatusCode::CREATED, axum::Json(SenderView::from(sender))).into_response())
}

async fn show<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sender): Params<String>,
) -> Result<axum::Json<SenderView>, Problem> {
    let sender = engine.sender_of(caller.tenant, id(&sender)?).await.map_err(Problem::of_path)?;
    Ok(axum::Json(sender.into()))
}

async fn change<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sender): Params<String>,
    NewIds(mut ids): NewIds,
    Body(body): Body<SenderPatch>,
) -> Result<axum::Json<SenderView>, Problem> {
    let change =
        SenderChange { name: body.name, config: body.config, credentials: body.credentials, limits: body.limits };
    let sender = engine.update_sender(caller.tenant, id(&sender)?, &change, &mut ids).await;
    Ok(axum::Json(sender.map_err(Problem::of_path)?.into()))
}

async fn remove<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sender): Params<String>,
) -> Result<StatusCode, Problem> {
    engine.delete_sender(caller.tenant, id(&sender)?).await.map_err(Problem::of_path)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn templates<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sender): Params<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<KnownTemplate>>, Problem> {
    let sender = engine.sender_of(caller.tenant, id(&sender)?).await.map_err(Problem::of_path)?;
    Ok(axum::Json(page(sender, &query)?))
}

async fn sync<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sender): Params<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<KnownTemplate>>, Problem> {
    let sender = engine.sync_templates(caller.tenant, id(&sender)?).await.map_err(Problem::of_path)?;
    Ok(axum::Json(page(sender, &query)?))
}

fn page(sender: Sender, query: &ListQuery) -> Result<List<KnownTemplate>, Problem> {
    let mut templates = sender.templates.unwrap_or_default();
    // Ours, to order what the provider tells by.
    templates.iter_mut().for_each(|known| known.as_of = None);
    List::cut(templates, query, |t| format!("{} {}", t.name, t.language))
}

impl From<Sender> for SenderView {
    fn from(s: Sender) -> Self {
        Self {
            webhook_path: format!("/webhooks/{}/{}", s.provider.as_str(), s.id),
            id: s.id,
            name: s.name,
            channel: s.channel,
            provider: s.provider,
            config: s.config,
            limits: s.limits,
            suspended: s.suspended.map(|s| SuspensionView { code: s.code, at: s.at.into() }),
            templates_synced: s.templates.is_some(),
            created_at: s.created_at.into(),
        }
    }
}
