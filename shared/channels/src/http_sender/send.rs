//! One signed `POST` to the gateway.

use domain::message::{Outbound, Reaction, Refusal, SendOutcome};
use domain::time::Timestamp;
use serde_json::Value;

use super::body::{body, id};
use super::classify::classify;
use super::config::{Config, Credentials};
use crate::call::{self, Answer, refused};
use crate::foreign::{self, text};
use crate::standard_webhooks;

/// Bytes of a gateway's own code that are kept.
const MAX_CODE: usize = 64;

/// Sends one message, once. The gateway's word that it took it is the status alone (2xx); its answer may name
/// the message in `data.id`, else our reference does.
pub async fn send(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    outbound: &Outbound,
    now: Timestamp,
) -> SendOutcome {
    let raw = match body(outbound, now) {
        Ok(body) => body.to_string(),
        Err(refused) => return refused,
    };
    let Some(headers) = standard_webhooks::sign(&credentials.secret, &id(outbound), now, raw.as_bytes()) else {
        return refused(Reaction::Sender, "config");
    };
    let request = http.post(&config.url).header("content-type", "application/json").body(raw);
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let accepted = |answer: &Answer| {
        let named = answer.json().and_then(|answer| foreign::id(answer.get("data")?, "id"));
        let provider_message_id = named.unwrap_or_else(|| outbound.reference.to_string());
        Some(SendOutcome::Accepted { provider_message_id, recipient_id: None })
    };
    call::send(request, accepted, refusal).await
}

fn refusal(answer: &Answer) -> Refusal {
    let said = answer.json();
    classify(said.as_ref().and_then(code), Some(answer.status), answer.retry_after)
}

/// A gateway's `code`, where it is one: a word that may stand in a report.
pub(super) fn code(said: &Value) -> Option<&str> {
    let is_word = |code: &&str| code.len() <= MAX_CODE && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    text(said, "code").filter(is_word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::ids::AttemptRef;
    use domain::message::{Message, Recipient};
    use serde_json::json;

    use super::*;
    use crate::call::testing::{client, response, server, servers};

    const NOW: Timestamp = Timestamp(1_772_452_800);

    fn outbound(to: Recipient) -> Outbound {
        let reference = AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap();
        Outbound { reference, to, message: Message::Text { text: "Olá".into() } }
    }

    async fn to_origin(origin: &str, outbound: &Outbound) -> SendOutcome {
        let config = Config::parse(&json!({"url": format!("{origin}/caixa?n=1")})).unwrap();
        let credentials = Credentials { secret: "whsec_c2VncmVkby1kZS10ZXN0ZQ==".into() };
        send(&client(), &config, &credentials, outbound, NOW).await
    }

    #[tokio::test]
    async fn an_answer_of_success_accepts_whatever_it_says() {
        let ours = format!("enr_{}.1", "A".repeat(43));
        for (head, body, id) in [
            ("200 OK", r#"{"data":{"id":"true_5511@c.us_3EB0"}}"#, "true_5511@c.us_3EB0"),
            ("202 Accepted", "", ours.as_str()),
            ("204 No Content", "", ours.as_str()),
            ("200 OK", "<html>", ours.as_str()),
        ] {
            let outcome =
                to_origin(&server(response(head, body)).await, &outbound(Recipient::Phone("55".into()))).await;
            let expected = SendOutcome::Accepted { provider_message_id: id.into(), recipient_id: None };
            assert_eq!(outcome, expected, "{head} {body}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_the_gateways_word_or_https() {
        for (head, body, reaction, code, retry_after) in [
            ("404 Not Found", "", Reaction::Sender, "http_404", None),
            ("422 No", r#"{"code":"recipient_unreachable"}"#, Reaction::Recipient, "recipient_unreachable", None),
            ("422 No", r#"{"code":"to: +5511987654321"}"#, Reaction::Message, "http_422", None),
            ("429 Slow\r\nretry-after: 7", "", Reaction::Throttled, "http_429", Some(7)),
            ("301 Moved\r\nlocation: http://127.0.0.1:1/", "", Reaction::Transient, "http_301", None),
        ] {
            let outcome =
                to_origin(&server(response(head, body)).await, &outbound(Recipient::Phone("55".into()))).await;
            assert_eq!(outcome, SendOutcome::Refused(Refusal { reaction, code: code.into(), retry_after }), "{head}");
        }
        assert_eq!(
            to_origin("http://127.0.0.1:1", &outbound(Recipient::Phone("55".into()))).await,
            refused(Reaction::Transient, "connect")
        );
        let email = to_origin("http://127.0.0.1:1", &outbound(Recipient::Email("a@b.co".into()))).await;
        assert_eq!(email, refused(Reaction::Recipient, "not_a_phone"));
    }

    #[tokio::test]
    async fn a_repeat_has_the_same_id() {
        let (origin, requests) = servers(vec![response("200 OK", "{}"), response("200 OK", "{}")]).await;
        for _ in 0..2 {
            to_origin(&origin, &outbound(Recipient::Phone("5511987654321".into()))).await;
        }
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 2);
        for request in requests.iter() {
            assert!(request.starts_with("POST /caixa?n=1 "), "{request}");
            assert!(request.contains(&format!("webhook-id: enr_{}_1\r\n", "A".repeat(43))), "{request}");
        }
    }
}
