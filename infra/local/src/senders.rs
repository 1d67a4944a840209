//! The stand-ins' view of senders: a provider knows its customers' numbers and secrets. Read through
//! the store and the secrets port, by clients of their own that nobody counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::{SenderId, TenantId};
use domain::sender::Sender;
use engine::credentials::present;
use engine::ports::{Secrets as _, Store as _};
use serde_json::Value;
use store::DynamoStore;
use testkit::stand_in::{SenderAccess, SenderKey};

/// Who is behind what a request to a provider says.
pub(crate) struct Senders {
    store: DynamoStore,
    /// The runner's own account: its senders are found without having been used.
    tenant: TenantId,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<SenderKey, SenderId>,
    access: HashMap<SenderId, SenderAccess>,
}

impl Senders {
    pub(crate) fn new(store: DynamoStore, tenant: TenantId) -> Arc<Self> {
        Arc::new(Self { store, tenant, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This sender is about to call its provider. Configuration or credentials that differ from those
    /// known are read again when they arrive.
    pub(crate) fn note(&self, sender: &Sender, credentials: &Value) {
        let mut known = self.known();
        for key in SenderKey::all(sender.provider, &sender.config) {
            known.by_key.insert(key, sender.id);
        }
        let is_changed = |access: &SenderAccess| access.credentials != *credentials || access.config != sender.config;
        if known.access.get(&sender.id).is_some_and(is_changed) {
            known.access.remove(&sender.id);
        }
    }

    pub(crate) async fn look_up(&self, key: SenderKey) -> Option<SenderAccess> {
        if let SenderKey::Id(id) = &key {
            // Asked for when somebody writes: the secret that signs must be the present one.
            return self.read(SenderId::parse(id)?).await;
        }
        let id = self.known().by_key.get(&key).copied();
        let id = match id {
            Some(id) => id,
            None => self.own(&key).await?,
        };
        if let Some(access) = self.known().access.get(&id) {
            return Some(access.clone());
        }
        self.read(id).await
    }

    async fn own(&self, key: &SenderKey) -> Option<SenderId> {
        let senders = self.store.senders(self.tenant).await.ok()?;
        let fits = |sender: &&Sender| SenderKey::all(sender.provider, &sender.config).contains(key);
        senders.iter().find(fits).map(|sender| sender.id)
    }

    async fn read(&self, id: SenderId) -> Option<SenderAccess> {
        let sender = self.store.sender(id).await.ok()??;
        let access = SenderAccess {
            sender_id: id.to_string(),
            channel: sender.channel,
            provider: sender.provider,
            config: sender.config,
            credentials: present(&self.store.secret(id.tenant(), &id.to_string()).await.ok()?.unwrap_or_default()),
        };
        self.known().access.insert(id, access.clone());
        Some(access)
    }
}
