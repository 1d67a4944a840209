//! One call of `POST /{phone_number_id}/messages`, and what is known after it.

use std::time::Duration;

use domain::message::{Outbound, Reaction, Recipient, Refusal, SendOutcome};
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
    let outcome = call(http, config, credentials, outbound).await;
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

async fn call(http: &reqwest::Client, config: &Config, credentials: &Credentials, outbound: &Outbound) -> SendOutcome {
    if matches!(outbound.to, Recipient::Email(_)) {
        return refused(Reaction::Recipient, "not_a_phone");
    }
    let request = http
        .post(config.url(&config.phone_number_id, "messages"))
        .timeout(TOTAL_TIMEOUT)
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
pub(super) async fn read_bounded(response: &mut reqwest::Response, limit: usize) -> Option<Vec<u8>> {
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
    use serde_json::json;

    use super::*;

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
