//! Sequences: drafts, versions, and what a sequence would send when.

mod drafts;
mod versions;

use std::sync::Arc;

use axum::extract::State;
use domain::account::Role;
use engine::preview::{PreviewRequest, PreviewResponse};
use engine::sequences::SequenceRefused;
use engine::{Engine, Ports};

pub(crate) use self::drafts::SequenceView;
use self::drafts::{CloneBody, SequenceBody};
use self::versions::{DiffView, ImpactView, PublishBody, PublishedView, ReportView, TestBody, VersionView};
use crate::extract::{Body, By};
use crate::problem::{FieldError, Problem};
use crate::routes::{Route, delete, get, post, put};
use crate::view::EnrollmentView;

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    let all = vec![
        post("/v1/sequences", Role::Manager, drafts::create::<P>)
            .says("Make a draft")
            .takes::<SequenceBody>()
            .gives::<SequenceView>(201, "the draft"),
        get("/v1/sequences", Role::Viewer, drafts::list::<P>).says("List sequences").lists::<SequenceView>(),
        get("/v1/sequences/{id}", Role::Viewer, drafts::show::<P>)
            .says("Read a draft")
            .gives::<SequenceView>(200, "it"),
        put("/v1/sequences/{id}", Role::Manager, drafts::replace::<P>)
            .says("Replace the draft")
            .wants_if_match()
            .takes::<SequenceBody>()
            .gives::<SequenceView>(200, "the draft as it now is"),
        delete("/v1/sequences/{id}", Role::Manager, drafts::remove::<P>).says("Delete a sequence").gives_nothing(),
        post("/v1/sequences/{id}/validate", Role::Viewer, versions::validate::<P>)
            .says("What publishing the draft would say")
            .gives::<ReportView>(200, "problems and warnings"),
        post("/v1/sequences/{id}/publish", Role::Manager, versions::publish::<P>)
            .says("Make the draft the version that new enrollments run on")
            .may_take::<PublishBody>()
            .gives::<PublishedView>(200, "the version"),
        post("/v1/sequences/{id}/impact", Role::Viewer, versions::impact::<P>)
            .says("What publishing the draft with `running: migrate` would do to the running enrollments")
            .gives::<ImpactView>(200, "where they would go on, and a token for `confirm_impact`"),
        post("/v1/sequences/{id}/test", Role::Manager, versions::test::<P>)
            .says("Send the draft, or one step of it, to the account's test contact, at once")
            .may_take::<TestBody>()
            .gives::<EnrollmentView>(201, "the test"),
        get("/v1/sequences/{id}/versions", Role::Viewer, versions::versions::<P>)
            .says("List versions")
            .lists::<VersionView>(),
        get("/v1/sequences/{id}/versions/{n}", Role::Viewer, versions::version::<P>)
            .says("Read a version")
            .gives::<VersionView>(200, "it"),
        get("/v1/sequences/{id}/diff", Role::Viewer, versions::diff::<P>)
            .says("What is different between two versions, or a version and the draft")
            .asks("from", "a version's number, or `draft`; the newest version unless said otherwise")
            .asks("to", "a version's number, or `draft`, which it is unless said otherwise")
            .gives::<DiffView>(200, "every difference, steps by their keys"),
        post("/v1/sequences/{id}/clone", Role::Manager, drafts::duplicate::<P>)
            .says("Copy the draft into a new sequence")
            .takes::<CloneBody>()
            .gives::<SequenceView>(201, "the copy"),
        post("/v1/sequences/{id}/archive", Role::Manager, drafts::archive::<P>)
            .says("No new enrollments; running ones go on")
            .gives::<SequenceView>(200, "archived"),
        post("/v1/sequences/{id}/unarchive", Role::Manager, drafts::unarchive::<P>)
            .says("New enrollments again")
            .gives::<SequenceView>(200, "no longer archived"),
        post("/v1/preview", Role::Viewer, preview::<P>)
            .says("Every message of a sequence with its time and the reasons; writes nothing")
            .takes::<PreviewRequest>()
            .gives::<PreviewResponse>(200, "the steps"),
    ];
    all.into_iter().map(Route::needs_module).collect()
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

pub(crate) fn refused(refused: SequenceRefused) -> Problem {
    match refused {
        SequenceRefused::Problems(problems) => Problem::invalid(fields(problems)),
        SequenceRefused::Refused(refused) => refused.into(),
    }
}
