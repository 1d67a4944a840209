//! What the API refuses in a `SendTextMessage` before it looks at anything else.

use serde_json::Value;

use super::aws_error::AwsError;
use crate::sms::{MAX_TEXT, is_number};

/// A send that is well-formed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) to: String,
    pub(super) identity: String,
    pub(super) text: String,
    pub(super) message_type: String,
    pub(super) configuration_set: Option<String>,
    pub(super) context: Value,
}

/// Reads a send.
///
/// # Errors
/// The API's refusal.
pub(super) fn read(body: &Value) -> Result<Request, AwsError> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let to = text("DestinationPhoneNumber").filter(|to| is_number(to));
    let to = to.ok_or(AwsError::invalid("DestinationPhoneNumber"))?;
    // An account may leave it out; a sender of ours never does.
    let identity = text("OriginationIdentity").ok_or(AwsError::invalid("OriginationIdentity"))?;
    let words = text("MessageBody").filter(|words| words.chars().count() <= MAX_TEXT);
    let words = words.ok_or(AwsError::invalid("MessageBody"))?;
    let message_type = text("MessageType").unwrap_or_else(|| "TRANSACTIONAL".into());
    if !["TRANSACTIONAL", "PROMOTIONAL"].contains(&message_type.as_str()) {
        return Err(AwsError::invalid("MessageType"));
    }
    if body.get("TimeToLive").is_some_and(|ttl| !ttl.as_u64().is_some_and(|ttl| (5..=259_200).contains(&ttl))) {
        return Err(AwsError::invalid("TimeToLive"));
    }
    let context = body.get("Context").cloned().unwrap_or_default();
    let fits =
        |(name, value): (&String, &Value)| name.len() <= 100 && value.as_str().is_some_and(|value| value.len() <= 800);
    if context.as_object().is_some_and(|pairs| pairs.len() > 5 || !pairs.iter().all(fits)) {
        return Err(AwsError::invalid("Context"));
    }
    let configuration_set = text("ConfigurationSetName");
    Ok(Request { to, identity, text: words, message_type, configuration_set, context })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn malformed_sends_are_refused_as_aws_does() {
        let check = |field: &'static str, value: Value, refused: bool| {
            let mut body = json!({"DestinationPhoneNumber": "+5511987654321", "OriginationIdentity": "pool-1",
                "MessageBody": "Olá", "MessageType": "PROMOTIONAL", "TimeToLive": 5, "Context": {"reference": "1"}});
            body[field] = value.clone();
            assert_eq!(read(&body).err(), refused.then(|| AwsError::invalid(field)), "{field}: {value}");
        };
        check("MessageBody", json!("é".repeat(1_600)), false);
        check("MessageBody", json!("é".repeat(1_601)), true);
        check("MessageBody", json!(""), true);
        for bad in ["5511987654321", "+55", "ana@example.com", ""] {
            check("DestinationPhoneNumber", json!(bad), true);
        }
        check("OriginationIdentity", json!(null), true);
        check("MessageType", json!("OTHER"), true);
        check("TimeToLive", json!(4), true);
        check("Context", json!({"reference": "x".repeat(801)}), true);
        check("Context", json!({"a": "", "b": "", "c": "", "d": "", "e": "", "f": ""}), true);
    }
}
