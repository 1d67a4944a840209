//! The whole small world as one value that can be copied and compared: what is stored, what is on
//! its way, and what the provider was really asked.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex};

use domain::ids::{AttemptRef, ContactId, EnrollmentId, SenderId, SequenceId, TenantId};
use domain::message::{
    AttemptText, Channel, DeliveryStatus, InboundEvent, Outbound, Reaction, Recipient, Refusal, SendOutcome,
    StatusUpdate,
};
use domain::time::Timestamp;
use engine::Cache;
use engine::queue::StepDue;

use super::model::Model;
use crate::memory::{MAX_DELAY_SECONDS, Tables};
pub(super) use crate::sim::Fate;
use crate::sim::named;

/// The sweep's own grace, and a little.
const OVERDUE_SECONDS: i64 = 130;
const SWEEP_EVERY_SECONDS: i64 = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Queue {
    Step,
    Send,
    Inbound,
}

/// A message on a queue, or a timer that will become one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Letter {
    pub visible_at: i64,
    pub queue: Queue,
    pub body: Arc<str>,
    /// Which of several with this text it is: each handler of a planned send draws a token of its own.
    pub copy: u8,
    /// A schedule, of which there is one by a name.
    pub schedule: bool,
}

/// A request that reached the provider.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub attempt: AttemptRef,
    /// As the message names it: the step's key and the version that it was written in.
    pub key: String,
    pub version: u32,
    pub channel: Channel,
    /// Free text by WhatsApp.
    pub text: bool,
    pub fate: Fate,
    pub at: i64,
    /// The caller has heard the answer.
    pub answered: bool,
    /// What has been told of it since, and whether telling has begun or is answered.
    pub told_failed: bool,
    pub delivered: bool,
}

impl Call {
    /// Known not to have reached the person.
    pub(super) fn is_void(&self) -> bool {
        (self.answered && matches!(self.fate, Fate::Refused(_))) || (self.told_failed && !self.delivered)
    }
}

#[derive(Clone)]
pub(super) struct World {
    pub tenant: TenantId,
    pub contact: ContactId,
    pub sender: SenderId,
    pub sequence: SequenceId,
    /// What nothing changes: account, sender, sequence, versions.
    pub base: Arc<Mutex<Tables>>,
    /// What workers remember of it.
    pub cache: Arc<Cache>,
    pub tables: Tables,
    pub now: i64,
    pub last_sweep: i64,
    /// How many of each letter there are.
    pub mail: BTreeMap<Letter, u8>,
    /// How often a planned send was ever posted.
    posted: BTreeMap<Arc<str>, u8>,
    pub calls: Vec<Call>,
    pub model: Model,
}

impl World {
    pub(super) fn new(
        ids: (TenantId, ContactId, SenderId, SequenceId),
        base: Tables,
        mut tables: Tables,
        now: i64,
        model: Model,
    ) -> Self {
        tables.watched = Some(Vec::new());
        let (tenant, contact, sender, sequence) = ids;
        Self {
            tenant,
            contact,
            sender,
            sequence,
            base: Arc::new(Mutex::new(base)),
            cache: Arc::default(),
            tables,
            now,
            last_sweep: now,
            mail: BTreeMap::new(),
            posted: BTreeMap::new(),
            calls: Vec::new(),
            model,
        }
    }

    pub(super) fn enrollment_id(&self) -> Option<EnrollmentId> {
        self.tables.all_enrollments().map(|(_, e)| e.id).last()
    }

    pub(super) fn post(&mut self, queue: Queue, body: String, visible_at: i64) {
        let body: Arc<str> = body.into();
        let mut copy = 0;
        if queue == Queue::Send {
            let times = self.posted.entry(body.clone()).or_default();
            copy = *times;
            *times += 1;
        }
        self.put_back(Letter { visible_at, queue, body, copy, schedule: false });
    }

    pub(super) fn put_back(&mut self, letter: Letter) {
        *self.mail.entry(letter).or_default() += 1;
    }

    pub(super) fn take(&mut self, letter: &Letter) {
        if let Some(count) = self.mail.get_mut(letter) {
            *count -= 1;
            if *count == 0 {
                self.mail.remove(letter);
            }
        }
    }

    /// A delayed message, or beyond 15 minutes a schedule.
    pub(super) fn arm(&mut self, due: &StepDue, at: i64, now: i64, again: bool) {
        let body = engine::queue::encode(due);
        if again || at - now <= MAX_DELAY_SECONDS {
            return self.post(Queue::Step, body, now + (at - now).clamp(0, MAX_DELAY_SECONDS));
        }
        let there = self.mail.keys().any(|l| l.schedule && *l.body == *body);
        if !there {
            self.put_back(Letter { visible_at: at, queue: Queue::Step, body: body.into(), copy: 0, schedule: true });
        }
    }

    pub(super) fn visible(&self) -> impl Iterator<Item = &Letter> {
        self.mail.keys().filter(|l| l.visible_at <= self.now)
    }

    /// Whether a sweep would find something.
    pub(super) fn is_overdue(&self) -> bool {
        self.sweep_at().is_some_and(|at| at <= self.now)
    }

    fn sweep_at(&self) -> Option<i64> {
        let due = self.tables.earliest_due()?;
        Some((due.wake.0 + OVERDUE_SECONDS).max(self.last_sweep + SWEEP_EVERY_SECONDS))
    }

    /// The next instant at which something happens by itself.
    pub(super) fn next_instant(&self) -> Option<i64> {
        let mail = self.mail.keys().map(|l| l.visible_at).filter(|at| *at > self.now).min();
        mail.into_iter().chain(self.sweep_at()).filter(|at| *at > self.now).min()
    }

    // The provider.

    pub(super) fn asked(&mut self, outbound: &Outbound, fate: Fate) -> usize {
        let (version, key, text) = named(&outbound.message);
        let channel = if matches!(outbound.to, Recipient::Email(_)) { Channel::Email } else { Channel::Whatsapp };
        let call = Call {
            attempt: outbound.reference,
            key,
            version,
            channel,
            text: text && channel == Channel::Whatsapp,
            fate,
            at: self.now,
            answered: false,
            told_failed: false,
            delivered: false,
        };
        self.model.call_starts(&call, &self.calls);
        self.calls.push(call);
        self.calls.len() - 1
    }

    pub(super) fn answer(&mut self, index: usize) -> SendOutcome {
        let call = &mut self.calls[index];
        call.answered = true;
        match call.fate {
            Fate::Accepted => SendOutcome::Accepted { provider_message_id: message_id(index), recipient_id: None },
            Fate::Refused(reaction) => SendOutcome::Refused(refusal(reaction)),
            Fate::Silent(_) => SendOutcome::Ambiguous,
        }
    }

    /// What the provider tells of a call.
    pub(super) fn report(&self, index: usize, status: DeliveryStatus) -> InboundEvent {
        let call = &self.calls[index];
        let reaction = if call.text { Reaction::OutsideWindow } else { Reaction::Recipient };
        InboundEvent::Status(StatusUpdate {
            reference: Some(AttemptText(call.attempt)),
            provider_message_id: message_id(index),
            status,
            at: Timestamp(self.now),
            refusal: (status == DeliveryStatus::Failed).then(|| refusal(reaction)),
        })
    }

    /// Everything that decides what may happen next, as a number.
    pub(super) fn digest(&mut self, handlers: &impl Debug) -> u64 {
        let person = self.tables.person(self.tenant, self.contact).ok().flatten();
        let slot = self.tables.free_slot(self.sender);
        let times = (self.now, self.last_sweep, slot, self.tables.days_taken());
        digest(&(times, person, &self.mail, &self.posted, &self.calls, &self.model, handlers))
    }
}

fn message_id(index: usize) -> String {
    format!("wamid.{index}")
}

fn refusal(reaction: Reaction) -> Refusal {
    Refusal { reaction, code: format!("{reaction:?}").to_lowercase(), retry_after: None }
}

/// A number for whatever can be written down.
pub(super) fn digest(value: &impl Debug) -> u64 {
    struct Hashing(DefaultHasher);

    impl fmt::Write for Hashing {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }

    let mut hashing = Hashing(DefaultHasher::new());
    // Hashing never fails.
    let _ = write!(hashing, "{value:?}");
    hashing.0.finish()
}
