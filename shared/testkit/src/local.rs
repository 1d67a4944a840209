//! Bodies of the local runner's `_local` routes, and the record of what a stand-in accepted.

use domain::ids::AttemptRef;
use domain::message::{Channel, DeliveryStatus, ProviderKind};
use domain::sender::TemplateParts;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST /_local/faults`: the next `count` requests (to that recipient) get the entries in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub provider: ProviderKind,
    pub fail: Vec<Failure>,
    /// Requests to fail; left out, one for each entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Only requests to this recipient, compared as [`crate::stand_in::recipient_key`] does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl Fault {
    /// What serde's types cannot say.
    ///
    /// # Errors
    /// A sentence for the caller: no entries, or an HTTP status outside 200 to 599.
    pub fn check(&self) -> Result<(), String> {
        if self.fail.is_empty() {
            return Err("fail must have at least one entry".into());
        }
        match self
            .fail
            .iter()
            .find(|failure| matches!(failure, Failure::Status(status) if !(200..=599).contains(status)))
        {
            Some(_) => Err("status must be from 200 to 599".into()),
            None => Ok(()),
        }
    }
}

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Refused with this HTTP status and an error without a code.
    Status(u16),
    /// Refused with the provider's own error.
    ErrorCode(ErrorCode),
    /// The connection is cut without an answer.
    Timeout(Cut),
    /// Accepted and answered, but no status is ever reported.
    DropStatusWebhook(bool),
    /// Accepted after so many milliseconds of real time.
    DelayMs(u64),
}

/// An error as its provider names it: `131026`, `"MessageRejected"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ErrorCode {
    Number(i64),
    Name(String),
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// On which side of the acceptance a connection is cut. The caller cannot tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Not accepted.
    Before,
    /// Accepted and recorded.
    After,
}

/// `POST /_local/statuses`: what is reported of every accepted message from now on, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusesBody {
    pub auto: Vec<DeliveryStatus>,
}

/// `POST /_local/inbound`: a person writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundBody {
    pub channel: Channel,
    pub from: String,
    pub text: String,
    /// The sender written to; left out, the channel's default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_id: Option<String>,
    /// What only this channel's stand-in knows, such as an email's subject.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

/// `POST /_local/templates`: the whole list, in place of what was set or learned before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplatesBody {
    pub templates: Vec<TemplateEntry>,
}

/// One template of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateEntry {
    pub name: String,
    pub language: String,
    /// Meta's word: `APPROVED`, `PENDING`, `REJECTED`, `PAUSED`, `DISABLED` …
    #[serde(default = "approved")]
    pub status: String,
    /// `UTILITY`, `MARKETING`, `AUTHENTICATION`.
    #[serde(default = "utility")]
    pub category: String,
    /// Left out, the first use decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_parameters: Option<u32>,
    /// What else a send must say, in the form of `GET /v1/senders/{id}/templates`. Left out, the first use
    /// decides, and until then the list shows neither header nor buttons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<TemplateParts>,
}

fn approved() -> String {
    "APPROVED".into()
}

fn utility() -> String {
    "UTILITY".into()
}

/// One request that a stand-in accepted, as `GET /_local/messages` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedMessage {
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    pub channel: Channel,
    pub provider: ProviderKind,
    pub sender_id: String,
    /// A phone in E.164 with `+` (Brazil's ninth digit restored), an email address, the provider's user id,
    /// or the conversation's.
    pub to: String,
    /// The request's body as it was received.
    pub body: Value,
    /// The text; of a template its name, language and parameters.
    pub text: String,
    pub provider_message_id: String,
    /// From the reference in the request, where it is one of ours.
    pub enrollment_id: Option<String>,
    /// The step's index. A stand-in cannot know it: whoever shows the message fills it in, by
    /// [`AcceptedMessage::attempt`].
    pub step: Option<u32>,
    /// The reference that the request carried, as the provider echoes it.
    pub reference: Option<String>,
}

impl AcceptedMessage {
    /// The attempt named by the request's reference.
    pub fn attempt(&self) -> Option<AttemptRef> {
        AttemptRef::parse(self.reference.as_deref()?)
    }
}

mod rfc3339 {
    use domain::time::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(d)?;
        Timestamp::parse(&text).ok_or_else(|| D::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn faults_read_as_documented() {
        let fault: Fault = from_value(json!({
            "provider": "whatsapp_cloud",
            "fail": [{"status": 429}, {"error_code": 131026}, {"timeout": "before"}, {"timeout": "after"},
                     {"drop_status_webhook": true}, {"delay_ms": 800}, {"error_code": "MessageRejected"}],
            "count": 1, "to": "+5511987654321"
        }))
        .unwrap();
        assert_eq!(fault.fail[2], Failure::Timeout(Cut::Before));
        assert_eq!(fault.fail[6], Failure::ErrorCode(ErrorCode::Name("MessageRejected".into())));
        assert_eq!(fault.check(), Ok(()));
        for wrong in [
            json!({"provider": "whatsapp_cloud", "fail": [], "times": 1}),
            json!({"provider": "telegram", "fail": []}),
            json!({"provider": "whatsapp_cloud", "fail": [{"timeout": "later"}]}),
            json!({"provider": "whatsapp_cloud", "fail": [{"stauts": 1}]}),
        ] {
            assert!(from_value::<Fault>(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(Fault { fail: vec![Failure::Status(100)], ..fault.clone() }.check().is_err());
        assert!(Fault { fail: vec![], ..fault }.check().is_err());
    }
}
