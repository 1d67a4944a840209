//! Configuration: environment variables, read once.

use aws::{QueueUrls, ScheduleTarget};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a deployment sets (`infra/template.yaml`).
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `RITMO_TABLE`.
    pub table: String,
    /// `RITMO_QUEUE_ENROLL`, `…_STEP`, `…_SEND`, `…_INBOUND`: URLs.
    pub queues: QueueUrls,
    /// `RITMO_SCHEDULE_GROUP`, `RITMO_QUEUE_STEP_ARN`, `RITMO_SCHEDULER_ROLE_ARN`,
    /// `RITMO_SCHEDULER_DLQ_ARN`.
    pub schedules: ScheduleTarget,
    /// `RITMO_PARAMETERS`: the path in Parameter Store below which credentials are kept, `/ritmo/prod`.
    pub parameters: String,
    /// `RITMO_SECRET`: encrypts what the table keeps secret and salts identity hashes.
    pub secret: [u8; 32],
    /// `RITMO_OPERATOR_KEY`; only the API has it, and without it every operator call is refused.
    pub operator_key: Option<String>,
    /// `RITMO_PUBLIC_URL`: the origin that providers and contacts see.
    pub public_url: String,
    /// `RITMO_WHATSAPP_ORIGIN`: where WhatsApp is called for senders without a `base_url`, for
    /// example a proxy with a fixed address; without it, Meta's own.
    pub whatsapp_origin: Option<String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("table", &self.table).finish_non_exhaustive()
    }
}

/// A variable that is missing or wrong. Never repeats its value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    #[error("the environment variable {name} must be {expected}")]
    Wrong { name: &'static str, expected: &'static str },
}

impl Settings {
    /// # Errors
    /// The first variable that is missing or wrong, by name.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// The same from any source.
    ///
    /// # Errors
    /// The first variable that is missing or wrong, by name.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let optional = |name: &'static str| variable(name).filter(|value| !value.is_empty());
        let get = |name: &'static str| optional(name).ok_or(SettingsError::Missing(name));
        let shaped = |name: &'static str, value: String, prefixes: &[&str], expected: &'static str| {
            let fits = prefixes.iter().any(|prefix| value.starts_with(prefix));
            if fits { Ok(value) } else { Err(SettingsError::Wrong { name, expected }) }
        };
        let as_url = |name, value| shaped(name, value, &["https://", "http://"], "a URL");
        let url = |name| as_url(name, get(name)?);
        let arn = |name| shaped(name, get(name)?, &["arn:"], "an ARN");
        let without_slash = |url: String| url.trim_end_matches('/').to_owned();
        let whatsapp_origin = optional("RITMO_WHATSAPP_ORIGIN").map(|value| as_url("RITMO_WHATSAPP_ORIGIN", value));
        Ok(Self {
            table: get("RITMO_TABLE")?,
            queues: QueueUrls {
                enroll: url("RITMO_QUEUE_ENROLL")?,
                step: url("RITMO_QUEUE_STEP")?,
                send: url("RITMO_QUEUE_SEND")?,
                inbound: url("RITMO_QUEUE_INBOUND")?,
            },
            schedules: ScheduleTarget {
                group: get("RITMO_SCHEDULE_GROUP")?,
                queue_arn: arn("RITMO_QUEUE_STEP_ARN")?,
                role_arn: arn("RITMO_SCHEDULER_ROLE_ARN")?,
                dead_letter_arn: arn("RITMO_SCHEDULER_DLQ_ARN")?,
            },
            parameters: without_slash(shaped("RITMO_PARAMETERS", get("RITMO_PARAMETERS")?, &["/"], "a path")?),
            secret: secret("RITMO_SECRET", &get("RITMO_SECRET")?)?,
            operator_key: optional("RITMO_OPERATOR_KEY"),
            public_url: without_slash(url("RITMO_PUBLIC_URL")?),
            whatsapp_origin: whatsapp_origin.transpose()?.map(without_slash),
        })
    }
}

fn secret(name: &'static str, text: &str) -> Result<[u8; 32], SettingsError> {
    let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(SettingsError::Wrong { name, expected: "base64 of exactly 32 bytes" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use super::*;

    fn whole() -> HashMap<&'static str, String> {
        let mut all = HashMap::from([
            ("RITMO_TABLE", "ritmo".to_owned()),
            ("RITMO_SCHEDULE_GROUP", "timers".to_owned()),
            ("RITMO_PARAMETERS", "/ritmo/prod/".to_owned()),
            ("RITMO_SECRET", STANDARD.encode([7; 32])),
            ("RITMO_PUBLIC_URL", "https://ritmo.test/".to_owned()),
        ]);
        for name in ["RITMO_QUEUE_ENROLL", "RITMO_QUEUE_STEP", "RITMO_QUEUE_SEND", "RITMO_QUEUE_INBOUND"] {
            all.insert(name, format!("https://sqs.test/{name}"));
        }
        for name in ["RITMO_QUEUE_STEP_ARN", "RITMO_SCHEDULER_ROLE_ARN", "RITMO_SCHEDULER_DLQ_ARN"] {
            all.insert(name, format!("arn:aws:{name}"));
        }
        all
    }

    fn read(all: &HashMap<&'static str, String>) -> Result<Settings, SettingsError> {
        Settings::read(|name| all.get(name).cloned())
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let mut all = whole();
        let settings = read(&all).unwrap();
        assert_eq!(settings.secret, [7; 32]);
        assert_eq!(settings.parameters, "/ritmo/prod");
        assert_eq!(settings.operator_key, None);
        assert_eq!(settings.public_url, "https://ritmo.test");
        assert_eq!(settings.whatsapp_origin, None);
        all.insert("RITMO_OPERATOR_KEY", "op".into());
        all.insert("RITMO_WHATSAPP_ORIGIN", "https://proxy.test/".into());
        let settings = read(&all).unwrap();
        assert_eq!(settings.operator_key.as_deref(), Some("op"));
        assert_eq!(settings.whatsapp_origin.as_deref(), Some("https://proxy.test"));
        assert_eq!(format!("{settings:?}"), r#"Settings { table: "ritmo", .. }"#);
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in whole().into_keys() {
            let mut all = whole();
            all.remove(name);
            assert_eq!(read(&all), Err(SettingsError::Missing(name)));
            all.insert(name, String::new());
            assert_eq!(read(&all), Err(SettingsError::Missing(name)));
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        for (name, value) in [
            ("RITMO_SECRET", "c2VjcmV0"),
            ("RITMO_SECRET", "secret!"),
            ("RITMO_QUEUE_SEND", "send-secret"),
            ("RITMO_WHATSAPP_ORIGIN", "origin-secret"),
            ("RITMO_SCHEDULER_ROLE_ARN", "role-secret"),
            ("RITMO_PARAMETERS", "path-secret"),
        ] {
            let mut all = whole();
            all.insert(name, value.into());
            let error = read(&all).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains(value), "{error}");
        }
    }
}
