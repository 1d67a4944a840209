//! What a provider's webhook says, applied.
//!
//! The answer is given only when everything has been applied, or queued where applying failed for a
//! passing reason (then it is answered 5xx too: the provider's repeat is harmless; who never repeats is
//! answered 2xx). Dies anywhere:
//! the provider has no answer and repeats; marks, ranks and keyed records make repeats harmless.

use domain::contact::Contact;
use domain::guard;
use domain::ids::{ContactId, SenderId, TenantId};
use domain::message::{Channel, Identity, InboundEvent, InboundMessage, StatusUpdate};
use domain::signal::{MESSAGE_RECEIVED, Signal};
use sha2::{Digest as _, Sha256};

use crate::model::{Direction, StoredMessage};
use crate::payments::{Told, passing};
use crate::ports::{Queues as _, Store as _};
use crate::queue::{InboundWork, MAX_BYTES, encode};
use crate::{Engine, PortError, Ports, Refused};

/// More statuses than these in one body are queued: the provider waits for the answer.
const STATUSES_AT_ONCE: usize = 50;

impl<P: Ports> Engine<P> {
    /// Applies a provider's verified, normalised events: messages and opt-outs first. What a passing
    /// fault keeps from being applied is queued on the inbound queue.
    ///
    /// # Errors
    /// It could be neither applied nor queued.
    pub async fn apply(&self, sender: SenderId, events: Vec<InboundEvent>) -> Result<Told, PortError> {
        let (statuses, first): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|e| matches!(e, InboundEvent::Status(_)));
        let mut events = first.into_iter().chain(statuses).collect::<Vec<_>>();
        let first_status = events.iter().position(|e| matches!(e, InboundEvent::Status(_))).unwrap_or(events.len());
        let at_once = events.len().min(first_status + STATUSES_AT_ONCE);
        let later = events.split_off(at_once);
        if !later.is_empty() {
            self.queue(sender, later).await?;
        }
        for (index, event) in events.iter().enumerate() {
            if let Err(error) = self.apply_one(sender, event).await {
                tracing::warn!(%sender, %error, "webhook not applied, queued");
                self.queue(sender, events[index..].to_vec()).await?;
                return Ok(Told::Queued);
            }
        }
        Ok(Told::Applied)
    }

    /// The same from the inbound queue, which retries by itself.
    pub async fn apply_queued(&self, work: &InboundWork) -> Result<(), PortError> {
        match work {
            InboundWork::Events { sender, events, .. } => {
                for event in events {
                    self.apply_one(*sender, event).await?;
                }
                Ok(())
            }
            InboundWork::Payment { source, notice, .. } => self.told_before(*source, notice).await,
        }
    }

    /// In as many messages as their size takes.
    async fn queue(&self, sender: SenderId, events: Vec<InboundEvent>) -> Result<(), PortError> {
        let mut waiting = vec![events];
        while let Some(mut events) = waiting.pop() {
            let work = InboundWork::Events { tenant: sender.tenant(), sender, events: events.clone() };
            if events.len() > 1 && encode(&work).len() > MAX_BYTES {
                let later = events.split_off(events.len() / 2);
                waiting.extend([later, events]);
            } else {
                self.queues.inbound(&work).await?;
            }
        }
        Ok(())
    }

    async fn apply_one(&self, sender: SenderId, event: &InboundEvent) -> Result<(), PortError> {
        let tenant = sender.tenant();
        let applied = match event {
            InboundEvent::Message(message) => self.message(tenant, sender, message).await,
            InboundEvent::Status(status) => self.status(tenant, sender, status).await,
            InboundEvent::OptOut { from, at, id } => match self.who(tenant, from).await? {
                Some(contact) => self.opt_out_of_sender(tenant, sender, contact, id, *at).await,
                None => Ok(()),
            },
            InboundEvent::OptIn { from, at } => match self.who(tenant, from).await? {
                Some(contact) => self.opt_in(tenant, sender, contact, *at).await,
                None => Ok(()),
            },
            InboundEvent::Email(answer) => self.answered(tenant, sender, answer).await,
            InboundEvent::Bounced { address, reference, .. } => self.bounced(tenant, address, *reference).await,
            InboundEvent::NumberChanged { from, to, .. } => match self.who(tenant, from).await? {
                Some(contact) => self.move_identity(tenant, contact, from, to).await,
                None => Ok(()),
            },
            InboundEvent::Conversation(event) => self.conversation_told(sender, event).await,
            InboundEvent::Identified { identities } => self.identified(tenant, identities).await,
            InboundEvent::Template(told) => self.template_told(sender, told).await,
        };
        passing(applied).map(drop)
    }

    /// The first contact that any of these identities names.
    pub(crate) async fn who(&self, tenant: TenantId, identities: &[Identity]) -> Result<Option<ContactId>, PortError> {
        for identity in identities {
            if let Some(contact) = self.store.find_contact(tenant, identity).await? {
                return Ok(Some(contact));
            }
        }
        Ok(None)
    }

    async fn message(&self, tenant: TenantId, sender: SenderId, message: &InboundMessage) -> Result<(), Refused> {
        // A provider may know as one who is two here: the reply is both's.
        let mut done = Vec::new();
        for identity in &message.from {
            let Some(contact) = self.store.find_contact(tenant, identity).await? else { continue };
            if !done.contains(&contact) {
                self.received(tenant, sender, contact, message, None).await?;
                done.push(contact);
            }
        }
        Ok(())
    }

    /// A contact wrote: the 24 h window opens, the mark lies, the reply ends what it ends.
    pub(crate) async fn received(
        &self,
        tenant: TenantId,
        sender: SenderId,
        contact: ContactId,
        message: &InboundMessage,
        conversation: Option<&str>,
    ) -> Result<(), Refused> {
        // Not the settings that are remembered: the sender may be newer, and an answer is not to be lost.
        let Some(channel) = self.store.sender(sender).await?.map(|sender| sender.channel) else { return Ok(()) };
        self.store.put_message(tenant, &stored(contact, sender, channel, message)).await?;
        if !message.kind.is_reply() {
            return Ok(());
        }
        // A provider's clock may be ahead of ours; a reply never counts as later than now.
        let at = message.at.min(self.now());
        let signal = Signal {
            id: message.id.clone(),
            kind: MESSAGE_RECEIVED.into(),
            at,
            target: None,
            conversation: conversation.map(str::to_owned),
            data: serde_json::Map::new(),
            decimal_mark: None,
        };
        self.note(tenant, sender, contact, message, &signal).await?;
        let settings = &self.account(tenant).await?.settings;
        if message.text.as_deref().is_some_and(|text| settings.is_opt_out(text)) {
            // Whoever says it in the helpdesk says it on what the conversation goes over.
            if let Some(through) = self.conversation_channel(tenant, contact, conversation).await? {
                self.opt_out(tenant, contact, through, &message.id, at).await?;
            }
            self.opt_out_of_sender(tenant, sender, contact, &message.id, at).await?;
        }
        if let Some(person) = self.store.person(tenant, contact).await? {
            self.end_by(tenant, person, &signal).await?;
        }
        Ok(())
    }

    /// The window, the mark and what the provider calls the person, in one write of the contact.
    async fn note(
        &self,
        tenant: TenantId,
        sender: SenderId,
        id: ContactId,
        message: &InboundMessage,
        signal: &Signal,
    ) -> Result<(), Refused> {
        let edit = |contact: &mut Contact| {
            if guard!(MarkFirst, true) {
                contact.marks.add(signal);
            }
            let last = contact.last_inbound.entry(sender).or_insert(signal.at);
            *last = (*last).max(signal.at);
        };
        self.learn(tenant, id, &message.from, &edit).await
    }

    pub(crate) async fn opt_out_of_sender(
        &self,
        tenant: TenantId,
        sender: SenderId,
        contact: ContactId,
        id: &str,
        at: domain::time::Timestamp,
    ) -> Result<(), Refused> {
        if let Some(sender) = self.store.sender(sender).await? {
            self.opt_out(tenant, contact, sender.channel, id, at).await?;
        }
        Ok(())
    }

    /// What became of an attempt, matched by our own reference.
    async fn status(&self, tenant: TenantId, sender: SenderId, update: &StatusUpdate) -> Result<(), Refused> {
        let Some(reference) = update.reference else { return Ok(()) };
        let attempt = reference.0;
        let id = attempt.enrollment;
        let Some(person) = self.store.person(tenant, id.contact).await? else { return Ok(()) };
        let Some(enrollment) = person.enrollments.iter().find(|e| e.id == id).cloned() else { return Ok(()) };
        self.with_planning(tenant, &person, enrollment, |e, planning, now| {
            domain::enrollment::status::status(e, attempt, update, planning, now)
        })
        .await?;
        if let Some(refusal) = &update.refusal {
            self.react(tenant, sender, attempt, refusal, update.at).await?;
        }
        Ok(())
    }
}

fn stored(contact: ContactId, sender: SenderId, channel: Channel, message: &InboundMessage) -> StoredMessage {
    let hash: [u8; 32] = Sha256::digest(format!("{sender}\n{}", message.id).as_bytes()).into();
    let mut id = [0; 12];
    id.copy_from_slice(&hash[..12]);
    StoredMessage {
        id: domain::ids::MessageId::from_bytes(id),
        contact,
        at: message.at,
        direction: Direction::In,
        channel,
        sender,
        message: None,
        text: message.text.clone(),
        kind: Some(message.kind),
        provider_message_id: Some(message.id.clone()),
        enrollment: None,
        step: None,
    }
}
