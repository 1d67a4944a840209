//! Ends of handlers: what is told to queues, providers, clients, and to the model.

use domain::message::{Channel, DeliveryStatus, InboundEvent, Reaction};
use engine::control::Action;

use super::faults::Fault;
use super::handlers::{Handler, Pending, Work};
use super::hub::{HandlerId, State};
use super::model::{Told, ToldKind};
use super::people::{Answer, Ask};
use super::runner::Runner;

impl Runner {
    pub(super) fn ended(&mut self, id: HandlerId, handler: Handler, answer: Result<Answer, String>) {
        match handler.work {
            Work::Sweep => {}
            Work::Message(message) => {
                let mut state = self.hub.state();
                let retry_at = state.now + self.rng.between(1, 60);
                let lost = answer.is_ok() && state.faults.hit(Fault::DeleteLost);
                state.broker.done(message, id, answer.is_ok() && !lost, retry_at);
            }
            Work::Webhook(webhook) if answer.is_ok() => self.webhook_taken(webhook),
            Work::Webhook(webhook) => self.webhook_again(webhook),
            Work::Ask(pending) => match answer {
                Ok(answer) => self.answered(&pending, &answer),
                Err(_) => self.ask_again(*pending),
            },
        }
    }

    pub(super) fn webhook_again(&mut self, webhook: u64) {
        let mut state = self.hub.state();
        let at = state.now + self.rng.between(5, 300);
        if let Some(webhook) = state.provider.webhooks.get_mut(&webhook) {
            webhook.working = None;
            webhook.at = at;
        }
    }

    fn webhook_taken(&mut self, webhook: u64) {
        let mut state = self.hub.state();
        let State { provider, model, event, .. } = &mut *state;
        let scenario = &self.scenario;
        let Some(taken) = provider.webhooks.remove(&webhook) else { return };
        match taken.event {
            InboundEvent::Status(update) => {
                if let Some(call) = taken.call {
                    let call = &mut provider.calls[call];
                    if update.status >= DeliveryStatus::Delivered {
                        call.delivered_in.get_or_insert(*event);
                    }
                    call.acknowledged = call.acknowledged.max(Some(update.status));
                    if update.refusal.is_some_and(|refusal| refusal.reaction == Reaction::Bounced) {
                        model.suppressed(call.attempt.enrollment.contact, Channel::Email);
                    }
                }
            }
            InboundEvent::Message(message) => {
                let Some(contact) = scenario.who(&message.from) else { return };
                let channel = Some(Channel::Whatsapp);
                let told = |kind| Told { id: message.id.clone(), kind, at: message.at.0, about_target: false, channel };
                model.told(contact, told(ToldKind::Reply));
                if message.text.as_deref() == Some("STOP") {
                    model.told(contact, told(ToldKind::Unsubscribed));
                }
            }
            InboundEvent::OptOut { from, at, id } => {
                let Some(contact) = scenario.who(&from) else { return };
                let (kind, channel) = (ToldKind::Unsubscribed, Some(Channel::Whatsapp));
                model.told(contact, Told { id, kind, at: at.0, about_target: false, channel });
            }
            // Nothing that this world's contacts do.
            _ => {}
        }
    }

    /// A request is over, one way or the other.
    fn asked(&mut self, pending: &Pending) {
        let mut state = self.hub.state();
        if let Ask::Control(id, Action::Migrate { .. }) = pending.ask {
            state.model.moving_over(id);
        }
        let State { tables, model, .. } = &mut *state;
        let ids: Vec<_> = tables.all_enrollments().map(|(_, e)| e.id).collect();
        ids.into_iter().filter(|id| pending.ask.may_unpause(*id)).for_each(|id| model.unpausing_over(id));
    }

    pub(super) fn ask_again(&mut self, pending: Pending) {
        self.asked(&pending);
        // What is half done of these is the caller's to finish: nothing was acknowledged.
        let insists = matches!(pending.ask, Ask::Enable(_) | Ask::RestoreSender | Ask::MoveDate { .. });
        let gives_up = !insists && self.hub.hit(Fault::ClientGivesUp);
        if !gives_up {
            let at = self.hub.state().now + self.rng.between(1, 60);
            self.asks.push(Pending { tries: pending.tries + 1, at, ..pending });
        }
    }

    fn answered(&mut self, pending: &Pending, answer: &Answer) {
        self.asked(pending);
        let mut state = self.hub.state();
        let model = &mut state.model;
        if let Answer::No(_) = answer {
            return;
        }
        match &pending.ask {
            Ask::Control(id, Action::Pause) => model.paused(*id, pending.since),
            Ask::Control(id, Action::Migrate { version }) => model.moved(*id, *version, pending.since),
            Ask::Control(id, Action::Exit { .. }) => model.ended(*id),
            _ => {}
        }
        if let Answer::Run(e) = answer
            && e.state.is_finished()
        {
            model.ended(e.id);
        }
        if let Some((contact, told)) = pending.ask.told() {
            model.told(contact, told);
        }
    }
}
