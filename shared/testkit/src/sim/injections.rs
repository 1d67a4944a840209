//! What people do in a run: each as likely as its kind says.

use domain::enrollment::control::ResumeMode;
use domain::ids::{ContactId, EnrollmentId};
use domain::message::{Identity, InboundEvent, InboundKind, InboundMessage};
use domain::signal::{Signal, UNSUBSCRIBED};
use domain::time::Timestamp;
use engine::control::Action;
use serde_json::json;

use super::faults::Fault;
use super::handlers::Pending;
use super::people::Ask;
use super::provider::Webhook;
use super::runner::Runner;
use super::scenario::{Scenario, phone, target};

const KINDS: [Fault; 18] = [
    Fault::PersonReplies,
    Fault::PersonStops,
    Fault::PersonOptsOut,
    Fault::PersonPays,
    Fault::Unsubscribes,
    Fault::Enrolls,
    Fault::Triggers,
    Fault::Pauses,
    Fault::Resumes,
    Fault::Skips,
    Fault::SendsNow,
    Fault::Exits,
    Fault::MovesDate,
    Fault::DisablesAccount,
    Fault::EnablesAccount,
    Fault::RestoresSender,
    Fault::Publishes,
    Fault::Migrates,
];
/// Kinds that get their chance at a time.
const CHANCES: usize = 4;

impl Scenario {
    /// Whose identities these are.
    pub(super) fn who(&self, from: &[Identity]) -> Option<ContactId> {
        let index = (0..self.contacts.len()).find(|i| from.contains(&Identity::WaId(phone(*i))))?;
        Some(self.contacts[index])
    }
}

impl Runner {
    /// Everyone is enrolled once, so that there is something to disturb.
    pub(super) fn first_asks(&mut self) {
        for contact in self.scenario.contacts.clone() {
            let at = self.rng.between(0, 240);
            self.enroll(contact, at);
        }
    }

    fn enroll(&mut self, contact: ContactId, after: i64) {
        let now = self.hub.state().now;
        let scenario = self.scenario.clone();
        let spec = self.rng.pick(&scenario.sequences);
        let since = Timestamp(now + after).plus_seconds(scenario.skews[2]);
        let ask = Ask::Enroll { sequence: spec.id, contact, target: spec.dated.then(target), since };
        self.later(ask, after);
    }

    fn later(&mut self, ask: Ask, after: i64) {
        let at = self.hub.state().now + after;
        self.made += 1;
        self.asks.push(Pending { ask, tries: 0, at, seed: self.made, since: None });
    }

    /// Some people may do something now.
    pub(super) fn people(&mut self) {
        let idle = self.hub.state().tables.all_enrollments().all(|(_, e)| e.state.is_finished());
        if idle && self.asks.is_empty() && self.rng.chance(500) {
            let index = self.rng.below(self.scenario.contacts.len());
            self.act(Fault::Enrolls, index);
        }
        for _ in 0..CHANCES {
            let kind = *self.rng.pick(&KINDS);
            if self.hub.hit(kind) {
                let index = self.rng.below(self.scenario.contacts.len());
                self.act(kind, index);
            }
        }
        // The narrowest of races: something ends a run that is being written.
        let kind = *self.rng.pick(&[Fault::PersonReplies, Fault::PersonPays]);
        let index = self.enrolling().and_then(|id| self.scenario.contacts.iter().position(|c| *c == id));
        if let Some(index) = index
            && self.hub.hit(Fault::MeetsEnroll)
        {
            self.act(kind, index);
        }
    }

    fn act(&mut self, kind: Fault, index: usize) {
        let contact = self.scenario.contacts[index];
        let now = self.hub.state().now;
        self.line(format_args!("   {kind:?} {contact}"));
        match kind {
            Fault::PersonReplies => self.writes(index, "bom dia"),
            Fault::PersonStops => self.writes(index, "STOP"),
            Fault::PersonOptsOut => {
                let event = InboundEvent::OptOut {
                    from: vec![Identity::WaId(phone(index))],
                    at: Timestamp(now),
                    id: self.name(),
                };
                self.webhook(event);
            }
            Fault::PersonPays => {
                let amount = if self.rng.chance(700) { 100 } else { 10 };
                let about = self.rng.chance(300);
                let mut signal = self.signal("charge.paid");
                signal.target = about.then(target);
                signal.data.insert("amount".into(), json!(amount));
                self.later(Ask::Event { contact, signal }, 0);
            }
            Fault::Unsubscribes => {
                let signal = self.signal(UNSUBSCRIBED);
                self.later(Ask::Event { contact, signal }, 0);
            }
            Fault::Triggers => {
                let signal = self.signal("cart.left");
                self.later(Ask::Event { contact, signal }, 0);
            }
            Fault::Enrolls => self.enroll(contact, 0),
            Fault::Pauses => self.control(Action::Pause),
            Fault::Resumes => {
                let keep = self.rng.chance(600);
                let mode = if keep { ResumeMode::KeepSchedule } else { ResumeMode::RestartWait };
                self.control(Action::Resume(mode));
            }
            Fault::Skips => self.control(Action::Skip),
            Fault::SendsNow => self.control(Action::SendNow),
            Fault::Exits => self.control(Action::Exit { reason: None }),
            Fault::MovesDate => {
                let hours = self.rng.between(-10, 100);
                let to = self.rng.chance(850).then(|| Timestamp(now).plus_hours(hours).to_string());
                self.later(Ask::MoveDate { contact, to }, 0);
            }
            Fault::DisablesAccount => self.later(Ask::Enable(false), 0),
            Fault::EnablesAccount => self.later(Ask::Enable(true), 0),
            Fault::RestoresSender => self.later(Ask::RestoreSender, 0),
            Fault::Migrates => {
                let Some(id) = self.some_run() else { return };
                let tenant = self.scenario.tenant;
                let stored = self.hub.state().tables.sequence(tenant, id.sequence);
                let published = stored.ok().flatten().map_or(1, |s| s.published);
                let version = 1 + self.rng.below(published as usize) as u32;
                self.later(Ask::Control(id, Action::Migrate { version }), 0);
            }
            Fault::Publishes => {
                let scenario = self.scenario.clone();
                let sequence = self.rng.pick(&scenario.sequences).id;
                self.later(Ask::Publish(sequence), 0);
            }
            _ => {}
        }
    }

    fn name(&mut self) -> String {
        self.made += 1;
        format!("event-{}", self.made)
    }

    fn signal(&mut self, kind: &str) -> Signal {
        let now = self.hub.state().now;
        // Some things are told a while after they happened.
        let ago = if self.rng.chance(200) { self.rng.between(1, 3600) } else { 0 };
        Signal {
            id: self.name(),
            kind: kind.into(),
            at: Timestamp(now - ago),
            target: None,
            conversation: None,
            data: serde_json::Map::new(),
            decimal_mark: None,
        }
    }

    /// The person sends a message, of which the provider tells us.
    fn writes(&mut self, index: usize, text: &str) {
        let at = self.hub.state().now;
        let message = InboundMessage {
            id: self.name(),
            from: vec![Identity::WaId(phone(index))],
            at: Timestamp(at),
            kind: InboundKind::Text,
            text: Some(text.into()),
            in_reply_to: None,
            name: None,
        };
        let contact = self.scenario.contacts[index];
        self.hub.state().model.wrote(contact, at);
        self.webhook(InboundEvent::Message(message));
    }

    fn webhook(&mut self, event: InboundEvent) {
        let sender = self.scenario.sender;
        let mut state = self.hub.state();
        let mut at = state.now;
        if state.faults.hit(Fault::WebhookLate) {
            at += state.faults.between(1, 5400);
        }
        state.provider.tell(Webhook { at, sender, event, call: None, working: None });
    }

    fn control(&mut self, action: Action) {
        if let Some(id) = self.some_run() {
            self.later(Ask::Control(id, action), 0);
        }
    }

    /// A run, most often one that goes on.
    fn some_run(&mut self) -> Option<EnrollmentId> {
        let (all, open): (Vec<EnrollmentId>, Vec<EnrollmentId>) = {
            let state = self.hub.state();
            let all = state.tables.all_enrollments().map(|(_, e)| e.id).collect();
            let open = state.tables.all_enrollments().filter(|(_, e)| !e.state.is_finished()).map(|(_, e)| e.id);
            (all, open.collect())
        };
        let from = if open.is_empty() { &all } else { &open };
        (!from.is_empty()).then(|| *self.rng.pick(from))
    }
}
