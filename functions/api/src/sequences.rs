//! Sequences: drafts, versions, and what a sequence would send when.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::ids::SequenceId;
use domain::sequence::Sequence;
use engine::model::{StoredSequence, Version};
use engine::ports::Store as _;
use engine::preview::{PreviewRequest, PreviewResponse};
use engine::sequences::{Running, SequenceRefused};
use engine::{Engine, Ports};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::extract::{Asked, Body, By, Expected, IfMatch, NewIds, OptionalBody, Params};
use crate::problem::{FieldError, Problem};
use crate::routes::{Route, delete, get, post, put};
use crate::wire::{At, List, ListQuery, id};

/// The draft with what is known of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SequenceView {
    id: SequenceId,
    /// For `If-Match`.
    revision: u64,
    owner: String,
    archived: bool,
    /// The newest version; null before the first is published.
    published_version: Option<u32>,
    created_at: At,
    updated_at: At,
    #[serde(flatten)]
    draft: Sequence,
}

/// An immutable version.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct VersionView {
    sequence_id: SequenceId,
    version: u32,
    published_at: At,
    published_by: String,
    #[serde(flatten)]
    sequence: Sequence,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ReportView {
    /// What publishing would refuse.
    problems: Vec<FieldError>,
    warnings: Vec<FieldError>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PublishBody {
    running: RunningBody,
    #[allow(dead_code, reason = "asked for when running enrollments migrate")]
    confirm_impact: Option<String>,
}

impl Default for PublishBody {
    fn default() -> Self {
        Self { running: RunningBody::Pinned, confirm_impact: None }
    }
}

/// What becomes of the people who are running on older versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunningBody {
    Pinned,
    Migrate,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PublishedView {
    version: u32,
    warnings: Vec<FieldError>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloneBody {
    name: String,
    #[serde(default)]
    description: String,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    let all = vec![
        post("/v1/sequences", Role::Manager, create::<P>)
            .says("Make a draft")
            .takes::<Sequence>()
            .gives::<SequenceView>(201, "the draft"),
        get("/v1/sequences", Role::Viewer, list::<P>).says("List sequences").lists::<SequenceView>(),
        get("/v1/sequences/{id}", Role::Viewer, show::<P>).says("Read a draft").gives::<SequenceView>(200, "it"),
        put("/v1/sequences/{id}", Role::Manager, replace::<P>)
            .says("Replace the draft")
            .wants_if_match()
            .takes::<Sequence>()
            .gives::<SequenceView>(200, "the draft as it now is"),
        delete("/v1/sequences/{id}", Role::Manager, remove::<P>).says("Delete a sequence").gives_nothing(),
        post("/v1/sequences/{id}/validate", Role::Viewer, validate::<P>)
            .says("What publishing the draft would say")
            .gives::<ReportView>(200, "problems and warnings"),
        post("/v1/sequences/{id}/publish", Role::Manager, publish::<P>)
            .says("Make the draft the version that new enrollments run on")
            .may_take::<PublishBody>()
            .gives::<PublishedView>(200, "the version"),
        get("/v1/sequences/{id}/versions", Role::Viewer, versions::<P>).says("List versions").lists::<VersionView>(),
        get("/v1/sequences/{id}/versions/{n}", Role::Viewer, version::<P>)
            .says("Read a version")
            .gives::<VersionView>(200, "it"),
        post("/v1/sequences/{id}/clone", Role::Manager, duplicate::<P>)
            .says("Copy the draft into a new sequence")
            .takes::<CloneBody>()
            .gives::<SequenceView>(201, "the copy"),
        post("/v1/sequences/{id}/archive", Role::Manager, archive::<P>)
            .says("No new enrollments; running ones go on")
            .gives::<SequenceView>(200, "archived"),
        post("/v1/sequences/{id}/unarchive", Role::Manager, unarchive::<P>)
            .says("New enrollments again")
            .gives::<SequenceView>(200, "no longer archived"),
        post("/v1/preview", Role::Viewer, preview::<P>)
            .says("Every message of a sequence with its time and the reasons; writes nothing")
            .takes::<PreviewRequest>()
            .gives::<PreviewResponse>(200, "the steps"),
    ];
    all.into_iter().map(Route::needs_module).collect()
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Body(sequence): Body<Sequence>,
) -> Result<Response, Problem> {
    let stored = engine.create_sequence(&caller, sequence, &mut ids).await.map_err(refused)?;
    Ok(answer(StatusCode::CREATED, stored))
}

async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<SequenceView>>, Problem> {
    let all = engine.store.sequences(caller.tenant).await?.into_iter().map(SequenceView::from).collect();
    Ok(axum::Json(List::cut(all, &query, |s| format!("{} {}", s.created_at.0, s.id))?))
}

async fn show<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<Response, Problem> {
    let stored = engine.store.sequence(caller.tenant, id(&sequence)?).await?;
    Ok(answer(StatusCode::OK, stored.ok_or_else(|| Problem::not_found("sequence"))?))
}

async fn replace<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    IfMatch(expected): IfMatch,
    Body(body): Body<Sequence>,
) -> Result<Response, Problem> {
    let id: SequenceId = id(&sequence)?;
    let revision = match expected {
        Expected::Revision(revision) => revision,
        Expected::Any => {
            let stored = engine.store.sequence(caller.tenant, id).await?;
            stored.ok_or_else(|| Problem::not_found("sequence"))?.revision
        }
    };
    let stored = engine.update_sequence(&caller, id, revision, body).await.map_err(refused)?;
    Ok(answer(StatusCode::OK, stored))
}

async fn remove<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<StatusCode, Problem> {
    engine.delete_sequence(&caller, id(&sequence)?).await.map_err(Problem::of_path)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn validate<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<axum::Json<ReportView>, Problem> {
    let stored = engine.store.sequence(caller.tenant, id(&sequence)?).await?;
    let stored = stored.ok_or_else(|| Problem::not_found("sequence"))?;
    let report = engine.validate_sequence(caller.tenant, &stored.draft).await?;
    Ok(axum::Json(ReportView { problems: fields(report.problems), warnings: fields(report.warnings) }))
}

async fn publish<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    OptionalBody(body): OptionalBody<PublishBody>,
) -> Result<axum::Json<PublishedView>, Problem> {
    if body.running == RunningBody::Migrate {
        let detail = "running enrollments cannot be migrated yet: publish as `pinned`";
        return Err(Problem::field("/running", "not_supported", detail));
    }
    let published = engine.publish(&caller, id(&sequence)?, Running::Pinned).await.map_err(refused)?;
    Ok(axum::Json(PublishedView { version: published.version, warnings: fields(published.warnings) }))
}

async fn versions<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<VersionView>>, Problem> {
    let id: SequenceId = id(&sequence)?;
    if engine.store.sequence(caller.tenant, id).await?.is_none() {
        return Err(Problem::not_found("sequence"));
    }
    let all = engine.store.versions(caller.tenant, id).await?.into_iter().map(VersionView::from).collect();
    Ok(axum::Json(List::cut(all, &query, |v| format!("{:010}", v.version))?))
}

async fn version<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params((sequence, number)): Params<(String, String)>,
) -> Result<axum::Json<VersionView>, Problem> {
    let found = engine.version(caller.tenant, id(&sequence)?, id(&number)?).await?;
    let version = found.ok_or_else(|| Problem::not_found("version"))?;
    Ok(axum::Json(VersionView::from(version.as_ref().clone())))
}

async fn duplicate<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    NewIds(mut ids): NewIds,
    Body(body): Body<CloneBody>,
) -> Result<Response, Problem> {
    let source = id(&sequence)?;
    let copy = engine.clone_sequence(&caller, source, body.name, body.description, &mut ids).await;
    Ok(answer(StatusCode::CREATED, copy.map_err(refused)?))
}

async fn archive<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<Response, Problem> {
    let stored = engine.archive_sequence(&caller, id(&sequence)?, true).await.map_err(Problem::of_path)?;
    Ok(answer(StatusCode::OK, stored))
}

async fn unarchive<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<Response, Problem> {
    let stored = engine.archive_sequence(&caller, id(&sequence)?, false).await.map_err(Problem::of_path)?;
    Ok(answer(StatusCode::OK, stored))
}

async fn preview<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Body(request): Body<PreviewRequest>,
) -> Result<axum::Json<PreviewResponse>, Problem> {
    let shown = engine.preview(caller.tenant, request).await.map_err(refused)?;
    Ok(axum::Json(shown))
}

fn fields(problems: Vec<domain::publish::Problem>) -> Vec<FieldError> {
    problems.into_iter().map(|p| FieldError::new(p.pointer, p.code, p.detail)).collect()
}

fn refused(refused: SequenceRefused) -> Problem {
    match refused {
        SequenceRefused::Problems(problems) => Problem::invalid(fields(problems)),
        SequenceRefused::Refused(refused) => refused.into(),
    }
}

/// A draft with its revision as `ETag`, so that `If-Match` can be taken from there.
fn answer(status: StatusCode, stored: StoredSequence) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", stored.revision));
    let mut response = (status, axum::Json(SequenceView::from(stored))).into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

impl From<StoredSequence> for SequenceView {
    fn from(s: StoredSequence) -> Self {
        Self {
            id: s.id,
            revision: s.revision,
            owner: s.owner,
            archived: s.archived,
            published_version: (s.published > 0).then_some(s.published),
            created_at: s.created_at.into(),
            updated_at: s.updated_at.into(),
            draft: s.draft,
        }
    }
}

impl From<Version> for VersionView {
    fn from(v: Version) -> Self {
        Self {
            sequence_id: v.sequence_id,
            version: v.number,
            published_at: v.published_at.into(),
            published_by: v.published_by,
            sequence: v.sequence,
        }
    }
}
