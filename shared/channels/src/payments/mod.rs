//! Payment providers: the proof of their webhooks on the raw bytes, and what they tell as
//! [`PaymentNotice`]s. One file a provider; `fields` is what all of them read alike.
//!
//! Only Mercado Pago is ever called ([`read_back`](crate::Providers::read_back)): its webhooks name a
//! payment and do not say what became of it.

mod asaas;
mod fields;
mod mercadopago;
mod standard;
mod stripe;

use domain::message::Refusal;
use domain::payment::{ChargeEvent, PaymentNotice, PaymentProvider};
use domain::time::Timestamp;
use serde_json::Value;

use crate::fields::{FieldError, Rule, check, is_origin, is_secret};
use crate::{Webhook, standard_webhooks};

/// More signatures than a rotation needs are not looked at.
const MAX_SIGNATURES: usize = 16;

/// A verified webhook that tells nothing which can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("not a JSON document")]
    Malformed,
    /// The endpoint is set to events without data.
    #[error("a thin event: set the endpoint to snapshot events, which carry the invoice or payment")]
    Thin,
}

/// Whether the webhook is its provider's: signed, at a time near `now` where the signature has one,
/// by any of these secrets (the present one, and the one before it while a change is under way).
pub fn verify(provider: PaymentProvider, webhook: &Webhook<'_>, secrets: &[&str], now: Timestamp) -> bool {
    match provider {
        PaymentProvider::Stripe => stripe::verify(webhook, secrets, now),
        PaymentProvider::Asaas => asaas::verify(webhook, secrets),
        PaymentProvider::Mercadopago => mercadopago::verify(webhook, secrets),
        PaymentProvider::Standard => standard_webhooks::verify(webhook, secrets, now),
    }
}

/// What a verified webhook tells; `None` for what does not concern a charge.
///
/// # Errors
/// [`Unusable`]: it could not be read.
pub fn normalise(provider: PaymentProvider, webhook: &Webhook<'_>) -> Result<Option<PaymentNotice>, Unusable> {
    match provider {
        PaymentProvider::Stripe => stripe::normalise(webhook.raw),
        PaymentProvider::Asaas => asaas::normalise(webhook.raw),
        PaymentProvider::Mercadopago => mercadopago::normalise(webhook),
        PaymentProvider::Standard => standard::normalise(webhook),
    }
}

/// Reads a payment back from its provider; `None` for one that tells nothing (also one that it does
/// not know).
pub(crate) async fn read_back(
    http: &reqwest::Client,
    provider: PaymentProvider,
    base_url: Option<&str>,
    access_token: &str,
    payment: &str,
) -> Result<Option<ChargeEvent>, Refusal> {
    match provider {
        PaymentProvider::Mercadopago => mercadopago::read_back(http, base_url, access_token, payment).await,
        // Their webhooks say it all.
        PaymentProvider::Stripe | PaymentProvider::Asaas | PaymentProvider::Standard => Ok(None),
    }
}

/// Whether a payment source's `config` has the right shape. Pointers are relative to it.
///
/// # Errors
/// Every wrong field.
pub fn check_source_config(config: &Value) -> Result<(), Vec<FieldError>> {
    let expected = "an origin (scheme, host and port)";
    check(config, &[Rule { name: "base_url", required: false, valid: is_origin, expected }]).map_err(|e| e.0)
}

/// Whether a payment source's `credentials` have the provider's shape. Pointers are relative to them.
///
/// # Errors
/// Every wrong field; details never repeat a value.
pub fn check_source_credentials(provider: PaymentProvider, credentials: &Value) -> Result<(), Vec<FieldError>> {
    let text = "1 to 4096 visible ASCII characters";
    let (valid, expected): (fn(&str) -> bool, _) = match provider {
        PaymentProvider::Standard => (standard_webhooks::is_secret, standard_webhooks::SECRET),
        _ => (is_secret, text),
    };
    let needs_token = provider == PaymentProvider::Mercadopago;
    let rules = [
        Rule { name: "secret", required: true, valid, expected },
        Rule { name: "access_token", required: needs_token, valid: is_secret, expected: text },
    ];
    check(credentials, &rules).map_err(|e| e.0)
}
