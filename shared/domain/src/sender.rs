//! Senders: the account's numbers and mailboxes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::SenderId;
use crate::message::{Channel, ProviderKind, TemplateTold};
use crate::sequence::{TemplateButtonType, TemplateHeaderType};
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

impl Sender {
    /// A sender without limits and faults, as it is first written.
    pub fn new(id: SenderId, now: Timestamp, channel: Channel, provider: ProviderKind, config: Value) -> Self {
        Self {
            id,
            rev: 1,
            created_at: now,
            name: provider.as_str().to_owned(),
            channel,
            provider,
            config,
            limits: SenderLimits::default(),
            suspended: None,
            templates: None,
        }
    }

    /// Whether the provider reports what became of a message. Without, an unknown send is resolved at
    /// once instead of waiting for a report. AWS tells only whom a configuration set names.
    pub fn has_statuses(&self) -> bool {
        match self.provider {
            ProviderKind::Ses | ProviderKind::AwsSms => self.config["configuration_set"].is_string(),
            _ => true,
        }
    }

    /// Whether answers come back to us: an email is answered to whichever mailbox its sender names.
    pub fn sees_replies(&self) -> bool {
        self.provider != ProviderKind::Ses || self.config["inbound_domain"].is_string()
    }

    /// WhatsApp's 24 h customer service window: outside it only approved templates go out, and inside it
    /// they may.
    pub fn has_reply_window(&self) -> bool {
        match self.provider {
            ProviderKind::WhatsappCloud => true,
            ProviderKind::Sinch => self.channel == Channel::Whatsapp,
            ProviderKind::Http => self.config["window"] == "24h",
            _ => false,
        }
    }

    /// Whether a webhook that is not answered 2xx comes again.
    pub fn repeats_webhooks(&self) -> bool {
        self.provider != ProviderKind::Chatwoot
    }

    /// Whether its conversations can be handed over to a bot of the helpdesk's.
    pub fn has_bots(&self) -> bool {
        self.provider == ProviderKind::Chatwoot
    }

    /// Seconds between two messages to one person (CHANNELS.md 1.8), where the provider wants some.
    pub fn pair_seconds(&self) -> Option<i64> {
        let is_whatsapp = matches!(self.provider, ProviderKind::WhatsappCloud | ProviderKind::Sinch);
        (is_whatsapp && self.channel == Channel::Whatsapp).then_some(6)
    }
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

impl SenderLimits {
    /// Microseconds between two starts at the strictest of the rates (TIME.md section 4: evenly spaced
    /// slots), rounded up so that no second, minute or hour holds one too many. `None` without a rate.
    pub fn spacing(&self) -> Option<i64> {
        let rates = [(self.per_second, 1), (self.per_minute, 60), (self.per_hour, 3_600)];
        let spacings = rates.into_iter().filter_map(|(rate, seconds)| {
            let rate = u64::from(rate.filter(|r| *r > 0)?);
            i64::try_from((seconds * 1_000_000_u64).div_ceil(rate)).ok()
        });
        spacings.max()
    }

    /// Whether its messages are counted by day.
    pub fn count_days(&self) -> bool {
        self.per_day.is_some() || self.ramp_up.is_some()
    }

    /// How many messages it may send on a day, so many days after its first (TIME.md section 4).
    /// `None` without such a limit.
    pub fn allowance(&self, days: u32) -> Option<u32> {
        [self.per_day, self.ramp_up.as_ref().map(|ramp| ramp.allowance(days))].into_iter().flatten().min()
    }
}

/// For new numbers: so many on the first day, and each day `growth` times the day before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RampUp {
    pub start_per_day: u32,
    pub growth: f64,
}

impl RampUp {
    fn allowance(&self, days: u32) -> u32 {
        let grown = f64::from(self.start_per_day) * self.growth.powi(days.try_into().unwrap_or(i32::MAX));
        // 100 × 1.15 is 115, which no sum of binary fractions says. The cast stops at the largest number.
        (grown * (1.0 + 1e-12)).floor() as u32
    }
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
    /// Distinct variables of the body's text.
    #[serde(default)]
    pub body_parameters: u32,
    /// What else a send must say; `None` in a list that an earlier release read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<TemplateParts>,
    /// When the provider said so; `None` in a list that an earlier release read. What it says of an
    /// earlier time is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub as_of: Option<Timestamp>,
}

impl KnownTemplate {
    /// Takes what the provider has told of this template meanwhile.
    pub fn take(&mut self, told: &TemplateTold) {
        if self.name != told.name || self.language != told.language || self.as_of > Some(told.at) {
            return;
        }
        self.as_of = Some(told.at);
        if let Some(status) = &told.status {
            self.status.clone_from(status);
        }
        if told.category.is_some() {
            self.category.clone_from(&told.category);
        }
    }
}

/// The parameters of a template.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TemplateParts {
    /// The body's variables, where they have names and no numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body_names: Vec<String>,
    /// A header of media, or a text with a variable. `null`: a send says nothing of the header.
    #[serde(default)]
    pub header: Option<TemplateHeaderType>,
    /// The header's variable, where it has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_name: Option<String>,
    #[serde(default)]
    pub buttons: Vec<KnownButton>,
}

/// A button that takes a value: of a `quick_reply` it may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KnownButton {
    pub index: u8,
    pub sub_type: TemplateButtonType,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_rate_counts() {
        let check = |per_second, per_minute, per_hour, spacing| {
            let limits = SenderLimits { per_second, per_minute, per_hour, per_day: Some(1), ramp_up: None };
            assert_eq!(limits.spacing(), spacing, "{limits:?}");
        };
        check(None, None, None, None);
        check(Some(5), None, None, Some(200_000));
        check(Some(5), Some(60), None, Some(1_000_000));
        check(Some(5), Some(600), Some(3_600), Some(1_000_000));
        check(Some(3), None, None, Some(333_334));
        check(None, Some(7), None, Some(8_571_429));
        check(Some(u32::MAX), None, None, Some(1));
    }

    #[test]
    fn what_is_told_of_a_template_counts_by_its_time() {
        let mut known = KnownTemplate {
            name: "fatura".into(),
            language: "pt_BR".into(),
            status: "APPROVED".into(),
            category: Some("UTILITY".into()),
            body_parameters: 1,
            parts: None,
            as_of: Some(Timestamp(10)),
        };
        let told = |language: &str, status: Option<&str>, category: Option<&str>, at: i64| TemplateTold {
            name: "fatura".into(),
            language: language.into(),
            status: status.map(str::to_owned),
            category: category.map(str::to_owned),
            at: Timestamp(at),
        };
        let mut check = |told: TemplateTold, status: &str, category: &str, as_of: i64| {
            known.take(&told);
            let now = (known.status.as_str(), known.category.as_deref(), known.as_of);
            assert_eq!(now, (status, Some(category), Some(Timestamp(as_of))), "{told:?}");
        };
        check(told("pt_BR", Some("PAUSED"), None, 9), "APPROVED", "UTILITY", 10);
        check(told("en", Some("PAUSED"), None, 12), "APPROVED", "UTILITY", 10);
        check(told("pt_BR", Some("PAUSED"), None, 10), "PAUSED", "UTILITY", 10);
        check(told("pt_BR", None, Some("MARKETING"), 12), "PAUSED", "MARKETING", 12);
        check(told("pt_BR", Some("APPROVED"), None, 11), "PAUSED", "MARKETING", 12);
    }

    #[test]
    fn a_new_number_grows_day_by_day() {
        let check = |per_day, ramp_up: Option<(u32, f64)>, days: u32, allowed: Option<u32>| {
            let ramp_up = ramp_up.map(|(start_per_day, growth)| RampUp { start_per_day, growth });
            let limits = SenderLimits { per_day, ramp_up, ..SenderLimits::default() };
            assert_eq!((limits.allowance(days), limits.count_days()), (allowed, allowed.is_some()), "{limits:?}");
        };
        check(None, None, 3, None);
        check(Some(250), None, 0, Some(250));
        for (days, allowed) in [50, 75, 112, 168, 253, 379].into_iter().enumerate() {
            check(None, Some((50, 1.5)), days as u32, Some(allowed));
        }
        check(Some(100), Some((50, 1.5)), 1, Some(75));
        check(Some(100), Some((50, 1.5)), 2, Some(100));
        check(None, Some((100, 1.15)), 1, Some(115));
        check(None, Some((1_000, 1.1)), 3, Some(1_331));
        check(None, Some((7, 1.0)), 10_000, Some(7));
        check(Some(9), Some((50, 10.0)), u32::MAX, Some(9));
        check(None, Some((1, 2.0)), 5_000, Some(u32::MAX));
    }
}
