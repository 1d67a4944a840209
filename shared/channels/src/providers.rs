//! The choice of the provider's module for what goes out, and the one HTTP client that all adapters share.
//! What comes in is `inbound`'s.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use domain::conversation::Look;
use domain::message::{Outbound, ProviderKind, Reaction, Refusal, SendOutcome};
use domain::payment::{ChargeEvent, PaymentSource};
use domain::sender::{KnownTemplate, Sender};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::call::CONNECT_TIMEOUT;
use crate::fields::{FieldError, FieldErrors, check};
use crate::{aws_sms, chatwoot, http_sender, ses, sinch, sinch_sms, sns, twilio, whatsapp_cloud};

/// A sandbox that was frozen leaves dead sockets in the pool; a short life keeps them few.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const POOL_IDLE_PER_HOST: usize = 16;

/// The time that is signed.
#[derive(Clone)]
struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

fn machine() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The adapters behind one connection pool. Made once at start; clones share the pool.
#[derive(Debug, Clone)]
pub struct Providers {
    pub(crate) http: reqwest::Client,
    aws: Aws,
    /// The deployment's AWS account.
    pub(crate) account: Option<String>,
    pub(crate) sns_keys: sns::Keys,
    origins: HashMap<ProviderKind, String>,
    clock: Clock,
    sinch_tokens: sinch::Tokens,
}

impl Providers {
    /// The client follows no redirect (a provider's API never sends one; following could carry
    /// the token elsewhere), repeats nothing by itself, and uses no proxy of the environment: a
    /// proxy's own 5xx after the request went on would look like a known refusal. AWS's services are
    /// called with the region and credentials of `sdk`.
    ///
    /// # Errors
    /// When TLS cannot be set up (no root certificates).
    pub fn new(sdk: &SdkConfig) -> Result<Self, reqwest::Error> {
        let (http, aws, sinch_tokens) = (Self::client()?, Aws::new(sdk), sinch::Tokens::default());
        let (account, sns_keys, clock) = (None, sns::Keys::default(), Clock(Arc::new(machine)));
        Ok(Self { http, aws, account, sns_keys, clock, origins: HashMap::new(), sinch_tokens })
    }

    pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .user_agent(concat!("Ritmo/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
            .build()
    }

    /// The time that our own signatures say, where that is not the machine's.
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock(Arc::new(clock));
        self
    }

    /// Where a provider is called for senders that do not say (`base_url`); without, its own origin.
    pub fn with_origin(mut self, kind: ProviderKind, origin: impl Into<String>) -> Self {
        self.origins.insert(kind, origin.into());
        self
    }

    /// The AWS account whose SNS topics may tell of a sender that names none.
    pub fn with_account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    pub(crate) fn origin(&self, kind: ProviderKind) -> Option<&str> {
        self.origins.get(&kind).map(String::as_str)
    }

    /// A sender's configuration with the origin that its provider has here; of Sinch's two hosts both.
    /// AWS's services have clients of their own.
    fn config<'s>(&self, sender: &'s Sender) -> Cow<'s, Value> {
        let is_aws = matches!(sender.provider, ProviderKind::Ses | ProviderKind::AwsSms);
        let origin = self.origin(sender.provider).filter(|_| sender.config.is_object() && !is_aws);
        let Some(origin) = origin else {
            return Cow::Borrowed(&sender.config);
        };
        let mut config = sender.config.clone();
        let names: &[&str] = match sender.provider {
            ProviderKind::Sinch => &["base_url", "auth_url"],
            // Always says.
            ProviderKind::Http => &[],
            _ => &["base_url"],
        };
        for name in names.iter().filter(|name| sender.config.get(name).is_none_or(Value::is_null)) {
            config[name] = json!(origin);
        }
        Cow::Owned(config)
    }

    /// One provider call. Takes at most 10 s. A sender whose stored config or credentials no
    /// longer parse is at fault itself: `Refused(Sender, "config")`.
    pub async fn send(&self, sender: &Sender, credentials: &Value, outbound: &Outbound) -> SendOutcome {
        let outcome = self.call(sender, credentials, outbound).await.unwrap_or_else(SendOutcome::Refused);
        let provider = sender.provider.as_str();
        match &outcome {
            SendOutcome::Accepted { .. } => tracing::debug!(provider, "message accepted"),
            SendOutcome::Refused(refusal) => {
                tracing::debug!(provider, code = %refusal.code, reaction = ?refusal.reaction, "message refused");
            }
            SendOutcome::Ambiguous => tracing::debug!(provider, "answer unknown"),
        }
        outcome
    }

    async fn call(&self, sender: &Sender, known: &Value, outbound: &Outbound) -> Result<SendOutcome, Refusal> {
        let (http, config) = (&self.http, &*self.config(sender));
        Ok(match sender.provider {
            ProviderKind::WhatsappCloud => {
                let config = read(config, whatsapp_cloud::Config::parse)?;
                if config.relay_phone_number_id.is_some() {
                    let client = self.aws.social(config.relay_region.as_deref(), self.origin(sender.provider));
                    return Ok(whatsapp_cloud::relay(&client, &config, outbound).await);
                }
                let known = read(known, whatsapp_cloud::Credentials::parse)?;
                whatsapp_cloud::send(http, &config, &known, sender.templates.as_deref(), outbound).await
            }
            ProviderKind::Sinch => {
                let (config, known) = (read(config, sinch::Config::parse)?, read(known, sinch::Credentials::parse)?);
                sinch::send(http, &self.sinch_tokens, &config, &known, sender.channel, outbound).await
            }
            ProviderKind::SinchSms => {
                let known = read(known, sinch_sms::Credentials::parse)?;
                sinch_sms::send(http, &read(config, sinch_sms::Config::parse)?, &known, outbound).await
            }
            ProviderKind::Ses => {
                let config = read(config, ses::Config::parse)?;
                let client = self.aws.ses(config.region.as_deref(), self.origin(sender.provider));
                ses::send(&client, &config, outbound).await
            }
            ProviderKind::AwsSms => {
                let config = read(config, aws_sms::Config::parse)?;
                let client = self.aws.sms(config.region.as_deref(), self.origin(sender.provider));
                aws_sms::send(&client, &config, outbound).await
            }
            ProviderKind::Twilio => {
                let known = read(known, twilio::Credentials::parse)?;
                twilio::send(http, &read(config, twilio::Config::parse)?, &known, outbound).await
            }
            ProviderKind::Chatwoot => {
                let known = read(known, chatwoot::Credentials::parse)?;
                chatwoot::send(http, &read(config, chatwoot::Config::parse)?, &known, outbound).await
            }
            ProviderKind::Http => {
                let known = read(known, http_sender::Credentials::parse)?;
                let config = read(config, http_sender::Config::parse)?;
                http_sender::send(http, &config, &known, outbound, (self.clock.0)()).await
            }
        })
    }

    /// What a helpdesk shows of a conversation, by at most two calls that change nothing. Nobody else has
    /// conversations.
    ///
    /// # Errors
    /// The refusal.
    pub async fn look(&self, sender: &Sender, credentials: &Value, conversation: &str) -> Result<Look, Refusal> {
        match sender.provider {
            ProviderKind::Chatwoot => {
                let config = read(&self.config(sender), chatwoot::Config::parse)?;
                let known = read(credentials, chatwoot::Credentials::parse)?;
                chatwoot::look(&self.http, &config, &known, conversation).await
            }
            _ => Ok(Look::QUIET),
        }
    }

    /// What its provider says of a payment that a webhook only named; `None` when that is nothing.
    ///
    /// # Errors
    /// The refusal; nothing was changed, so it may be tried again. `Sender`: the access token is not taken.
    pub async fn read_back(
        &self,
        source: &PaymentSource,
        credentials: &Value,
        payment: &str,
    ) -> Result<Option<ChargeEvent>, Refusal> {
        let text = |object: &Value, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        let base_url = text(&source.config, "base_url");
        let token = text(credentials, "access_token").unwrap_or_default();
        crate::payments::read_back(&self.http, source.provider, base_url.as_deref(), &token, payment).await
    }

    /// The templates that the provider knows for this sender.
    ///
    /// # Errors
    /// The refusal; nothing was changed, so it may be tried again.
    pub async fn templates(&self, sender: &Sender, credentials: &Value) -> Result<Vec<KnownTemplate>, Refusal> {
        let not_listed = || Err(Refusal { reaction: Reaction::Message, code: "not_listed".into(), retry_after: None });
        match sender.provider {
            // AWS has no list with what a template asks for.
            ProviderKind::WhatsappCloud if is_relayed(&sender.config) => not_listed(),
            ProviderKind::WhatsappCloud => {
                let config = read(&self.config(sender), whatsapp_cloud::Config::parse)?;
                let known = read(credentials, whatsapp_cloud::Credentials::parse)?;
                whatsapp_cloud::templates(&self.http, &config, &known).await
            }
            // Not among what the Conversation API tells: its senders stay unsynced.
            ProviderKind::Sinch => not_listed(),
            _ => Ok(Vec::new()),
        }
    }
}

/// Whether AWS stands between a WhatsApp sender and Meta.
pub(crate) fn is_relayed(config: &Value) -> bool {
    config["relay_phone_number_id"].is_string()
}

/// A stored part of a sender.
fn read<T>(stored: &Value, parse: fn(&Value) -> Result<T, FieldErrors>) -> Result<T, Refusal> {
    parse(stored).map_err(|_| Refusal { reaction: Reaction::Sender, code: "config".into(), retry_after: None })
}

/// Whether a new sender's `config` has the provider's shape. Pointers are relative to `config`.
///
/// # Errors
/// Every wrong field.
pub fn check_config(kind: ProviderKind, config: &Value) -> Result<(), Vec<FieldError>> {
    let checked = match kind {
        ProviderKind::WhatsappCloud => whatsapp_cloud::Config::parse(config).map(drop),
        ProviderKind::Sinch => sinch::Config::parse(config).map(drop),
        ProviderKind::SinchSms => sinch_sms::Config::parse(config).map(drop),
        ProviderKind::Ses => ses::Config::parse(config).map(drop),
        ProviderKind::AwsSms => aws_sms::Config::parse(config).map(drop),
        ProviderKind::Twilio => twilio::Config::parse(config).map(drop),
        ProviderKind::Chatwoot => chatwoot::Config::parse(config).map(drop),
        ProviderKind::Http => http_sender::Config::parse(config).map(drop),
    };
    checked.map_err(|errors| errors.0)
}

/// Whether the `credentials` of a sender with this `config` have the provider's shape. Pointers are relative to
/// them.
///
/// # Errors
/// Every wrong field; details never repeat a value.
pub fn check_credentials(kind: ProviderKind, config: &Value, credentials: &Value) -> Result<(), Vec<FieldError>> {
    let checked = match kind {
        // Called with the deployment's own role.
        ProviderKind::WhatsappCloud if is_relayed(config) => check(credentials, &[]),
        ProviderKind::Ses | ProviderKind::AwsSms => check(credentials, &[]),
        ProviderKind::WhatsappCloud => whatsapp_cloud::Credentials::parse(credentials).map(drop),
        ProviderKind::Sinch => sinch::Credentials::parse(credentials).map(drop),
        ProviderKind::SinchSms => sinch_sms::Credentials::parse(credentials).map(drop),
        ProviderKind::Twilio => twilio::Credentials::parse(credentials).map(drop),
        ProviderKind::Chatwoot => chatwoot::Credentials::parse(credentials).map(drop),
        ProviderKind::Http => http_sender::Credentials::parse(credentials).map(drop),
    };
    checked.map_err(|errors| errors.0)
}
