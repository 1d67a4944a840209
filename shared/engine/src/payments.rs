//! Payment sources, and what they tell: a charge's events find whom it concerns and count as any other
//! event (`POST /v1/events`) does.
//!
//! If it dies:
//! - `create_source`, `update_source`, `delete_source`: as with a sender's, at the same places.
//! - `told` anywhere: the provider has no answer and tells it again. A charge that was kept by then is
//!   found by its id, marks and triggers know the event, and what matched nobody is one entry.

use domain::contact::TargetRef;
use domain::ids::{ContactId, Ids, SourceId, TenantId};
use domain::message::{Reaction, Refusal};
use domain::payment::{ChargeEvent, Payer, PaymentNotice, PaymentProvider, PaymentSource};
use serde_json::Value;

use crate::accounts::{Fault, Invalid, all_right, check_text};
use crate::contacts::TargetChange;
use crate::credentials::{present, rotated};
use crate::model::{Page, Unmatched, UnmatchedReason};
use crate::ports::{Channels as _, PortResult, Ports, Queues as _, Saved, Secrets as _, Store as _};
use crate::queue::InboundWork;
use crate::senders::provider_faults;
use crate::{Engine, MAX_RACES, PortError, Refused};

const NO_SOURCE: Refused = Refused::Unknown { what: "payment source", pointer: "" };

/// A payment source to be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSource {
    pub name: String,
    pub provider: PaymentProvider,
    pub config: Value,
    pub credentials: Value,
}

/// The parts of a payment source that change; the others stay.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceChange {
    pub name: Option<String>,
    pub config: Option<Value>,
    pub credentials: Option<Value>,
}

/// What became of something told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Applied,
    /// A passing fault was in the way; it is on the inbound queue.
    Queued,
}

impl<P: Ports> Engine<P> {
    /// Calls nobody: whether the credentials are right shows the first webhook.
    pub async fn create_source(
        &self,
        tenant: TenantId,
        new: NewSource,
        ids: &mut Ids,
    ) -> Result<PaymentSource, Invalid> {
        let mut faults = Vec::new();
        check_text(&mut faults, "/name", &new.name);
        faults.extend(self.check_source(new.provider, &new.config, Some(&new.credentials)));
        all_right(faults)?;
        let id = SourceId::of(tenant, ids);
        let source = PaymentSource {
            id,
            rev: 1,
            created_at: self.now(),
            name: new.name,
            provider: new.provider,
            config: new.config,
        };
        self.secrets.put_secret(tenant, &id.to_string(), &new.credentials).await?;
        let saved = match self.store.save_source(tenant, &source).await? {
            Saved::No(Some(ours)) => ours,
            _ => source,
        };
        self.forget(tenant);
        Ok(saved)
    }

    pub async fn source_of(&self, tenant: TenantId, id: SourceId) -> Result<PaymentSource, Refused> {
        if id.tenant() != tenant {
            return Err(NO_SOURCE);
        }
        self.store.source(id).await?.ok_or(NO_SOURCE)
    }

    /// Replaces the given parts. A secret that is replaced is taken for another 24 hours.
    pub async fn update_source(
        &self,
        tenant: TenantId,
        id: SourceId,
        change: &SourceChange,
    ) -> Result<PaymentSource, Invalid> {
        let mut faults = Vec::new();
        if let Some(name) = &change.name {
            check_text(&mut faults, "/name", name);
        }
        let mut source = self.source_of(tenant, id).await?;
        let config = change.config.as_ref().unwrap_or(&source.config);
        faults.extend(self.check_source(source.provider, config, change.credentials.as_ref()));
        all_right(faults)?;
        if let Some(credentials) = &change.credentials {
            let old = self.secrets.secret(tenant, &id.to_string()).await?.unwrap_or_default();
            let next = rotated(&old, credentials, self.now());
            self.secrets.put_secret(tenant, &id.to_string(), &next).await?;
        }
        for _ in 0..MAX_RACES {
            let mut after = source.clone();
            after.name = change.name.clone().unwrap_or(after.name);
            after.config = change.config.clone().unwrap_or(after.config);
            after.rev += 1;
            match self.store.save_source(tenant, &after).await? {
                Saved::Yes => {
                    self.forget(tenant);
                    return Ok(after);
                }
                Saved::No(Some(faster)) => source = faster,
                Saved::No(None) => return Err(NO_SOURCE.into()),
            }
        }
        Err(Refused::Busy.into())
    }

    pub async fn delete_source(&self, tenant: TenantId, id: SourceId) -> Result<(), Refused> {
        self.source_of(tenant, id).await?;
        if !self.store.delete_source(id).await? {
            return Err(NO_SOURCE);
        }
        self.secrets.delete_secret(tenant, &id.to_string()).await?;
        self.forget(tenant);
        Ok(())
    }

    /// What a source told and nobody was found for, newest first; a month long.
    pub async fn unmatched(
        &self,
        tenant: TenantId,
        id: SourceId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<Unmatched>, Refused> {
        self.source_of(tenant, id).await?;
        Ok(self.store.unmatched(id, self.now(), cursor, limit).await?)
    }

    fn check_source(&self, provider: PaymentProvider, config: &Value, credentials: Option<&Value>) -> Vec<Fault> {
        provider_faults(self.channels.check_source(provider, config, credentials))
    }

    /// Applies what a verified webhook told. What a passing fault keeps from being applied is queued
    /// on the inbound queue.
    ///
    /// # Errors
    /// It could be neither applied nor queued, or the provider does not take the source's access token:
    /// then only its owner can help, and the provider tells it again.
    pub async fn told(&self, source: &PaymentSource, notice: PaymentNotice) -> Result<Told, PortError> {
        let error = match self.hear(source, &notice).await {
            Ok(()) => return Ok(Told::Applied),
            Err(Unheard::Token) => return Err(Unheard::Token.into()),
            Err(Unheard::Port(error)) => error,
        };
        tracing::warn!(source = %source.id, %error, "payment not applied, queued");
        self.queues.inbound(&InboundWork::Payment { tenant: source.id.tenant(), source: source.id, notice }).await?;
        Ok(Told::Queued)
    }

    /// The same from the inbound queue, which retries by itself. A source that is gone tells nothing.
    pub(crate) async fn told_before(&self, source: SourceId, notice: &PaymentNotice) -> Result<(), PortError> {
        let Some(source) = self.store.source(source).await? else { return Ok(()) };
        Ok(self.hear(&source, notice).await?)
    }

    /// A verified webhook that could not be read. `body_hash` names it, so that a repeat is one entry.
    pub async fn unreadable(&self, source: &PaymentSource, body_hash: &str) -> PortResult<()> {
        let now = self.now();
        let entry = Unmatched {
            source: source.id,
            reason: UnmatchedReason::Unreadable,
            key: format!("{}:unreadable:{body_hash}", source.provider.as_str()),
            at: now,
            received_at: now,
            event: None,
        };
        self.store.put_unmatched(&entry).await
    }

    async fn hear(&self, source: &PaymentSource, notice: &PaymentNotice) -> Result<(), Unheard> {
        match notice {
            PaymentNotice::Charge(event) => Ok(self.charge(source, event).await?),
            PaymentNotice::ReadBack { payment } => match self.read_back(source, payment).await? {
                Some(event) => Ok(self.charge(source, &event).await?),
                None => Ok(()),
            },
        }
    }

    /// A token that is not taken may have been replaced since it was cached.
    async fn read_back(&self, source: &PaymentSource, payment: &str) -> Result<Option<ChargeEvent>, Unheard> {
        let (tenant, name) = (source.id.tenant(), source.id.to_string());
        let known = self.credentials(tenant, &name).await?.unwrap_or_default();
        let mut answer = self.channels.read_back(source, &known, payment).await;
        if matches!(&answer, Err(refusal) if refusal.reaction == Reaction::Sender) {
            let stored = present(&self.secrets.secret(tenant, &name).await?.unwrap_or_default());
            if stored != *known {
                self.forget(tenant);
                answer = self.channels.read_back(source, &stored, payment).await;
            }
        }
        answer.map_err(Unheard::from)
    }

    /// Counts an event for every charge that goes by one of its names; else for its payer, with whom the
    /// charge is kept under the provider's name; else it is kept as unmatched.
    async fn charge(&self, source: &PaymentSource, event: &ChargeEvent) -> Result<(), PortError> {
        let tenant = source.id.tenant();
        let mut known = false;
        for name in &event.known_as {
            let target = ChargeEvent::target(name);
            for contact in self.store.owners(tenant, &target).await? {
                known |= self.count_charge(tenant, contact, Some(target.clone()), event).await?;
            }
        }
        if known || self.count_for_payer(tenant, event).await? {
            return Ok(());
        }
        let now = self.now();
        let entry = Unmatched {
            source: source.id,
            reason: UnmatchedReason::NoMatch,
            key: event.key.clone(),
            at: event.at.map_or(now, |at| at.min(now)),
            received_at: now,
            // Who paid is between the account and its provider.
            event: Some(ChargeEvent { payer: Payer::default(), ..event.clone() }),
        };
        self.store.put_unmatched(&entry).await
    }

    /// `false` when there is nobody by that email or phone.
    async fn count_for_payer(&self, tenant: TenantId, event: &ChargeEvent) -> Result<bool, PortError> {
        let account = self.account(tenant).await?;
        for identity in event.payer.identities(account.settings.default_country.as_deref()) {
            let Some(contact) = self.store.find_contact(tenant, &identity).await? else { continue };
            let Some(person) = self.store.person(tenant, contact).await? else { continue };
            // Told before of a charge that this event does not name: a Checkout session names the
            // merchant's order, and its payment then does not.
            if person.targets.iter().any(|target| target.marks.iter().any(|mark| mark.id == event.key)) {
                return Ok(true);
            }
            let target = event.kept_as.as_deref().map(ChargeEvent::target);
            if let Some(target) = &target {
                let change = TargetChange::Merge(event.attributes.clone());
                match self.put_target(tenant, contact, target, &change).await {
                    Ok(_) => {}
                    Err(Invalid::Refused(refused)) => drop(passing(Err::<(), _>(refused))?),
                    // The adapter bounds what it hands over.
                    Err(Invalid::Faults(_)) => return Err(PortError::Poison("a charge that cannot be kept".into())),
                }
            }
            if self.count_charge(tenant, contact, target, event).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `false` when the contact is gone.
    async fn count_charge(
        &self,
        tenant: TenantId,
        contact: ContactId,
        target: Option<TargetRef>,
        event: &ChargeEvent,
    ) -> Result<bool, PortError> {
        let Some(person) = self.store.person(tenant, contact).await? else { return Ok(false) };
        // Told again, it counts from when it was first told.
        let heard = person.marks().find(|mark| mark.id == event.key).map_or(self.now(), |mark| mark.at);
        let signal = event.signal(target, heard);
        Ok(passing(self.signal(tenant, contact, &signal).await)?.is_some())
    }
}

/// Why something told has no effect yet.
enum Unheard {
    Port(PortError),
    /// The provider does not take the access token.
    Token,
}

impl From<PortError> for Unheard {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl From<Refusal> for Unheard {
    fn from(refusal: Refusal) -> Self {
        let said = format!("the payment cannot be read back ({})", refusal.code);
        match refusal.reaction {
            Reaction::Sender => Self::Token,
            Reaction::Throttled => Self::Port(PortError::Throttled(said)),
            _ => Self::Port(PortError::Transient(said)),
        }
    }
}

impl From<Unheard> for PortError {
    fn from(unheard: Unheard) -> Self {
        match unheard {
            Unheard::Port(error) => error,
            Unheard::Token => Self::Transient("the provider does not take the source's access token".into()),
        }
    }
}

/// A refusal that passes is an error; one that stays (the contact is gone) is `None`.
pub(crate) fn passing<T>(result: Result<T, Refused>) -> Result<Option<T>, PortError> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(Refused::Port(error)) => Err(error),
        Err(Refused::Busy) => Err(PortError::Transient("the contact changes too often right now".into())),
        Err(Refused::Unknown { .. } | Refused::Rule { .. }) => Ok(None),
    }
}
