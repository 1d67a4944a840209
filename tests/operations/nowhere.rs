//! An engine whose table, queues and providers do not answer, and batches for its handlers.

use std::sync::{Arc, Mutex};

use aws::{QueueUrls, ScheduleTarget, SchedulerTimers, SqsQueues, SsmSecrets};
use aws_config::{BehaviorVersion, Region};
use aws_lambda_events::sqs::SqsEvent;
use channels::Providers;
use engine::{Config, Engine};
use runtime::{Addresses, LambdaPorts, Metrics, OsRandom, ProviderAdapter, SystemClock};
use serde_json::{Value, json};
use store::DynamoStore;

pub(crate) async fn engine() -> Arc<Engine<LambdaPorts>> {
    let loader = aws_config::defaults(BehaviorVersion::latest()).test_credentials();
    let sdk = loader.region(Region::new("sa-east-1")).endpoint_url("http://127.0.0.1:9").load().await;
    let store = DynamoStore::new(store::client(&sdk), "ritmo", &[7; 32]);
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    let queue = || "http://127.0.0.1:9/1/queue".to_owned();
    let urls = QueueUrls { enroll: queue(), step: queue(), send: queue(), inbound: queue() };
    let target = ScheduleTarget {
        group: "timers".into(),
        queue_arn: "arn:step".into(),
        role_arn: "arn:role".into(),
        dead_letter_arn: "arn:dead".into(),
    };
    Arc::new(Engine {
        timers: SchedulerTimers::new(aws_sdk_scheduler::Client::new(&sdk), sqs.clone(), queue(), target),
        queues: SqsQueues::new(sqs, urls),
        clock: SystemClock,
        random: OsRandom,
        secrets: SsmSecrets::new(aws_sdk_ssm::Client::new(&sdk), "/ritmo/nowhere".into()),
        channels: ProviderAdapter::new(Providers::new(&sdk).unwrap(), Addresses::Public),
        config: Config {
            lease_seconds: 90,
            cache_settings: true,
            credentials_seconds: 600,
            operator_key_hash: None,
            tokens: engine::Tokens::new(&[7; 32], "https://ritmo.test"),
        },
        cache: Default::default(),
        store,
    })
}

/// A batch with these bodies, each sent this very second.
pub(crate) fn batch(bodies: &[&str]) -> SqsEvent {
    let now = engine::ports::Clock::now(&SystemClock).0 * 1_000;
    let record = |(n, body): (usize, &&str)| json!({"messageId": format!("message-{n}"), "body": body, "attributes": {"SentTimestamp": now.to_string()}});
    let records: Vec<_> = bodies.iter().enumerate().map(record).collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

/// Gives one batch to the handler of each queue; the lines of metrics they report.
pub(crate) async fn all_queues(bodies: [&[&str]; 4]) -> Vec<Value> {
    let engine = engine().await;
    let lines = Mutex::new(Vec::new());
    let report = |metrics: &Metrics| lines.lock().unwrap().extend(metrics.line(None));
    let [enroll, step, send, inbound] = bodies;
    let failed = [
        enroll::handle(&engine, batch(enroll), report).await.batch_item_failures.len(),
        step::handle(&engine, batch(step), report).await.batch_item_failures.len(),
        send::handle(&engine, batch(send), report).await.batch_item_failures.len(),
        webhook::handle_queue(&engine, batch(inbound), report).await.batch_item_failures.len(),
    ];
    assert_eq!(failed, bodies.map(<[&str]>::len), "nothing can succeed here");
    lines.into_inner().unwrap()
}
