//! Message templates: texts that steps share.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::ids::TemplateId;
use domain::sequence::MessageTemplate;
use engine::model::StoredTemplate;
use engine::ports::Store as _;
use engine::{Engine, Ports};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::extract::{Asked, Body, By, Expected, IfMatch, NewIds, Params};
use crate::problem::Problem;
use crate::routes::{Route, delete, get, post, put};
use crate::sequences::refused;
use crate::wire::{At, List, ListQuery, id};

/// A template with what is known of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TemplateView {
    id: TemplateId,
    /// For `If-Match`.
    revision: u64,
    created_at: At,
    updated_at: At,
    #[serde(flatten)]
    template: MessageTemplate,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    let all = vec![
        post("/v1/templates", Role::Manager, create::<P>)
            .says("Make a message template")
            .takes::<MessageTemplate>()
            .gives::<TemplateView>(201, "the template"),
        get("/v1/templates", Role::Viewer, list::<P>).says("List message templates").lists::<TemplateView>(),
        get("/v1/templates/{id}", Role::Viewer, show::<P>)
            .says("Read a message template")
            .gives::<TemplateView>(200, "it"),
        put("/v1/templates/{id}", Role::Manager, replace::<P>)
            .says("Replace a message template; published versions keep it as it was")
            .wants_if_match()
            .takes::<MessageTemplate>()
            .gives::<TemplateView>(200, "the template as it now is"),
        delete("/v1/templates/{id}", Role::Manager, remove::<P>)
            .says("Delete a message template that no draft uses")
            .gives_nothing(),
    ];
    all.into_iter().map(Route::needs_module).collect()
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Body(template): Body<MessageTemplate>,
) -> Result<Response, Problem> {
    let stored = engine.create_template(caller.tenant, template, &mut ids).await.map_err(refused)?;
    Ok(answer(StatusCode::CREATED, stored))
}

async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<TemplateView>>, Problem> {
    let all = engine.store.templates(caller.tenant).await?.into_iter().map(TemplateView::from).collect();
    Ok(axum::Json(List::cut(all, &query, |t| format!("{} {}", t.created_at.0, t.id))?))
}

async fn show<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(template): Params<String>,
) -> Result<Response, Problem> {
    let stored = engine.store.template(caller.tenant, id(&template)?).await?;
    Ok(answer(StatusCode::OK, stored.ok_or_else(|| Problem::not_found("template"))?))
}

async fn replace<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(template): Params<String>,
    IfMatch(expected): IfMatch,
    Body(body): Body<MessageTemplate>,
) -> Result<Response, Problem> {
    let id: TemplateId = id(&template)?;
    let revision = match expected {
        Expected::Revision(revision) => revision,
        Expected::Any => {
            let stored = engine.store.template(caller.tenant, id).await?;
            stored.ok_or_else(|| Problem::not_found("template"))?.revision
        }
    };
    let stored = engine.update_template(caller.tenant, id, revision, body).await.map_err(refused)?;
    Ok(answer(StatusCode::OK, stored))
}

async fn remove<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(template): Params<String>,
) -> Result<StatusCode, Problem> {
    engine.delete_template(caller.tenant, id(&template)?).await.map_err(Problem::of_path)?;
    Ok(StatusCode::NO_CONTENT)
}

/// With the revision as `ETag`, so that `If-Match` can be taken from there.
fn answer(status: StatusCode, stored: StoredTemplate) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", stored.revision));
    let mut response = (status, axum::Json(TemplateView::from(stored))).into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

impl From<StoredTemplate> for TemplateView {
    fn from(t: StoredTemplate) -> Self {
        Self {
            id: t.id,
            revision: t.revision,
            created_at: t.created_at.into(),
            updated_at: t.updated_at.into(),
            template: t.template,
        }
    }
}
