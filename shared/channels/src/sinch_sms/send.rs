//! One call of `POST /xms/v1/{service_plan_id}/batches`, and what is known after it.

use domain::message::{Outbound, Refusal, SendOutcome};
use serde_json::{Value, json};

use super::classify::classify;
use super::config::{Config, Credentials};
use crate::call::{self, Answer};
use crate::foreign::{id, text};
use crate::sms;

/// Sends one message, once.
pub async fn send(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    outbound: &Outbound,
) -> SendOutcome {
    let body = match body(config, outbound) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let request = http.post(config.send_url()).bearer_auth(&credentials.api_token).json(&body);
    call::send(request, accepted, refusal).await
}

/// Sinch's body for a message: a batch of one. `client_reference` comes back in every report of it.
///
/// # Errors
/// The refusal of what is no SMS.
pub(super) fn body(config: &Config, outbound: &Outbound) -> Result<Value, SendOutcome> {
    let (to, words) = sms::parts(outbound)?;
    Ok(json!({
        "type": "mt_text",
        "from": config.from,
        "to": [to],
        "body": words,
        "delivery_report": "per_recipient",
        "client_reference": outbound.reference.to_string(),
    }))
}

fn accepted(answer: &Answer) -> Option<SendOutcome> {
    Some(SendOutcome::Accepted { provider_message_id: id(&answer.json()?, "id")?, recipient_id: None })
}

/// `{"code":"syntax_invalid_parameter_format","text":…}`: by the code where one can be read, else by HTTP's
/// status.
fn refusal(answer: &Answer) -> Refusal {
    let (body, by_http) = (answer.json().unwrap_or_default(), answer.refusal());
    let code = text(&body, "code").filter(|code| code.len() <= 64).unwrap_or(&by_http.code);
    Refusal { retry_after: answer.retry_after, ..classify(code, Some(answer.status)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::ids::AttemptRef;
    use domain::message::{Reaction, Recipient};

    use super::*;
    use crate::call::testing::{client, response, servers};

    fn outbound(message: Value) -> Outbound {
        Outbound {
            reference: AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap(),
            to: Recipient::Phone("5511987654321".into()),
            message: serde_json::from_value(message).unwrap(),
        }
    }

    fn config(origin: &str) -> Config {
        let config = json!({"service_plan_id": "sp", "from": "28444", "region": "us", "base_url": origin});
        Config::parse(&config).unwrap()
    }

    #[test]
    fn a_batch_is_one_message_with_our_reference() {
        let config = config("http://127.0.0.1:1");
        let sent = |message: Value| body(&config, &outbound(message));
        let expected = json!({
            "type": "mt_text", "from": "28444", "to": ["+5511987654321"], "body": "Oi",
            "delivery_report": "per_recipient", "client_reference": format!("enr_{}.1", "A".repeat(43)),
        });
        assert_eq!(sent(json!({"text": {"text": "Oi"}})).unwrap(), expected);
        let rich = json!({"rich": {"text": "Pagou?", "buttons": [{"id": "y", "title": "Sim"}]}});
        assert_eq!(sent(rich).unwrap()["body"], "Pagou?\n\n1. Sim");
        let template = json!({"whatsapp_template": {"name": "a", "language": "pt_BR", "body": {"positional": []}}});
        assert_eq!(sent(template).unwrap_err(), call::refused(Reaction::Message, "not_a_text"));
    }

    #[tokio::test]
    async fn answers_are_read_as_sinch_writes_them() {
        let error = |code: &str| json!({"code": code, "text": "what is wrong"}).to_string();
        let accepted = SendOutcome::Accepted { provider_message_id: "01B".into(), recipient_id: None };
        for (head, body, expected) in [
            ("201 Created", json!({"id": "01B", "to": ["+5511987654321"]}).to_string(), accepted),
            ("201 Created", "{}".into(), SendOutcome::Ambiguous),
            (
                "400 Bad Request",
                error("syntax_constraint_violation"),
                call::refused(Reaction::Message, "syntax_constraint_violation"),
            ),
            ("401 Unauthorized", String::new(), call::refused(Reaction::Sender, "http_401")),
            ("403 Forbidden", error("missing_callback_url"), call::refused(Reaction::Sender, "missing_callback_url")),
            ("404 Not Found", String::new(), call::refused(Reaction::Sender, "http_404")),
            ("429 Too Many", String::new(), call::refused(Reaction::Throttled, "http_429")),
            ("500 Error", error("something_new"), call::refused(Reaction::Transient, "something_new")),
        ] {
            let (origin, requests) = servers(vec![response(head, &body)]).await;
            let credentials = json!({"api_token": "t", "webhook_user": "u", "webhook_password": "p"});
            let credentials = Credentials::parse(&credentials).unwrap();
            let outbound = outbound(json!({"text": {"text": "Oi"}}));
            assert_eq!(send(&client(), &config(&origin), &credentials, &outbound).await, expected, "{head}");
            let request = requests.lock().unwrap().join("");
            assert!(request.starts_with("POST /xms/v1/sp/batches "), "{request}");
            assert!(request.contains("authorization: Bearer t\r\n"));
        }
    }
}
