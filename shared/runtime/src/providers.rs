//! The engine's `Channels` port over the providers' adapters.

use channels::Providers;
use domain::conversation::Look;
use domain::message::{Outbound, ProviderKind, Refusal, SendOutcome};
use domain::payment::{ChargeEvent, PaymentProvider, PaymentSource};
use domain::sender::{KnownTemplate, Sender};
use engine::ports::Channels;
use serde_json::Value;

use crate::Addresses;

type Checked = Result<(), Vec<channels::FieldError>>;

/// Fields of a sender's or payment source's configuration that are URLs.
const URL_FIELDS: [&str; 4] = ["base_url", "auth_url", "url", "public_webhook_url"];

/// The providers as a deployment has configured them.
#[derive(Debug, Clone)]
pub struct ProviderAdapter {
    providers: Providers,
    addresses: Addresses,
}

impl ProviderAdapter {
    pub fn new(providers: Providers, addresses: Addresses) -> Self {
        Self { providers, addresses }
    }

    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// All faults of shape, and the URLs that may not be called.
    fn wrong(&self, config: &Value, of_config: Checked, of_credentials: Checked) -> Vec<(String, String, String)> {
        let mut wrong = Vec::new();
        for (part, result) in [("config", of_config), ("credentials", of_credentials)] {
            for error in result.err().unwrap_or_default() {
                wrong.push((format!("/{part}{}", error.pointer), error.code.to_owned(), error.detail));
            }
        }
        for field in URL_FIELDS {
            let pointer = format!("/config/{field}");
            let named = wrong.iter().any(|(p, ..)| *p == pointer);
            if let Some(url) = config.get(field).and_then(Value::as_str).filter(|_| !named)
                && !self.addresses.allows(url)
            {
                wrong.push((pointer, "address_not_allowed".into(), "must be https on a public host".into()));
            }
        }
        wrong
    }
}

impl Channels for ProviderAdapter {
    async fn send(&self, sender: &Sender, credentials: &Value, outbound: &Outbound) -> SendOutcome {
        self.providers.send(sender, credentials, outbound).await
    }

    async fn look(&self, sender: &Sender, credentials: &Value, conversation: &str) -> Result<Look, Refusal> {
        self.providers.look(sender, credentials, conversation).await
    }

    async fn templates(&self, sender: &Sender, credentials: &Value) -> Result<Vec<KnownTemplate>, Refusal> {
        self.providers.templates(sender, credentials).await
    }

    /// Pointers start at the request's body: `/config/…` and `/credentials/…`.
    fn check(
        &self,
        provider: ProviderKind,
        config: &Value,
        credentials: Option<&Value>,
    ) -> Vec<(String, String, String)> {
        let of_config = channels::check_config(provider, config);
        let of_credentials = credentials.map_or(Ok(()), |c| channels::check_credentials(provider, config, c));
        self.wrong(config, of_config, of_credentials)
    }

    async fn read_back(
        &self,
        source: &PaymentSource,
        credentials: &Value,
        payment: &str,
    ) -> Result<Option<ChargeEvent>, Refusal> {
        self.providers.read_back(source, credentials, payment).await
    }

    fn check_source(
        &self,
        provider: PaymentProvider,
        config: &Value,
        credentials: Option<&Value>,
    ) -> Vec<(String, String, String)> {
        let of_config = channels::payments::check_source_config(config);
        let of_credentials = credentials.map_or(Ok(()), |c| channels::payments::check_source_credentials(provider, c));
        self.wrong(config, of_config, of_credentials)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn adapter(addresses: Addresses) -> ProviderAdapter {
        ProviderAdapter::new(Providers::new(&aws_config::SdkConfig::builder().build()).unwrap(), addresses)
    }

    #[test]
    fn every_wrong_field_is_named_from_the_body_on() {
        let config = json!({"phone_number_id": "1", "base_url": "http://127.0.0.1:1", "x": 1});
        let credentials = json!({"access_token": "t", "app_secret": "s"});
        let pointers = |addresses| {
            let wrong = adapter(addresses).check(ProviderKind::WhatsappCloud, &config, Some(&credentials));
            wrong.into_iter().map(|(pointer, code, _)| format!("{pointer} {code}")).collect::<Vec<_>>()
        };
        let shape =
            ["/config/waba_id missing_field", "/config/x unknown_field", "/credentials/verify_token missing_field"];
        assert_eq!(pointers(Addresses::Any), shape);
        assert_eq!(pointers(Addresses::Public)[..3], shape);
        assert_eq!(pointers(Addresses::Public)[3..], ["/config/base_url address_not_allowed"]);
    }
}
