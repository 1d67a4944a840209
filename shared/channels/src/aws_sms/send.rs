//! One call of `SendTextMessage`, and what is known after it.

use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::operation::send_text_message::SendTextMessageError as Error;
use aws_sdk_pinpointsmsvoicev2::types;
use domain::message::{Outbound, Reaction, Refusal, SendOutcome};

use super::classify::{Refused, classify};
use super::config::{Config, MessageType};
use super::normalise::REFERENCE;
use crate::aws::Failure;
use crate::call::refused;
use crate::sms;

/// Seconds until AWS gives up handing the message over: its default of 72 hours would bring a follow-up
/// at a time that nobody chose.
const TIME_TO_LIVE: i32 = 14_400;

/// Sends one message, once.
pub(crate) async fn send(client: &Client, config: &Config, outbound: &Outbound) -> SendOutcome {
    let (to, text) = match sms::parts(outbound) {
        Ok(parts) => parts,
        Err(refused) => return refused,
    };
    let message_type = match config.message_type {
        MessageType::Transactional => types::MessageType::Transactional,
        MessageType::Promotional => types::MessageType::Promotional,
    };
    let answer = client
        .send_text_message()
        .destination_phone_number(to)
        .origination_identity(&config.origination_identity)
        .message_body(text)
        .message_type(message_type)
        .set_configuration_set_name(config.configuration_set.clone())
        .time_to_live(TIME_TO_LIVE)
        .context(REFERENCE, outbound.reference.to_string())
        .send()
        .await;
    let error = match answer {
        Ok(answer) => return answer.message_id.filter(|id| !id.is_empty()).map_or(SendOutcome::Ambiguous, accepted),
        Err(error) => error,
    };
    match Failure::of(&error) {
        Failure::Ambiguous => SendOutcome::Ambiguous,
        Failure::NotSent { code: "request" } => refused(Reaction::Sender, "config"),
        Failure::NotSent { code } => refused(Reaction::Transient, code),
        Failure::Refused { code, status } => SendOutcome::Refused(refusal(&code, status, error.as_service_error())),
    }
}

fn accepted(provider_message_id: String) -> SendOutcome {
    SendOutcome::Accepted { provider_message_id, recipient_id: None }
}

fn refusal(error: &str, status: u16, of: Option<&Error>) -> Refusal {
    let reason = match of {
        Some(Error::AccessDeniedException(e)) => e.reason.as_ref().map(|reason| reason.as_str()),
        Some(Error::ConflictException(e)) => e.reason.as_ref().map(|reason| reason.as_str()),
        Some(Error::ServiceQuotaExceededException(e)) => e.reason.as_ref().map(|reason| reason.as_str()),
        Some(Error::ValidationException(e)) => e.reason.as_ref().map(|reason| reason.as_str()),
        _ => None,
    };
    let fields: Vec<&str> = match of {
        Some(Error::ValidationException(e)) => e.fields().iter().map(|field| field.name()).collect(),
        _ => Vec::new(),
    };
    classify(Refused { error, reason, fields: &fields, status })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aws_config::{Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use domain::ids::AttemptRef;
    use domain::message::{Message, Recipient};
    use serde_json::json;

    use super::*;
    use crate::aws::Aws;
    use crate::call::testing::{response, server};

    async fn answered(answer: Option<Vec<u8>>) -> SendOutcome {
        let credentials = SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"));
        let region = Region::from_static("us-east-1");
        let sdk = SdkConfig::builder().region(region).credentials_provider(credentials).build();
        let outbound = Outbound {
            reference: AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap(),
            to: Recipient::Phone("5511987654321".into()),
            message: Message::Text { text: "oi".into() },
        };
        let config = Config::parse(&json!({"origination_identity": "pool-1"})).unwrap();
        send(&Aws::new(&sdk).sms(None, Some(&server(answer).await)), &config, &outbound).await
    }

    #[tokio::test]
    async fn an_answer_is_read_by_its_reason() {
        let opted_out = r#"{"__type":"com.amazonaws.pinpointsmsvoicev2#ConflictException","Message":"no",
            "Reason":"DESTINATION_PHONE_NUMBER_OPTED_OUT","ResourceType":"opted-out-number","ResourceId":"+55"}"#;
        let bad_number = r#"{"__type":"ValidationException","Message":"no","Reason":"FIELD_VALIDATION_FAILED",
            "Fields":[{"Name":"DestinationPhoneNumber","Message":"not valid"}]}"#;
        let spent = r#"{"__type":"ServiceQuotaExceededException","Reason":"MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"}"#;
        for (head, body, outcome) in [
            ("400 Bad", opted_out, refused(Reaction::OptedOut, "DESTINATION_PHONE_NUMBER_OPTED_OUT")),
            ("400 Bad", bad_number, refused(Reaction::Recipient, "FIELD_VALIDATION_FAILED")),
            ("400 Bad", spent, refused(Reaction::Sender, "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT")),
            ("400 Bad", r#"{"__type":"ThrottlingException"}"#, refused(Reaction::Throttled, "ThrottlingException")),
            (
                "400 Bad",
                r#"{"__type":"UnrecognizedClientException"}"#,
                refused(Reaction::Sender, "UnrecognizedClientException"),
            ),
            ("503 Down", "<html>", refused(Reaction::Transient, "http_503")),
            ("200 OK", "{}", SendOutcome::Ambiguous),
            ("200 OK", r#"{"MessageId":"862a8790"}"#, accepted("862a8790".into())),
        ] {
            assert_eq!(answered(response(head, body)).await, outcome, "{head} {body}");
        }
        assert_eq!(answered(Some(Vec::new())).await, SendOutcome::Ambiguous);
    }
}
