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
use domain::ids::{ContactId, EnrollmentId, Ids, JobId, SenderId, SequenceId, TenantId};
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

#[tokio::test]
async fn queue_messages_carry_their_account_as_group() {
    let (stub, config) = Stub::start(&[]).await;
    let urls = QueueUrls {
        enroll: "https://sqs.test/1/enroll".into(),
        step: STEP_URL.into(),
        send: "https://sqs.test/1/send".into(),
        inbound: "https://sqs.test/1/inbound".into(),
    };
    let queues = SqsQueues::new(aws_sdk_sqs::Client::new(&config), urls);
    let mut ids = Ids::from_seed([2; 32]);
    let tenant = TenantId::new(&mut ids);
    let work = EnrollWork { tenant, job: JobId::new(&mut ids), part: 3 };
    queues.enroll(&work).await.unwrap();
    let inbound = InboundWork { tenant, sender: SenderId::of(tenant, &mut ids), events: vec![] };
    queues.inbound(&inbound).await.unwrap();
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
