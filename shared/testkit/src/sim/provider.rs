//! The provider's side: what it was really asked, what it did with it, and what it reports later.

use std::collections::BTreeMap;

use domain::ids::{AttemptRef, SenderId};
use domain::message::{
    AttemptText, Channel, DeliveryStatus, InboundEvent, Message, Outbound, Reaction, Refusal, SendOutcome, StatusUpdate,
};
use domain::sender::Sender;
use domain::time::Timestamp;

use super::faults::{Fault, Faults};
use super::hub::{HandlerId, State};

/// What became of a request at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    Refused(Reaction),
    /// No answer; whether it was accepted.
    Silent(bool),
}

impl Fate {
    pub(crate) fn accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::Silent(true))
    }
}

/// One request that reached the provider.
#[derive(Debug, Clone)]
pub(super) struct ProviderCall {
    pub attempt: AttemptRef,
    /// As the message names it: the step's key and the version it was written in.
    pub key: String,
    pub version: u32,
    pub channel: Channel,
    /// Free text by WhatsApp, which goes out only within 24 hours of the person's last message.
    pub text: bool,
    pub event: u64,
    pub fate: Fate,
    /// Why it will be reported as failed.
    pub failure: Option<Reaction>,
    /// The caller has heard the answer.
    pub answered: bool,
    /// The engine was told that the message failed.
    pub told_failed: bool,
    /// The event in which a delivery was acknowledged.
    pub delivered_in: Option<u64>,
    /// The furthest status that the engine has taken with thanks.
    pub acknowledged: Option<DeliveryStatus>,
}

impl ProviderCall {
    /// The address or the message was refused for good, as far as this call's channel goes, and the engine
    /// knows it.
    pub(super) fn is_refused_for_good(&self) -> bool {
        let for_good = |reaction| matches!(reaction, Reaction::Recipient | Reaction::Bounced | Reaction::Message);
        let at_once = matches!(self.fate, Fate::Refused(reaction) if self.answered && for_good(reaction));
        at_once || (self.told_failed && self.failure.is_some_and(for_good))
    }

    /// Known not to have reached the person, in the eyes of whoever claimed in that event. A delivery
    /// that is told later finds the other send in flight.
    pub(super) fn is_void(&self, claimed_in: u64) -> bool {
        let delivered = self.delivered_in.is_some_and(|event| event < claimed_in);
        (self.answered && matches!(self.fate, Fate::Refused(_))) || (self.told_failed && !delivered)
    }
}

/// Something that the provider has to tell, until it is taken.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    pub at: i64,
    pub sender: SenderId,
    pub event: InboundEvent,
    /// Which call it reports on.
    pub call: Option<usize>,
    /// Who delivers it now.
    pub working: Option<HandlerId>,
}

#[derive(Debug, Default)]
pub(super) struct Provider {
    pub calls: Vec<ProviderCall>,
    pub webhooks: BTreeMap<u64, Webhook>,
    next: u64,
}

impl Provider {
    pub(super) fn tell(&mut self, webhook: Webhook) {
        self.webhooks.insert(self.next, webhook);
        self.next += 1;
    }

    /// Webhooks that may be delivered now.
    pub(super) fn ready(&self, now: i64) -> Vec<u64> {
        self.webhooks.iter().filter(|(_, w)| w.at <= now && w.working.is_none()).map(|(id, _)| *id).collect()
    }

    pub(super) fn next_ready(&self) -> Option<i64> {
        self.webhooks.values().filter(|w| w.working.is_none()).map(|w| w.at).min()
    }
}

/// What the scenario's messages say of themselves: version, step's key, and whether it is free text.
pub(crate) fn named(message: &Message) -> (u32, String, bool) {
    let (name, text) = match message {
        Message::Text { text } => (text.as_str(), true),
        Message::WhatsappTemplate(template) => (template.name.as_str(), false),
        Message::Rich(rich) => (rich.text.as_str(), true),
        Message::Email(email) => (email.text.as_str(), true),
        Message::Bot { bot_id, .. } => (bot_id.as_str(), true),
    };
    let parts = name.strip_prefix('v').and_then(|rest| rest.split_once('_'));
    let (version, key) = parts.unwrap_or(("0", name));
    (version.parse().unwrap_or(0), key.to_owned(), text)
}

fn fate(text: bool, faults: &mut Faults) -> Fate {
    let mut refusals = vec![
        (Fault::ProviderThrottles, Reaction::Throttled),
        (Fault::ProviderFails, Reaction::Transient),
        (Fault::ProviderRefusesRecipient, Reaction::Recipient),
        (Fault::ProviderRefusesMessage, Reaction::Message),
        (Fault::ProviderRefusesSender, Reaction::Sender),
        (Fault::ProviderRefusesOptedOut, Reaction::OptedOut),
    ];
    if text {
        refusals.push((Fault::ProviderRefusesWindow, Reaction::OutsideWindow));
    }
    for (kind, reaction) in refusals {
        if faults.hit(kind) {
            return Fate::Refused(reaction);
        }
    }
    if faults.hit(Fault::ProviderTimesOutBefore) {
        return Fate::Silent(false);
    }
    if faults.hit(Fault::ProviderTimesOutAfter) { Fate::Silent(true) } else { Fate::Accepted }
}

impl State {
    /// A request arrives. What became of it is decided at once; the caller hears of it later.
    pub(super) fn provider_call(&mut self, sender: &Sender, outbound: &Outbound) -> usize {
        let (version, key, text) = named(&outbound.message);
        let text = text && sender.channel == Channel::Whatsapp;
        let fate = match fate(text, &mut self.faults) {
            Fate::Refused(Reaction::Recipient) => Fate::Refused(unreachable_by(sender.channel, outbound.reference)),
            other => other,
        };
        let call = ProviderCall {
            attempt: outbound.reference,
            key,
            version,
            channel: sender.channel,
            text,
            event: self.event,
            fate,
            failure: None,
            answered: false,
            told_failed: false,
            delivered_in: None,
            acknowledged: None,
        };
        self.trace.line(
            self.event,
            self.now,
            format_args!("      provider asked for {} of {} ({fate:?})", call.key, call.attempt),
        );
        self.model.call_starts(&call, &self.provider.calls, self.now);
        let index = self.provider.calls.len();
        self.provider.calls.push(call);
        if fate.accepted() {
            self.report(index, sender.id);
        }
        index
    }

    pub(super) fn provider_answer(&mut self, index: usize) -> SendOutcome {
        let call = &mut self.provider.calls[index];
        call.answered = true;
        let refused = |reaction| {
            let code = format!("{reaction:?}").to_lowercase();
            SendOutcome::Refused(Refusal { reaction, code, retry_after: None })
        };
        match call.fate {
            Fate::Accepted => SendOutcome::Accepted { provider_message_id: message_id(index), recipient_id: None },
            Fate::Refused(reaction) => refused(reaction),
            Fate::Silent(_) => SendOutcome::Ambiguous,
        }
    }

    /// Plans what is reported of an accepted message.
    fn report(&mut self, index: usize, sender: SenderId) {
        let ProviderCall { text, channel, attempt, .. } = self.provider.calls[index];
        let failure = if self.faults.hit(Fault::FailedLaterRecipient) {
            Some(unreachable_by(channel, attempt))
        } else if text && self.faults.hit(Fault::FailedLaterWindow) {
            Some(Reaction::OutsideWindow)
        } else {
            None
        };
        self.provider.calls[index].failure = failure;
        let mut reports = vec![(DeliveryStatus::Sent, 2)];
        if failure.is_some() {
            reports.push((DeliveryStatus::Failed, 15));
            if self.faults.hit(Fault::DeliveredAfterFailed) {
                reports.push((DeliveryStatus::Delivered, 60));
            }
        } else {
            reports.extend([(DeliveryStatus::Delivered, 10), (DeliveryStatus::Read, 90)]);
        }
        for (status, after) in reports {
            if self.faults.hit(Fault::StatusNever) {
                continue;
            }
            let mut at = self.now + self.random.between(1, after);
            if self.faults.hit(Fault::StatusLate) {
                at += self.faults.between(10, 7200);
            }
            let refusal = failure.filter(|_| status == DeliveryStatus::Failed).map(|reaction| Refusal {
                reaction,
                code: "131000".into(),
                retry_after: None,
            });
            let update = StatusUpdate {
                reference: Some(AttemptText(self.provider.calls[index].attempt)),
                provider_message_id: message_id(index),
                status,
                at: Timestamp(at),
                refusal,
            };
            let event = InboundEvent::Status(update);
            let webhook = Webhook { at, sender, event, call: Some(index), working: None };
            if self.faults.hit(Fault::StatusTwice) {
                let later = at + self.faults.between(0, 300);
                self.provider.tell(Webhook { at: later, ..webhook.clone() });
            }
            self.provider.tell(webhook);
        }
    }
}

/// Of emails that do not arrive half come back for good.
fn unreachable_by(channel: Channel, attempt: AttemptRef) -> Reaction {
    let bounces = channel == Channel::Email && attempt.generation.is_multiple_of(2);
    if bounces { Reaction::Bounced } else { Reaction::Recipient }
}

fn message_id(index: usize) -> String {
    format!("wamid.{index}")
}
