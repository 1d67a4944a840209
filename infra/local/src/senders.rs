//! The stand-ins' view of senders: a provider knows its customers' numbers and secrets. Read through
//! the store and the secrets port, by clients of their own that nobody counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::{SenderId, TenantId};
use domain::sender::Sender;
use engine::ports::{Secrets as _, Store as _};
use serde_json::Value;
use store::DynamoStore;
use testkit::whatsapp::{SenderAccess, SenderKey};

/// Who is behind a number or a business account.
pub(crate) struct Senders {
    store: DynamoStore,
    /// The runner's own account: its senders are found without having been used.
    tenant: TenantId,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_number: HashMap<String, SenderId>,
    by_account: HashMap<String, SenderId>,
    /// What was read, with the credentials it was read from.
    access: HashMap<SenderId, (Value, SenderAccess)>,
}

impl Senders {
    pub(crate) fn new(store: DynamoStore, tenant: TenantId) -> Arc<Self> {
        Arc::new(Self { store, tenant, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This sender is about to call its provider. Credentials that differ from those known are read
    /// again when they arrive.
    pub(crate) fn note(&self, sender: &Sender, credentials: &Value) {
        let text = |name: &str| sender.config.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut known = self.known();
        if let Some(number) = text("phone_number_id") {
            known.by_number.insert(number, sender.id);
        }
        if let Some(account) = text("waba_id") {
            known.by_account.insert(account, sender.id);
        }
        let is_changed = |(used, access): &(Value, SenderAccess)| {
            used != credentials || Some(&access.phone_number_id) != text("phone_number_id").as_ref()
        };
        if known.access.get(&sender.id).is_some_and(is_changed) {
            known.access.remove(&sender.id);
        }
    }

    pub(crate) async fn look_up(&self, key: SenderKey) -> Option<SenderAccess> {
        let id = match &key {
            // Asked for when somebody writes: the secret that signs must be the present one.
            SenderKey::SenderId(id) => return self.read(SenderId::parse(id)?).await,
            SenderKey::PhoneNumberId(number) => self.known().by_number.get(number).copied(),
            SenderKey::WabaId(account) => self.known().by_account.get(account).copied(),
        };
        let id = match id {
            Some(id) => id,
            None => self.own(&key).await?,
        };
        if let Some((_, access)) = self.known().access.get(&id) {
            return Some(access.clone());
        }
        self.read(id).await
    }

    async fn own(&self, key: &SenderKey) -> Option<SenderId> {
        let senders = self.store.senders(self.tenant).await.ok()?;
        let (field, value) = match key {
            SenderKey::PhoneNumberId(number) => ("phone_number_id", number),
            SenderKey::WabaId(account) => ("waba_id", account),
            SenderKey::SenderId(_) => return None,
        };
        let fits = |sender: &&Sender| sender.config.get(field).and_then(Value::as_str) == Some(value);
        senders.iter().find(fits).map(|sender| sender.id)
    }

    async fn read(&self, id: SenderId) -> Option<SenderAccess> {
        let sender = self.store.sender(id).await.ok()??;
        let credentials = self.store.secret(id.tenant(), &id.to_string()).await.ok()??;
        let of = |object: &Value, name: &str| object.get(name)?.as_str().map(str::to_owned);
        let access = SenderAccess {
            sender_id: id.to_string(),
            phone_number_id: of(&sender.config, "phone_number_id")?,
            waba_id: of(&sender.config, "waba_id")?,
            access_token: of(&credentials, "access_token")?,
            app_secret: of(&credentials, "app_secret")?,
        };
        self.known().access.insert(id, (credentials, access.clone()));
        Some(access)
    }
}
