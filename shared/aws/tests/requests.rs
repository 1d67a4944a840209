//! The exact requests, and what is made of the answers, against a loopback stub of both services.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use aws::{QueueUrls, ScheduleTarget, SchedulerTimers, SqsQueues};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use domain::enrollment::PlannedSend;
use domain::ids::{ContactId, EnrollmentId, Ids, JobId, SenderId, SequenceId, TenantId};
use domain::message::Message;
use domain::time::Timestamp;
use engine::PortError;
use engine::ports::{Queues as _, Timers as _};
use engine::queue::{EnrollWork, InboundWork, StepDue, decode, encode};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_773_059_400); // 2026-03-09T12:30:00Z
const STEP_URL: &str = "https://sqs.test/1/step";

/// What to answer: status, error type (as the services name it), seconds to wait first.
type Answer = (u16, &'static str, u64);

#[derive(Clone, Default)]
struct Stub {
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Stub {
    async fn start(answers: &[Answer]) -> (Self, SdkConfig) {
        let stub = Self { answers: Arc::new(Mutex::new(answers.to_vec())), ..Self::default() };
        let state = stub.clone();
        let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let state = state.clone();
            async move { state.answer(&uri, &headers, &body).await }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("sa-east-1"))
            .test_credentials()
            .endpoint_url(format!("http://{address}"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(std::time::Duration::from_millis(500)).build())
            .load()
            .await;
        (stub, config)
    }

    async fn answer(&self, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
        let target = headers.get("x-amz-target").map_or(uri.path(), |value| value.to_str().unwrap());
        self.seen.lock().unwrap().push((target.into(), serde_json::from_slice(body).unwrap()));
        let answer = self.answers.lock().unwrap().pop();
        let (status, error, wait) = answer.unwrap_or((200, "", 0));
        tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
        let body = match status {
            200 if target.ends_with("SendMessageBatch") => batch_answer(body, error),
            200 => json!({"ScheduleArn": "arn:schedule", "MessageId": "m", "MD5OfMessageBody": "d"}),
            _ => json!({"__type": error, "Message": "no"}),
        };
        (StatusCode::from_u16(status).unwrap(), [("x-amzn-errortype", error)], body.to_string()).into_response()
    }

    fn only(&self) -> (String, Value) {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

/// Takes every message, or refuses the second with this code.
fn batch_answer(body: &Bytes, code: &str) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let ids: Vec<_> = body["Entries"].as_array().unwrap().iter().map(|entry| &entry["Id"]).collect();
    let taken = ids.iter().enumerate().filter(|(n, _)| *n != 1 || code.is_empty());
    let taken: Vec<_> = taken.map(|(_, id)| json!({"Id": id, "MessageId": "m", "MD5OfMessageBody": "d"})).collect();
    let refused = json!([{"Id": ids.get(1), "Code": code, "SenderFault": code.starts_with("Invalid")}]);
    json!({"Successful": taken, "Failed": if code.is_empty() { json!([]) } else { refused }})
}

fn timers(config: &SdkConfig) -> SchedulerTimers {
    SchedulerTimers::new(
        aws_sdk_scheduler::Client::new(config),
        aws_sdk_sqs::Client::new(config),
        STEP_URL.into(),
        ScheduleTarget {
            group: "timers".into(),
            queue_arn: "arn:aws:sqs:sa-east-1:1:step".into(),
            role_arn: "arn:aws:iam::1:role/fire".into(),
            dead_letter_arn: "arn:aws:sqs:sa-east-1:1:dead".into(),
        },
    )
}

fn due() -> StepDue {
    let mut ids = Ids::from_seed([1; 32]);
    let enrollment = EnrollmentId {
        contact: ContactId::new(&mut ids),
        sequence: SequenceId::new(&mut ids),
        scope: ids.bytes(),
        run: 1,
    };
    StepDue { tenant: TenantId::new(&mut ids), enrollment, generation: 7 }
}

#[tokio::test]
async fn beyond_15_minutes_it_is_a_schedule_that_deletes_itself() {
    let (stub, config) = Stub::start(&[]).await;
    let due = due();
    timers(&config).arm(&due, NOW.plus_seconds(901), NOW).await.unwrap();
    let (path, mut body) = stub.only();
    assert_eq!(path, format!("/schedules/{}-7", due.enrollment));
    body.as_object_mut().unwrap().remove("ClientToken");
    assert_eq!(
        body,
        json!({
            "GroupName": "timers",
            "ScheduleExpression": "at(2026-03-09T12:45:01)",
            "ScheduleExpressionTimezone": "UTC",
            "ActionAfterCompletion": "DELETE",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": "arn:aws:sqs:sa-east-1:1:step",
                "RoleArn": "arn:aws:iam::1:role/fire",
                "Input": encode(&due),
                "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 30},
                "DeadLetterConfig": {"Arn": "arn:aws:sqs:sa-east-1:1:dead"},
            },
        })
    );
}

#[tokio::test]
async fn up_to_15_minutes_it_is_a_delayed_message() {
    for (ahead, delay) in [(900, Some(900)), (1, Some(1)), (0, None), (-86_400, None)] {
        let (stub, config) = Stub::start(&[]).await;
        timers(&config).arm(&due(), NOW.plus_seconds(ahead), NOW).await.unwrap();
        let (target, body) = stub.only();
        assert_eq!(target, "AmazonSQS.SendMessage");
        assert_eq!(body["QueueUrl"], STEP_URL);
        assert_eq!(body.get("DelaySeconds").and_then(Value::as_i64), delay, "{ahead}");
        assert_eq!(body.get("MessageGroupId"), None);
        assert_eq!(decode::<StepDue>(body["MessageBody"].as_str().unwrap()).unwrap(), due());
    }
}

#[tokio::test]
async fn an_early_timer_is_set_again_by_the_queue_alone() {
    for (ahead, delay) in [(7, Some(7)), (86_400, Some(900)), (-1, None)] {
        let (stub, config) = Stub::start(&[]).await;
        timers(&config).arm_again(&due(), NOW.plus_seconds(ahead), NOW).await.unwrap();
        let (target, body) = stub.only();
        assert_eq!(target, "AmazonSQS.SendMessage");
        assert_eq!(body.get("DelaySeconds").and_then(Value::as_i64), delay, "{ahead}");
    }
}

#[tokio::test]
async fn the_second_to_set_a_timer_is_as_good_as_the_first() {
    let (_stub, config) = Stub::start(&[(409, "ConflictException", 0), (200, "", 0)]).await;
    let (timers, due, at) = (timers(&config), due(), NOW.plus_days(3));
    let (one, other) = tokio::join!(timers.arm(&due, at, NOW), timers.arm(&due, at, NOW));
    assert_eq!((one, other), (Ok(()), Ok(())));
}

#[tokio::test]
async fn failures_say_how_to_react() {
    let check = async |answer: Answer, expected: fn(String) -> PortError, text: &str| {
        let (_stub, config) = Stub::start(&[answer]).await;
        let failed = timers(&config).arm(&due(), NOW.plus_days(3), NOW).await;
        assert_eq!(failed, Err(expected(format!("CreateSchedule: {text}"))), "{answer:?}");
    };
    check((429, "ThrottlingException", 0), PortError::Throttled, "ThrottlingException").await;
    check((402, "ServiceQuotaExceededException", 0), PortError::Throttled, "ServiceQuotaExceededException").await;
    check((500, "InternalServerException", 0), PortError::Transient, "InternalServerException").await;
    check((403, "AccessDeniedException", 0), PortError::Transient, "AccessDeniedException").await;
    check((400, "ValidationException", 0), PortError::Poison, "ValidationException").await;
    check((404, "ResourceNotFoundException", 0), PortError::Poison, "ResourceNotFoundException").await;
    check((200, "", 2), PortError::Transient, "no answer").await;
}

fn queues(config: &SdkConfig) -> SqsQueues {
    let urls = QueueUrls {
        enroll: "https://sqs.test/1/enroll".into(),
        step: STEP_URL.into(),
        send: "https://sqs.test/1/send".into(),
        inbound: "https://sqs.test/1/inbound".into(),
    };
    SqsQueues::new(aws_sdk_sqs::Client::new(config), urls)
}

fn planned(generation: u32) -> PlannedSend {
    let event: Value = serde_json::from_str(include_str!("../../../events/send-planned.json")).unwrap();
    let planned: PlannedSend = decode(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    // Every other one has a slot, as many seconds ahead as its generation says.
    let not_before = (generation % 2 == 1).then(|| NOW.plus_seconds(i64::from(generation)));
    PlannedSend { generation, not_before, ..planned }
}

async fn put_at_once(queues: &SqsQueues, count: u32) -> Vec<Result<(), PortError>> {
    let puts: Vec<_> = (0..count).map(|n| (queues.clone(), planned(n))).collect();
    let puts = puts.into_iter().map(|(queues, planned)| tokio::spawn(async move { queues.send(&planned, NOW).await }));
    let mut results = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        results.push(put.await.unwrap());
    }
    results
}

#[tokio::test]
async fn sends_planned_together_share_a_request() {
    let (stub, config) = Stub::start(&[]).await;
    let queues = queues(&config);
    assert_eq!(put_at_once(&queues, 12).await, vec![Ok(()); 12]);
    assert_eq!(put_at_once(&queues, 1).await, [Ok(())]);
    let seen = stub.seen.lock().unwrap();
    let mut sizes = Vec::new();
    let mut generations = Vec::new();
    for (target, body) in seen.iter() {
        assert_eq!(
            (target.as_str(), &body["QueueUrl"]),
            ("AmazonSQS.SendMessageBatch", &json!("https://sqs.test/1/send"))
        );
        let entries = body["Entries"].as_array().unwrap();
        sizes.push(entries.len());
        for entry in entries {
            let sent: PlannedSend = decode(entry["MessageBody"].as_str().unwrap()).unwrap();
            assert_eq!(entry["MessageGroupId"], sent.tenant.to_string());
            let delay = sent.not_before.map(|slot| slot.seconds_since(NOW));
            assert_eq!(entry.get("DelaySeconds"), delay.map(|seconds| json!(seconds)).as_ref());
            generations.push(sent.generation);
        }
    }
    assert_eq!(sizes, [10, 2, 1]);
    assert_eq!(generations, (0..12).chain([0]).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_planned_send_is_told_its_own_fate() {
    let check = async |answer: Answer, expected: [Result<(), PortError>; 3]| {
        let (_stub, config) = Stub::start(&[answer]).await;
        assert_eq!(put_at_once(&queues(&config), 3).await, expected, "{answer:?}");
    };
    let text = |code: &str| format!("SendMessageBatch: {code}");
    let second = |error| [Ok(()), Err(error), Ok(())];
    check((200, "InternalError", 0), second(PortError::Transient(text("InternalError")))).await;
    check((200, "RequestThrottled", 0), second(PortError::Throttled(text("RequestThrottled")))).await;
    check((200, "InvalidMessageContents", 0), second(PortError::Poison(text("InvalidMessageContents")))).await;
    let all = |error: PortError| [Err(error.clone()), Err(error.clone()), Err(error)];
    check((503, "ServiceUnavailable", 0), all(PortError::Transient(text("ServiceUnavailable")))).await;
    check((200, "", 2), all(PortError::Transient(text("no answer")))).await;
}

#[tokio::test]
async fn large_sends_are_put_apart() {
    let (stub, config) = Stub::start(&[]).await;
    let queues = queues(&config);
    let large = |n| PlannedSend { message: Message::Text { text: "x".repeat(100 * 1024) }, ..planned(n) };
    let (one, two, three) = (large(1), large(2), large(3));
    let all = tokio::join!(queues.send(&one, NOW), queues.send(&two, NOW), queues.send(&three, NOW));
    assert_eq!(all, (Ok(()), Ok(()), Ok(())));
    let sizes: Vec<_> =
        stub.seen.lock().unwrap().iter().map(|(_, body)| body["Entries"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 1]);
}

#[tokio::test]
async fn queue_messages_carry_their_account_as_group() {
    let (stub, config) = Stub::start(&[]).await;
    let queues = queues(&config);
    let mut ids = Ids::from_seed([2; 32]);
    let tenant = TenantId::new(&mut ids);
    let work = EnrollWork { tenant, job: JobId::new(&mut ids), part: 3, not_before: None };
    queues.enroll(&work, NOW).await.unwrap();
    let inbound = InboundWork::Events { tenant, sender: SenderId::of(tenant, &mut ids), events: vec![] };
    queues.inbound(&inbound).await.unwrap();
    // Work for later waits on the queue, as long as a queue lets it.
    for (seconds, delay) in [(120, 120), (5_000, 900), (-5, 0)] {
        let later = EnrollWork { not_before: Some(NOW.plus_seconds(seconds)), ..work.clone() };
        queues.enroll(&later, NOW).await.unwrap();
        let asked = stub.seen.lock().unwrap().last().unwrap().1["DelaySeconds"].as_i64();
        assert_eq!(asked.unwrap_or(0), delay);
    }
    let seen = stub.seen.lock().unwrap();
    assert_eq!(
        seen[0].1,
        json!({
            "QueueUrl": "https://sqs.test/1/enroll",
            "MessageGroupId": tenant.to_string(),
            "MessageBody": encode(&work),
        })
    );
    assert_eq!(
        seen[1].1,
        json!({
            "QueueUrl": "https://sqs.test/1/inbound",
            "MessageGroupId": tenant.to_string(),
            "MessageBody": encode(&inbound),
        })
    );
}
