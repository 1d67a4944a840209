//! One HTTP call to a provider, and what is known after it: the same for every adapter.
//!
//! An adapter builds its request and says how its provider's answers read; nothing here is repeated,
//! because a provider without an idempotency key would send twice.

use std::time::Duration;

use domain::message::{Reaction, Refusal, SendOutcome};
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// Until a connection (name, TCP, TLS) stands. Past it nothing was written: a known refusal.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// From the first byte of the connection to the last of the answer.
pub(crate) const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer to a send is a few hundred bytes; more is not worth the memory.
pub(crate) const MAX_ANSWER: usize = 256 * 1024;

/// A longer wait than a day is not a retry.
const MAX_RETRY_AFTER: u32 = 86_400;

/// What a provider answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Seconds to wait, where it says so.
    pub(crate) retry_after: Option<u32>,
    /// `None` when it broke off or was larger than it may be.
    pub(crate) body: Option<Vec<u8>>,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body.as_deref()?).ok()
    }

    /// The refusal by HTTP's word alone, with the wait that the answer names.
    pub(crate) fn refusal(&self) -> Refusal {
        let code = format!("http_{}", self.status);
        Refusal { reaction: by_status(self.status), code, retry_after: self.retry_after }
    }
}

/// Performs one send, once. `accepted` reads an answer of success, `refused` one that refuses.
///
/// `Refused` is only for what is known not to have been accepted: no connection, or an answer that
/// refuses. Once the request may have been written, a time-out, a broken connection or an answer of
/// success that cannot be read is `Ambiguous`.
pub(crate) async fn send(
    request: RequestBuilder,
    accepted: impl FnOnce(&Answer) -> Option<SendOutcome>,
    refused: impl FnOnce(&Answer) -> Refusal,
) -> SendOutcome {
    outcome(once(request, MAX_ANSWER).await, accepted, refused)
}

/// What a send came to.
pub(crate) fn outcome(
    ended: Result<Answer, SendOutcome>,
    accepted: impl FnOnce(&Answer) -> Option<SendOutcome>,
    refused: impl FnOnce(&Answer) -> Refusal,
) -> SendOutcome {
    match ended {
        Ok(answer) if answer.is_success() => accepted(&answer).unwrap_or(SendOutcome::Ambiguous),
        Ok(answer) => SendOutcome::Refused(refused(&answer)),
        Err(outcome) => outcome,
    }
}

/// Performs a call that changes nothing: what would be ambiguous for a send is `Transient` here.
///
/// # Errors
/// The refusal of a call without an answer; an answer that refuses is `Ok`.
pub(crate) async fn read(request: RequestBuilder, limit: usize) -> Result<Answer, Refusal> {
    read_within(request, limit, TOTAL_TIMEOUT).await
}

/// [`read`] in another total time.
pub(crate) async fn read_within(request: RequestBuilder, limit: usize, total: Duration) -> Result<Answer, Refusal> {
    once_within(request, limit, total).await.map_err(|outcome| match outcome {
        SendOutcome::Refused(refusal) => refusal,
        SendOutcome::Ambiguous | SendOutcome::Accepted { .. } => Refusal::passing("timeout"),
    })
}

/// One request, once, with an answer of at most `limit` bytes.
///
/// # Errors
/// What is known without an answer: `Refused` or `Ambiguous`.
pub(crate) async fn once(request: RequestBuilder, limit: usize) -> Result<Answer, SendOutcome> {
    once_within(request, limit, TOTAL_TIMEOUT).await
}

/// [`once`] in another total time: one call may be made of several requests.
pub(crate) async fn once_within(request: RequestBuilder, limit: usize, total: Duration) -> Result<Answer, SendOutcome> {
    match request.timeout(total).send().await {
        Ok(mut response) => Ok(Answer {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers()),
            body: read_bounded(&mut response, limit).await,
        }),
        Err(error) if error.is_connect() => Err(refused(Reaction::Transient, "connect")),
        // Only a URL or header that cannot be written: the sender's own settings.
        Err(error) if error.is_builder() => Err(refused(Reaction::Sender, "config")),
        Err(_) => Err(SendOutcome::Ambiguous),
    }
}

/// A refusal without a wait.
pub(crate) fn refused(reaction: Reaction, code: &str) -> SendOutcome {
    SendOutcome::Refused(Refusal { reaction, code: code.into(), retry_after: None })
}

/// HTTP's word is weak evidence, used where no code helps. Refusing statuses are known not to have
/// been accepted, 5xx included.
pub(crate) fn by_status(status: u16) -> Reaction {
    match status {
        429 => Reaction::Throttled,
        401 | 403 => Reaction::Sender,
        408 | 425 | 500.. => Reaction::Transient,
        400.. => Reaction::Message,
        // A redirect or other oddity in front of the API.
        _ => Reaction::Transient,
    }
}

/// Seconds only: the date form would need a clock, and no provider here sends it.
fn retry_after(headers: &HeaderMap) -> Option<u32> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.min(MAX_RETRY_AFTER))
}

/// The body, or `None` when it breaks off or is larger than `limit` bytes.
async fn read_bounded(response: &mut reqwest::Response, limit: usize) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if raw.len() + chunk.len() > limit {
            return None;
        }
        raw.extend_from_slice(&chunk);
    }
    Some(raw)
}

/// For the tests of adapters: servers that answer anything.
#[cfg(test)]
pub(crate) mod testing {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// The origin of a server that answers requests with these bytes, one after the other, each on a
    /// connection of its own which it then closes (`None`: it reads and stays silent), and the requests that
    /// came. It ends with the test's runtime.
    pub(crate) async fn servers(answers: Vec<Option<Vec<u8>>>) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 8_192];
                let read = stream.read(&mut request).await.unwrap();
                seen.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                match answer {
                    // The client may hang up before the end of an answer that is too large.
                    Some(answer) => drop(stream.write_all(&answer).await),
                    None => std::future::pending().await,
                }
            }
        });
        (origin, requests)
    }

    /// The same for one request.
    pub(crate) async fn server(answer: Option<Vec<u8>>) -> String {
        servers(vec![answer]).await.0
    }

    /// An answer's bytes from its status line (with any headers) and its body.
    pub(crate) fn response(head: &str, body: &str) -> Option<Vec<u8>> {
        Some(
            format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
                .into_bytes(),
        )
    }

    /// A client like [`crate::Providers`]'.
    pub(crate) fn client() -> reqwest::Client {
        crate::Providers::client().unwrap()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::testing::{client, response, server};
    use super::*;

    /// The outcome of a send to a provider that answers `{"id"}`, with this answer.
    async fn answered(answer: Option<Vec<u8>>) -> SendOutcome {
        let request = client().post(server(answer).await).body("hello");
        let accepted = |answer: &Answer| {
            let provider_message_id = answer.json()?.get("id")?.as_str()?.to_owned();
            Some(SendOutcome::Accepted { provider_message_id, recipient_id: None })
        };
        let ended = once_within(request, MAX_ANSWER, Duration::from_millis(500)).await;
        outcome(ended, accepted, Answer::refusal)
    }

    #[tokio::test]
    async fn what_was_written_and_not_answered_is_unknown() {
        let ok = r#"{"id":"1"}"#;
        let cut_body = format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{ok}").into_bytes();
        let huge = format!(r#"{{"id":"1","x":"{}"}}"#, "x".repeat(MAX_ANSWER));
        for (name, answer) in [
            ("silence", None),
            ("closed without an answer", Some(Vec::new())),
            ("half a head", Some(b"HTTP/1.1 200 O".to_vec())),
            ("no HTTP", Some(b"SSH-2.0-x\r\n".to_vec())),
            ("success cut off", Some(cut_body)),
            ("success without JSON", response("200 OK", "<html>")),
            ("success without an id", response("200 OK", "{}")),
            ("success too large to read", response("200 OK", &huge)),
            ("success without a body", response("204 No Content", "")),
        ] {
            assert_eq!(answered(answer).await, SendOutcome::Ambiguous, "{name}");
        }
        let accepted = SendOutcome::Accepted { provider_message_id: "1".into(), recipient_id: None };
        assert_eq!(answered(response("200 OK", ok)).await, accepted);
    }

    #[tokio::test]
    async fn what_was_never_written_is_known() {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let send = |url: String, token: &str| once(client().post(url).bearer_auth(token), MAX_ANSWER);
        let ended = send(format!("http://{gone}/"), "t").await;
        assert_eq!(ended.unwrap_err(), refused(Reaction::Transient, "connect"));
        let ended = send(format!("http://{gone}/"), "two\nlines").await;
        assert_eq!(ended.unwrap_err(), refused(Reaction::Sender, "config"));
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
            ("400 Bad", "", Reaction::Message, "http_400", None),
            ("401 Unauthorized", "", Reaction::Sender, "http_401", None),
            ("403 Forbidden", "", Reaction::Sender, "http_403", None),
            // Not followed: the token must not go elsewhere.
            ("307 Moved\r\nlocation: http://127.0.0.1:1/", "", Reaction::Transient, "http_307", None),
        ] {
            let expected = Refusal { reaction, code: code.into(), retry_after };
            assert_eq!(answered(response(head, body)).await, SendOutcome::Refused(expected), "{head}");
        }
    }

    #[tokio::test]
    async fn a_read_without_an_answer_is_tried_again() {
        let closed = client().get(server(Some(Vec::new())).await);
        assert_eq!(read(closed, MAX_ANSWER).await.unwrap_err(), Refusal::passing("timeout"));
    }
}
