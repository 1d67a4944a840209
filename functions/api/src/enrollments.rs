//! Enrollments: begin, look, steer, explain; many at once as a job.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::enrollment::control::ResumeMode;
use domain::enrollment::{Enrollment, Source, SourceType};
use domain::ids::{ContactId, EnrollmentId, JobId, SequenceId, TenantId};
use engine::control::Action;
use engine::enroll::EnrollRequest;
use engine::jobs::bulk_source;
use engine::model::{Job, JobWork, RowError};
use engine::ports::{EnrollmentFilter, Store as _};
use engine::{Engine, PortError, Ports};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contacts::{self, ContactBody};
use crate::events::{TargetOfBody, write_target};
use crate::extract::{Asked, Body, By, NewIds, OptionalBody, Params};
use crate::problem::Problem;
use crate::routes::{Route, get, post};
use crate::view::{EnrollmentView, ExplanationView};
use crate::wire::{At, List, ListQuery, given, id, limit};

/// A contact to enroll: `contact_id`, or `contact` to make or merge first.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrollmentBody {
    sequence_id: SequenceId,
    #[serde(default)]
    contact_id: Option<ContactId>,
    #[serde(default)]
    #[schema(value_type = Option<ContactBody>)]
    contact: Option<Value>,
    #[serde(default)]
    conversation_id: Option<String>,
    #[serde(default)]
    target: Option<TargetOfBody>,
    #[serde(default)]
    start_at: Option<At>,
    #[serde(default)]
    source: Option<Source>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkBody {
    sequence_id: SequenceId,
    /// One row each in the job's report, those that are no contact's included.
    contact_ids: Vec<String>,
    #[serde(default)]
    source: Option<Source>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct JobStarted {
    pub(crate) job_id: JobId,
}

/// A job's progress; the counters are those of its kind.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct JobView {
    id: JobId,
    /// `running`, `done` or `failed`.
    #[schema(example = "running")]
    state: &'static str,
    /// Rows; it grows while the enrollments that are to be moved are being found.
    total: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolled: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicates: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<u32>,
    /// On the version that was published, or to be there when the send in flight is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<u32>,
    /// Not moved: ended meanwhile, or moved by hand since.
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged: Option<u32>,
    failed: u32,
    /// The first few.
    errors: Vec<RowError>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnrollmentsQuery {
    sequence_id: Option<String>,
    contact_id: Option<String>,
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResumeBody {
    #[serde(default = "keep_schedule")]
    mode: ResumeModeBody,
}

fn keep_schedule() -> ResumeModeBody {
    ResumeModeBody::KeepSchedule
}

/// How a paused run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResumeModeBody {
    /// The due stays.
    KeepSchedule,
    /// The wait starts again, counted from now.
    RestartWait,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MigrateBody {
    /// A published version of the sequence.
    version: u32,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExitBody {
    #[serde(default)]
    reason: Option<String>,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    let gated = vec![
        post("/v1/enrollments", Role::Agent, create::<P>)
            .says("Enroll a contact")
            .takes::<EnrollmentBody>()
            .gives::<EnrollmentView>(201, "enrolled")
            .gives::<EnrollmentView>(200, "the one that is running in this scope, with `duplicate`"),
        get("/v1/enrollments", Role::Viewer, list::<P>)
            .says("List enrollments")
            .asks("sequence_id", "only of this sequence")
            .asks("contact_id", "only of this contact")
            .asks("state", "only in this state: waiting, sending, awaiting_approval, paused, parked or finished")
            .lists::<EnrollmentView>(),
        post("/v1/enrollments/bulk", Role::Agent, bulk::<P>)
            .says("Enroll many contacts")
            .takes::<BulkBody>()
            .gives::<JobStarted>(202, "a job"),
        get("/v1/enrollments/{id}", Role::Viewer, show::<P>)
            .says("Read an enrollment with its steps and timeline")
            .gives::<EnrollmentView>(200, "it"),
        post("/v1/enrollments/{id}/pause", Role::Agent, pause::<P>)
            .says("Pause; a send under way is recorded first")
            .gives::<EnrollmentView>(200, "as it now is"),
        post("/v1/enrollments/{id}/resume", Role::Agent, resume::<P>)
            .says("Go on")
            .may_take::<ResumeBody>()
            .gives::<EnrollmentView>(200, "as it now is"),
        post("/v1/enrollments/{id}/skip", Role::Agent, skip::<P>)
            .says("Skip the next step")
            .gives::<EnrollmentView>(200, "as it now is"),
        post("/v1/enrollments/{id}/send-now", Role::Agent, send_now::<P>)
            .says("Send the next step now, as far as hours and limits allow")
            .gives::<EnrollmentView>(200, "as it now is"),
        post("/v1/enrollments/{id}/migrate", Role::Agent, migrate::<P>)
            .says("Go on in another version of the sequence; what was sent is never sent again")
            .takes::<MigrateBody>()
            .gives::<EnrollmentView>(200, "as it now is"),
        post("/v1/enrollments/{id}/exit", Role::Agent, exit::<P>)
            .says("End the run as `removed`")
            .may_take::<ExitBody>()
            .gives::<EnrollmentView>(200, "as it now is"),
        get("/v1/enrollments/{id}/explain", Role::Viewer, explain::<P>)
            .says("Why the next step has not gone out")
            .gives::<ExplanationView>(200, "every reason, with when it ends"),
    ];
    let mut all: Vec<_> = gated.into_iter().map(Route::needs_module).collect();
    all.push(
        get("/v1/contacts/{id}/enrollments", Role::Viewer, of_contact::<P>)
            .says("List a contact's enrollments")
            .lists::<EnrollmentView>(),
    );
    all.push(get("/v1/jobs/{id}", Role::Viewer, job::<P>).says("Read a job's progress").gives::<JobView>(200, "it"));
    all
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Body(body): Body<EnrollmentBody>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let since = engine.now();
    // First, so that a repeat draws the same whatever it finds.
    let entry = u64::from_be_bytes(ids.bytes());
    if body.conversation_id.as_deref().is_some_and(|c| c.is_empty() || c.chars().count() > 255) {
        return Err(Problem::field("/conversation_id", "invalid_value", "is not a usable id"));
    }
    no_test(body.source.as_ref())?;
    // What is refused writes nothing: neither the contact nor the target. Without them the verb's own
    // look is enough.
    if body.contact.is_some() || body.target.is_some() {
        enrolls(&engine, tenant, body.sequence_id, body.target.as_ref()).await?;
    }
    let contact = contacts::of_body(&engine, tenant, body.contact_id, body.contact, &mut ids).await?;
    let target = match body.target {
        Some(target) => Some(write_target(&engine, tenant, contact, target).await?),
        None => None,
    };
    let request = EnrollRequest {
        entry,
        sequence: body.sequence_id,
        contact,
        conversation: body.conversation_id,
        target,
        start_at: body.start_at.map(|at| at.0),
        source: body.source.unwrap_or(Source { type_: SourceType::Manual, name: None }),
        by: caller.owner,
        since,
        trigger: None,
    };
    let enrolled = engine.enroll(tenant, &request).await?;
    let mut view = look(&engine, tenant, &enrolled.enrollment).await?;
    view.duplicate = enrolled.duplicate;
    let status = if enrolled.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, axum::Json(view)).into_response())
}

/// Only a test send says that it is one.
fn no_test(source: Option<&Source>) -> Result<(), Problem> {
    match source {
        Some(Source { type_: SourceType::Test, .. }) => {
            let detail = "a test is started by POST /v1/sequences/{id}/test";
            Err(Problem::field("/source/type", "invalid_value", detail))
        }
        _ => Ok(()),
    }
}

/// Whether the sequence takes new enrollments, about such a target.
async fn enrolls<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    id: SequenceId,
    target: Option<&TargetOfBody>,
) -> Result<(), Problem> {
    let sequence = engine.sequence(tenant, id).await?;
    let sequence = sequence.ok_or_else(|| Problem::unknown_reference("/sequence_id", "sequence"))?;
    if sequence.archived {
        return Err(Problem::rule("sequence_archived", "the sequence is archived: it takes no new enrollments"));
    }
    if sequence.published == 0 {
        return Err(Problem::rule("sequence_not_published", "publish the sequence before enrolling anyone"));
    }
    let about = engine.version(tenant, id, sequence.published).await?.map(|v| v.sequence.target);
    match about {
        Some(kind) if kind.is_object() && target.is_none_or(|t| t.kind != kind) => {
            let detail = format!("this sequence is about a {}: name it", kind.as_str());
            Err(Problem::field("/target", "target_required", detail))
        }
        _ => Ok(()),
    }
}

/// The enrollment on the steps of its version.
pub(crate) async fn look<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    e: &Enrollment,
) -> Result<EnrollmentView, Problem> {
    let version = engine.version(tenant, e.id.sequence, e.version).await?;
    let version = version.ok_or_else(|| PortError::Poison("an enrollment without its version".into()))?;
    Ok(EnrollmentView::of(e, &version.sequence))
}

async fn show<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(enrollment): Params<String>,
) -> Result<axum::Json<EnrollmentView>, Problem> {
    let found = engine.store.enrollment(caller.tenant, id(&enrollment)?).await?;
    let found = found.ok_or_else(|| Problem::not_found("enrollment"))?;
    Ok(axum::Json(look(&engine, caller.tenant, &found).await?))
}

async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<EnrollmentsQuery>,
) -> Result<axum::Json<List<EnrollmentView>>, Problem> {
    let nothing = || Ok(axum::Json(List { data: Vec::new(), next_cursor: None }));
    let state = given(&query.state).map(read_state).transpose()?;
    // A filter by an id that is none of ours finds nothing.
    let sequence = given(&query.sequence_id).map(SequenceId::parse);
    let contact = given(&query.contact_id).map(ContactId::parse);
    if matches!(sequence, Some(None)) || matches!(contact, Some(None)) || state == Some((None, "awaiting_approval")) {
        return nothing();
    }
    let filter = EnrollmentFilter {
        sequence: sequence.flatten(),
        contact: contact.flatten(),
        coarse: state.and_then(|(coarse, _)| coarse),
    };
    let fine = state.map(|(_, fine)| fine);
    let page = ListQuery { limit: query.limit, cursor: query.cursor };
    pages(&engine, caller.tenant, &filter, fine, &page).await
}

/// The list's coarse state and the exact one behind it.
fn read_state(text: &str) -> Result<(Option<&'static str>, &'static str), Problem> {
    Ok(match text {
        "active" => (Some("active"), "active"),
        "waiting" => (Some("active"), "waiting"),
        "sending" => (Some("active"), "sending"),
        "paused" => (Some("paused"), "paused"),
        "parked" => (Some("parked"), "parked"),
        "finished" => (Some("finished"), "finished"),
        "awaiting_approval" => (None, "awaiting_approval"),
        _ => return Err(Problem::rule("invalid_parameter", "query: there is no such state")),
    })
}

async fn pages<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    filter: &EnrollmentFilter,
    fine: Option<&'static str>,
    query: &ListQuery,
) -> Result<axum::Json<List<EnrollmentView>>, Problem> {
    /// Pages that hold nothing of the exact state are passed over, but not without end.
    const LOOKED_AT: usize = 20;
    let limit = limit(query.limit)?;
    let mut cursor = given(&query.cursor).map(str::to_owned);
    let mut data = Vec::new();
    for _ in 0..LOOKED_AT {
        let page = engine.store.enrollments(tenant, filter, cursor.as_deref(), limit).await?;
        let wanted = |e: &&Enrollment| fine.is_none_or(|f| f == "active" || e.state.as_str() == f);
        for enrollment in page.data.iter().filter(wanted) {
            data.push(look(engine, tenant, enrollment).await?);
        }
        cursor = page.next_cursor;
        if !data.is_empty() || cursor.is_none() {
            break;
        }
    }
    Ok(axum::Json(List { data, next_cursor: cursor }))
}

async fn of_contact<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(contact): Params<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<EnrollmentView>>, Problem> {
    let contact = contacts::find(&engine, caller.tenant, &contact).await?;
    let filter = EnrollmentFilter { contact: Some(contact.id), ..EnrollmentFilter::default() };
    pages(&engine, caller.tenant, &filter, None, &query).await
}

async fn bulk<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Body(body): Body<BulkBody>,
) -> Result<Response, Problem> {
    if body.contact_ids.is_empty() {
        return Err(Problem::field("/contact_ids", "required", "must name at least one contact"));
    }
    let sequence = engine.sequence(caller.tenant, body.sequence_id).await?;
    if sequence.is_none() {
        return Err(Problem::unknown_reference("/sequence_id", "sequence"));
    }
    // A job is about no single object: only what needs none can run in it.
    enrolls(&engine, caller.tenant, body.sequence_id, None).await?;
    no_test(body.source.as_ref())?;
    let source = body.source.unwrap_or_else(bulk_source);
    let job = engine.enroll_many(&caller, body.sequence_id, body.contact_ids, source, &mut ids).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(JobStarted { job_id: job.id })).into_response())
}

async fn job<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(job): Params<String>,
) -> Result<axum::Json<JobView>, Problem> {
    let job = engine.job(caller.tenant, id(&job)?).await.map_err(Problem::of_path)?;
    Ok(axum::Json(job.into()))
}

async fn pause<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(enrollment): Params<String>,
) -> Result<axum::Json<EnrollmentView>, Problem> {
    steer(&engine, caller.tenant, &enrollment, Action::Pause).await
}

async fn resume<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(enrollment): Params<String>,
    OptionalBody(body): OptionalBody<ResumeBody>,
) -> Result<axum::Json<EnrollmentView>, Problem> {
    let mode = match body.mode {
        ResumeModeBody::KeepSchedule => ResumeMode::KeepSchedule,
        ResumeModeBody::RestartWait => ResumeMode::RestartWait,
    };
    steer(&engine, caller.tenant, &enrollment, Action::Resume(mode)).await
}

async fn skip<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(enrollment): Params<String>,
) -> Result<axum::Json<EnrollmentView>, Problem> {
    steer(&engine, caller.tenant, &enrollment, Action::Skip).await
}

async fn send_now<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(enrollment): Params<String>,
) -> Result<axum::Json<EnrollmentView>, Problem> {
    steer(&engine, caller.tenant, &enrollment, Action::SendNow).await
}

async fn migrate<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(enrollment): Params<String>,
    Body(body): Body<MigrateBody>,
) -> Result<axum::Json<EnrollmentView>, Problem> {
    steer(&engine, caller.tenant, &enrollment, Action::Migrate { version: body.version }).await
}

async fn exit<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(enrollment): Params<String>,
    OptionalBody(body): OptionalBody<ExitBody>,
) -> Result<axum::Json<EnrollmentView>, Problem> {
    let reason = body.reason.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty());
    if reason.as_deref().is_some_and(|r| r.chars().count() > 255) {
        return Err(Problem::field("/reason", "too_long", "must have at most 255 characters"));
    }
    steer(&engine, caller.tenant, &enrollment, Action::Exit { reason }).await
}

async fn steer<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    enrollment: &str,
    action: Action,
) -> Result<axum::Json<EnrollmentView>, Problem> {
    let id: EnrollmentId = id(enrollment)?;
    let after = engine.control(tenant, id, &action).await?;
    Ok(axum::Json(look(engine, tenant, &after).await?))
}

async fn explain<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(enrollment): Params<String>,
) -> Result<axum::Json<ExplanationView>, Problem> {
    let explained = engine.explain(caller.tenant, id(&enrollment)?).await.map_err(Problem::of_path)?;
    Ok(axum::Json(explained.into()))
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let (state, counts) = (if job.is_done() { "done" } else { "running" }, job.counts);
        let mut view = Self {
            id: job.id,
            state,
            total: job.total,
            enrolled: None,
            duplicates: None,
            created: None,
            updated: None,
            moved: None,
            unchanged: None,
            failed: counts.failed,
            errors: counts.errors,
        };
        match job.work {
            JobWork::Enroll { .. } => {
                view.enrolled = Some(counts.created);
                view.duplicates = Some(counts.repeated);
            }
            JobWork::Import { .. } => {
                view.created = Some(counts.created);
                view.updated = Some(counts.repeated);
            }
            JobWork::Migrate { .. } => {
                view.moved = Some(counts.created);
                view.unchanged = Some(counts.repeated);
            }
            JobWork::Unpark { .. } => {}
        }
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_found_in_their_coarse_list() {
        for (text, coarse) in [("waiting", Some("active")), ("sending", Some("active")), ("paused", Some("paused"))] {
            assert_eq!(read_state(text).expect("a state"), (coarse, text));
        }
        assert_eq!(read_state("asleep").expect_err("is none").status.as_u16(), 422);
    }

    #[test]
    fn a_resume_without_words_keeps_the_schedule() {
        let body: ResumeBody = serde_json::from_str("{}").expect("is fine");
        assert_eq!(body.mode, ResumeModeBody::KeepSchedule);
    }
}
