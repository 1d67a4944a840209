//! One call of `POST /{phone_number_id}/messages`, and what is known after it.

use std::time::Duration;

use domain::message::{Message, Outbound, Reaction, Recipient, Refusal, SendOutcome};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

use super::body::body;
use super::classify::{classify, classify_status};
use super::config::{Config, Credentials};
use super::normalise::integer;

/// From the first byte of the connection to the last of the answer.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer to a send is a few hundred bytes; more is not worth the memory.
const MAX_ANSWER: usize = 256 * 1024;

/// A longer wait than a day is not a retry.
const MAX_RETRY_AFTER: u32 = 86_400;

/// Sends one message, once.
///
/// `Refused` is only for what is known not to have been accepted: no connection, or an answer that
/// refuses. Once the request may have been written, a time-out, a broken connection or an answer of
/// success that cannot be read is `Ambiguous`.
pub async fn send(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    outbound: &Outbound,
) -> SendOutcome {
    let outcome = call(http, config, credentials, outbound, TOTAL_TIMEOUT).await;
    match &outcome {
        SendOutcome::Accepted { .. } => tracing::debug!(provider = "whatsapp_cloud", "message accepted"),
        SendOutcome::Refused(refusal) => tracing::debug!(
            provider = "whatsapp_cloud",
            code = %refusal.code,
            reaction = ?refusal.reaction,
            "message refused"
        ),
        SendOutcome::Ambiguous => tracing::debug!(provider = "whatsapp_cloud", "answer unknown"),
    }
    outcome
}

async fn call(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    outbound: &Outbound,
    timeout: Duration,
) -> SendOutcome {
    if matches!(outbound.to, Recipient::Email(_) | Recipient::Conversation(_)) {
        return refused(Reaction::Recipient, "not_a_phone");
    }
    if matches!(outbound.message, Message::Email(_)) {
        return refused(Reaction::Message, "an_email");
    }
    let request = http
        .post(config.url(&config.phone_number_id, "messages"))
        .timeout(timeout)
        .bearer_auth(&credentials.access_token)
        .json(&body(outbound))
        .build();
    // Only a URL or token that cannot be written: the sender's own settings.
    let Ok(request) = request else { return refused(Reaction::Sender, "config") };
    match http.execute(request).await {
        Ok(response) => read_outcome(response).await,
        Err(error) if error.is_connect() => refused(Reaction::Transient, "connect"),
        Err(error) if error.is_builder() => refused(Reaction::Sender, "config"),
        Err(_) => SendOutcome::Ambiguous,
    }
}

async fn read_outcome(mut response: reqwest::Response) -> SendOutcome {
    let status = response.status();
    let wait = retry_after(response.headers());
    let answer = read_bounded(&mut response, MAX_ANSWER).await.and_then(|raw| serde_json::from_slice(&raw).ok());
    if !status.is_success() {
        return SendOutcome::Refused(refusal(status.as_u16(), wait, answer.as_ref()));
    }
    answer.as_ref().and_then(accepted).unwrap_or(SendOutcome::Ambiguous)
}

fn accepted(answer: &Value) -> Option<SendOutcome> {
    let id = answer.pointer("/messages/0/id")?.as_str().filter(|id| !id.is_empty())?;
    // May differ from what we sent to (Brazil's ninth digit).
    let recipient_id = answer.pointer("/contacts/0/wa_id").and_then(Value::as_str).map(String::from);
    Some(SendOutcome::Accepted { provider_message_id: id.into(), recipient_id })
}

/// A refusing answer: by the error's code where one can be read, else by the HTTP status.
pub(super) fn refusal(status: u16, wait: Option<u32>, answer: Option<&Value>) -> Refusal {
    let error = answer.and_then(|answer| answer.get("error"));
    let code = error.and_then(|error| error.get("code")).and_then(integer);
    let is_transient = error.and_then(|error| error.get("is_transient")).and_then(Value::as_bool);
    let mut refusal = match code {
        Some(code) => classify(code, Some(status), is_transient),
        None => classify_status(status),
    };
    refusal.retry_after = refusal.retry_after.max(wait);
    refusal
}

/// Seconds only: the date form would need a clock, and Meta does not send it.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u32> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.min(MAX_RETRY_AFTER))
}

/// The body, or `None` when it breaks off or is larger than `limit` bytes.
pub(crate) async fn read_bounded(response: &mut reqwest::Response, limit: usize) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if raw.len() + chunk.len() > limit {
            return None;
        }
        raw.extend_from_slice(&chunk);
    }
    Some(raw)
}

fn refused(reaction: Reaction, code: &str) -> SendOutcome {
    SendOutcome::Refused(Refusal { reaction, code: code.into(), retry_after: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::ids::AttemptRef;
    use domain::message::Message;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// The outcome of a send to a server that answers with these bytes and closes; `None`: it reads
    /// and stays silent.
    async fn answered(answer: Option<Vec<u8>>) -> SendOutcome {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8_192];
            let _ = stream.read(&mut request).await.unwrap();
            match answer {
                // The client may hang up before the end of an answer that is too large.
                Some(answer) => drop(stream.write_all(&answer).await),
                None => tokio::time::sleep(Duration::from_secs(60)).await,
            }
        });
        let config = Config::parse(&json!({"phone_number_id": "1", "waba_id": "2", "base_url": origin})).unwrap();
        let credentials =
            Credentials::parse(&json!({"access_token": "t", "app_secret": "s", "verify_token": "v"})).unwrap();
        let outbound = Outbound {
            reference: AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap(),
            to: Recipient::Phone("5511987654321".into()),
            message: Message::Text { text: "oi".into() },
        };
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()
            .unwrap();
        let outcome = call(&http, &config, &credentials, &outbound, Duration::from_millis(500)).await;
        server.abort();
        outcome
    }

    fn response(head: &str, body: &str) -> Option<Vec<u8>> {
        Some(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }

    #[tokio::test]
    async fn what_was_written_and_not_answered_is_unknown() {
        let ok = r#"{"messages":[{"id":"wamid.1"}]}"#;
        let cut_body = format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{ok}").into_bytes();
        let huge = format!(r#"{{"messages":[{{"id":"wamid.1"}}],"x":"{}"}}"#, "x".repeat(MAX_ANSWER));
        for (name, answer) in [
            ("silence", None),
            ("closed without an answer", Some(Vec::new())),
            ("half a head", Some(b"HTTP/1.1 200 O".to_vec())),
            ("no HTTP", Some(b"SSH-2.0-x\r\n".to_vec())),
            ("success cut off", Some(cut_body)),
            ("success without JSON", response("200 OK", "<html>")),
            ("success without an id", response("200 OK", r#"{"messages":[]}"#)),
            ("success too large to read", response("200 OK", &huge)),
            ("success without a body", response("204 No Content", "")),
        ] {
            assert_eq!(answered(answer).await, SendOutcome::Ambiguous, "{name}");
        }
    }

    #[tokio::test]
    async fn a_refusing_answer_is_a_refusal_whatever_its_body() {
        let large = "x".repeat(MAX_ANSWER + 1);
        for (head, body, reaction, code, retry_after) in [
            ("429 Too Many Requests\r\nretry-after: 30", "", Reaction::Throttled, "http_429", Some(30)),
            ("429 Too Many Requests\r\nretry-after: 9999999", "", Reaction::Throttled, "http_429", Some(86_400)),
            ("429 Too Many Requests\r\nretry-after: soon", "", Reaction::Throttled, "http_429", None),
            ("503 Unavailable", "<html>", Reaction::Transient, "http_503", None),
            ("504 Gateway Timeout", "", Reaction::Transient, "http_504", None),
            ("500 Error", &large, Reaction::Transient, "http_500", None),
            ("403 Forbidden", "", Reaction::Sender, "http_403", None),
            // Not followed: the token must not go elsewhere.
            ("307 Moved\r\nlocation: http://127.0.0.1:1/", "", Reaction::Transient, "http_307", None),
            ("400 Bad", r#"{"error":{"code":131047}}"#, Reaction::OutsideWindow, "131047", None),
        ] {
            let expected = Refusal { reaction, code: code.into(), retry_after };
            assert_eq!(answered(response(head, body)).await, SendOutcome::Refused(expected), "{head}");
        }
    }

    #[tokio::test]
    async fn an_acceptance_keeps_metas_form_of_the_recipient() {
        let body = r#"{"contacts":[{"input":"5516992318222","wa_id":"551692318222"}],"messages":[{"id":"wamid.1"}]}"#;
        let expected =
            SendOutcome::Accepted { provider_message_id: "wamid.1".into(), recipient_id: Some("551692318222".into()) };
        assert_eq!(answered(response("200 OK", body)).await, expected);
    }

    #[test]
    fn a_refusal_is_read_from_whatever_shape_the_error_has() {
        let check = |answer: Value, reaction, code: &str| {
            let refusal = refusal(400, None, Some(&answer));
            assert_eq!((refusal.reaction, refusal.code.as_str()), (reaction, code), "{answer}");
        };
        check(json!({"error": {"code": 131026, "error_data": {"details": "no"}}}), Reaction::Recipient, "131026");
        check(json!({"error": {"code": 100, "error_data": "a plain text"}}), Reaction::Message, "100");
        check(json!({"error": {"code": "190"}}), Reaction::Sender, "190");
        check(json!({"error": {"code": 999, "is_transient": true}}), Reaction::Transient, "999");
        check(json!({"error": "no object"}), Reaction::Message, "http_400");
        check(json!([1]), Reaction::Message, "http_400");
    }

    #[test]
    fn the_longer_wait_counts() {
        let answer = json!({"error": {"code": 131057}});
        assert_eq!(refusal(503, Some(7), Some(&answer)).retry_after, Some(60));
        assert_eq!(refusal(503, Some(70), Some(&answer)).retry_after, Some(70));
        assert_eq!(refusal(503, Some(7), None).retry_after, Some(7));
    }

    #[test]
    fn success_without_an_id_is_unknown() {
        assert_eq!(accepted(&json!({"messages": []})), None);
        assert_eq!(accepted(&json!({"messages": [{"id": ""}]})), None);
        assert!(accepted(&json!({"messages": [{"id": "wamid.1", "message_status": "paused"}]})).is_some());
    }
}
