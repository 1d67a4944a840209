//! Checks on the JSON objects that an account gives for a sender (`config`, `credentials`): every
//! wrong field is named at once, so that a form can mark them all.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer within the object that was checked (`/phone_number_id`; empty for the object
    /// itself). The caller puts its own prefix before it.
    pub pointer: String,
    /// `missing_field`, `unknown_field`, `invalid_type` or `invalid_value`.
    pub code: &'static str,
    /// For people. Never repeats the value: it may be a secret.
    pub detail: String,
}

/// All that is wrong with an object; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FieldErrors(pub Vec<FieldError>);

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", error.pointer, error.detail)?;
        }
        Ok(())
    }
}

/// What a text field must look like.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) valid: fn(&str) -> bool,
    /// Completes "must be …".
    pub(crate) expected: &'static str,
}

/// Holds `value` against the rules; every field is a text.
pub(crate) fn check(value: &Value, rules: &[Rule]) -> Result<(), FieldErrors> {
    let Some(object) = value.as_object() else {
        return Err(FieldErrors(vec![FieldError {
            pointer: String::new(),
            code: "invalid_type",
            detail: "must be an object".into(),
        }]));
    };
    let mut errors: Vec<FieldError> = rules.iter().filter_map(|rule| check_rule(object, rule)).collect();
    for name in object.keys() {
        if !rules.iter().any(|rule| rule.name == name) {
            errors.push(FieldError {
                pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
                code: "unknown_field",
                detail: "is not a known field".into(),
            });
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(FieldErrors(errors)) }
}

/// Holds `value` against the rules and reads it.
pub(crate) fn parse<T: DeserializeOwned>(value: &Value, rules: &[Rule]) -> Result<T, FieldErrors> {
    check(value, rules)?;
    deserialize(value)
}

/// An explicit null of an optional field counts as left out, for the rules and so for serde.
pub(crate) fn deserialize<T: DeserializeOwned>(value: &Value) -> Result<T, FieldErrors> {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, field| !field.is_null());
    }
    // The rules above are narrower than the types; serde's own error is kept in case they drift.
    serde_json::from_value(value).map_err(|_| {
        FieldErrors(vec![FieldError {
            pointer: String::new(),
            code: "invalid_value",
            detail: "does not have the provider's shape".into(),
        }])
    })
}

fn check_rule(object: &Map<String, Value>, rule: &Rule) -> Option<FieldError> {
    let (code, detail) = match object.get(rule.name) {
        None | Some(Value::Null) if !rule.required => return None,
        None | Some(Value::Null) => ("missing_field", "is required".into()),
        Some(Value::String(text)) if (rule.valid)(text) => return None,
        Some(Value::String(_)) => ("invalid_value", format!("must be {}", rule.expected)),
        Some(_) => ("invalid_type", "must be a string".into()),
    };
    Some(FieldError { pointer: format!("/{}", rule.name), code, detail })
}

/// An origin: scheme http or https, a host, and neither path, query, fragment nor user. Whether
/// the address may be called at all (public https only) is the caller's rule: only it knows
/// whether this is the local runner.
pub(crate) fn is_origin(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else { return false };
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
}

/// An id that is put into a path: letters, digits, `-` and `_`.
pub(crate) fn is_path_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A region of AWS's.
pub(crate) fn is_region(text: &str) -> bool {
    (3..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A secret that can stand in a header: visible ASCII, no blanks.
pub(crate) fn is_secret(text: &str) -> bool {
    (1..=4096).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path() {
        for good in ["https://graph.facebook.com", "http://127.0.0.1:9000", "https://graph.facebook.com/"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["", "graph.facebook.com", "ftp://x", "https://x/v1", "https://u:p@x", "https://x?y", "https://x#y"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
