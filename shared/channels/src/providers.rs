//! The choice of the provider's module, and the one HTTP client that all adapters share.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use domain::conversation::Look;
use domain::message::{InboundEvent, Outbound, ProviderKind, Reaction, Refusal, SendOutcome};
use domain::payment::{ChargeEvent, PaymentSource};
use domain::sender::{KnownTemplate, Sender};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::fields::{FieldError, check};
use crate::sns::{self, Unavailable};
use crate::{Webhook, aws_sms, chatwoot, http_sender, ses, sinch, sinch_sms, twilio, whatsapp_cloud};

/// Until a connection (name, TCP, TLS) stands. Past it nothing was written: a known refusal.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A sandbox that was frozen leaves dead sockets in the pool; a short life keeps them few.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const POOL_IDLE_PER_HOST: usize = 16;

/// A webhook body that is not what its provider writes (no JSON document, no form). One that is, but
/// says nothing that we know, is no error: it normalises to no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unreadable body")]
pub struct Malformed;

/// The verification of a webhook's address carries another token than the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wrong verification token")]
pub struct Denied;

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
    http: reqwest::Client,
    aws: Aws,
    /// The deployment's AWS account.
    account: Option<String>,
    sns_keys: sns::Keys,
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

    fn origin(&self, kind: ProviderKind) -> Option<&str> {
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
        let config = self.config(sender);
        let outcome = match sender.provider {
            ProviderKind::WhatsappCloud => self.whatsapp(sender, &config, credentials, outbound).await,
            ProviderKind::Ses => match ses::Config::parse(&config) {
                Ok(config) => {
                    let client = self.aws.ses(config.region.as_deref(), self.origin(sender.provider));
                    ses::send(&client, &config, outbound).await
                }
                Err(_) => SendOutcome::Refused(unreadable()),
            },
            ProviderKind::AwsSms => match aws_sms::Config::parse(&sender.config) {
                Ok(config) => {
                    let client = self.aws.sms(config.region.as_deref(), self.origin(sender.provider));
                    aws_sms::send(&client, &config, outbound).await
                }
                Err(_) => SendOutcome::Refused(unreadable()),
            },
            ProviderKind::Twilio => match twilio_parts(&config, credentials) {
                Ok((config, credentials)) => twilio::send(&self.http, &config, &credentials, outbound).await,
                Err(refusal) => SendOutcome::Refused(refusal),
            },
            ProviderKind::Chatwoot => match chatwoot_parts(&config, credentials) {
                Ok((config, credentials)) => chatwoot::send(&self.http, &config, &credentials, outbound).await,
                Err(refusal) => SendOutcome::Refused(refusal),
            },
            ProviderKind::Sinch => match sinch_parts(&config, credentials) {
                Ok((config, credentials)) => {
                    let tokens = &self.sinch_tokens;
                    sinch::send(&self.http, tokens, &config, &credentials, sender.channel, outbound).await
                }
                Err(refusal) => SendOutcome::Refused(refusal),
            },
            ProviderKind::SinchSms => match sinch_sms_parts(&config, credentials) {
                Ok((config, credentials)) => sinch_sms::send(&self.http, &config, &credentials, outbound).await,
                Err(refusal) => SendOutcome::Refused(refusal),
            },
            ProviderKind::Http => match http_parts(&config, credentials) {
                Some((config, known)) => {
                    http_sender::send(&self.http, &config, &known, outbound, (self.clock.0)()).await
                }
                None => SendOutcome::Refused(unreadable()),
            },
        };
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

    /// What a helpdesk shows of a conversation, by at most two calls that change nothing. Nobody else has
    /// conversations.
    ///
    /// # Errors
    /// The refusal.
    pub async fn look(&self, sender: &Sender, credentials: &Value, conversation: &str) -> Result<Look, Refusal> {
        match sender.provider {
            ProviderKind::Chatwoot => {
                let (config, credentials) = chatwoot_parts(&self.config(sender), credentials)?;
                chatwoot::look(&self.http, &config, &credentials, conversation).await
            }
            _ => Ok(Look::QUIET),
        }
    }

    /// By Meta, or by AWS for whom the sender is there.
    async fn whatsapp(&self, sender: &Sender, config: &Value, credentials: &Value, outbound: &Outbound) -> SendOutcome {
        let Ok(config) = whatsapp_cloud::Config::parse(config) else { return SendOutcome::Refused(unreadable()) };
        if config.relay_phone_number_id.is_some() {
            let client = self.aws.social(config.relay_region.as_deref(), self.origin(sender.provider));
            return whatsapp_cloud::relay(&client, &config, outbound).await;
        }
        let Ok(credentials) = whatsapp_cloud::Credentials::parse(credentials) else {
            return SendOutcome::Refused(unreadable());
        };
        let templates = sender.templates.as_deref();
        whatsapp_cloud::send(&self.http, &config, &credentials, templates, outbound).await
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

    /// Whether a webhook comes from the sender's provider: [`verify`], and for a topic of SNS, whose signing
    /// certificate may have to be fetched.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be told now.
    pub async fn verify(
        &self,
        sender: &Sender,
        webhook: &Webhook<'_>,
        credentials: &Value,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let topics = match sender.provider {
            ProviderKind::Ses => ses::Config::parse(&sender.config).map(|config| config.topic_arns),
            ProviderKind::AwsSms => aws_sms::Config::parse(&sender.config).map(|config| config.topic_arns),
            ProviderKind::WhatsappCloud if is_relayed(&sender.config) => {
                whatsapp_cloud::Config::parse(&sender.config).map(|config| config.relay_topic_arn.map(|arn| vec![arn]))
            }
            _ => return Ok(verify(sender, webhook, credentials, now)),
        };
        let Ok(topics) = topics else { return Ok(false) };
        let trusted = sns::Trusted { topics: topics.as_deref(), account: self.account.as_deref() };
        sns::verify((&self.http, &self.sns_keys), self.origin(sender.provider), webhook.raw, trusted, now).await
    }

    /// What a verified webhook asks of us before anything else: SNS wants its subscription confirmed.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be done now.
    pub async fn confirm(&self, sender: &Sender, webhook: &Webhook<'_>) -> Result<(), Unavailable> {
        match sender.provider {
            ProviderKind::WhatsappCloud if !is_relayed(&sender.config) => Ok(()),
            ProviderKind::Ses | ProviderKind::AwsSms | ProviderKind::WhatsappCloud => {
                sns::confirm(&self.http, self.origin(sender.provider), webhook.raw).await
            }
            _ => Ok(()),
        }
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
                let (config, credentials) = whatsapp_parts(&self.config(sender), credentials)?;
                whatsapp_cloud::templates(&self.http, &config, &credentials).await
            }
            // Not among what the Conversation API tells: its senders stay unsynced.
            ProviderKind::Sinch => not_listed(),
            _ => Ok(Vec::new()),
        }
    }
}

fn unreadable() -> Refusal {
    Refusal { reaction: Reaction::Sender, code: "config".into(), retry_after: None }
}

/// Whether AWS stands between a WhatsApp sender and Meta.
fn is_relayed(config: &Value) -> bool {
    config["relay_phone_number_id"].is_string()
}

fn whatsapp_parts(
    config: &Value,
    credentials: &Value,
) -> Result<(whatsapp_cloud::Config, whatsapp_cloud::Credentials), Refusal> {
    Ok((
        whatsapp_cloud::Config::parse(config).map_err(|_| unreadable())?,
        whatsapp_cloud::Credentials::parse(credentials).map_err(|_| unreadable())?,
    ))
}

fn chatwoot_parts(config: &Value, credentials: &Value) -> Result<(chatwoot::Config, chatwoot::Credentials), Refusal> {
    Ok((
        chatwoot::Config::parse(config).map_err(|_| unreadable())?,
        chatwoot::Credentials::parse(credentials).map_err(|_| unreadable())?,
    ))
}

fn twilio_parts(config: &Value, credentials: &Value) -> Result<(twilio::Config, twilio::Credentials), Refusal> {
    Ok((
        twilio::Config::parse(config).map_err(|_| unreadable())?,
        twilio::Credentials::parse(credentials).map_err(|_| unreadable())?,
    ))
}

fn sinch_parts(config: &Value, credentials: &Value) -> Result<(sinch::Config, sinch::Credentials), Refusal> {
    Ok((
        sinch::Config::parse(config).map_err(|_| unreadable())?,
        sinch::Credentials::parse(credentials).map_err(|_| unreadable())?,
    ))
}

fn sinch_sms_parts(
    config: &Value,
    credentials: &Value,
) -> Result<(sinch_sms::Config, sinch_sms::Credentials), Refusal> {
    Ok((
        sinch_sms::Config::parse(config).map_err(|_| unreadable())?,
        sinch_sms::Credentials::parse(credentials).map_err(|_| unreadable())?,
    ))
}

fn http_parts(config: &Value, credentials: &Value) -> Option<(http_sender::Config, http_sender::Credentials)> {
    Some((http_sender::Config::parse(config).ok()?, http_sender::Credentials::parse(credentials).ok()?))
}

/// Whether a new sender's `config` has the provider's shape. Pointers are relative to `config`.
///
/// # Errors
/// Every wrong field.
pub fn check_config(kind: ProviderKind, config: &Value) -> Result<(), Vec<FieldError>> {
    match kind {
        ProviderKind::WhatsappCloud => whatsapp_cloud::Config::parse(config).map(drop).map_err(|e| e.0),
        ProviderKind::Chatwoot => chatwoot::Config::parse(config).map(drop).map_err(|e| e.0),
        ProviderKind::Ses => ses::Config::parse(config).map(drop).map_err(|e| e.0),
        ProviderKind::AwsSms => aws_sms::Config::parse(config).map(drop).map_err(|e| e.0),
        ProviderKind::Twilio => twilio::Config::parse(config).map(drop).map_err(|e| e.0),
        ProviderKind::Http => http_sender::Config::parse(config).map(drop).map_err(|e| e.0),
        ProviderKind::Sinch => sinch::Config::parse(config).map(drop).map_err(|e| e.0),
        ProviderKind::SinchSms => sinch_sms::Config::parse(config).map(drop).map_err(|e| e.0),
    }
}

/// Whether the `credentials` of a sender with this `config` have the provider's shape. Pointers are relative to
/// them.
///
/// # Errors
/// Every wrong field; details never repeat a value.
pub fn check_credentials(kind: ProviderKind, config: &Value, credentials: &Value) -> Result<(), Vec<FieldError>> {
    match kind {
        ProviderKind::WhatsappCloud if is_relayed(config) => check(credentials, &[]).map_err(|e| e.0),
        ProviderKind::WhatsappCloud => whatsapp_cloud::Credentials::parse(credentials).map(drop).map_err(|e| e.0),
        ProviderKind::Chatwoot => chatwoot::Credentials::parse(credentials).map(drop).map_err(|e| e.0),
        // Called with the deployment's own role.
        ProviderKind::Ses | ProviderKind::AwsSms => check(credentials, &[]).map_err(|e| e.0),
        ProviderKind::Twilio => twilio::Credentials::parse(credentials).map(drop).map_err(|e| e.0),
        ProviderKind::Http => http_sender::Credentials::parse(credentials).map(drop).map_err(|e| e.0),
        ProviderKind::Sinch => sinch::Credentials::parse(credentials).map(drop).map_err(|e| e.0),
        ProviderKind::SinchSms => sinch_sms::Credentials::parse(credentials).map(drop).map_err(|e| e.0),
    }
}

/// Whether a webhook comes from the sender's provider: proven on the raw body by its secret, at a time
/// near `now` where the proof has one. `false` also when the stored credentials no longer parse: nothing
/// unproven gets in. What a topic of SNS tells is proven by [`Providers::verify`].
pub fn verify(sender: &Sender, webhook: &Webhook<'_>, credentials: &Value, now: Timestamp) -> bool {
    match sender.provider {
        ProviderKind::WhatsappCloud => whatsapp_cloud::Credentials::parse(credentials).is_ok_and(|known| {
            let header = webhook.header(whatsapp_cloud::SIGNATURE_HEADER);
            whatsapp_cloud::verify_signature(webhook.raw, header, &known)
        }),
        ProviderKind::Chatwoot => {
            chatwoot::Credentials::parse(credentials).is_ok_and(|known| chatwoot::verify(webhook, &known, now))
        }
        ProviderKind::Twilio => twilio_parts(&sender.config, credentials)
            .is_ok_and(|(config, known)| twilio::verify_signature(webhook, &config, &known)),
        ProviderKind::Sinch => {
            sinch::Credentials::parse(credentials).is_ok_and(|known| sinch::verify(webhook, &known, now))
        }
        ProviderKind::SinchSms => {
            sinch_sms::Credentials::parse(credentials).is_ok_and(|known| sinch_sms::verify(webhook, &known))
        }
        ProviderKind::Http => {
            http_sender::Credentials::parse(credentials).is_ok_and(|known| http_sender::verify(webhook, &known, now))
        }
        ProviderKind::Ses | ProviderKind::AwsSms => false,
    }
}

/// Answers the provider's question whether a webhook address is ours (`GET`), with the text that
/// it wants back as `text/plain`.
///
/// # Errors
/// [`Denied`]: 403.
pub fn verify_subscription(
    kind: ProviderKind,
    query: &[(String, String)],
    credentials: &Value,
) -> Result<String, Denied> {
    match kind {
        ProviderKind::WhatsappCloud => {
            let credentials = whatsapp_cloud::Credentials::parse(credentials).map_err(|_| Denied)?;
            whatsapp_cloud::verify_subscription(query, &credentials)
        }
        // Nobody else asks.
        _ => Err(Denied),
    }
}

/// A verified webhook as events: what may end an enrollment first, statuses last. `now` dates what comes
/// without a time.
///
/// # Errors
/// [`Malformed`] when the body is not what the provider writes.
pub fn normalise(sender: &Sender, webhook: &Webhook<'_>, now: Timestamp) -> Result<Vec<InboundEvent>, Malformed> {
    match sender.provider {
        ProviderKind::WhatsappCloud => match whatsapp_cloud::Config::parse(&sender.config) {
            Ok(config) => whatsapp_cloud::normalise(webhook.raw, &config),
            // Without a number of our own every entry is for another number.
            Err(_) => Ok(Vec::new()),
        },
        ProviderKind::Chatwoot => match chatwoot::Config::parse(&sender.config) {
            Ok(config) => chatwoot::normalise(webhook.raw, &config, now),
            Err(_) => Ok(Vec::new()),
        },
        ProviderKind::Ses => match ses::Config::parse(&sender.config) {
            Ok(config) => ses::normalise(webhook.raw, &config, now),
            Err(_) => Ok(Vec::new()),
        },
        ProviderKind::AwsSms => match aws_sms::Config::parse(&sender.config) {
            Ok(config) => aws_sms::normalise(webhook.raw, &config),
            Err(_) => Ok(Vec::new()),
        },
        ProviderKind::Twilio => match twilio::Config::parse(&sender.config) {
            Ok(config) => twilio::normalise(webhook, &config, now),
            Err(_) => Ok(Vec::new()),
        },
        ProviderKind::Sinch => match sinch::Config::parse(&sender.config) {
            Ok(config) => {
                let event = sinch::normalise(webhook.raw, &config, sender.channel, now)?;
                Ok(event.into_iter().collect())
            }
            Err(_) => Ok(Vec::new()),
        },
        ProviderKind::SinchSms => Ok(sinch_sms::normalise(webhook.raw, now)?.into_iter().collect()),
        ProviderKind::Http => Ok(http_sender::normalise(webhook, sender.channel, now)?.into_iter().collect()),
    }
}
