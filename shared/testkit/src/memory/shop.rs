//! A small shop on fakes of every port but, if need be, the store: where tests of verbs begin.

use std::marker::PhantomData;
use std::sync::Arc;

use domain::account::{Account, Settings};
use domain::contact::{Contact, Profile};
use domain::enrollment::{Enrollment, Source, SourceType};
use domain::ids::{ContactId, EnrollmentId, Ids, SenderId, SequenceId, TenantId};
use domain::message::{Channel, Identity, InboundEvent, InboundKind, InboundMessage, ProviderKind};
use domain::sender::{Sender, SenderLimits};
use domain::time::Timestamp;
use engine::enroll::EnrollRequest;
use engine::model::{StoredSequence, Version};
use engine::ports::{Secrets as _, Store};
use engine::{Cache, Config, Engine, Ports};
use serde_json::json;

use super::{ManualClock, MemoryChannels, MemoryQueues, MemorySecrets, MemoryTimers, SeededRandom};

/// A WhatsApp sender as it is when it has just been made.
pub fn whatsapp_sender(id: SenderId, limits: SenderLimits, now: Timestamp) -> Sender {
    Sender {
        id,
        rev: 1,
        created_at: now,
        name: "Loja".into(),
        channel: Channel::Whatsapp,
        provider: ProviderKind::WhatsappCloud,
        config: json!({}),
        limits,
        suspended: None,
        templates: None,
    }
}

/// Ports in memory around a store, whichever.
#[derive(Debug)]
pub struct MemoryPorts<S>(PhantomData<S>);

impl<S: Store> Ports for MemoryPorts<S> {
    type Store = S;
    type Timers = MemoryTimers;
    type Queues = MemoryQueues;
    type Clock = ManualClock;
    type Random = SeededRandom;
    type Secrets = MemorySecrets;
    type Channels = MemoryChannels;
}

/// An account that may send, with a WhatsApp sender and a sequence of two steps, one at once and one
/// three days later, in UTC and at any hour.
pub struct Shop<S: Store> {
    pub engine: Arc<Engine<MemoryPorts<S>>>,
    pub tenant: TenantId,
    pub sender: SenderId,
    pub sequence: SequenceId,
}

impl<S: Store> Shop<S> {
    /// # Panics
    /// Where the store refuses.
    pub async fn open(store: S, now: Timestamp) -> Self {
        let mut ids = Ids::from_seed([1; 32]);
        let tenant = TenantId::new(&mut ids);
        let engine = Engine {
            store,
            timers: MemoryTimers::default(),
            queues: MemoryQueues::default(),
            clock: ManualClock::at(now),
            random: SeededRandom::new(ids.bytes()),
            secrets: MemorySecrets::default(),
            channels: MemoryChannels::default(),
            config: Config {
                lease_seconds: 90,
                cache_settings: true,
                credentials_seconds: 600,
                operator_key_hash: None,
                tokens: engine::Tokens::new(&[7; 32], "https://ritmo.test"),
            },
            cache: Arc::new(Cache::default()),
        };
        let shop = Self {
            engine: Arc::new(engine),
            tenant,
            sender: SenderId::of(tenant, &mut ids),
            sequence: SequenceId::new(&mut ids),
        };
        shop.furnish(now).await;
        shop
    }

    async fn furnish(&self, now: Timestamp) {
        let (store, tenant) = (&self.engine.store, self.tenant);
        let settings = Settings { enabled: true, ..Settings::default() };
        let account = Account { id: tenant, rev: 1, created_at: now, settings };
        store.create_account(&account).await.expect("a store that writes");
        let sender = whatsapp_sender(self.sender, SenderLimits::default(), now);
        store.save_sender(tenant, &sender).await.expect("a store that writes");
        let (name, secret) = (self.sender.to_string(), json!({}));
        self.engine.secrets.put_secret(tenant, &name, &secret).await.expect("secrets in memory are written");
        let step = |key: &str, days: u32| {
            json!({"key": key, "wait": {"value": days, "unit": "days"}, "channel": "whatsapp", "sender_id": self.sender,
                "content": {"type": "text", "text": "Oi"},
                "fallback_template": {"name": key, "language": "pt_BR"}})
        };
        let draft = json!({"name": "Lembrete", "target": "contact", "steps": [step("um", 0), step("dois", 3)]});
        let sequence = StoredSequence {
            id: self.sequence,
            revision: 1,
            owner: "ana@example.com".into(),
            archived: false,
            published: 1,
            created_at: now,
            updated_at: now,
            draft: serde_json::from_value(draft).expect("a well-formed sequence"),
        };
        let version = Version {
            sequence_id: self.sequence,
            number: 1,
            published_at: now,
            published_by: "ana@example.com".into(),
            sequence: sequence.draft.clone(),
            templates: Default::default(),
        };
        store.publish(tenant, &sequence, &version).await.expect("a store that writes");
    }

    /// The `n`th customer's phone, without its plus.
    pub fn phone(n: u32) -> String {
        format!("5511980{n:06}")
    }

    /// Makes the `n`th customer.
    ///
    /// # Panics
    /// Where the store refuses.
    pub async fn customer(&self, n: u32) -> ContactId {
        let now = self.engine.now();
        let mut raw = [0; 12];
        raw[..4].copy_from_slice(&n.to_be_bytes());
        let profile = Profile { phone: Some(format!("+{}", Self::phone(n))), ..Profile::default() };
        let mut contact = Contact::new(ContactId::from_bytes(raw), profile, now);
        contact.rev = 1;
        contact.remember(&[Identity::WaId(Self::phone(n))]);
        let identities = contact.identities();
        let saved = self.engine.store.save_contact(self.tenant, &contact, &identities, &[]);
        saved.await.expect("a store that writes");
        contact.id
    }

    /// Enrolls the `n`th customer, who is made.
    ///
    /// # Panics
    /// Where the store or the engine refuses.
    pub async fn enroll(&self, n: u32) -> Enrollment {
        let (now, contact) = (self.engine.now(), self.customer(n).await);
        let request = EnrollRequest {
            entry: u64::from(n),
            sequence: self.sequence,
            contact,
            conversation: None,
            target: None,
            start_at: None,
            source: Source { type_: SourceType::Manual, name: None },
            by: "ana@example.com".into(),
            since: now,
            trigger: None,
        };
        self.engine.enroll(self.tenant, &request).await.expect("a customer may be enrolled").enrollment
    }

    /// The `n`th customer writes.
    pub fn message(&self, n: u32) -> Vec<InboundEvent> {
        vec![InboundEvent::Message(InboundMessage {
            id: format!("wamid.in.{n}"),
            from: vec![Identity::WaId(Self::phone(n))],
            at: self.engine.now(),
            kind: InboundKind::Text,
            text: Some("Já paguei".into()),
            in_reply_to: None,
            name: None,
        })]
    }

    /// # Panics
    /// If it is not there.
    pub async fn stored(&self, id: EnrollmentId) -> Enrollment {
        let found = self.engine.store.enrollment(self.tenant, id).await.expect("a store that reads");
        found.expect("an enrollment that was written")
    }

    pub fn now(&self, now: Timestamp) {
        self.engine.clock.set(now);
    }
}
