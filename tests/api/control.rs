use reqwest::Method;
use serde_json::json;

use crate::world::{DAY, World, id, three_steps};

/// Starts a send whose provider answers slowly, does something in that very moment, and waits.
async fn in_the_moment_of_a_send(path: &str, body: serde_json::Value) -> (World, String, serde_json::Value) {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    world.fault(json!({"delay_ms": 1_500}), 1).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    // The clock stands still; the send goes on in the background.
    for _ in 0..200 {
        if world.enrollment(&enrolled).await["state"] == "sending" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(world.enrollment(&enrolled).await["state"], "sending");
    let answer = world.post(&path.replace("{id}", &enrolled), body).await;
    world.advance(60).await;
    (world, enrolled, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_in_the_moment_of_a_send_holds() {
    let (world, enrolled, answer) = in_the_moment_of_a_send("/v1/enrollments/{id}/pause", json!({})).await;
    assert_eq!(answer["in_flight"], json!(true), "{answer}");
    let paused = world.enrollment(&enrolled).await;
    assert_eq!((&paused["state"], &paused["steps"][0]["status"]), (&json!("paused"), &json!("delivered")), "{paused}");
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 1, "nothing more while it is paused");
    world.post(&format!("/v1/enrollments/{enrolled}/resume"), json!({"mode": "restart_wait"})).await;
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_in_the_moment_of_a_send_holds() {
    let body = json!({"channel": "whatsapp", "from": "+5511987654321", "text": "Oi"});
    let (world, enrolled, _) = in_the_moment_of_a_send("/_local/inbound", body).await;
    let ended = world.enrollment(&enrolled).await;
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("finished"), &json!("replied")));
    assert!(ended["steps"][0]["sent_at"].is_string(), "the send is recorded: {ended}");
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_resume_skip_send_now_and_exit() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let act = async |action: &str, body| {
        world.call(Method::POST, &format!("/v1/enrollments/{enrolled}/{action}"), body).await
    };
    let (status, paused) = act("pause", json!({})).await;
    assert_eq!((status, &paused["state"]), (200, &json!("paused")));
    assert_eq!(act("pause", json!({})).await.0, 200, "pausing a paused one");
    let explained = world.get(&format!("/v1/enrollments/{enrolled}/explain")).await;
    assert_eq!(explained["blocking"][0]["code"], "paused", "{explained}");
    world.advance(2 * DAY).await;
    let (_, kept) = act("resume", json!({"mode": "keep_schedule"})).await;
    assert_eq!((&kept["state"], &kept["due_at"]), (&json!("waiting"), &json!("2026-03-05T12:00:00Z")));
    let explained = world.get(&format!("/v1/enrollments/{enrolled}/explain")).await;
    assert_eq!(explained["blocking"][0]["until"], "2026-03-05T12:00:00Z", "{explained}");
    let (_, skipped) = act("skip", json!({})).await;
    assert_eq!(
        (&skipped["steps"][1]["status"], &skipped["steps"][1]["reason"]),
        (&json!("skipped"), &json!("skipped_by_user"))
    );
    act("send-now", json!({})).await;
    world.advance(60).await;
    let messages = world.messages().await;
    assert_eq!((messages.len(), &messages[1]["step"]), (2, &json!(2)));
    let (status, problem) = act("pause", json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("enrollment_finished")));
    // Exit.
    let second = id(&world.enroll(&sequence, &contact).await);
    let exited = world.post(&format!("/v1/enrollments/{second}/exit"), json!({"reason": "changed our mind"})).await;
    assert_eq!((&exited["outcome"], &exited["run"]), (&json!("removed"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_the_module_off_holds_everybody() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    world.client.patch("/v1/account", &json!({"enabled": false})).await.unwrap();
    let (status, problem) = world.call(Method::POST, "/v1/enrollments", json!({"nonsense": 1})).await;
    assert_eq!((status, &problem["code"]), (403, &json!("module_disabled")), "before the body is read");
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 1);
    world.client.patch("/v1/account", &json!({"enabled": true})).await.unwrap();
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 3, "they go on when it is switched on");
    assert_eq!(world.enrollment(&enrolled).await["outcome"], "completed");
}
