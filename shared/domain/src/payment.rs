//! What payment providers tell of charges, in one vocabulary for all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::contact::{TargetRef, canonical_phone};
use crate::ids::SourceId;
use crate::message::Identity;
use crate::sequence::TargetKind;
use crate::signal::Signal;
use crate::time::Timestamp;

/// Who tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentProvider {
    Stripe,
    Asaas,
    Mercadopago,
    /// Anybody who signs with Standard Webhooks.
    Standard,
}

impl PaymentProvider {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Asaas => "asaas",
            Self::Mercadopago => "mercadopago",
            Self::Standard => "standard",
        }
    }
}

/// Where an account's payments are told from, without its credentials, which live behind the
/// secrets port. Serialised, this is the stored document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentSource {
    pub id: SourceId,
    pub rev: u64,
    pub created_at: Timestamp,
    pub name: String,
    pub provider: PaymentProvider,
    /// The provider's own configuration, checked by its adapter when the source is written.
    pub config: Value,
}

/// What became of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeChange {
    Created,
    Overdue,
    Paid,
    /// A try to pay it came to nothing; it is still owed.
    Failed,
    /// All of it went back.
    Refunded,
    /// Nobody owes it any more, and nobody paid.
    Canceled,
}

impl ChargeChange {
    /// The event's type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "charge.created",
            Self::Overdue => "charge.overdue",
            Self::Paid => "charge.paid",
            Self::Failed => "charge.failed",
            Self::Refunded => "charge.refunded",
            Self::Canceled => "charge.canceled",
        }
    }

    pub fn of(kind: &str) -> Option<Self> {
        let all = [Self::Created, Self::Overdue, Self::Paid, Self::Failed, Self::Refunded, Self::Canceled];
        all.into_iter().find(|change| change.as_str() == kind)
    }

    /// Whether it happens to a charge once, however many of the provider's events tell of it.
    pub fn happens_once(self) -> bool {
        !matches!(self, Self::Overdue | Self::Failed)
    }
}

/// Who pays, as far as the provider says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Payer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl Payer {
    /// By what the payer may be known, most telling first.
    pub fn identities(&self, default_country: Option<&str>) -> Vec<Identity> {
        let mut all = Vec::new();
        if let Some(email) = self.email.as_deref().map(str::trim).filter(|e| !e.is_empty()) {
            all.push(Identity::Email(email.to_lowercase()));
        }
        if let Some(phone) = self.phone.as_deref().and_then(|p| canonical_phone(p, default_country)) {
            let digits = phone.trim_start_matches('+').to_owned();
            all.extend([Identity::Phone(phone), Identity::WaId(digits)]);
        }
        all
    }
}

/// One change of one charge, as a provider told it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChargeEvent {
    /// The same change never counts twice: the provider's event id, or for what happens to a charge
    /// once the charge's own.
    pub key: String,
    /// The provider's own name of the event.
    pub name: String,
    pub change: ChargeChange,
    /// When it happened; `None` where the provider does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Ids by which the charge may be known here: the merchant's references first, then the provider's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_as: Vec<String>,
    /// The provider's id under which the charge is kept when nobody knew it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_as: Option<String>,
    #[serde(default)]
    pub payer: Payer,
    /// What conditions may read: `amount`, `currency`, `provider`, `provider_event`, `method`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// What a charge that is kept begins with: `amount`, `currency`, `due_date`, `link`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
}

impl ChargeEvent {
    /// The charge under one of its names.
    pub fn target(id: &str) -> TargetRef {
        TargetRef { kind: TargetKind::Charge, id: id.to_owned() }
    }

    /// As a signal about that target.
    ///
    /// A payment counts from when it is first heard of (`heard`): a run that began while the webhook
    /// was under way is about a charge that is paid. Everything else counts from when it happened, so
    /// that an overdue notice which comes after the payment starts nothing that goes on.
    pub fn signal(&self, target: Option<TargetRef>, heard: Timestamp) -> Signal {
        let at = match self.change {
            ChargeChange::Paid => heard,
            _ => self.at.map_or(heard, |at| at.min(heard)),
        };
        Signal {
            id: self.key.clone(),
            kind: self.change.as_str().to_owned(),
            at,
            target,
            conversation: None,
            data: self.data.clone(),
            decimal_mark: None,
        }
    }
}

/// What a verified webhook comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentNotice {
    Charge(Box<ChargeEvent>),
    /// Only that something happened to this payment: what, its provider must be asked.
    ReadBack {
        payment: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payer_is_known_by_email_then_phone() {
        let payer = Payer { email: Some(" Ana@Example.com".into()), phone: Some("(11) 98765-4321".into()) };
        let expected = [
            Identity::Email("ana@example.com".into()),
            Identity::Phone("+5511987654321".into()),
            Identity::WaId("5511987654321".into()),
        ];
        assert_eq!(payer.identities(Some("BR")), expected);
        assert_eq!(payer.identities(None), expected[..1]);
        assert_eq!(Payer { email: Some(" ".into()), phone: Some("x".into()) }.identities(Some("BR")), []);
    }

    #[test]
    fn a_payment_counts_from_when_it_is_heard_of_and_the_rest_from_when_it_happened() {
        let event = |change, at| ChargeEvent {
            key: "k".into(),
            name: "n".into(),
            change,
            at,
            known_as: Vec::new(),
            kept_as: None,
            payer: Payer::default(),
            data: Map::new(),
            attributes: BTreeMap::new(),
        };
        let at = |change, at: Option<i64>| event(change, at.map(Timestamp)).signal(None, Timestamp(100)).at.0;
        assert_eq!(at(ChargeChange::Paid, Some(50)), 100);
        assert_eq!(at(ChargeChange::Overdue, Some(50)), 50);
        assert_eq!(at(ChargeChange::Overdue, Some(150)), 100, "never later than now");
        assert_eq!(at(ChargeChange::Overdue, None), 100);
    }
}
