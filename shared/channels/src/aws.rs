//! AWS's services as providers: their clients, and what a failed call leaves known.
//!
//! A service that sends has no idempotency key, so the SDK repeats nothing here, and a call is one of
//! three things afterwards: not made, answered, or unknown.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sesv2::config::http::HttpResponse;
use aws_sdk_sesv2::error::{ProvideErrorMetadata, SdkError};

use crate::call::{CONNECT_TIMEOUT, TOTAL_TIMEOUT};

/// One client for each service and region, made when it is first asked for. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    sdk: SdkConfig,
    ses: Clients<aws_sdk_sesv2::Client>,
    sms: Clients<aws_sdk_pinpointsmsvoicev2::Client>,
    social: Clients<aws_sdk_socialmessaging::Client>,
}

type Clients<C> = Arc<Mutex<HashMap<Option<String>, C>>>;

impl Aws {
    /// Region and credentials are the deployment's, from `sdk`.
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(TOTAL_TIMEOUT);
        let mut sdk = sdk.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts.build());
        sdk.set_behavior_version(Some(BehaviorVersion::latest()));
        let sdk = sdk.build();
        Self { sdk, ses: Clients::default(), sms: Clients::default(), social: Clients::default() }
    }

    /// `region` is the sender's, else the deployment's own; `origin` the service's in this process, where
    /// it is not Amazon's.
    pub(crate) fn ses(&self, region: Option<&str>, origin: Option<&str>) -> aws_sdk_sesv2::Client {
        client(&self.ses, region, || aws_sdk_sesv2::Client::new(&self.sdk(region, origin)))
    }

    /// As [`ses`](Self::ses).
    pub(crate) fn sms(&self, region: Option<&str>, origin: Option<&str>) -> aws_sdk_pinpointsmsvoicev2::Client {
        client(&self.sms, region, || aws_sdk_pinpointsmsvoicev2::Client::new(&self.sdk(region, origin)))
    }

    /// As [`ses`](Self::ses).
    pub(crate) fn social(&self, region: Option<&str>, origin: Option<&str>) -> aws_sdk_socialmessaging::Client {
        client(&self.social, region, || aws_sdk_socialmessaging::Client::new(&self.sdk(region, origin)))
    }

    fn sdk(&self, region: Option<&str>, origin: Option<&str>) -> SdkConfig {
        let mut sdk = self.sdk.to_builder();
        if let Some(region) = region {
            sdk.set_region(Region::new(region.to_owned()));
        }
        if let Some(origin) = origin {
            sdk.set_endpoint_url(Some(origin.to_owned()));
        }
        sdk.build()
    }
}

fn client<C: Clone>(clients: &Clients<C>, region: Option<&str>, new: impl FnOnce() -> C) -> C {
    let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
    clients.entry(region.map(str::to_owned)).or_insert_with(new).clone()
}

/// What is known after a call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection, no credentials, or a request that cannot be written: nothing has left.
    NotSent {
        /// `connect`, `credentials` or `request`.
        code: &'static str,
    },
    /// It may have been written, and perhaps taken.
    Ambiguous,
    /// The service's answer, which refuses.
    Refused {
        /// The service's own (`TooManyRequestsException`); `http_503` where it gives none.
        code: String,
        status: u16,
    },
}

impl Failure {
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        match (error, status) {
            (SdkError::ConstructionFailure(_), _) => Self::NotSent { code: "request" },
            (SdkError::DispatchFailure(failure), _) => {
                let cause = failure.as_connector_error().map(|error| error as &(dyn Error + 'static));
                if is_in::<hyper_util::client::legacy::Error>(cause, |error| error.is_connect()) {
                    Self::NotSent { code: "connect" }
                } else if is_in::<CredentialsError>(cause, |_| true) {
                    Self::NotSent { code: "credentials" }
                } else {
                    Self::Ambiguous
                }
            }
            // A refusing status refuses, whatever came with it.
            (_, Some(status)) if !(200..300).contains(&status) => {
                let code = error.as_service_error().and_then(ProvideErrorMetadata::code).filter(|code| is_code(code));
                Self::Refused { code: code.map_or_else(|| format!("http_{status}"), str::to_owned), status }
            }
            // Time-outs, and success that cannot be read.
            _ => Self::Ambiguous,
        }
    }
}

/// Codes end up in logs and timelines.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

/// Whether the error or one of its causes is such a one.
fn is_in<T: Error + 'static>(mut error: Option<&(dyn Error + 'static)>, such: impl Fn(&T) -> bool) -> bool {
    while let Some(this) = error {
        if this.downcast_ref::<T>().is_some_and(&such) {
            return true;
        }
        error = this.source();
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use aws_credential_types::provider::{ProvideCredentials, future};
    use aws_sdk_sesv2::config::{Credentials, SharedCredentialsProvider};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn sdk() -> SdkConfig {
        let credentials = Credentials::new("id", "secret", None, None, "test");
        let credentials = SharedCredentialsProvider::new(credentials);
        SdkConfig::builder().region(Region::from_static("us-east-1")).credentials_provider(credentials).build()
    }

    /// What a call to `origin` leaves known; `None` when it succeeds.
    async fn call(sdk: SdkConfig, origin: &str) -> Option<Failure> {
        let mut aws = Aws::new(&sdk);
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_millis(200));
        let timeouts = timeouts.operation_timeout(Duration::from_millis(500)).build();
        aws.sdk = aws.sdk.to_builder().timeout_config(timeouts).build();
        let answer = aws.ses(None, Some(origin)).send_email().send().await;
        answer.err().map(|error| Failure::of(&error))
    }

    /// What a call leaves known at a server that answers with these bytes and closes; `None`: it reads
    /// and stays silent. The server counts the calls.
    async fn answered(answer: Option<Vec<u8>>) -> (Option<Failure>, usize) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(0));
        let counted = calls.clone();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let mut request = [0; 8_192];
                let _ = stream.read(&mut request).await.unwrap();
                match &answer {
                    Some(answer) => drop(stream.write_all(answer).await),
                    None => tokio::time::sleep(Duration::from_secs(60)).await,
                }
            }
        });
        let known = call(sdk(), &origin).await;
        server.abort();
        let calls = *calls.lock().unwrap();
        (known, calls)
    }

    fn response(head: &str, body: &str) -> Option<Vec<u8>> {
        Some(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }

    #[tokio::test]
    async fn what_was_written_and_not_answered_is_unknown_and_not_repeated() {
        for (name, answer) in [
            ("silence", None),
            ("closed without an answer", Some(Vec::new())),
            ("half a head", Some(b"HTTP/1.1 200 O".to_vec())),
            ("no HTTP", Some(b"SSH-2.0-x\r\n".to_vec())),
            ("success cut off", Some(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{".to_vec())),
            ("success without JSON", response("200 OK", "<html>")),
        ] {
            assert_eq!(answered(answer).await, (Some(Failure::Ambiguous), 1), "{name}");
        }
        assert_eq!(answered(response("200 OK", r#"{"MessageId":"1"}"#)).await, (None, 1));
    }

    #[tokio::test]
    async fn a_refusing_answer_is_a_refusal_and_not_repeated() {
        let json = |code: &str| format!(r#"{{"__type":"{code}","message":"no"}}"#);
        for (head, body, code, status) in [
            ("429 Slow", json("TooManyRequestsException"), "TooManyRequestsException", 429),
            ("400 Bad\r\nx-amzn-errortype: MessageRejected:http://x/", String::new(), "MessageRejected", 400),
            ("400 Bad", json("AccountSuspendedException"), "AccountSuspendedException", 400),
            ("403 No", json("UnrecognizedClientException"), "UnrecognizedClientException", 403),
            ("400 Bad", json("an unknown thing"), "http_400", 400),
            ("500 Error", "<html>".into(), "http_500", 500),
            ("503 Unavailable", String::new(), "http_503", 503),
            ("301 Moved\r\nlocation: http://127.0.0.1:1/", String::new(), "http_301", 301),
        ] {
            let refused = Failure::Refused { code: code.into(), status };
            assert_eq!(answered(response(head, &body)).await, (Some(refused), 1), "{head} {body}");
        }
    }

    #[tokio::test]
    async fn what_never_left_is_known() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = format!("http://{}", closed.local_addr().unwrap());
        drop(closed);
        let connect = Some(Failure::NotSent { code: "connect" });
        assert_eq!(call(sdk(), &nobody).await, connect, "nobody listens");
        assert_eq!(call(sdk(), "http://ses.invalid").await, connect, "no such name");
        // Reserved for documentation (RFC 5737): nothing answers there, or the way there is refused.
        assert_eq!(call(sdk(), "http://192.0.2.1").await, connect, "the connection takes too long");
        let none = sdk().to_builder().credentials_provider(SharedCredentialsProvider::new(Nobody)).build();
        assert_eq!(call(none, &nobody).await, Some(Failure::NotSent { code: "credentials" }));
    }

    #[derive(Debug)]
    struct Nobody;

    impl ProvideCredentials for Nobody {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("none")))
        }
    }

    #[test]
    fn a_region_has_one_client() {
        let aws = Aws::new(&sdk());
        let region = |region: Option<&str>| aws.ses(region, None).config().region().map(ToString::to_string);
        assert_eq!(region(None).as_deref(), Some("us-east-1"));
        assert_eq!(region(Some("sa-east-1")).as_deref(), Some("sa-east-1"));
        region(Some("sa-east-1"));
        assert_eq!(aws.ses.lock().unwrap().len(), 2);
    }
}
