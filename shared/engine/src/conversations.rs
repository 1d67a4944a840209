//! Conversations of the helpdesk: what it tells of them, and the look before a message goes into one.
//!
//! A conversation is its contact's who has it already; else that of the contact whom its phone, email or own
//! id names, with whom it is then kept. Nobody's is passed over: who writes to the helpdesk and is no contact
//! here has no run that could end.
//!
//! If it dies:
//! - `conversation_told` after the conversation was kept: it is found by its name from then on. Between a
//!   change of status' signal and its write: told again, the signal has the same id.
//! - `look` while news are applied: nothing has been claimed; the planned send comes again, and with it what
//!   is left of them. After them, before the timer: the same, and nothing is news any more.

use domain::contact::{Conversation, ConversationStatus};
use domain::conversation::{ConversationEvent, Description, InConversation};
use domain::enrollment::PlannedSend;
use domain::ids::{ContactId, SenderId, TenantId};
use domain::message::{Identity, InboundMessage, Recipient, SendOutcome};
use domain::sender::Sender;
use domain::signal::{CONVERSATION_OPENED, CONVERSATION_RESOLVED, SENT_BY_AGENT, Signal};
use domain::time::Timestamp;
use serde_json::{Map, Value};

use crate::accounts::Invalid;
use crate::contacts::check_attributes;
use crate::payments::passing;
use crate::ports::{Channels as _, PortResult, Ports, Saved, Store as _};
use crate::{Engine, MAX_RACES, Refused};

/// What a look says of a send.
pub(crate) enum Looked {
    /// It is to be claimed and made.
    Clear,
    /// The conversation went on, which has been applied: it is planned again.
    WentOn,
    /// It is to be claimed, and settled as this without a call.
    Foretold(SendOutcome),
}

impl<P: Ports> Engine<P> {
    /// Applies what the helpdesk told of a conversation.
    pub(crate) async fn conversation_told(&self, sender: SenderId, event: &ConversationEvent) -> Result<(), Refused> {
        let tenant = sender.tenant();
        let owners = self.store.owners(tenant, &Conversation::named(sender, &event.conversation)).await?;
        let contact = match owners.first() {
            Some(owner) => Some(*owner),
            None => self.who(tenant, &event.of).await?,
        };
        match contact {
            Some(contact) => self.happened(sender, contact, event, event.at).await,
            None => Ok(()),
        }
    }

    /// The same of a contact's conversation that is known. `seen`: when it was so; told late, a status says
    /// nothing of the present.
    async fn happened(
        &self,
        sender: SenderId,
        contact: ContactId,
        event: &ConversationEvent,
        seen: Timestamp,
    ) -> Result<(), Refused> {
        let tenant = sender.tenant();
        match &event.what {
            InConversation::Described(described) => self.describe(sender, contact, event, described, seen).await,
            InConversation::Received(message) => {
                let message = InboundMessage { from: event.of.clone(), ..message.clone() };
                self.received(tenant, sender, contact, &message, Some(&event.conversation)).await
            }
            InConversation::SentByAgent { id } => {
                let signal = self.signal_of(event, SENT_BY_AGENT, id.clone());
                self.signal(tenant, contact, &signal).await.map(drop)
            }
        }
    }

    /// The helpdesk's clock may be ahead of ours: nothing counts as later than now.
    fn signal_of(&self, event: &ConversationEvent, kind: &str, id: String) -> Signal {
        Signal {
            id,
            kind: kind.into(),
            at: event.at.min(self.now()),
            target: None,
            conversation: Some(event.conversation.clone()),
            data: Map::new(),
            decimal_mark: None,
        }
    }

    /// Keeps a conversation as it is described. A change of its status counts as what it is before it is
    /// kept: resolved, or open again.
    async fn describe(
        &self,
        sender: SenderId,
        contact: ContactId,
        event: &ConversationEvent,
        described: &Description,
        seen: Timestamp,
    ) -> Result<(), Refused> {
        let tenant = sender.tenant();
        let Some(person) = self.store.person(tenant, contact).await? else { return Ok(()) };
        let before = person.conversation(&event.conversation);
        let changes = described.is_change || before.is_some_and(|c| c.takes(described.status, seen));
        let kind = match described.status {
            ConversationStatus::Resolved => CONVERSATION_RESOLVED,
            ConversationStatus::Open => CONVERSATION_OPENED,
            ConversationStatus::Pending => {
                return self.keep(sender, contact, event, described, Some(seen)).await.map(drop);
            }
        };
        if !changes {
            return self.keep(sender, contact, event, described, Some(seen)).await.map(drop);
        }
        // The mark lies on the conversation.
        if !self.keep(sender, contact, event, described, None).await? {
            return Ok(());
        }
        let id = format!("{kind}:{}:{}", event.conversation, event.at.0);
        self.signal(tenant, contact, &self.signal_of(event, kind, id)).await?;
        self.keep(sender, contact, event, described, Some(seen)).await.map(drop)
    }

    /// Writes what differs, the status where `seen` says since when it is so. `false` when the contact is
    /// gone, or its conversation of that id is another sender's.
    async fn keep(
        &self,
        sender: SenderId,
        contact: ContactId,
        event: &ConversationEvent,
        described: &Description,
        seen: Option<Timestamp>,
    ) -> Result<bool, Refused> {
        let tenant = sender.tenant();
        for _ in 0..MAX_RACES {
            let Some(person) = self.store.person(tenant, contact).await? else { return Ok(false) };
            let before = person.conversation(&event.conversation);
            if before.and_then(|c| c.sender_id).is_some_and(|of| of != sender) {
                return Ok(false);
            }
            let mut after = before.cloned().unwrap_or_else(|| Conversation::new(&event.conversation));
            after.sender_id = Some(sender);
            after.channel = described.channel.or(after.channel);
            after.assignee.clone_from(&described.assignee);
            let mut attributes = after.attributes.clone();
            attributes.remove("labels");
            attributes.extend(described.attributes.clone());
            if check_attributes(&attributes).is_empty() {
                after.attributes = attributes;
            }
            if let Some(seen) = seen.filter(|seen| before.is_none() || after.takes(described.status, *seen)) {
                after.status = described.status;
                after.status_at = Some(seen);
            }
            if before == Some(&after) {
                return Ok(true);
            }
            after.rev += 1;
            if self.store.save_conversation(tenant, contact, &after).await? == Saved::Yes {
                return Ok(true);
            }
        }
        Err(Refused::Busy)
    }

    /// Looks into the conversation that a planned send goes into, and applies what nobody had told of it.
    ///
    /// # Errors
    /// News could not be applied for a passing reason: the planned send comes again.
    pub(crate) async fn look(&self, planned: &PlannedSend, sender: &Sender, credentials: &Value) -> PortResult<Looked> {
        let (Recipient::Conversation(conversation), Some(heard)) = (&planned.to, &planned.heard) else {
            return Ok(Looked::Clear);
        };
        let look = match self.channels.look(sender, credentials, conversation).await {
            Ok(look) => look,
            Err(refusal) => return Ok(Looked::Foretold(SendOutcome::Refused(refusal))),
        };
        let news = heard.news(&look);
        if news.is_empty() {
            return Ok(look.foretells(&planned.message, &heard.earlier).map_or(Looked::Clear, Looked::Foretold));
        }
        tracing::info!(enrollment = %planned.enrollment, news = news.len(), "a conversation went on unheard");
        for event in &news {
            // As it is now, whenever it came to be so.
            let applied = self.happened(sender.id, planned.enrollment.contact, event, self.now()).await;
            passing(applied)?;
        }
        Ok(Looked::WentOn)
    }

    /// A person has all of these: what the contact whom the first known one names lacks of them is added.
    /// What it says itself stays, and so does what is another contact's.
    pub(crate) async fn identified(&self, tenant: TenantId, identities: &[Identity]) -> Result<(), Refused> {
        let Some(contact) = self.who(tenant, identities).await? else { return Ok(()) };
        for identity in identities {
            let filled = self
                .patch_contact(tenant, contact, &|profile| {
                    let mut profile = profile.clone();
                    let (field, value) = match identity {
                        Identity::Phone(phone) => (&mut profile.phone, phone),
                        Identity::Email(email) => (&mut profile.email, email),
                        Identity::External(id) => (&mut profile.external_id, id),
                        Identity::WaId(_) | Identity::Bsuid(_) => return Ok(profile),
                    };
                    field.get_or_insert_with(|| value.clone());
                    Ok(profile)
                })
                .await;
            match filled {
                // Another contact's.
                Ok(_) | Err(Invalid::Faults(_) | Invalid::Refused(Refused::Rule { .. })) => {}
                Err(Invalid::Refused(refused)) => return Err(refused),
            }
        }
        Ok(())
    }

    /// What a conversation goes over.
    pub(crate) async fn conversation_channel(
        &self,
        tenant: TenantId,
        contact: ContactId,
        conversation: Option<&str>,
    ) -> PortResult<Option<domain::message::Channel>> {
        let Some(id) = conversation else { return Ok(None) };
        let person = self.store.person(tenant, contact).await?;
        Ok(person.and_then(|person| person.conversation(id)?.channel))
    }
}
