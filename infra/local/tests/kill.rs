//! A process that is killed in the middle of its sends, and started again.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local::{Data, Options};
use serde_json::{Value, json};
use support::{App, START, id, step};

const CONTACTS: u64 = 40;
/// Sends that one process has in flight at most.
const WORKERS: usize = 16;

fn spawn(dir: &std::path::Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_local"))
        .args(["--port", "0", "--clock", "manual", "--start-at", &START.to_string(), "--data"])
        .arg(dir)
        .env("RITMO_DEV_KEY", "rk_development")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().rsplit(' ').next().unwrap().to_owned();
    (child, url)
}

#[tokio::test]
async fn nothing_is_sent_twice_and_what_is_missing_is_shown() {
    let dir = std::env::temp_dir().join(format!("ritmo-kill-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let (mut child, url) = spawn(&dir);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: Value| {
        let request = http.post(format!("{url}{path}")).bearer_auth("rk_development").json(&body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json::<Value>().await.unwrap()
    };
    let steps = json!([step("first", 1), step("second", 1)]);
    let sequence = id(&post("/v1/sequences", json!({"name": "Kill", "target": "contact", "steps": steps})).await);
    post(&format!("/v1/sequences/{sequence}/publish"), json!({})).await;
    let mut enrollments = Vec::new();
    for number in 0..CONTACTS {
        let contact = json!({"first_name": "Ana", "phone": format!("+551198765{number:04}")});
        let contact = id(&post("/v1/contacts", contact).await);
        let body = json!({"sequence_id": sequence, "contact_id": contact});
        enrollments.push(id(&post("/v1/enrollments", body).await));
    }
    // All are due at once, and the provider is slow: when the first have been accepted, the next are
    // on their way.
    let slow = json!({"provider": "whatsapp_cloud", "fail": [{"delay_ms": 150}], "count": CONTACTS});
    post("/_local/faults", slow).await;
    let advance = post("/_local/clock", json!({"advance_seconds": 86_400}));
    let first = async {
        loop {
            let accepted = http.get(format!("{url}/_local/messages")).send().await.unwrap();
            if accepted.json::<Value>().await.unwrap()["data"] != json!([]) {
                return tokio::time::sleep(Duration::from_millis(75)).await;
            }
        }
    };
    tokio::select! {
        _ = advance => panic!("all was sent before the kill"),
        () = first => {}
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let options =
        Options { data: Data::Dir(dir.clone()), dev_key: Some("rk_development".into()), ..Options::manual(START) };
    let app = App::with(options).await;
    app.advance(10 * 86_400).await;
    let messages = app.messages().await;
    let sent: BTreeSet<_> = messages.iter().map(|m| (m["enrollment_id"].to_string(), m["step"].as_u64())).collect();
    assert_eq!(sent.len(), messages.len(), "a message went out twice");
    let mut missing = 0;
    for enrollment in &enrollments {
        let now = app.read(&format!("/v1/enrollments/{enrollment}")).await;
        assert_eq!(now["outcome"], "completed", "{now}");
        for (index, step) in (0..).zip(now["steps"].as_array().unwrap()) {
            if !sent.contains(&(json!(enrollment).to_string(), Some(index))) {
                missing += 1;
                assert_eq!((index, &step["unknown"]), (0, &json!(true)), "{now}");
            }
        }
    }
    assert!(missing <= WORKERS, "{missing} are missing");
    app.local.shutdown().await;
    std::fs::remove_dir_all(dir).unwrap();
}
