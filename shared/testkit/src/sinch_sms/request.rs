//! What Sinch refuses in a batch before it looks at anything else.

use serde_json::Value;

/// Characters of a text.
const MAX_TEXT: usize = 2_000;
const MAX_REFERENCE: usize = 2_048;

/// A batch for one person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Digits.
    pub(super) to: String,
    pub(super) text: String,
    pub(super) reference: Option<String>,
    /// Whether each recipient is reported of.
    pub(super) reports: bool,
}

/// The recipient as far as it can be read, for faults that hit even a malformed request.
pub(super) fn raw_recipient(body: &Value) -> Option<&str> {
    body.pointer("/to/0")?.as_str()
}

/// Reads a batch.
///
/// # Errors
/// Sinch's code and words.
pub(super) fn read(body: &Value, from: &str) -> Result<Batch, (&'static str, String)> {
    let invalid = |what: &str| ("syntax_invalid_parameter_format", what.to_owned());
    let violates = |what: &str| ("syntax_constraint_violation", what.to_owned());
    if !body.is_object() {
        return Err(("syntax_invalid_json", "the body is no JSON object".into()));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text("type").is_some_and(|type_| type_ != "mt_text") {
        return Err(violates("type"));
    }
    if text("from") != Some(from) {
        return Err(invalid("from is no originator of this service plan"));
    }
    let to = body.get("to").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // Batches of more than one are not what anybody here sends.
    let [to] = to else { return Err(violates("to must have one recipient")) };
    let digits = to.as_str().unwrap_or_default().trim_start_matches('+');
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid("to is not a valid MSISDN"));
    }
    let words = text("body").ok_or_else(|| violates("body may not be empty"))?;
    if words.chars().count() > MAX_TEXT {
        return Err(violates("body is too long"));
    }
    let reports = match text("delivery_report") {
        None | Some("none" | "summary" | "full") => false,
        Some("per_recipient" | "per_recipient_final") => true,
        Some(_) => return Err(violates("delivery_report")),
    };
    let reference = text("client_reference").map(str::to_owned);
    if reference.as_ref().is_some_and(|reference| reference.len() > MAX_REFERENCE) {
        return Err(violates("client_reference is too long"));
    }
    Ok(Batch { to: digits.to_owned(), text: words.to_owned(), reference, reports })
}

impl Batch {
    /// A parameter without a value: the batch is taken, and its message aborted.
    pub(super) fn has_parameter(&self) -> bool {
        self.text.split_once("${").is_some_and(|(_, rest)| rest.contains('}'))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn malformed_batches_are_refused_as_sinch_does() {
        let good = json!({"type": "mt_text", "from": "28444", "to": ["+5511987654321"], "body": "oi",
            "delivery_report": "per_recipient", "client_reference": "r"});
        let changed = |name: &str, value: Value| {
            let mut body = good.clone();
            if let Some(body) = body.as_object_mut() {
                body.insert(name.into(), value);
            }
            read(&body, "28444").map_err(|(code, _)| code)
        };
        assert!(changed("type", json!("mt_text")).is_ok());
        let (format, constraint) = ("syntax_invalid_parameter_format", "syntax_constraint_violation");
        assert_eq!(read(&json!([]), "28444").map_err(|(code, _)| code), Err("syntax_invalid_json"));
        for (name, value, refused) in [
            ("type", json!("mt_binary"), constraint),
            ("from", json!("28445"), format),
            ("to", json!([]), constraint),
            ("to", json!(["+5511987654321", "+5511987654322"]), constraint),
            ("to", json!(["ana"]), format),
            ("body", json!(""), constraint),
            ("body", json!("é".repeat(2_001)), constraint),
            ("delivery_report", json!("each"), constraint),
            ("client_reference", json!("r".repeat(2_049)), constraint),
        ] {
            assert_eq!(changed(name, value).err(), Some(refused), "{name}");
        }
        assert!(changed("body", json!("é".repeat(2_000))).is_ok());
        assert_eq!(changed("body", json!("Custa US${10}")).map(|batch| batch.has_parameter()), Ok(true));
        assert_eq!(changed("body", json!("Custa US$ 10")).map(|batch| batch.has_parameter()), Ok(false));
    }
}
