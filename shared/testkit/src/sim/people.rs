//! What people and their systems ask for, as handlers of the API and of webhooks.

use std::sync::Arc;

use domain::account::Settings;
use domain::contact::TargetRef;
use domain::enrollment::{Enrollment, Source, SourceType};
use domain::ids::{ContactId, EnrollmentId, Ids, SequenceId};
use domain::signal::{Signal, UNSUBSCRIBED};
use domain::time::Timestamp;
use engine::accounts::Invalid;
use engine::contacts::TargetChange;
use engine::control::Action;
use engine::enroll::EnrollRequest;
use engine::ports::Store as _;
use engine::senders::SenderChange;
use engine::{Engine, Refused};
use serde_json::{Value, json};

use super::model::{Told, ToldKind};
use super::ports::SimPorts;
use super::rng::Rng;
use super::scenario::{Scenario, target};

/// A request to the API. Its client repeats it as it is when it fails.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Enroll { sequence: SequenceId, contact: ContactId, target: Option<TargetRef>, since: Timestamp },
    Control(EnrollmentId, Action),
    Event { contact: ContactId, signal: Signal },
    MoveDate { contact: ContactId, to: Option<String> },
    Enable(bool),
    RestoreSender,
    Publish(SequenceId),
}

impl Ask {
    /// Requests that may end a run's pause.
    pub(super) fn may_unpause(&self, id: EnrollmentId) -> bool {
        match self {
            Self::Control(of, Action::Resume(_) | Action::SendNow) => *of == id,
            _ => false,
        }
    }

    /// Whose enrollment it writes.
    pub(super) fn enrolls(&self) -> Option<ContactId> {
        match self {
            Self::Enroll { contact, .. } => Some(*contact),
            Self::Event { contact, signal } if signal.kind == "cart.left" => Some(*contact),
            _ => None,
        }
    }

    /// What its answer tells the model about the contact.
    pub(super) fn told(&self) -> Option<(ContactId, Told)> {
        let Self::Event { contact, signal } = self else { return None };
        let kind = match signal.kind.as_str() {
            UNSUBSCRIBED => ToldKind::Unsubscribed,
            "charge.paid" if signal.data["amount"].as_i64() >= Some(50) => ToldKind::Goal,
            _ => return None,
        };
        let about_target = signal.target.is_some();
        Some((*contact, Told { id: signal.id.clone(), kind, at: signal.at.0, about_target, channel: None }))
    }
}

/// What a request came to.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Done,
    Run(Box<Enrollment>),
    /// Refused for good: there is nothing to repeat.
    No(String),
}

pub(super) type Api = Arc<Engine<SimPorts>>;

/// Does what was asked. An error may be tried again.
pub(super) async fn ask(engine: Api, scenario: Arc<Scenario>, ask: Ask, seed: u64) -> Result<Answer, String> {
    let tenant = scenario.tenant;
    // An idempotency key gives a repeat the same ids.
    let mut ids = Ids::from_seed(Rng::stream(seed, 5).bytes());
    let answer = match ask {
        Ask::Enroll { sequence, contact, target, since } => {
            let request = EnrollRequest {
                entry: u64::from_be_bytes(ids.bytes()),
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
        Ask::MoveDate { contact, to } => valid(move_date(&engine, &scenario, contact, to).await),
        Ask::Enable(enabled) => valid(enable(&engine, &scenario, enabled, &mut ids).await),
        Ask::RestoreSender => valid(restore_sender(&engine, &scenario, &mut ids).await),
        Ask::Publish(sequence) => publish(&engine, &scenario, sequence).await.map(|()| Answer::Done),
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(refused @ (Refused::Rule { .. } | Refused::Unknown { .. })) => Ok(Answer::No(refused.to_string())),
        Err(other) => Err(other.to_string()),
    }
}

/// The scenario's requests are well-formed: faults in one would be a mistake of the simulator.
fn valid(answer: Result<(), Invalid>) -> Result<Answer, Refused> {
    match answer {
        Ok(()) => Ok(Answer::Done),
        Err(Invalid::Refused(refused)) => Err(refused),
        Err(Invalid::Faults(faults)) => panic!("the simulator asks for nonsense: {faults:?}"),
    }
}

/// The appointment is moved, or loses its date.
async fn move_date(engine: &Api, scenario: &Scenario, contact: ContactId, to: Option<String>) -> Result<(), Invalid> {
    let date = to.map_or(Value::Null, Value::String);
    let change = TargetChange::Merge([("starts_at".to_owned(), date)].into());
    engine.put_target(scenario.tenant, contact, &target(), &change).await.map(drop)
}

async fn enable(engine: &Api, scenario: &Scenario, enabled: bool, ids: &mut Ids) -> Result<(), Invalid> {
    let edit = |settings: &Settings| Ok(Settings { enabled, ..settings.clone() });
    engine.edit_settings(scenario.tenant, &edit, ids).await.map(drop)
}

/// New configuration counts as the mending of a suspended sender.
async fn restore_sender(engine: &Api, scenario: &Scenario, ids: &mut Ids) -> Result<(), Invalid> {
    for sender in scenario.senders() {
        let config = json!({"configuration_set": "all"});
        let change = SenderChange { config: Some(config), ..SenderChange::default() };
        engine.update_sender(scenario.tenant, sender, &change, ids).await?;
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
