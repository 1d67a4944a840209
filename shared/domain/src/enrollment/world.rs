//! A small account, somebody to enroll and the hands that tests lay on them.

use std::collections::BTreeMap;

use serde_json::json;

use super::enroll::{Decision, Wish};
use super::explain::{Blocking, explain};
use super::plan::{Context, Plan, plan};
use super::settle::settle;
use super::status::status;
use super::*;
use crate::account::Settings;
use crate::contact::{Contact, Person, Profile};
use crate::ids::{AttemptRef, ContactId, Ids, SenderId, SequenceId, TenantId};
use crate::message::{Channel, DeliveryStatus, Links, ProviderKind, Reaction, Refusal, SendOutcome, StatusUpdate};
use crate::sender::Sender;
use crate::sequence::{Sequence, StepChannel};
use crate::signal::Signal;
use crate::time::{Calendar, Timestamp};

/// 2026-11-16T12:00:00Z, a Monday.
pub(super) const START: Timestamp = Timestamp(1_794_830_400);

static NO_TEMPLATES: crate::content::Templates = crate::content::Templates::new();
static NO_LINKS: Links = Links { unsubscribe: BTreeMap::new(), reply: None };

pub(super) struct World {
    pub(super) tenant: TenantId,
    pub(super) person: Person,
    pub(super) sequence: Sequence,
    pub(super) moves_to: Option<Sequence>,
    pub(super) settings: Settings,
    pub(super) sender: Sender,
    /// Instead of that one alone, where there are several.
    pub(super) senders: Vec<Sender>,
    pub(super) calendar: Calendar,
    pub(super) dates: BTreeMap<String, String>,
}

impl World {
    /// One contact outside the 24 h window, three WhatsApp steps with fallback templates.
    pub(super) fn new() -> Self {
        let mut ids = Ids::from_seed([1; 32]);
        let tenant = TenantId::new(&mut ids);
        let step = |key: &str, wait: serde_json::Value| {
            json!({"key": key, "wait": wait, "channel": "whatsapp",
                "content": {"type": "text", "text": format!("{key} for {{{{ contact.first_name }}}}")},
                "fallback_template": {"name": format!("{key}_template"), "language": "pt_BR", "body": ["{{ contact.first_name }}"]}})
        };
        let sequence = serde_json::from_value(json!({
            "name": "Cobrança", "target": "contact",
            "steps": [
                step("one", json!({"value": 0, "unit": "minutes"})),
                step("two", json!({"value": 3, "unit": "days"})),
                step("three", json!({"value": 7, "unit": "days"})),
            ],
            "exit": {"goals": [{"event": "charge.paid"}]},
        }))
        .unwrap();
        let profile =
            Profile { first_name: Some("Ana".into()), phone: Some("+5511987654321".into()), ..Profile::default() };
        let contact = Contact::new(ContactId::new(&mut ids), profile, START);
        let sender = Sender {
            id: SenderId::of(tenant, &mut ids),
            rev: 1,
            created_at: START,
            name: "Loja".into(),
            channel: Channel::Whatsapp,
            provider: ProviderKind::WhatsappCloud,
            config: json!({}),
            limits: crate::sender::SenderLimits::default(),
            suspended: None,
            templates: None,
        };
        Self {
            tenant,
            person: Person { contact, conversations: vec![], targets: vec![], enrollments: vec![] },
            sequence,
            moves_to: None,
            settings: Settings { enabled: true, ..Settings::default() },
            sender,
            senders: Vec::new(),
            calendar: Calendar::default(),
            dates: BTreeMap::new(),
        }
    }

    /// Its steps choose among WhatsApp, email and SMS, and the contact can be reached by each.
    pub(super) fn automatic() -> Self {
        let mut world = Self::new();
        for (step, n) in world.sequence.steps.iter_mut().zip(1..) {
            step.channel = StepChannel::Automatic;
            step.channel_order = vec![StepChannel::Whatsapp, StepChannel::Email, StepChannel::Sms];
            let email = json!({"subject": format!("Fatura {n}"), "thread": "new"});
            step.content.email = Some(serde_json::from_value(email).unwrap());
        }
        let mut ids = Ids::from_seed([3; 32]);
        let mut sender =
            |channel, provider| Sender::new(SenderId::of(world.tenant, &mut ids), START, channel, provider, json!({}));
        world.senders = vec![
            world.sender.clone(),
            sender(Channel::Email, ProviderKind::Ses),
            sender(Channel::Sms, ProviderKind::AwsSms),
            sender(Channel::Conversation, ProviderKind::Chatwoot),
        ];
        world.person.contact.profile.email = Some("ana@example.com".into());
        world
    }

    pub(super) fn wish(&self) -> Wish {
        Wish {
            id: 1,
            sequence: SequenceId::new(&mut Ids::from_seed([2; 32])),
            version: 1,
            conversation: None,
            target: None,
            start_at: None,
            by: "ana@example.com".into(),
            source: Source { type_: SourceType::Manual, name: None },
            since: START,
            trigger: None,
        }
    }

    pub(super) fn planning(&self) -> Planning<'_> {
        Planning { sequence: &self.sequence, calendar: &self.calendar, target_dates: &self.dates }
    }

    pub(super) fn enrolled(&self) -> Enrollment {
        match self.wish().decide(&self.person, &self.planning(), START) {
            Decision::New(e) => *e,
            other => panic!("not enrolled: {other:?}"),
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            tenant: self.tenant,
            person: &self.person,
            sequence: &self.sequence,
            moves_to: self.moves_to.as_ref(),
            settings: &self.settings,
            senders: if self.senders.is_empty() { std::slice::from_ref(&self.sender) } else { &self.senders },
            templates: &NO_TEMPLATES,
            links: &NO_LINKS,
        }
    }

    pub(super) fn plan(&self, e: &Enrollment, now: Timestamp) -> Plan {
        plan(e, e.generation, &self.context(), now)
    }

    pub(super) fn explain(&self, e: &Enrollment, now: Timestamp) -> Vec<Blocking> {
        explain(e, &self.context(), now)
    }

    pub(super) fn planned(&self, e: &Enrollment, now: Timestamp) -> PlannedSend {
        match self.plan(e, now) {
            Plan::Send(planned) => *planned,
            other => panic!("no send: {other:?}"),
        }
    }

    pub(super) fn changed(&self, e: &Enrollment, now: Timestamp) -> Enrollment {
        match self.plan(e, now) {
            Plan::Change(next) => *next,
            other => panic!("no change: {other:?}"),
        }
    }

    /// Plans and claims the current step.
    pub(super) fn claimed(&self, e: &Enrollment, now: Timestamp) -> Enrollment {
        let planned = self.planned(e, now);
        assert!(e.may_claim(planned.generation, planned.step));
        e.claimed(planned.lease("token".into(), now, 120))
    }

    pub(super) fn settled(&self, e: &Enrollment, outcome: &SendOutcome, now: Timestamp) -> Enrollment {
        settle(e, "token", outcome, true, &self.planning(), now).expect("it is ours to settle")
    }

    /// Sends the current step and has it accepted.
    pub(super) fn sent(&self, e: &Enrollment, now: Timestamp) -> Enrollment {
        self.settled(&self.claimed(e, now), &accepted(), now)
    }

    pub(super) fn status(
        &self,
        e: &Enrollment,
        attempt: AttemptRef,
        s: DeliveryStatus,
        now: Timestamp,
    ) -> Option<Enrollment> {
        let refusal = (s == DeliveryStatus::Failed).then(|| refusal(Reaction::Recipient));
        status(e, attempt, &update(s, now, refusal), &self.planning(), now)
    }
}

pub(super) fn accepted() -> SendOutcome {
    SendOutcome::Accepted { provider_message_id: "wamid.1".into(), recipient_id: None }
}

pub(super) fn refusal(reaction: Reaction) -> Refusal {
    Refusal { reaction, code: "131000".into(), retry_after: None }
}

pub(super) fn refused(reaction: Reaction) -> SendOutcome {
    SendOutcome::Refused(refusal(reaction))
}

pub(super) fn update(status: DeliveryStatus, at: Timestamp, refusal: Option<Refusal>) -> StatusUpdate {
    StatusUpdate { reference: None, provider_message_id: "wamid.1".into(), status, at, refusal }
}

pub(super) fn attempt_of(e: &Enrollment, step: usize) -> AttemptRef {
    let generation = e.records[step].attempts.last().unwrap().generation;
    AttemptRef { enrollment: e.id, generation }
}

pub(super) fn signal(kind: &str, id: &str, at: Timestamp) -> Signal {
    Signal {
        id: id.into(),
        kind: kind.into(),
        at,
        target: None,
        conversation: None,
        data: serde_json::Map::new(),
        decimal_mark: None,
    }
}

pub(super) const DAY: i64 = 86_400;

pub(super) fn changed(plan: Plan) -> Enrollment {
    match plan {
        Plan::Change(next) => *next,
        other => panic!("no change: {other:?}"),
    }
}

pub(super) fn sends(plan: Plan) -> PlannedSend {
    match plan {
        Plan::Send(planned) => *planned,
        other => panic!("no send: {other:?}"),
    }
}

pub(super) fn reservation(plan: Plan) -> super::rate::Reservation {
    match plan {
        Plan::Reserve(reservation) => *reservation,
        other => panic!("no reservation: {other:?}"),
    }
}
