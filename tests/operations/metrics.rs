//! Every line is what CloudWatch's Embedded Metric Format allows, and every metric that is kept is
//! one that some event of a deployment's life makes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::nowhere;
use crate::world::{DAY, World, id, three_steps};

/// The metrics that the code says it keeps: (function, name).
pub(crate) fn kept() -> BTreeSet<(String, String)> {
    let of = |(function, names): (&'static str, &'static [&'static str])| {
        names.iter().map(move |name| (function.to_owned(), (*name).to_owned()))
    };
    runtime::KEPT_METRICS.into_iter().flat_map(of).collect()
}

/// The rules of AWS's "Specification: Embedded metric format"; the metrics of the line.
fn check(line: &Value) -> BTreeSet<(String, String)> {
    let root = line.as_object().unwrap_or_else(|| panic!("no object: {line}"));
    assert!(line.to_string().len() < 256 * 1024, "a log event's size");
    let Some(aws) = root.get("_aws") else { return BTreeSet::new() };
    let milliseconds = aws["Timestamp"].as_i64().unwrap_or_else(|| panic!("no timestamp: {line}"));
    assert!((1_700_000_000_000..4_000_000_000_000).contains(&milliseconds), "not in milliseconds: {line}");
    let mut found = BTreeSet::new();
    for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "Ritmo");
        let sets = directive["Dimensions"].as_array().unwrap();
        assert_eq!(sets, &[json!(["Function"])], "the one dimension: {line}");
        let function = root["Function"].as_str().filter(|name| (1..=1024).contains(&name.len())).unwrap();
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()), "{line}");
        for metric in metrics {
            let members: Vec<_> = metric.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["Name", "Unit"], "{line}");
            assert!(["Count", "Seconds"].contains(&metric["Unit"].as_str().unwrap()), "{line}");
            let name = metric["Name"].as_str().filter(|name| (1..=1024).contains(&name.len())).unwrap();
            let values = match &root[name] {
                Value::Array(values) => values.clone(),
                one => vec![one.clone()],
            };
            assert!((1..=100).contains(&values.len()), "{line}");
            assert!(values.iter().all(|v| v.as_f64().is_some_and(|v| (0.0..1e9).contains(&v))), "{line}");
            found.insert((function.to_owned(), name.to_owned()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployments_life_makes_every_metric() {
    let world = World::start().await;
    let sequence = world.sequence(three_steps()).await;
    let mut people = Vec::new();
    for n in 0..6 {
        people.push(world.contact("Ana", &format!("+551198765432{n}")).await);
    }
    // Refused for now, then accepted.
    world.fault(json!({"status": 503}), 1).await;
    id(&world.enroll(&sequence, &people[0]).await);
    world.advance(60).await;
    // Refused for good; no answer.
    for (fault, person) in [(json!({"error_code": 131_026}), 1), (json!({"timeout": "before"}), 2)] {
        world.fault(fault, 1).await;
        world.enroll(&sequence, &people[person]).await;
        world.advance(60).await;
    }
    // A timer that is lost.
    world.enroll(&sequence, &people[3]).await;
    world.post("/_local/restart", json!({})).await;
    world.advance(4 * DAY).await;
    // A sender at fault: one send finds out, the others are held when they are due.
    world.fault(json!({"error_code": 190}), 1).await;
    world.enroll(&sequence, &people[4]).await;
    world.advance(60).await;
    world.enroll(&sequence, &people[5]).await;
    world.advance(60).await;
    // A forged webhook.
    let url = format!("{}/webhooks/whatsapp_cloud/{}", world.local.base_url, world.local.whatsapp_sender);
    let forged = reqwest::Client::new().post(url).header("x-hub-signature-256", "sha256=00").body("{}");
    assert_eq!(forged.send().await.unwrap().status(), 401);

    let mut lines = world.get("/_local/metrics").await["data"].as_array().unwrap().clone();
    lines.extend(nowhere::all_queues([&["?"], &["?"], &["?"], &["?"]]).await);
    let made: BTreeSet<_> = lines.iter().flat_map(check).collect();
    let mut expected = kept();
    // Only a worker that dies makes this one: infra/local/tests/killed.rs kills it.
    assert!(expected.remove(&("step".into(), "Unknown".into())));
    assert_eq!(made, expected);

    let sum = |function: &str, name: &str| -> u64 {
        let of = |line: &&Value| line["Function"] == function;
        let of_line = |line: &Value| match &line[name] {
            Value::Array(values) => values.iter().filter_map(Value::as_u64).sum(),
            one => one.as_u64().unwrap_or(0),
        };
        lines.iter().filter(of).map(of_line).sum()
    };
    let calls = ["Accepted", "Retried", "Refused", "Unknown", "SenderSuspended"].map(|name| sum("send", name));
    assert_eq!(calls[1..], [1, 1, 1, 1], "{calls:?}");
    assert_eq!(calls[0], world.messages().await.len() as u64, "what was accepted");
    let lags = lines.iter().filter_map(|line| line["DueLag"].as_array()).map(Vec::len).sum::<usize>();
    assert_eq!(lags as u64, calls.iter().sum::<u64>(), "one a call");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_counts_from_the_due_and_not_while_held() {
    let world = World::start().await;
    let sequence = world.sequence(three_steps()).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let lags = async || -> Vec<u64> {
        let lines = world.get("/_local/metrics").await;
        let all = lines["data"].as_array().unwrap().iter().filter_map(|line| line["DueLag"].as_array());
        all.flatten().map(|lag| lag.as_u64().unwrap()).collect()
    };
    assert_eq!(lags().await, [0]);
    // Its timer is lost: the sweep finds it after its grace.
    world.post("/_local/restart", json!({})).await;
    world.advance(3 * DAY + 600).await;
    assert!((120..=180).contains(&lags().await[1]), "{:?}", lags().await);
    // Paused over its due for two days.
    world.post(&format!("/v1/enrollments/{enrolled}/pause"), json!({})).await;
    world.advance(9 * DAY).await;
    world.post(&format!("/v1/enrollments/{enrolled}/resume"), json!({"mode": "keep_schedule"})).await;
    world.advance(60).await;
    assert_eq!(world.messages().await.len(), 3);
    assert_eq!(lags().await[2], 0, "nobody but who paused it was late");
}
