//! What an account gives for a sender of its own gateway.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::fields::{FieldErrors, Rule, parse};
use crate::standard_webhooks;

/// A sender's open settings. `window` is read by `domain::sender`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Where messages are posted to.
    pub url: String,
    /// `24h` where the gateway is bound by WhatsApp's window; `none` if left out.
    pub window: Option<String>,
}

impl Config {
    /// Reads the sender's `config`.
    ///
    /// # Errors
    /// Every wrong field by name.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let url = "an http or https URL of at most 2048 characters without user and fragment";
        parse(
            value,
            &[
                Rule { name: "url", required: true, valid: is_url, expected: url },
                Rule {
                    name: "window",
                    required: false,
                    valid: |text| matches!(text, "none" | "24h"),
                    expected: "none or 24h",
                },
            ],
        )
    }
}

fn is_url(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else { return false };
    matches!(url.scheme(), "http" | "https")
        && text.len() <= 2_048
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}

/// A sender's secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Credentials {
    /// Signs both ways.
    pub secret: String,
}

impl Credentials {
    /// Reads the sender's `credentials`.
    ///
    /// # Errors
    /// Every wrong field by name, never its value.
    pub fn parse(value: &Value) -> Result<Self, FieldErrors> {
        let valid = standard_webhooks::is_secret;
        parse(value, &[Rule { name: "secret", required: true, valid, expected: standard_webhooks::SECRET }])
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let named = |config: Value| {
            let errors = Config::parse(&config).map_or_else(|e| e.0, |_| Vec::new());
            errors.into_iter().map(|e| format!("{} {}", e.pointer, e.code)).collect::<Vec<_>>()
        };
        for good in [
            json!({"url": "https://gateway.example.com/send?box=1", "window": "24h"}),
            json!({"url": "http://127.0.0.1:9000/", "window": "none"}),
            json!({"url": "https://gateway.example.com", "window": null}),
        ] {
            assert_eq!(named(good), [""; 0]);
        }
        assert_eq!(
            named(json!({"window": "48h", "x": 1})),
            ["/url missing_field", "/window invalid_value", "/x unknown_field"]
        );
        for url in ["gateway.example.com", "ftp://x", "https://u:p@x/", "https://x/#a", ""] {
            assert_eq!(named(json!({"url": url})), ["/url invalid_value"], "{url}");
        }
    }

    #[test]
    fn the_secret_is_shown_nowhere() {
        let credentials = Credentials::parse(&json!({"secret": "whsec_c2VncmVkby1kZS10ZXN0ZQ=="})).unwrap();
        assert!(!format!("{credentials:?}").contains("whsec"));
        for wrong in [json!({"secret": "curto"}), json!({"secret": 7}), json!({})] {
            let errors = Credentials::parse(&wrong).unwrap_err();
            assert_eq!(errors.0[0].pointer, "/secret");
            assert!(!errors.to_string().contains("curto"));
        }
    }
}
