//! A sender as its provider knows it.

use domain::message::{Channel, ProviderKind};
use serde_json::Value;

/// What a stand-in must know of a sender: its credentials are accepted, its secrets sign.
#[derive(Clone, PartialEq, Eq)]
pub struct SenderAccess {
    pub sender_id: String,
    pub channel: Channel,
    pub provider: ProviderKind,
    pub config: Value,
    pub credentials: Value,
}

impl SenderAccess {
    /// A text of the configuration.
    pub fn config(&self, field: &str) -> Option<&str> {
        self.config.get(field)?.as_str()
    }

    /// A text of the credentials.
    pub fn credential(&self, field: &str) -> Option<&str> {
        self.credentials.get(field)?.as_str()
    }

    /// Whether it is the sender that is looked for.
    pub fn fits(&self, key: &SenderKey) -> bool {
        match key {
            SenderKey::Id(id) => self.sender_id == *id,
            SenderKey::Config { provider, field, value } => {
                self.provider == *provider && config_text(&self.config, field).as_ref() == Some(value)
            }
        }
    }
}

/// Shows no secret.
impl std::fmt::Debug for SenderAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderAccess")
            .field("sender_id", &self.sender_id)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// By what a sender is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SenderKey {
    Id(String),
    /// By what a request to the provider says: a field of the configuration.
    Config {
        provider: ProviderKind,
        field: String,
        value: String,
    },
}

impl SenderKey {
    pub fn config(provider: ProviderKind, field: &str, value: impl Into<String>) -> Self {
        Self::Config { provider, field: field.into(), value: value.into() }
    }

    /// The keys by which a configuration is found: its texts and numbers.
    pub fn all(provider: ProviderKind, config: &Value) -> Vec<Self> {
        let fields = config.as_object().into_iter().flatten();
        fields.filter_map(|(name, _)| Some(Self::config(provider, name, config_text(config, name)?))).collect()
    }
}

fn config_text(config: &Value, field: &str) -> Option<String> {
    match config.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sender_is_found_by_what_its_configuration_says_and_shows_no_secret() {
        let access = SenderAccess {
            sender_id: "snd_1".into(),
            channel: Channel::Conversation,
            provider: ProviderKind::Chatwoot,
            config: json!({"account_id": 7, "base_url": "https://chat.example"}),
            credentials: json!({"api_access_token": "segredo"}),
        };
        let key = |field: &str, value: &str| SenderKey::config(ProviderKind::Chatwoot, field, value);
        assert!(access.fits(&SenderKey::Id("snd_1".into())) && access.fits(&key("account_id", "7")));
        assert!(!access.fits(&key("account_id", "8")) && !access.fits(&key("inbox_id", "7")));
        assert!(!access.fits(&SenderKey::config(ProviderKind::Twilio, "account_id", "7")));
        assert_eq!(SenderKey::all(access.provider, &access.config).len(), 2);
        assert!(!format!("{access:?}").contains("segredo"));
    }
}
