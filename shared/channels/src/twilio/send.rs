//! One call of `POST /2010-04-01/Accounts/{sid}/Messages.json`.

use domain::message::{Outbound, Refusal, SendOutcome};
use serde_json::Value;

use super::classify::classify;
use super::config::{Config, Credentials, From};
use super::normalise::REFERENCE;
use crate::call::{self, Answer};
use crate::sms;

/// Seconds until Twilio gives up handing the message over: its own default. Later, a follow-up would come
/// at a time that nobody chose.
const VALIDITY_SECONDS: u32 = 14_400;

/// Sends one message, once.
pub async fn send(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    outbound: &Outbound,
) -> SendOutcome {
    let (to, text) = match sms::parts(outbound) {
        Ok(parts) => parts,
        Err(refused) => return refused,
    };
    let (from_name, from) = match &config.from {
        From::Number(number) => ("From", number),
        From::MessagingService(sid) => ("MessagingServiceSid", sid),
    };
    // The reference needs no escapes in a query.
    let callback = format!("{}?{REFERENCE}={}", config.public_webhook_url, outbound.reference);
    let validity = VALIDITY_SECONDS.to_string();
    let form = [
        ("To", to.as_str()),
        (from_name, from),
        ("Body", &text),
        ("StatusCallback", &callback),
        ("ValidityPeriod", &validity),
    ];
    let request =
        http.post(config.messages_url()).basic_auth(&config.account_sid, Some(&credentials.auth_token)).form(&form);
    call::send(request, accepted, refusal).await
}

fn accepted(answer: &Answer) -> Option<SendOutcome> {
    let provider_message_id = answer.json()?.get("sid")?.as_str().filter(|sid| !sid.is_empty())?.to_owned();
    Some(SendOutcome::Accepted { provider_message_id, recipient_id: None })
}

/// A refusing answer: by Twilio's code where one can be read, else by the HTTP status.
fn refusal(answer: &Answer) -> Refusal {
    let code = answer.json().and_then(|answer| answer.get("code").and_then(Value::as_i64));
    let Some(code) = code else { return answer.refusal() };
    Refusal { retry_after: answer.retry_after, ..classify(code, Some(answer.status)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::ids::AttemptRef;
    use domain::message::{Message, Reaction, Recipient};
    use serde_json::json;

    use super::*;
    use crate::call::refused;
    use crate::call::testing::{client, response, server};

    async fn answered(answer: Option<Vec<u8>>, to: Recipient, message: Message) -> SendOutcome {
        let config = json!({"account_sid": "AC1", "from": "+15005550006", "base_url": server(answer).await,
            "public_webhook_url": "https://ritmo.example.com/webhooks/twilio/snd_1"});
        let reference = AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap();
        let credentials = Credentials { auth_token: "t".into() };
        let outbound = Outbound { reference, to, message };
        send(&client(), &Config::parse(&config).unwrap(), &credentials, &outbound).await
    }

    #[tokio::test]
    async fn an_answer_is_read_by_its_code() {
        for (head, body, outcome) in [
            ("400 Bad", r#"{"code":21610,"message":"…","status":400}"#, refused(Reaction::OptedOut, "21610")),
            ("400 Bad", r#"{"code":21211}"#, refused(Reaction::Recipient, "21211")),
            ("401 No", r#"{"code":20003,"message":"Authenticate"}"#, refused(Reaction::Sender, "20003")),
            ("400 Bad", r#"{"code":29999}"#, refused(Reaction::Message, "29999")),
            ("400 Bad", r#"{"code":"x"}"#, refused(Reaction::Message, "http_400")),
            ("503 Down", "<html>", refused(Reaction::Transient, "http_503")),
            ("201 Created", r#"{"sid":"","status":"queued"}"#, SendOutcome::Ambiguous),
            (
                "201 Created",
                r#"{"sid":"SM1","status":"queued","error_code":null}"#,
                SendOutcome::Accepted { provider_message_id: "SM1".into(), recipient_id: None },
            ),
        ] {
            let to = Recipient::Phone("5511987654321".into());
            let said = Message::Text { text: "oi".into() };
            assert_eq!(answered(response(head, body), to, said).await, outcome, "{head} {body}");
        }
        let slow = response("429 Slow\r\nretry-after: 7", r#"{"code":20429}"#);
        let said = Message::Text { text: "oi".into() };
        let slow = answered(slow, Recipient::Phone("5511987654321".into()), said).await;
        let expected = Refusal { reaction: Reaction::Throttled, code: "20429".into(), retry_after: Some(7) };
        assert_eq!(slow, SendOutcome::Refused(expected));
    }

    #[tokio::test]
    async fn what_is_no_sms_is_not_sent() {
        let text = || Message::Text { text: "oi".into() };
        let to_email = answered(None, Recipient::Email("ana@example.com".into()), text()).await;
        assert_eq!(to_email, refused(Reaction::Recipient, "not_a_phone"));
        let email = json!({"email": {"subject": "Oi", "text": "oi", "thread": "same"}});
        let email = answered(None, Recipient::Phone("55".into()), serde_json::from_value(email).unwrap()).await;
        assert_eq!(email, refused(Reaction::Message, "not_a_text"));
    }
}
