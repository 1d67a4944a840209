//! What people and their systems ask for, as handlers of the API and of webhooks.

use std::sync::Arc;

use domain::contact::TargetRef;
use domain::enrollment::control::ResumeMode;
use domain::enrollment::{Enrollment, ParkReason, Source, SourceType, State as Run};
use domain::ids::{ContactId, EnrollmentId, SequenceId};
use domain::signal::{Signal, UNSUBSCRIBED};
use domain::time::Timestamp;
use engine::control::Action;
use engine::enroll::EnrollRequest;
use engine::ports::{EnrollmentFilter, Saved, Store as _};
use engine::{Engine, Refused};
use serde_json::json;

use super::model::{Told, ToldKind};
use super::ports::SimPorts;
use super::scenario::{Scenario, target};

/// A request to the API. Its client repeats it as it is when it fails.
#[derive(Debug, Clone)]
pub enum Ask {
    Enroll { sequence: SequenceId, contact: ContactId, target: Option<TargetRef>, since: Timestamp },
    Control(EnrollmentId, Action),
    Event { contact: ContactId, signal: Signal },
    MoveDate { contact: ContactId, to: Option<String> },
    Enable(bool),
    RestoreSender,
    Publish(SequenceId),
}

impl Ask {
    /// Requests that may end a pause, of one run or of all.
    pub fn may_unpause(&self, id: EnrollmentId) -> bool {
        match self {
            Self::Control(of, Action::Resume(_) | Action::SendNow) => *of == id,
            Self::Enable(true) | Self::RestoreSender => true,
            _ => false,
        }
    }

    /// What its answer tells the model about the contact.
    pub fn told(&self) -> Option<(ContactId, Told)> {
        let Self::Event { contact, signal } = self else { return None };
        let kind = match signal.kind.as_str() {
            UNSUBSCRIBED => ToldKind::Unsubscribed,
            "charge.paid" if signal.data["amount"].as_i64() >= Some(50) => ToldKind::Goal,
            _ => return None,
        };
        let about_target = signal.target.is_some();
        Some((*contact, Told { id: signal.id.clone(), kind, at: signal.at.0, about_target }))
    }
}

/// What a request came to.
#[derive(Debug, Clone)]
pub enum Answer {
    Done,
    Run(Box<Enrollment>),
    /// Refused for good: there is nothing to repeat.
    No(String),
}

pub type Api = Arc<Engine<SimPorts>>;

/// Does what was asked. An error may be tried again.
pub async fn ask(engine: Api, scenario: Arc<Scenario>, ask: Ask) -> Result<Answer, String> {
    let tenant = scenario.tenant;
    let answer = match ask {
        Ask::Enroll { sequence, contact, target, since } => {
            let request = EnrollRequest {
                sequence,
                contact,
                conversation: None,
                target,
                start_at: None,
                source: Source { type_: SourceType::Manual, name: None },
                by: "ana@example.com".into(),
                since,
                trigger: None,
            };
            engine.enroll(tenant, &request).await.map(|done| Answer::Run(Box::new(done.enrollment)))
        }
        Ask::Control(id, action) => engine.control(tenant, id, &action).await.map(|e| Answer::Run(Box::new(e))),
        Ask::Event { contact, signal } => engine.signal(tenant, contact, &signal).await.map(|_| Answer::Done),
        Ask::MoveDate { contact, to } => move_date(&engine, &scenario, contact, to).await.map(|()| Answer::Done),
        Ask::Enable(enabled) => enable(&engine, &scenario, enabled).await.map(|()| Answer::Done),
        Ask::RestoreSender => restore_sender(&engine, &scenario).await.map(|()| Answer::Done),
        Ask::Publish(sequence) => publish(&engine, &scenario, sequence).await.map(|()| Answer::Done),
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(refused @ (Refused::Rule { .. } | Refused::Unknown { .. })) => Ok(Answer::No(refused.to_string())),
        Err(other) => Err(other.to_string()),
    }
}

/// As a caller's own system does: the date is written, then the engine hears of it.
async fn move_date(
    engine: &Api,
    scenario: &Scenario,
    contact: ContactId,
    to: Option<String>,
) -> Result<(), Refused> {
    for _ in 0..20 {
        let Some(person) = engine.store.person(scenario.tenant, contact).await? else { return Ok(()) };
        let Some(mut changed) = person.target(&target()).cloned() else { return Ok(()) };
        match &to {
            Some(date) => drop(changed.attributes.insert("starts_at".into(), json!(date))),
            None => drop(changed.attributes.remove("starts_at")),
        }
        changed.rev += 1;
        if engine.store.save_target(scenario.tenant, contact, &changed).await? == Saved::Yes {
            return engine.target_changed(scenario.tenant, contact, &target()).await;
        }
    }
    Err(Refused::Busy)
}

async fn enable(engine: &Api, scenario: &Scenario, enabled: bool) -> Result<(), Refused> {
    for _ in 0..20 {
        let Some(mut account) = engine.store.account(scenario.tenant).await? else { return Ok(()) };
        if account.settings.enabled == enabled {
            break;
        }
        account.settings.enabled = enabled;
        account.rev += 1;
        if engine.store.save_account(&account).await? == Saved::Yes {
            break;
        }
    }
    if enabled { resume_parked(engine, scenario, ParkReason::ModuleDisabled).await } else { Ok(()) }
}

async fn restore_sender(engine: &Api, scenario: &Scenario) -> Result<(), Refused> {
    for _ in 0..20 {
        let Some(mut sender) = engine.store.sender(scenario.sender).await? else { return Ok(()) };
        if sender.suspended.take().is_none() {
            break;
        }
        sender.rev += 1;
        if engine.store.save_sender(scenario.tenant, &sender).await? == Saved::Yes {
            break;
        }
    }
    resume_parked(engine, scenario, ParkReason::SenderSuspended).await
}

async fn resume_parked(engine: &Api, scenario: &Scenario, reason: ParkReason) -> Result<(), Refused> {
    let filter = EnrollmentFilter { coarse: Some("parked"), ..EnrollmentFilter::default() };
    let page = engine.store.enrollments(scenario.tenant, &filter, None, 100).await?;
    for e in page.data.iter().filter(|e| e.state == Run::Parked(reason)) {
        match engine.control(scenario.tenant, e.id, &Action::Resume(ResumeMode::KeepSchedule)).await {
            Ok(_) | Err(Refused::Rule { .. } | Refused::Unknown { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

async fn publish(engine: &Api, scenario: &Scenario, id: SequenceId) -> Result<(), Refused> {
    let Some(spec) = scenario.sequence(id) else { return Ok(()) };
    let Some(mut stored) = engine.store.sequence(scenario.tenant, id).await? else { return Ok(()) };
    stored.revision += 1;
    stored.published += 1;
    stored.draft = spec.version(stored.published);
    let version = scenario.published(spec, stored.published, engine.now());
    engine.store.publish(scenario.tenant, &stored, &version).await?;
    Ok(())
}
