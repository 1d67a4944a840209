//! SQS and EventBridge Scheduler on loopback, as far as Ritmo uses them: they keep what they are
//! given and refuse what AWS refuses, by its own names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use domain::time::Timestamp;
use serde_json::{Value, json};

pub const QUEUES: [&str; 4] = ["enroll", "step", "send", "inbound"];
pub const GROUP: &str = "timers";

pub fn url(queue: &str) -> String {
    format!("https://sqs.sa-east-1.amazonaws.com/123456789012/{queue}")
}

pub fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:sa-east-1:123456789012:{queue}")
}

/// A message on its way to a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Milliseconds since the epoch.
    pub at: i64,
    pub scheduled: bool,
    pub body: String,
}

#[derive(Debug, Default)]
struct State {
    millis: i64,
    queues: BTreeMap<String, Vec<Kept>>,
    schedules: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub struct StandIn(Arc<Mutex<State>>);

/// A refusal: HTTP status and the service's name for it.
type Refused = (u16, &'static str);

const BAD_VALUE: Refused = (400, "InvalidParameterValue");
const INVALID: Refused = (400, "ValidationException");

impl StandIn {
    pub async fn start() -> (Self, SdkConfig) {
        let stand_in = Self::default();
        let state = stand_in.clone();
        let router = Router::new()
            .fallback(
                move |uri: Uri, headers: HeaderMap, body: Bytes| async move { state.answer(&uri, &headers, &body) },
            )
            .layer(DefaultBodyLimit::disable());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("sa-east-1"))
            .test_credentials()
            .endpoint_url(format!("http://{address}"))
            .retry_config(RetryConfig::disabled())
            .load()
            .await;
        (stand_in, config)
    }

    pub fn at_millis(&self, millis: i64) {
        self.0.lock().unwrap().millis = millis;
    }

    pub fn kept(&self, queue: &str) -> Vec<Kept> {
        self.0.lock().unwrap().queues.get(queue).cloned().unwrap_or_default()
    }

    fn answer(&self, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
        let body: Value = serde_json::from_slice(body).unwrap();
        let mut state = self.0.lock().unwrap();
        let answer = match headers.get("x-amz-target").map(|target| target.to_str().unwrap()) {
            Some("AmazonSQS.SendMessage") => state.send_message(&body),
            Some("AmazonSQS.SendMessageBatch") => state.send_batch(&body),
            Some(_) => Err((400, "UnknownOperationException")),
            None => match uri.path().strip_prefix("/schedules/") {
                Some(name) => state.create_schedule(name, &body),
                None => Err((404, "UnknownOperationException")),
            },
        };
        match answer {
            Ok(answer) => (StatusCode::OK, answer.to_string()).into_response(),
            Err((status, code)) => {
                let body = json!({"__type": code, "message": "refused"}).to_string();
                (StatusCode::from_u16(status).unwrap(), [("x-amzn-errortype", code)], body).into_response()
            }
        }
    }
}

impl State {
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
    fn send_message(&mut self, request: &Value) -> Result<Value, Refused> {
        only(request, &["QueueUrl", "MessageBody", "DelaySeconds", "MessageGroupId"]).map_err(|()| BAD_VALUE)?;
        let queue = QUEUES.into_iter().find(|queue| request["QueueUrl"] == url(queue));
        let queue = queue.ok_or((400, "QueueDoesNotExist"))?;
        let body = request["MessageBody"].as_str().filter(|body| !body.is_empty()).ok_or((400, "MissingParameter"))?;
        // 1 MiB since August 2025.
        if body.len() > 1_048_576 {
            return Err(BAD_VALUE);
        }
        if !body.chars().all(is_xml) {
            return Err((400, "InvalidMessageContents"));
        }
        let delay = request.get("DelaySeconds").map_or(Some(0), Value::as_i64);
        let delay = delay.filter(|delay| (0..=900).contains(delay)).ok_or(BAD_VALUE)?;
        if let Some(group) = request.get("MessageGroupId") {
            let group = group.as_str().ok_or(BAD_VALUE)?;
            if !(1..=128).contains(&group.len()) || !group.chars().all(|c| c.is_ascii_graphic()) {
                return Err(BAD_VALUE);
            }
        }
        let message = Kept { at: self.millis + delay * 1_000, scheduled: false, body: body.to_owned() };
        self.queues.entry(queue.to_owned()).or_default().push(message);
        Ok(json!({"MessageId": "m", "MD5OfMessageBody": "d"}))
    }

    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
    fn send_batch(&mut self, request: &Value) -> Result<Value, Refused> {
        only(request, &["QueueUrl", "Entries"]).map_err(|()| BAD_VALUE)?;
        let entries = request["Entries"].as_array().filter(|entries| !entries.is_empty());
        let entries = entries.ok_or((400, "EmptyBatchRequest"))?;
        if entries.len() > 10 {
            return Err((400, "TooManyEntriesInBatchRequest"));
        }
        if entries.iter().filter_map(|entry| entry["MessageBody"].as_str()).map(str::len).sum::<usize>() > 1_048_576 {
            return Err((400, "BatchRequestTooLong"));
        }
        let ids: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["Id"].as_str()).collect();
        if ids.len() != entries.len() {
            return Err((400, "BatchEntryIdsNotDistinct"));
        }
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for entry in entries {
            let mut message = entry.clone();
            let id = message.as_object_mut().and_then(|message| message.remove("Id"));
            message["QueueUrl"] = request["QueueUrl"].clone();
            match self.send_message(&message) {
                Ok(mut answer) => {
                    answer["Id"] = json!(id);
                    taken.push(answer);
                }
                Err((_, code)) => refused.push(json!({"Id": id, "Code": code, "SenderFault": true})),
            }
        }
        Ok(json!({"Successful": taken, "Failed": refused}))
    }

    /// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>
    fn create_schedule(&mut self, name: &str, request: &Value) -> Result<Value, Refused> {
        let fields = [
            "ClientToken",
            "GroupName",
            "ScheduleExpression",
            "ScheduleExpressionTimezone",
            "ActionAfterCompletion",
            "FlexibleTimeWindow",
            "Target",
        ];
        only(request, &fields).map_err(|()| INVALID)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
            return Err(INVALID);
        }
        if request["GroupName"] != GROUP {
            return Err((404, "ResourceNotFoundException"));
        }
        let at = once(&request["ScheduleExpression"]).ok_or(INVALID)?;
        let utc = request["ScheduleExpressionTimezone"] == "UTC";
        let exact = request["FlexibleTimeWindow"] == json!({"Mode": "OFF"});
        let goes = request["ActionAfterCompletion"] == "DELETE";
        if at.0 * 1_000 <= self.millis || !utc || !exact || !goes {
            return Err(INVALID);
        }
        let (queue, input) = target(&request["Target"]).ok_or(INVALID)?;
        if !self.schedules.insert(name.to_owned()) {
            return Err((409, "ConflictException"));
        }
        let message = Kept { at: at.0 * 1_000, scheduled: true, body: input.to_owned() };
        self.queues.entry(queue.to_owned()).or_default().push(message);
        Ok(json!({"ScheduleArn": format!("arn:aws:scheduler:sa-east-1:123456789012:schedule/{GROUP}/{name}")}))
    }
}

fn only(request: &Value, known: &[&str]) -> Result<(), ()> {
    let fields = request.as_object().ok_or(())?;
    fields.keys().all(|field| known.contains(&field.as_str())).then_some(()).ok_or(())
}

/// What XML 1.0 allows, and SQS with it.
fn is_xml(c: char) -> bool {
    matches!(c, '\u{9}' | '\u{a}' | '\u{d}' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// `at(yyyy-mm-ddThh:mm:ss)`.
fn once(expression: &Value) -> Option<Timestamp> {
    let inner = expression.as_str()?.strip_prefix("at(")?.strip_suffix(')')?;
    let shape: String = inner.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    (shape == "0000-00-00T00:00:00").then(|| Timestamp::parse(&format!("{inner}Z")))?
}

/// A queue of ours and what is sent there.
fn target(target: &Value) -> Option<(&'static str, &str)> {
    only(target, &["Arn", "RoleArn", "Input", "RetryPolicy", "DeadLetterConfig"]).ok()?;
    let queue = QUEUES.into_iter().find(|queue| target["Arn"] == arn(queue))?;
    target["RoleArn"].as_str().filter(|role| role.starts_with("arn:aws:iam::"))?;
    target["DeadLetterConfig"]["Arn"].as_str().filter(|dead| dead.starts_with("arn:aws:sqs:"))?;
    let between =
        |name: &str, least: i64, most: i64| target["RetryPolicy"][name].as_i64().filter(|n| (least..=most).contains(n));
    between("MaximumEventAgeInSeconds", 60, 86_400)?;
    between("MaximumRetryAttempts", 0, 185)?;
    let input = target["Input"].as_str().filter(|input| !input.is_empty() && input.chars().all(is_xml))?;
    Some((queue, input))
}
