//! The first start: secrets, and the one account with its key and its stand-in sender. Every part
//! is made from one kept seed and written only where nothing stands, so a start that was cut short
//! is finished by the next.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use domain::account::{Account, ApiKey, Role, Settings};
use domain::ids::{ApiKeyId, Ids, SenderId, TenantId};
use domain::message::{Channel, ProviderKind};
use domain::sender::Sender;
use domain::time::Timestamp;
use engine::PortError;
use engine::accounts::secret_hash;
use engine::ports::{Random as _, Secrets as _, Store as _};
use runtime::OsRandom;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::DynamoStore;

use crate::StartError;
use crate::clock::write_whole;

/// What a directory keeps beside the data: everything else follows from the seed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    seed: String,
    /// The admin key in force; printed at every start.
    admin_key: String,
}

/// Who we are.
pub(crate) struct Identity {
    /// Encrypts credentials, salts identity hashes.
    pub(crate) secret: [u8; 32],
    pub(crate) admin_key: String,
    pub(crate) operator_key: String,
    pub(crate) tenant: TenantId,
    key: ApiKeyId,
    pub(crate) whatsapp_sender: SenderId,
}

impl Identity {
    /// As a deployment's configuration writes it.
    pub(crate) fn secret_text(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.secret)
    }

    /// What the directory keeps, else new. A `dev_key` becomes the admin key.
    ///
    /// # Errors
    /// A key that no header can carry; a file that cannot be read, understood or written.
    pub(crate) fn load(dir: Option<&Path>, dev_key: Option<&str>) -> Result<Self, StartError> {
        if dev_key.is_some_and(|key| key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(StartError::DevKey);
        }
        let file = dir.map(|dir| dir.join("local.json"));
        let kept = match file.as_deref().map(std::fs::read) {
            Some(Ok(bytes)) => Some(serde_json::from_slice::<Kept>(&bytes).map_err(|_| StartError::Unreadable)?),
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => None,
        };
        let seed = match &kept {
            Some(kept) => {
                let bytes = B64.decode(&kept.seed).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
                bytes.ok_or(StartError::Unreadable)?
            }
            None => OsRandom.seed(),
        };
        let mut ids = Ids::from_seed(seed);
        let tenant = TenantId::new(&mut ids);
        let identity = Self {
            secret: ids.bytes(),
            operator_key: format!("op_{}", B64.encode(ids.bytes::<24>())),
            admin_key: {
                let random = format!("rk_{}", B64.encode(ids.bytes::<24>()));
                dev_key.map(str::to_owned).or(kept.map(|kept| kept.admin_key)).unwrap_or(random)
            },
            key: ApiKeyId::new(&mut ids),
            whatsapp_sender: SenderId::of(tenant, &mut ids),
            tenant,
        };
        if let Some(file) = file {
            let kept = Kept { seed: B64.encode(seed), admin_key: identity.admin_key.clone() };
            write_whole(&file, &serde_json::to_vec_pretty(&kept).map_err(|_| StartError::Unreadable)?)?;
        }
        Ok(identity)
    }

    /// Makes what is missing of the account.
    pub(crate) async fn create(&self, store: &DynamoStore, now: Timestamp) -> Result<(), PortError> {
        if store.account(self.tenant).await?.is_none() {
            // The account comes last: with it, the rest is there.
            let name = self.whatsapp_sender.to_string();
            store.put_secret(self.tenant, &name, &whatsapp_credentials()).await?;
            store.save_sender(self.tenant, &self.whatsapp(now)).await?;
            let settings = Settings {
                name: "Local".into(),
                enabled: true,
                default_senders: [(Channel::Whatsapp, self.whatsapp_sender)].into(),
                ..Settings::default()
            };
            store.create_account(&Account { id: self.tenant, rev: 1, created_at: now, settings }).await?;
        }
        // Another development key than last time: the old one goes.
        let hash = secret_hash(&self.admin_key);
        if store.key_by_hash(&hash).await?.is_none() {
            store.delete_key(self.tenant, self.key).await?;
            let (id, name) = (self.key, "Local admin".to_owned());
            let key = ApiKey { id, tenant: self.tenant, name, role: Role::Admin, user: None, created_at: now };
            store.put_key(&key, &hash).await?;
        }
        Ok(())
    }

    fn whatsapp(&self, now: Timestamp) -> Sender {
        Sender {
            id: self.whatsapp_sender,
            rev: 1,
            created_at: now,
            name: "WhatsApp stand-in".into(),
            channel: Channel::Whatsapp,
            provider: ProviderKind::WhatsappCloud,
            // Without a base URL: the stand-in is where this deployment's WhatsApp is.
            config: json!({"phone_number_id": "100000000000001", "waba_id": "200000000000001"}),
            limits: Default::default(),
            suspended: None,
            templates: None,
        }
    }
}

/// Known on purpose: whoever tests forged webhooks must be able to sign real ones.
fn whatsapp_credentials() -> serde_json::Value {
    json!({"access_token": "local-access-token", "app_secret": "local-app-secret", "verify_token": "local-verify-token"})
}
