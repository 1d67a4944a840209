//! Blueprints: ready-made cadences, and the drafts made of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::blueprints::{Blueprint, blueprint, blueprints, in_language};
use domain::content::Attribute;
use engine::{Engine, Ports};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::extract::{Asked, By, NewIds, OptionalBody, Params};
use crate::problem::Problem;
use crate::routes::{Route, get, post};
use crate::sequences::{SequenceView, refused};
use crate::wire::{List, ListQuery};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BlueprintsQuery {
    language: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ApplyBody {
    /// The draft's name; left out, the blueprint's.
    name: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AppliedView {
    sequence: SequenceView,
    /// The attributes that were not declared before.
    attributes: Vec<Attribute>,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    let all = vec![
        get("/v1/blueprints", Role::Viewer, list::<P>)
            .says("List ready-made cadences")
            .asks("language", "pt, en or es; left out, all")
            .lists::<Blueprint>(),
        post("/v1/blueprints/{key}/apply", Role::Manager, apply::<P>)
            .says("Make a draft of a blueprint, and declare the attributes that it uses")
            .may_take::<ApplyBody>()
            .gives::<AppliedView>(201, "the draft and the new attributes"),
    ];
    all.into_iter().map(Route::needs_module).collect()
}

async fn list<P: Ports>(
    State(_): State<Arc<Engine<P>>>,
    By(_): By,
    Asked(query): Asked<BlueprintsQuery>,
) -> Result<axum::Json<List<Blueprint>>, Problem> {
    let all = match &query.language {
        Some(language) => in_language(language).into_iter().cloned().collect(),
        None => blueprints().to_vec(),
    };
    let query = ListQuery { limit: query.limit, cursor: query.cursor };
    Ok(axum::Json(List::cut(all, &query, |b| b.key.clone())?))
}

async fn apply<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(key): Params<String>,
    NewIds(mut ids): NewIds,
    OptionalBody(body): OptionalBody<ApplyBody>,
) -> Result<Response, Problem> {
    let blueprint = blueprint(&key).ok_or_else(|| Problem::not_found("blueprint"))?;
    let made = engine.apply_blueprint(&caller, blueprint, body.name, &mut ids).await.map_err(refused)?;
    let view = AppliedView { sequence: made.sequence.into(), attributes: made.attributes };
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}
