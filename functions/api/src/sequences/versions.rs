//! From a draft to a version: what stands in the way, publishing, and what has been published.

use std::sync::Arc;

use axum::extract::State;
use domain::ids::{JobId, SequenceId};
use domain::publish::diff::Diff;
use domain::publish::impact::StepImpact;
use domain::sequence::Sequence;
use engine::model::Version;
use engine::sequences::{Edition, Forecast, Published, Running};
use engine::{Engine, Ports};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{fields, refused};
use crate::enrollments::look;
use crate::extract::{Asked, By, NewIds, OptionalBody, Params};
use crate::problem::{FieldError, Problem};
use crate::view::EnrollmentView;
use crate::wire::{At, List, ListQuery, given, id};

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
    /// The token of an impact: nothing is published if that is no longer true.
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
    /// With `running: migrate`: the job that moves the running enrollments.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<JobId>,
}

/// What a move to the draft would do to the running enrollments.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ImpactView {
    /// Enrollments that have not ended, tests aside.
    running: u32,
    by_step: Vec<StepImpact>,
    /// Whether all of them were looked at: beyond 10,000 the newest ones stand for the rest.
    complete: bool,
    /// For `confirm_impact`.
    token: String,
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TestBody {
    /// Index of the only step that is sent; left out, all are.
    step: Option<u32>,
}

/// What was compared, and every difference.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DiffView {
    from: EditionView,
    to: EditionView,
    #[serde(flatten)]
    diff: Diff,
}

/// A version's number, or `draft`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum EditionView {
    Version(u32),
    Draft(DraftWord),
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DraftWord {
    Draft,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffQuery {
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn validate<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<axum::Json<ReportView>, Problem> {
    let stored = engine.sequence(caller.tenant, id(&sequence)?).await?;
    let stored = stored.ok_or_else(|| Problem::not_found("sequence"))?;
    let report = engine.validate_sequence(caller.tenant, &stored.draft).await?;
    Ok(axum::Json(ReportView { problems: fields(report.problems), warnings: fields(report.warnings) }))
}

pub(super) async fn publish<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    NewIds(mut ids): NewIds,
    OptionalBody(body): OptionalBody<PublishBody>,
) -> Result<axum::Json<PublishedView>, Problem> {
    let (id, running) = (id(&sequence)?, body.running.into());
    let published = engine.publish(&caller, id, running, body.confirm_impact.as_deref(), &mut ids).await;
    let Published { version, warnings, job } = published.map_err(refused)?;
    Ok(axum::Json(PublishedView { version, warnings: fields(warnings), job_id: job }))
}

pub(super) async fn impact<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
) -> Result<axum::Json<ImpactView>, Problem> {
    let Forecast { impact, token, complete } = engine.forecast(caller.tenant, id(&sequence)?).await?;
    Ok(axum::Json(ImpactView { running: impact.running(), by_step: impact.by_step(), complete, token }))
}

pub(super) async fn test<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    NewIds(mut ids): NewIds,
    OptionalBody(body): OptionalBody<TestBody>,
) -> Result<(StatusCode, axum::Json<EnrollmentView>), Problem> {
    let run = engine.test(&caller, id(&sequence)?, body.step, &mut ids).await.map_err(refused)?;
    Ok((StatusCode::CREATED, axum::Json(look(&engine, caller.tenant, &run).await?)))
}

pub(super) async fn versions<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<VersionView>>, Problem> {
    let id: SequenceId = id(&sequence)?;
    if engine.sequence(caller.tenant, id).await?.is_none() {
        return Err(Problem::not_found("sequence"));
    }
    let all = engine.versions(caller.tenant, id).await?.into_iter().map(VersionView::from).collect();
    Ok(axum::Json(List::cut(all, &query, |v| format!("{:010}", v.version))?))
}

pub(super) async fn version<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params((sequence, number)): Params<(String, String)>,
) -> Result<axum::Json<VersionView>, Problem> {
    let found = engine.published_version(caller.tenant, id(&sequence)?, id(&number)?).await?;
    let version = found.ok_or_else(|| Problem::not_found("version"))?;
    Ok(axum::Json(VersionView::from(version.as_ref().clone())))
}

pub(super) async fn diff<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(sequence): Params<String>,
    Asked(query): Asked<DiffQuery>,
) -> Result<axum::Json<DiffView>, Problem> {
    let [from, to] = [&query.from, &query.to].map(|side| given(side).map(edition).transpose());
    let compared = engine.compare(caller.tenant, id(&sequence)?, from?, to?).await?;
    Ok(axum::Json(DiffView { from: compared.from.into(), to: compared.to.into(), diff: compared.diff }))
}

fn edition(text: &str) -> Result<Edition, Problem> {
    match text {
        "draft" => Ok(Edition::Draft),
        number => number.parse().map(Edition::Version).map_err(|_| {
            Problem::rule("invalid_parameter", format!("query: `{number}` is neither a version's number nor `draft`"))
        }),
    }
}

impl From<RunningBody> for Running {
    fn from(body: RunningBody) -> Self {
        match body {
            RunningBody::Pinned => Self::Pinned,
            RunningBody::Migrate => Self::Migrate,
        }
    }
}

impl From<Edition> for EditionView {
    fn from(edition: Edition) -> Self {
        match edition {
            Edition::Draft => Self::Draft(DraftWord::Draft),
            Edition::Version(number) => Self::Version(number),
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
