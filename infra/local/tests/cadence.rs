//! A cadence from its publish to its end, over HTTP alone.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{App, id, step};

fn times(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["at"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_message_leaves_at_its_time() {
    let app = App::start().await;
    let contact = app.contact("Ana", "+5511987654321").await;
    let sequence = app.sequence(vec![step("first", 0), step("second", 3), step("third", 7)]).await;
    let enrollment = app.enroll(&sequence, &contact).await;
    app.advance(30 * 86_400).await;

    let messages = app.messages().await;
    assert_eq!(times(&messages), ["2026-03-09T12:00:00Z", "2026-03-12T12:00:00Z", "2026-03-19T12:00:00Z"]);
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(message["step"], index, "{message}");
        assert_eq!(message["enrollment_id"], enrollment["id"]);
        assert_eq!(message["to"], "+5511987654321");
        assert_eq!(message["sender_id"], app.local.whatsapp_sender.as_str());
        // Ana never wrote: only the template may go out.
        assert_eq!(message["body"]["type"], "template");
    }
    let now = app.read(&format!("/v1/enrollments/{}", id(&enrollment))).await;
    assert_eq!((&now["state"], &now["outcome"]), (&json!("finished"), &json!("completed")));
    let statuses: Vec<_> = now["steps"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
    assert_eq!(statuses, ["delivered", "delivered", "delivered"]);
    assert_eq!(app.read("/_local/dead-letters").await, json!({"data": []}));
}

#[tokio::test]
async fn a_reply_stops_it() {
    let app = App::start().await;
    let contact = app.contact("Ana", "+5511987654321").await;
    let sequence = app.sequence(vec![step("first", 0), step("second", 3)]).await;
    let enrollment = id(&app.enroll(&sequence, &contact).await);
    app.advance(86_400).await;
    app.make("/_local/inbound", json!({"channel": "whatsapp", "from": "+5511987654321", "text": "Oi"})).await;
    let now = app.read(&format!("/v1/enrollments/{enrollment}")).await;
    assert_eq!((&now["state"], &now["outcome"]), (&json!("finished"), &json!("replied")));
    app.advance(30 * 86_400).await;
    assert_eq!(times(&app.messages().await), ["2026-03-09T12:00:00Z"]);
}

#[tokio::test]
async fn a_crash_in_the_middle_loses_and_doubles_nothing() {
    let app = App::start().await;
    let sequence = app.sequence(vec![step("first", 0), step("second", 1), step("third", 1)]).await;
    let mut contacts = Vec::new();
    for number in 0..20 {
        contacts.push(app.contact("Ana", &format!("+551198765{number:04}")).await);
    }
    for contact in &contacts {
        app.enroll(&sequence, contact).await;
    }
    // At once: while the first sends are in flight.
    app.make("/_local/restart", json!({})).await;
    app.advance(3_600).await;
    app.make("/_local/restart", json!({})).await;
    app.advance(10 * 86_400).await;
    let mut seen: Vec<_> =
        app.messages().await.iter().map(|m| (m["to"].to_string(), m["step"].as_u64().unwrap())).collect();
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((all, seen.len()), (seen.len(), 60));
}

#[tokio::test]
async fn a_timer_lost_with_the_process_comes_back() {
    let dir = std::env::temp_dir().join(format!("ritmo-back-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let options = local::Options { data: local::Data::Dir(dir.clone()), ..local::Options::manual(support::START) };
    let app = App::with(options.clone()).await;
    let contact = app.contact("Ana", "+5511987654321").await;
    let sequence = app.sequence(vec![step("first", 0), step("second", 3)]).await;
    let enrollment = id(&app.enroll(&sequence, &contact).await);
    app.advance(3_600).await;
    app.local.shutdown().await;

    let app = App::with(options).await;
    app.advance(10 * 86_400).await;
    let messages = app.messages().await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0]["step"], 0);
    // By the sweep: the grace later.
    assert_eq!(times(&messages)[1], "2026-03-12T12:02:00Z");
    let now = app.read(&format!("/v1/enrollments/{enrollment}")).await;
    assert_eq!(now["outcome"], "completed");
    app.local.shutdown().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn on_the_real_clock_it_runs_by_itself() {
    let options =
        local::Options { clock: local::ClockKind::Real, start_at: None, ..local::Options::manual(support::START) };
    let app = App::with(options).await;
    let contact = app.contact("Ana", "+5511987654321").await;
    let sequence = app.sequence(vec![step("first", 0), step("second", 1)]).await;
    let enrollment = id(&app.enroll(&sequence, &contact).await);
    let began = std::time::Instant::now();
    loop {
        let now = app.read(&format!("/v1/enrollments/{enrollment}")).await;
        if now["steps"][0]["status"] == "delivered" {
            assert_eq!((&now["state"], &now["step"]), (&json!("waiting"), &json!(1)));
            break;
        }
        assert!(began.elapsed().as_secs() < 20, "{now}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(app.messages().await.len(), 1);
    app.local.shutdown().await;
}
