//! `redrive` against a stand-in for SQS that speaks its JSON over HTTP.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::{Json, Router};
use domain::time::Timestamp;
use local::redrive::{Origin, Redrive, redrive};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_773_059_400);
const STEP: &str = r#"{"v":"1","body":{"tenant":"acc_6dqG01HPmnZC","enrollment":"enr_CT59X9uqz6kkSIYbvzfHwghxfW1fFhyRSYguDgAAAAE","generation":1}}"#;
const SECRET: &str = "Zoraide +5511998877665";

/// Queues by name, each with the bodies that it holds.
#[derive(Clone, Default)]
struct Sqs {
    queues: BTreeMap<String, Vec<String>>,
    /// Names of the queues that were set going.
    moved: Arc<Mutex<Vec<String>>>,
    given_back: Arc<Mutex<usize>>,
    busy: bool,
}

impl Sqs {
    fn new(queues: &[(&str, &[&str])]) -> Self {
        let of = |(name, bodies): &(&str, &[&str])| {
            ((*name).to_owned(), bodies.iter().map(|body| (*body).to_owned()).collect())
        };
        Self { queues: queues.iter().map(of).collect(), ..Self::default() }
    }

    fn answer(&self, call: &str, body: &Value) -> (StatusCode, Value) {
        let name = |field: &str| body[field].as_str().unwrap().rsplit(['/', ':']).next().unwrap().to_owned();
        let answer = match call {
            "ListQueues" => {
                let prefix = body["QueueNamePrefix"].as_str().unwrap();
                let names = self.queues.keys().filter(|name| name.starts_with(prefix));
                json!({"QueueUrls": names.map(|name| format!("https://sqs.test/1/{name}")).collect::<Vec<_>>()})
            }
            "GetQueueAttributes" => {
                let name = name("QueueUrl");
                json!({"Attributes": {"ApproximateNumberOfMessages": self.queues[&name].len().to_string(),
                    "QueueArn": format!("arn:aws:sqs:sa-east-1:1:{name}")}})
            }
            "ReceiveMessage" => {
                let bodies = self.queues[&name("QueueUrl")].iter().take(10).enumerate();
                let message = |(n, body): (usize, &String)| {
                    json!({"MessageId": format!("m{n}"), "ReceiptHandle": "r", "Body": body,
                        "Attributes": {"SentTimestamp": "1773048600000"}})
                };
                json!({"Messages": bodies.map(message).collect::<Vec<_>>()})
            }
            "ChangeMessageVisibilityBatch" => {
                let entries = body["Entries"].as_array().unwrap();
                assert!(entries.iter().all(|entry| entry["VisibilityTimeout"] == 0));
                *self.given_back.lock().unwrap() += entries.len();
                json!({"Successful": [], "Failed": []})
            }
            "StartMessageMoveTask" if self.busy => {
                let error = json!({"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": "already running"});
                return (StatusCode::BAD_REQUEST, error);
            }
            "StartMessageMoveTask" => {
                assert_eq!(body.get("DestinationArn"), None, "back to where they came from");
                self.moved.lock().unwrap().push(name("SourceArn"));
                json!({"TaskHandle": "t"})
            }
            other => panic!("{other} is not expected"),
        };
        (StatusCode::OK, answer)
    }

    /// What the command prints, and how it ends.
    async fn run(&self, queue: Option<Origin>, dry_run: bool) -> (String, anyhow::Result<()>) {
        let sqs = self.clone();
        let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let sqs = sqs.clone();
            async move {
                let call = headers["x-amz-target"].to_str().unwrap().replace("AmazonSQS.", "");
                let (status, answer) = sqs.answer(&call, &serde_json::from_slice(&body).unwrap());
                (status, Json(answer)).into_response()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let loader = aws_config::defaults(BehaviorVersion::latest()).test_credentials().endpoint_url(url);
        let sdk = loader.region(Region::new("sa-east-1")).retry_config(RetryConfig::disabled()).load().await;
        let options = Redrive { stack: "ritmo".into(), queue, dry_run };
        let mut out = Vec::new();
        let result = redrive(&aws_sdk_sqs::Client::new(&sdk), &options, NOW, &mut out).await;
        (String::from_utf8(out).unwrap(), result)
    }

    fn moved(&self) -> Vec<String> {
        self.moved.lock().unwrap().clone()
    }
}

fn stack() -> Sqs {
    Sqs::new(&[
        ("ritmo-StepQueue-A", &[STEP]),
        ("ritmo-StepDeadLetterQueue-B", &[STEP, SECRET]),
        ("ritmo-SendDeadLetterQueue-C", &[]),
        ("ritmo-InboundDeadLetterQueue-D", &[SECRET]),
        ("ritmo-SchedulerDeadLetterQueue-E", &[STEP]),
        ("ritmo-test-StepDeadLetterQueue-F", &[STEP]),
    ])
}

#[tokio::test]
async fn each_queue_is_shown_without_what_its_messages_say_and_set_going() {
    let sqs = stack();
    let (printed, result) = sqs.run(None, false).await;
    result.unwrap();
    assert_eq!(
        printed,
        "step       2, of those looked at the oldest from 2026-03-09T09:30:00Z, 3 h ago\n\
        \u{20}          m0 enr_CT59X9uqz6kkSIYbvzfHwghxfW1fFhyRSYguDgAAAAE\n\
        \u{20}          m1 cannot be read by this version\n\
        \u{20}          moving back\n\
        send       0\n\
        inbound    1, of those looked at the oldest from 2026-03-09T09:30:00Z, 3 h ago\n\
        \u{20}          m0 cannot be read by this version\n\
        \u{20}          moving back\n\
        scheduler  1, of those looked at the oldest from 2026-03-09T09:30:00Z, 3 h ago\n\
        \u{20}          m0 enr_CT59X9uqz6kkSIYbvzfHwghxfW1fFhyRSYguDgAAAAE\n\
        \u{20}          left as they are: the sweep has made up for them\n"
    );
    assert_eq!(sqs.moved(), ["ritmo-StepDeadLetterQueue-B", "ritmo-InboundDeadLetterQueue-D"]);
    assert_eq!(*sqs.given_back.lock().unwrap(), 4, "what was looked at is there for others at once");
}

#[tokio::test]
async fn a_dry_run_and_one_queue() {
    let sqs = stack();
    let (printed, result) = sqs.run(None, true).await;
    result.unwrap();
    assert!(printed.contains("step       2") && !printed.contains("moving"), "{printed}");
    assert_eq!(sqs.moved(), [""; 0]);
    let (printed, result) = sqs.run(Some(Origin::Inbound), false).await;
    result.unwrap();
    assert!(printed.starts_with("inbound") && !printed.contains("step"), "{printed}");
    assert_eq!(sqs.moved(), ["ritmo-InboundDeadLetterQueue-D"]);
}

#[tokio::test]
async fn what_does_not_work_is_said() {
    let busy = Sqs { busy: true, ..stack() };
    let (printed, result) = busy.run(Some(Origin::Step), false).await;
    result.unwrap();
    assert!(printed.ends_with("not moved: already running\n"), "{printed}");
    let (_, result) = Sqs::new(&[("other-StepDeadLetterQueue-B", &[])]).run(None, false).await;
    assert!(result.unwrap_err().to_string().contains("no dead-letter queues of a stack named ritmo"));
}
