//! One call of `messages:send`, and what is known after it.

use std::time::{Duration, Instant};

use domain::message::{Channel, Outbound, Refusal, SendOutcome};
use serde_json::Value;

use super::body::body;
use super::classify::classify;
use super::config::{Config, Credentials};
use super::token::Tokens;
use crate::call::{self, Answer, MAX_ANSWER, TOTAL_TIMEOUT};
use crate::foreign::{id, text};

/// With less time left a request is not begun: what is never written is known not to have been accepted.
const LEAST_TIME: Duration = Duration::from_secs(1);

/// Sends one message, once, within the time of one call, tokens included. A kept token that the API no longer takes is
/// thrown away and fetched once more: a 401 is known not to have been accepted.
pub(crate) async fn send(
    http: &reqwest::Client,
    tokens: &Tokens,
    config: &Config,
    credentials: &Credentials,
    channel: Channel,
    outbound: &Outbound,
) -> SendOutcome {
    let body = match body(config, channel, outbound) {
        Ok(body) => body,
        Err(refusal) => return SendOutcome::Refused(refusal),
    };
    let begun = Instant::now();
    let left = || TOTAL_TIMEOUT.saturating_sub(begun.elapsed());
    let mut again = true;
    loop {
        let token = match tokens.token(http, config, credentials, left()).await {
            Ok(token) => token,
            Err(refusal) => return SendOutcome::Refused(refusal),
        };
        if left() < LEAST_TIME {
            return SendOutcome::Refused(Refusal::passing("timeout"));
        }
        let request = http.post(config.send_url()).bearer_auth(&token.value).json(&body);
        let ended = call::once_within(request, MAX_ANSWER, left()).await;
        if ended.as_ref().is_ok_and(|answer| answer.status == 401) {
            tokens.forget(config, credentials, &token);
            if token.was_kept && std::mem::take(&mut again) {
                continue;
            }
        }
        return call::outcome(ended, accepted, refusal);
    }
}

fn accepted(answer: &Answer) -> Option<SendOutcome> {
    Some(SendOutcome::Accepted { provider_message_id: id(&answer.json()?, "message_id")?, recipient_id: None })
}

/// `{"error":{"code":400,"message":…,"status":"INVALID_ARGUMENT"}}`: by the status where one can be read,
/// else by HTTP's.
fn refusal(answer: &Answer) -> Refusal {
    let error = answer.json().and_then(|mut answer| answer.get_mut("error").map(Value::take)).unwrap_or_default();
    let by_http = answer.refusal();
    let code = text(&error, "status").filter(|code| code.len() <= 64).unwrap_or(&by_http.code);
    Refusal { retry_after: answer.retry_after, ..classify(code, Some(answer.status)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::ids::AttemptRef;
    use domain::message::{Message, Reaction, Recipient};
    use serde_json::json;

    use super::*;
    use crate::call::testing::{client, response, servers};

    const TOKEN: &str = r#"{"access_token":"t1","expires_in":3600}"#;
    const TAKEN: &str = r#"{"message_id":"01M","accepted_time":"2026-01-01T00:00:00Z"}"#;

    /// The outcome of so many sends, one after the other, and the lines with which each request began and
    /// said who it was.
    async fn sends(count: usize, answers: Vec<Option<Vec<u8>>>) -> (Vec<SendOutcome>, Vec<String>) {
        let (origin, requests) = servers(answers).await;
        let config = json!({"project_id": "p", "app_id": "a", "region": "us", "base_url": origin, "auth_url": origin});
        let config = Config::parse(&config).unwrap();
        let credentials =
            Credentials::parse(&json!({"key_id": "k", "key_secret": "s", "webhook_secret": "w"})).unwrap();
        let outbound = Outbound {
            reference: AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap(),
            to: Recipient::Phone("5511987654321".into()),
            message: Message::Text { text: "oi".into() },
        };
        let (http, tokens) = (client(), Tokens::default());
        let mut outcomes = Vec::new();
        for _ in 0..count {
            outcomes.push(send(&http, &tokens, &config, &credentials, Channel::Whatsapp, &outbound).await);
        }
        let seen = requests.lock().unwrap().iter().map(|request| summary(request)).collect();
        (outcomes, seen)
    }

    fn summary(request: &str) -> String {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let authorization = request.lines().find_map(|line| line.strip_prefix("authorization: "));
        format!("{path} {}", authorization.unwrap_or_default())
    }

    fn taken() -> SendOutcome {
        SendOutcome::Accepted { provider_message_id: "01M".into(), recipient_id: None }
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_for_many_sends() {
        let (outcomes, seen) =
            sends(2, vec![response("200 OK", TOKEN), response("200 OK", TAKEN), response("200 OK", TAKEN)]).await;
        assert_eq!(outcomes, [taken(), taken()]);
        let sent = "/v1/projects/p/messages:send Bearer t1";
        assert_eq!(seen, ["/oauth2/token Basic azpz", sent, sent]);
    }

    #[tokio::test]
    async fn a_kept_token_that_is_no_longer_taken_is_fetched_once_more() {
        let answers = [
            ("200 OK", TOKEN),
            ("200 OK", TAKEN),
            ("401 Unauthorized", ""),
            ("200 OK", r#"{"access_token":"t2","expires_in":3600}"#),
            ("200 OK", TAKEN),
        ];
        let (outcomes, seen) = sends(2, answers.map(|(head, body)| response(head, body)).to_vec()).await;
        assert_eq!(outcomes, [taken(), taken()]);
        assert_eq!(seen[4], "/v1/projects/p/messages:send Bearer t2");
    }

    #[tokio::test]
    async fn a_new_token_that_is_not_taken_is_the_senders_fault() {
        let (outcomes, seen) = sends(1, vec![response("200 OK", TOKEN), response("401 Unauthorized", "")]).await;
        assert_eq!(outcomes, [call::refused(Reaction::Sender, "http_401")]);
        assert_eq!(seen.len(), 2);
    }

    #[tokio::test]
    async fn without_a_token_nothing_is_sent() {
        let (outcomes, seen) = sends(1, vec![response("401 Unauthorized", "")]).await;
        assert_eq!(outcomes, [call::refused(Reaction::Sender, "oauth_401")]);
        assert_eq!(seen.len(), 1);
        let (outcomes, _) = sends(1, vec![Some(Vec::new())]).await;
        assert_eq!(outcomes, [SendOutcome::Refused(Refusal::passing("timeout"))]);
    }

    #[tokio::test]
    async fn answers_are_read_as_sinch_writes_them() {
        let error =
            |status: &str| json!({"error": {"code": 400, "message": "m", "status": status, "details": []}}).to_string();
        for (head, body, expected) in [
            ("200 OK", "{}".to_owned(), SendOutcome::Ambiguous),
            ("400 Bad Request", error("INVALID_ARGUMENT"), call::refused(Reaction::Message, "INVALID_ARGUMENT")),
            ("404 Not Found", error("NOT_FOUND"), call::refused(Reaction::Sender, "NOT_FOUND")),
            ("404 Not Found", "<html>".to_owned(), call::refused(Reaction::Sender, "http_404")),
            ("429 Too Many", error("RESOURCE_EXHAUSTED"), call::refused(Reaction::Throttled, "RESOURCE_EXHAUSTED")),
            ("503 Unavailable", String::new(), call::refused(Reaction::Transient, "http_503")),
        ] {
            let (outcomes, _) = sends(1, vec![response("200 OK", TOKEN), response(head, &body)]).await;
            assert_eq!(outcomes, [expected], "{head} {body}");
        }
        let (outcomes, _) = sends(1, vec![response("200 OK", TOKEN), Some(Vec::new())]).await;
        assert_eq!(outcomes, [SendOutcome::Ambiguous]);
    }
}
