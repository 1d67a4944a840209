//! The choice of the provider's module for what comes in: the proof of a webhook, and what it means.

use domain::message::{InboundEvent, ProviderKind};
use domain::sender::Sender;
use domain::time::Timestamp;
use serde_json::Value;

use crate::fields::FieldErrors;
use crate::providers::is_relayed;
use crate::sns::{self, Unavailable};
use crate::webhook::{Denied, Malformed, Webhook};
use crate::{Providers, aws_sms, chatwoot, http_sender, ses, sinch, sinch_sms, twilio, whatsapp_cloud};

impl Providers {
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
}

/// Whether a webhook comes from the sender's provider: proven on the raw body by its secret, at a time
/// near `now` where the proof has one. `false` also when the stored credentials no longer parse: nothing
/// unproven gets in. What a topic of SNS tells is proven by [`Providers::verify`].
pub fn verify(sender: &Sender, webhook: &Webhook<'_>, credentials: &Value, now: Timestamp) -> bool {
    fn by<T>(stored: &Value, parse: fn(&Value) -> Result<T, FieldErrors>, proves: impl FnOnce(T) -> bool) -> bool {
        parse(stored).is_ok_and(proves)
    }
    match sender.provider {
        ProviderKind::WhatsappCloud => by(credentials, whatsapp_cloud::Credentials::parse, |known| {
            let header = webhook.header(whatsapp_cloud::SIGNATURE_HEADER);
            whatsapp_cloud::verify_signature(webhook.raw, header, &known)
        }),
        ProviderKind::Sinch => by(credentials, sinch::Credentials::parse, |known| sinch::verify(webhook, &known, now)),
        ProviderKind::SinchSms => {
            by(credentials, sinch_sms::Credentials::parse, |known| sinch_sms::verify(webhook, &known))
        }
        ProviderKind::Twilio => by(credentials, twilio::Credentials::parse, |known| {
            by(&sender.config, twilio::Config::parse, |config| twilio::verify_signature(webhook, &config, &known))
        }),
        ProviderKind::Chatwoot => {
            by(credentials, chatwoot::Credentials::parse, |known| chatwoot::verify(webhook, &known, now))
        }
        ProviderKind::Http => {
            by(credentials, http_sender::Credentials::parse, |known| http_sender::verify(webhook, &known, now))
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
    type Events = Result<Vec<InboundEvent>, Malformed>;
    /// Without a configuration of our own everything is for somebody else.
    fn ours<C>(sender: &Sender, parse: fn(&Value) -> Result<C, FieldErrors>, read: impl FnOnce(C) -> Events) -> Events {
        parse(&sender.config).map_or(Ok(Vec::new()), read)
    }
    let raw = webhook.raw;
    match sender.provider {
        ProviderKind::WhatsappCloud => {
            ours(sender, whatsapp_cloud::Config::parse, |config| whatsapp_cloud::normalise(raw, &config))
        }
        ProviderKind::Sinch => ours(sender, sinch::Config::parse, |config| {
            Ok(sinch::normalise(raw, &config, sender.channel, now)?.into_iter().collect())
        }),
        ProviderKind::SinchSms => Ok(sinch_sms::normalise(raw, now)?.into_iter().collect()),
        ProviderKind::Ses => ours(sender, ses::Config::parse, |config| ses::normalise(raw, &config, now)),
        ProviderKind::AwsSms => ours(sender, aws_sms::Config::parse, |config| aws_sms::normalise(raw, &config)),
        ProviderKind::Twilio => ours(sender, twilio::Config::parse, |config| twilio::normalise(webhook, &config, now)),
        ProviderKind::Chatwoot => {
            ours(sender, chatwoot::Config::parse, |config| chatwoot::normalise(raw, &config, now))
        }
        ProviderKind::Http => Ok(http_sender::normalise(webhook, sender.channel, now)?.into_iter().collect()),
    }
}
