//! The first start: secrets, and the one account with its key and its stand-in senders. Every part
//! is made from one kept seed and written only where nothing stands, so a start that was cut short
//! is finished by the next. A directory remembers which senders it was given: a later version's new
//! ones are added to it, and one that was deleted stays away.

use std::path::{Path, PathBuf};

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
use serde_json::{Value, json};
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
    /// The providers whose senders were made. The first versions made one, and did not say so.
    #[serde(default = "only_whatsapp")]
    senders: Vec<ProviderKind>,
}

fn only_whatsapp() -> Vec<ProviderKind> {
    vec![ProviderKind::WhatsappCloud]
}

/// A sender that the account begins with. Its configuration has no base URL: the stand-in is where this
/// deployment's provider is. Its secrets are known on purpose: whoever tests forged webhooks must be able
/// to sign real ones.
struct FirstSender {
    provider: ProviderKind,
    channel: Channel,
    name: &'static str,
    config: Value,
    credentials: Value,
}

fn first_senders() -> Vec<FirstSender> {
    vec![
        FirstSender {
            provider: ProviderKind::WhatsappCloud,
            channel: Channel::Whatsapp,
            name: "WhatsApp stand-in",
            config: json!({"phone_number_id": "100000000000001", "waba_id": "200000000000001"}),
            credentials: json!({"access_token": "local-access-token", "app_secret": "local-app-secret",
            "verify_token": "local-verify-token"}),
        },
        FirstSender {
            provider: ProviderKind::Ses,
            channel: Channel::Email,
            name: "Email stand-in",
            config: json!({"from": "Loja Exemplo <loja@example.com>", "configuration_set": "ritmo",
            "inbound_domain": "reply.example.com"}),
            credentials: json!({}),
        },
        FirstSender {
            provider: ProviderKind::AwsSms,
            channel: Channel::Sms,
            name: "AWS SMS stand-in",
            config: json!({"origination_identity": "+5511930001000", "configuration_set": "local"}),
            credentials: json!({}),
        },
        FirstSender {
            provider: ProviderKind::Chatwoot,
            channel: Channel::Conversation,
            name: "Chatwoot stand-in",
            config: json!({"account_id": "1"}),
            credentials: json!({"api_access_token": "local-api-token", "webhook_secret": "local-webhook-secret"}),
        },
    ]
}

/// Who we are.
pub(crate) struct Identity {
    /// Encrypts credentials, salts identity hashes.
    pub(crate) secret: [u8; 32],
    pub(crate) admin_key: String,
    pub(crate) operator_key: String,
    pub(crate) tenant: TenantId,
    key: ApiKeyId,
    /// By the order of [`ProviderKind::ALL`].
    senders: [SenderId; ProviderKind::ALL.len()],
    kept: Kept,
    file: Option<PathBuf>,
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
        let secret = ids.bytes();
        let operator_key = format!("op_{}", B64.encode(ids.bytes::<24>()));
        let random_key = format!("rk_{}", B64.encode(ids.bytes::<24>()));
        let (kept_key, senders) = kept.map_or((None, Vec::new()), |kept| (Some(kept.admin_key), kept.senders));
        let admin_key = dev_key.map(str::to_owned).or(kept_key).unwrap_or(random_key);
        let identity = Self {
            secret,
            operator_key,
            key: ApiKeyId::new(&mut ids),
            senders: ProviderKind::ALL.map(|_| SenderId::of(tenant, &mut ids)),
            tenant,
            kept: Kept { seed: B64.encode(seed), admin_key: admin_key.clone(), senders },
            admin_key,
            file,
        };
        identity.keep()?;
        Ok(identity)
    }

    fn keep(&self) -> Result<(), StartError> {
        let Some(file) = &self.file else { return Ok(()) };
        Ok(write_whole(file, &serde_json::to_vec_pretty(&self.kept).map_err(|_| StartError::Unreadable)?)?)
    }

    /// The sender that the account begins with for this provider.
    pub(crate) fn sender(&self, provider: ProviderKind) -> SenderId {
        self.senders[ProviderKind::ALL.iter().position(|kind| *kind == provider).expect("ALL has every provider")]
    }

    /// All that the account began with.
    pub(crate) fn senders(&self) -> Vec<(ProviderKind, String)> {
        first_senders().iter().map(|first| (first.provider, self.sender(first.provider).to_string())).collect()
    }

    /// Makes what is missing of the account.
    pub(crate) async fn create(&mut self, store: &DynamoStore, now: Timestamp) -> Result<(), StartError> {
        if store.account(self.tenant).await?.is_none() {
            let settings = Settings { name: "Local".into(), enabled: true, ..Settings::default() };
            store.create_account(&Account { id: self.tenant, rev: 1, created_at: now, settings }).await?;
            self.kept.senders.clear();
        }
        for first in first_senders() {
            if !self.kept.senders.contains(&first.provider) {
                self.kept.senders.push(first.provider);
                self.make(store, first, now).await?;
                self.keep()?;
            }
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

    /// A sender, as its channel's default where there is none.
    async fn make(&self, store: &DynamoStore, first: FirstSender, now: Timestamp) -> Result<(), PortError> {
        let id = self.sender(first.provider);
        if store.sender(id).await?.is_none() {
            store.put_secret(self.tenant, &id.to_string(), &first.credentials).await?;
            let sender = Sender::new(id, now, first.channel, first.provider, first.config);
            store.save_sender(self.tenant, &Sender { name: first.name.into(), ..sender }).await?;
        }
        if let Some(mut account) = store.account(self.tenant).await? {
            account.settings.default_senders.entry(first.channel).or_insert(id);
            account.rev += 1;
            store.save_account(&account).await?;
        }
        Ok(())
    }
}
