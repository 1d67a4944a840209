//! Drafts: made, read, replaced, copied, archived, deleted.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::ids::SequenceId;
use domain::sequence::Sequence;
use domain::system::system_sequence;
use engine::model::StoredSequence;
use engine::{Engine, Ports};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refused;
use crate::extract::{Asked, Body, By, Expected, IfMatch, Json, NewIds, Params};
use crate::problem::{FieldError, Problem};
use crate::shape::collect;
use crate::wire::{At, List, ListQuery, id};

const MAX_OWNER: usize = 255;

/// The draft with what is known of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SequenceView {
    id: SequenceId,
    /// For `If-Match`.
    revision: u64,
    owner: String,
    archived: bool,
    /// Ships with the product: it may be used and cloned, not changed.
    system: bool,
    /// The newest version; null before the first is published.
    published_version: Option<u32>,
    created_at: At,
    updated_at: At,
    #[serde(flatten)]
    draft: Sequence,
}

/// A sequence, and for admins whose it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SequenceBody {
    /// A key's user email, or its id. Left out: a new draft is the caller's, an old one keeps its owner.
    owner: Option<String>,
    #[serde(flatten)]
    sequence: Sequence,
}

impl SequenceBody {
    /// By hand, because what is flattened loses the pointers of its errors and takes any field.
    fn read(mut body: Value) -> Result<Self, Problem> {
        let owner = body.as_object_mut().and_then(|fields| fields.remove("owner")).filter(|o| !o.is_null());
        let (sequence, mut errors) = collect(body);
        let text = owner.as_ref().map(|owner| owner.as_str().map(str::trim).unwrap_or_default().to_owned());
        let odd = |o: &String| o.is_empty() || o.chars().count() > MAX_OWNER || o.chars().any(char::is_control);
        if text.as_ref().is_some_and(odd) {
            errors.push(FieldError::new("/owner", "invalid_value", "must be a user's email or a key's id"));
        }
        match sequence {
            Some(sequence) if errors.is_empty() => Ok(Self { owner: text, sequence }),
            _ => Err(Problem::invalid(errors)),
        }
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloneBody {
    name: String,
    #[serde(default)]
    description: String,
}

pub(super) async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Json(body): Json,
) -> Result<Response, Problem> {
    let SequenceBody { owner, sequence } = SequenceBody::read(body)?;
    let caller = caller.giving_to(owner)?;
    let stored = engine.create_sequence(&caller, sequence, &mut ids).await.map_err(refused)?;
    Ok(answer(StatusCode::CREATED, stored))
}

pub(super) async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<SequenceView>>, Problem> {
    let all = engine.sequences(caller.tenant).await?.into_iter().map(SequenceView::from).collect();
    Ok(axum::Json(List::cut(all, &query, |s| format!("{} {}", s.created_at.0, s.id))?))
}

pub(super) async fn show<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<Response, Problem> {
    let stored = engine.sequence(caller.tenant, id(&sequence)?).await?;
    Ok(answer(StatusCode::OK, stored.ok_or_else(|| Problem::not_found("sequence"))?))
}

pub(super) async fn replace<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    IfMatch(expected): IfMatch,
    Json(body): Json,
) -> Result<Response, Problem> {
    let id: SequenceId = id(&sequence)?;
    let SequenceBody { owner, sequence } = SequenceBody::read(body)?;
    let revision = match expected {
        Expected::Revision(revision) => revision,
        Expected::Any => {
            let stored = engine.sequence(caller.tenant, id).await?;
            stored.ok_or_else(|| Problem::not_found("sequence"))?.revision
        }
    };
    let stored = engine.update_sequence(&caller, id, revision, sequence, owner).await.map_err(refused)?;
    Ok(answer(StatusCode::OK, stored))
}

pub(super) async fn remove<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<StatusCode, Problem> {
    engine.delete_sequence(&caller, id(&sequence)?).await.map_err(Problem::of_path)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn duplicate<P: Ports>(
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

pub(super) async fn archive<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<Response, Problem> {
    let stored = engine.archive_sequence(&caller, id(&sequence)?, true).await.map_err(Problem::of_path)?;
    Ok(answer(StatusCode::OK, stored))
}

pub(super) async fn unarchive<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<Response, Problem> {
    let stored = engine.archive_sequence(&caller, id(&sequence)?, false).await.map_err(Problem::of_path)?;
    Ok(answer(StatusCode::OK, stored))
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
            system: system_sequence(s.id).is_some(),
            published_version: (s.published > 0).then_some(s.published),
            created_at: s.created_at.into(),
            updated_at: s.updated_at.into(),
            draft: s.draft,
        }
    }
}
