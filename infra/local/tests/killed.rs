//! The process is killed in the middle of sends and started again on the same directory.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local::client::Client;
use serde_json::{Value, json};

const CONTACTS: usize = 120;

struct Running {
    child: Child,
    client: Client,
}

impl Running {
    fn start(dir: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_local"))
            .args(["--port", "0", "--clock", "manual", "--start-at", "2026-03-02T12:00:00Z", "--data"])
            .arg(dir)
            .env("RITMO_DEV_KEY", "rk_killed_and_back")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.split_whitespace().find(|w| w.starts_with("http://")).expect("it prints its address");
        Self { child, client: Client::new(url, "rk_killed_and_back") }
    }

    /// As the machine would: no chance to say goodbye.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn accepted(&self) -> usize {
        self.client.get("/_local/messages").await.unwrap()["data"].as_array().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_doubled_and_what_is_missing_is_flagged() {
    let dir = std::env::temp_dir().join(format!("ritmo-killed-{}", std::process::id()));
    let running = Running::start(&dir);
    let step = |key: &str, hours: u32| {
        json!({"key": key, "wait": {"value": hours, "unit": "hours"}, "channel": "whatsapp",
            "content": {"type": "whatsapp_template", "name": key, "language": "pt_BR"}})
    };
    let definition = json!({"name": "Dois", "target": "contact", "steps": [step("um", 1), step("dois", 24)]});
    let sequence = running.client.post("/v1/sequences", &definition).await.unwrap()["id"].as_str().unwrap().to_owned();
    running.client.post(&format!("/v1/sequences/{sequence}/publish"), &json!({})).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..CONTACTS {
        let body = json!({"sequence_id": sequence, "contact": {"phone": format!("+5511980000{n:03}")}});
        ids.push(running.client.post("/v1/enrollments", &body).await.unwrap()["id"].as_str().unwrap().to_owned());
    }
    // Killed twice, each time with sends under way.
    let mut running = running;
    for (to, at_least) in [("2026-03-02T14:00:00Z", CONTACTS / 4), ("2026-03-04T12:00:00Z", CONTACTS + CONTACTS / 4)] {
        let client = running.client.clone();
        let clock = tokio::spawn(async move { client.advance(to).await });
        while running.accepted().await < at_least {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running.kill();
        let _ = clock.await;
        running = Running::start(&dir);
    }
    running.client.advance("2026-03-20T12:00:00Z").await.unwrap();

    let messages = running.client.get("/_local/messages").await.unwrap();
    let mut arrived: HashMap<(String, u64), u32> = HashMap::new();
    for m in messages["data"].as_array().unwrap() {
        let key = (m["enrollment_id"].as_str().unwrap().to_owned(), m["step"].as_u64().unwrap());
        *arrived.entry(key).or_default() += 1;
    }
    assert!(arrived.values().all(|n| *n == 1), "nothing doubled");
    let mut missing = HashSet::new();
    for id in &ids {
        let enrollment = running.client.get(&format!("/v1/enrollments/{id}")).await.unwrap();
        assert_eq!(enrollment["outcome"], "completed", "{enrollment}");
        for step in enrollment["steps"].as_array().unwrap() {
            let index = step["index"].as_u64().unwrap();
            if !arrived.contains_key(&(id.clone(), index)) {
                assert_eq!(step["unknown"], Value::Bool(true), "what did not arrive is flagged: {step}");
                missing.insert((id.clone(), index));
            }
        }
    }
    // At most what the workers held in their hands, each time.
    assert!(missing.len() <= 2 * 16, "{} steps missing", missing.len());
    running.kill();
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_claim_and_answer_is_counted() {
    let dir = std::env::temp_dir().join(format!("ritmo-killed-once-{}", std::process::id()));
    let running = Running::start(&dir);
    let definition = json!({"name": "Um", "target": "contact", "steps": [{
        "key": "um", "wait": {"value": 0, "unit": "minutes"}, "channel": "whatsapp",
        "content": {"type": "whatsapp_template", "name": "um", "language": "pt_BR"}}]});
    let sequence = running.client.post("/v1/sequences", &definition).await.unwrap()["id"].as_str().unwrap().to_owned();
    running.client.post(&format!("/v1/sequences/{sequence}/publish"), &json!({})).await.unwrap();
    let slow = json!({"provider": "whatsapp_cloud", "fail": [{"delay_ms": 60_000}]});
    running.client.post("/_local/faults", &slow).await.unwrap();
    let body = json!({"sequence_id": sequence, "contact": {"phone": "+5511980000000"}});
    let enrolled = running.client.post("/v1/enrollments", &body).await.unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/enrollments/{enrolled}");
    while running.client.get(&path).await.unwrap()["state"] != "sending" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.kill();

    let running = Running::start(&dir);
    running.client.advance("2026-03-02T14:00:00Z").await.unwrap();
    let metrics = running.client.get("/_local/metrics").await.unwrap();
    let lines = metrics["data"].as_array().unwrap();
    let unknown: Vec<_> = lines.iter().filter(|line| line["Function"] == "step" && line["Unknown"] == 1).collect();
    assert_eq!(unknown.len(), 1, "{metrics}");
    assert!(unknown[0]["_aws"].is_object(), "it is a metric: {metrics}");
    assert_eq!(running.client.get(&path).await.unwrap()["steps"][0]["unknown"], true);
    assert_eq!(running.accepted().await, 0);
    running.kill();
    std::fs::remove_dir_all(dir).unwrap();
}
