//! The same messages through AWS End User Messaging Social, which passes Meta's own bodies on, both ways. AWS
//! is called as the deployment itself: a sender has no token, and what comes in is signed by SNS.

use aws_sdk_socialmessaging::Client;
use aws_sdk_socialmessaging::primitives::Blob;
use domain::message::{Outbound, Reaction, Refusal, SendOutcome};

use serde_json::{Value, json};

use super::body::body;
use super::config::Config;
use super::send::not_for_whatsapp;
use crate::aws::Failure;
use crate::call::{by_status, refused};
use crate::foreign::text;
use crate::{Malformed, sns};

/// Sends one message, once. What Meta refuses comes back as a `failed` status.
pub(crate) async fn relay(client: &Client, config: &Config, outbound: &Outbound) -> SendOutcome {
    if let Some(outcome) = not_for_whatsapp(outbound) {
        return outcome;
    }
    let call = client
        .send_whats_app_message()
        .set_origination_phone_number_id(config.relay_phone_number_id.clone())
        .meta_api_version(&config.api_version)
        .message(Blob::new(body(outbound).to_string()));
    match call.send().await {
        Ok(answer) => match answer.message_id.filter(|id| !id.is_empty()) {
            Some(provider_message_id) => SendOutcome::Accepted { provider_message_id, recipient_id: None },
            None => SendOutcome::Ambiguous,
        },
        Err(error) => match Failure::of(&error) {
            Failure::NotSent { code: code @ "request" } => refused(Reaction::Message, code),
            // A worker without credentials is no sender's fault, and it passes.
            Failure::NotSent { code } => refused(Reaction::Transient, code),
            Failure::Ambiguous => SendOutcome::Ambiguous,
            Failure::Refused { code, status } => {
                let reaction = by_code(&code).unwrap_or_else(|| by_status(status));
                SendOutcome::Refused(Refusal { reaction, code, retry_after: None })
            }
        },
    }
}

/// Meta's webhook body in what the topic tells, if it tells of one: AWS puts one `entry`, as a text, beside ids
/// of its own (its page on event formats).
///
/// # Errors
/// [`Malformed`] when neither SNS nor AWS writes so.
pub(super) fn relayed(raw: &[u8]) -> Result<Option<Value>, Malformed> {
    let Some(told) = sns::notification(raw)? else { return Ok(None) };
    let told: Value = serde_json::from_str(&told.message).map_err(|_| Malformed)?;
    let Some(entry) = text(&told, "whatsAppWebhookEntry") else { return Ok(None) };
    let entry: Value = serde_json::from_str(entry).map_err(|_| Malformed)?;
    Ok(Some(json!({"object": "whatsapp_business_account", "entry": [entry]})))
}

fn by_code(code: &str) -> Option<Reaction> {
    Some(match code {
        "ThrottledRequestException" | "ThrottlingException" => Reaction::Throttled,
        "DependencyException" | "InternalServiceException" => Reaction::Transient,
        "InvalidParametersException" | "ValidationException" => Reaction::Message,
        // The role may not, or no such number is linked.
        "AccessDeniedException" | "AccessDeniedByMetaException" | "ResourceNotFoundException" => Reaction::Sender,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aws_config::{Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use domain::ids::AttemptRef;
    use domain::message::{Message, Recipient};

    use super::*;
    use crate::aws::Aws;
    use crate::call::testing::{response, servers};

    async fn sent(answer: Option<Vec<u8>>) -> (SendOutcome, String) {
        let (origin, requests) = servers(vec![answer]).await;
        let credentials = SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"));
        let sdk =
            SdkConfig::builder().region(Region::from_static("us-east-1")).credentials_provider(credentials).build();
        let config = json!({"phone_number_id": "1", "waba_id": "2", "api_version": "v20.0",
            "relay_phone_number_id": "phone-number-id-01", "relay_region": "sa-east-1"});
        let config = Config::parse(&config).unwrap();
        let outbound = Outbound {
            reference: AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap(),
            to: Recipient::Phone("5511987654321".into()),
            message: Message::Text { text: "oi".into() },
        };
        let client = Aws::new(&sdk).social(config.relay_region.as_deref(), Some(&origin));
        let outcome = relay(&client, &config, &outbound).await;
        let request = requests.lock().unwrap().remove(0);
        (outcome, request)
    }

    #[tokio::test]
    async fn aws_gets_metas_own_body() {
        let (outcome, request) = sent(response("200 OK", r#"{"messageId":"01"}"#)).await;
        assert_eq!(outcome, SendOutcome::Accepted { provider_message_id: "01".into(), recipient_id: None });
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/whatsapp/send "), "{head}");
        assert!(head.contains("/sa-east-1/social-messaging/aws4_request"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["originationPhoneNumberId"], "phone-number-id-01");
        assert_eq!(body["metaApiVersion"], "v20.0");
        let message: Value =
            serde_json::from_slice(&STANDARD.decode(body["message"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!(message["text"]["body"], "oi");
        assert_eq!(message["biz_opaque_callback_data"], format!("enr_{}.1", "A".repeat(43)));
    }

    #[tokio::test]
    async fn awss_errors_have_their_reactions() {
        for (head, code, reaction) in [
            ("429 Slow", "ThrottledRequestException", Reaction::Throttled),
            ("502 Bad Gateway", "DependencyException", Reaction::Transient),
            ("500 Error", "InternalServiceException", Reaction::Transient),
            ("400 Bad", "InvalidParametersException", Reaction::Message),
            ("400 Bad", "ValidationException", Reaction::Message),
            ("403 Forbidden", "AccessDeniedException", Reaction::Sender),
            ("403 Forbidden", "UnrecognizedClientException", Reaction::Sender),
            ("404 Not Found", "ResourceNotFoundException", Reaction::Sender),
            ("503 Unavailable", "SomethingNew", Reaction::Transient),
        ] {
            let body = json!({"__type": code, "message": "no"}).to_string();
            let (outcome, _) = sent(response(head, &body)).await;
            assert_eq!(outcome, refused(reaction, code), "{head}");
        }
        let (outcome, _) = sent(response("200 OK", "{}")).await;
        assert_eq!(outcome, SendOutcome::Ambiguous);
        let (outcome, _) = sent(Some(Vec::new())).await;
        assert_eq!(outcome, SendOutcome::Ambiguous);
    }
}
