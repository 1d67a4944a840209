//! Senders: the account's numbers and mailboxes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::SenderId;
use crate::message::{Channel, ProviderKind};
use crate::time::Timestamp;

/// A sender without its credentials, which live behind the secrets port. Serialised, this is the
/// stored document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sender {
    pub id: SenderId,
    pub rev: u64,
    pub created_at: Timestamp,
    pub name: String,
    pub channel: Channel,
    pub provider: ProviderKind,
    /// The provider's own configuration, checked by its adapter when the sender is written.
    pub config: Value,
    #[serde(default)]
    pub limits: SenderLimits,
    /// Why nothing goes out through it, when the provider says that the sender itself is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspension>,
    /// The WhatsApp templates last read from the provider; `None` until the first sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<KnownTemplate>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Suspension {
    /// The provider's code.
    pub code: String,
    #[schema(value_type = i64)]
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SenderLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp_up: Option<RampUp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RampUp {
    pub start_per_day: u32,
    pub growth: f64,
}

/// A WhatsApp template as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KnownTemplate {
    pub name: String,
    pub language: String,
    /// As the provider writes it; `APPROVED` may be sent.
    pub status: String,
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    pub body_parameters: u32,
}
