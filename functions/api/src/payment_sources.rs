//! Payment sources: where an account's payments are told from. Credentials go in and never come out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::ids::SourceId;
use domain::payment::{PaymentProvider, PaymentSource};
use engine::model::{Unmatched, UnmatchedReason};
use engine::payments::{NewSource, SourceChange};
use engine::ports::Store as _;
use engine::{Engine, Ports};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::extract::{Asked, Body, By, NewIds, Params};
use crate::problem::Problem;
use crate::routes::{Route, delete, get, patch, post};
use crate::wire::{At, List, ListQuery, given, id, limit};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceBody {
    name: String,
    provider: PaymentProvider,
    /// `base_url`: another origin than the provider's own.
    #[serde(default = "empty")]
    #[schema(value_type = Object)]
    config: Value,
    /// `secret`: what signs the webhooks, for Asaas the token that they carry. `access_token`: for Mercado
    /// Pago, whose payments are read back. Write-only.
    #[schema(value_type = Object, write_only)]
    credentials: Value,
}

fn empty() -> Value {
    json!({})
}

/// What is given is replaced, the rest stays. A secret that is replaced is taken for another 24 hours.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourcePatch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    #[serde(default)]
    #[schema(value_type = Option<Object>, write_only)]
    credentials: Option<Value>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SourceView {
    id: SourceId,
    name: String,
    provider: PaymentProvider,
    #[schema(value_type = Object)]
    config: Value,
    /// Where the provider's webhooks go, from the service's own origin.
    #[schema(example = "/webhooks/asaas/src_…")]
    webhook_path: String,
    created_at: At,
}

/// What was told and concerns nobody here; kept for 30 days.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct UnmatchedView {
    /// The same however often it is told.
    id: String,
    reason: UnmatchedReason,
    /// `charge.paid` and the like; null where it could not be read.
    #[serde(rename = "type")]
    type_: Option<&'static str>,
    /// The charge's ids, the merchant's first: a charge with one of them would have been found.
    known_as: Vec<String>,
    /// `amount`, `currency`, `method`, `provider_event` …
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    occurred_at: At,
    received_at: At,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        get("/v1/payment-sources", Role::Viewer, list::<P>).says("List payment sources").lists::<SourceView>(),
        post("/v1/payment-sources", Role::Admin, create::<P>)
            .says("Make a payment source; calls nobody")
            .takes::<SourceBody>()
            .gives::<SourceView>(201, "made"),
        get("/v1/payment-sources/{id}", Role::Viewer, show::<P>)
            .says("Read a payment source")
            .gives::<SourceView>(200, "it"),
        patch("/v1/payment-sources/{id}", Role::Admin, change::<P>)
            .says("Replace parts of a payment source; a replaced secret is taken for another 24 hours")
            .takes::<SourcePatch>()
            .gives::<SourceView>(200, "as it now is"),
        delete("/v1/payment-sources/{id}", Role::Admin, remove::<P>).says("Delete a payment source").gives_nothing(),
        get("/v1/payment-sources/{id}/unmatched", Role::Viewer, unmatched::<P>)
            .says("List what was told and concerns nobody here, newest first")
            .lists::<UnmatchedView>(),
    ]
}

async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<SourceView>>, Problem> {
    let all = engine.store.sources(caller.tenant).await?.into_iter().map(SourceView::from).collect();
    Ok(axum::Json(List::cut(all, &query, |s| format!("{} {}", s.created_at.0, s.id))?))
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Body(body): Body<SourceBody>,
) -> Result<Response, Problem> {
    let new =
        NewSource { name: body.name, provider: body.provider, config: body.config, credentials: body.credentials };
    let source = engine.create_source(caller.tenant, new, &mut ids).await?;
    Ok((StatusCode::CREATED, axum::Json(SourceView::from(source))).into_response())
}

async fn show<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(source): Params<String>,
) -> Result<axum::Json<SourceView>, Problem> {
    let source = engine.source_of(caller.tenant, id(&source)?).await.map_err(Problem::of_path)?;
    Ok(axum::Json(source.into()))
}

async fn change<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(source): Params<String>,
    Body(body): Body<SourcePatch>,
) -> Result<axum::Json<SourceView>, Problem> {
    let change = SourceChange { name: body.name, config: body.config, credentials: body.credentials };
    let source = engine.update_source(caller.tenant, id(&source)?, &change).await;
    Ok(axum::Json(source.map_err(Problem::of_path)?.into()))
}

async fn remove<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(source): Params<String>,
) -> Result<StatusCode, Problem> {
    engine.delete_source(caller.tenant, id(&source)?).await.map_err(Problem::of_path)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unmatched<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(source): Params<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<UnmatchedView>>, Problem> {
    let page = engine.unmatched(caller.tenant, id(&source)?, given(&query.cursor), limit(query.limit)?).await;
    Ok(axum::Json(List::of(page.map_err(Problem::of_path)?, UnmatchedView::from)))
}

impl From<PaymentSource> for SourceView {
    fn from(s: PaymentSource) -> Self {
        Self {
            webhook_path: format!("/webhooks/{}/{}", s.provider.as_str(), s.id),
            id: s.id,
            name: s.name,
            provider: s.provider,
            config: s.config,
            created_at: s.created_at.into(),
        }
    }
}

impl From<Unmatched> for UnmatchedView {
    fn from(u: Unmatched) -> Self {
        let event = u.event;
        Self {
            id: u.key,
            reason: u.reason,
            type_: event.as_ref().map(|event| event.change.as_str()),
            occurred_at: u.at.into(),
            received_at: u.received_at.into(),
            known_as: event.as_ref().map(|event| event.known_as.clone()).unwrap_or_default(),
            data: event.map(|event| event.data).unwrap_or_default(),
        }
    }
}
