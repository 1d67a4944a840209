use reqwest::Method;
use serde_json::json;

use crate::world::{DAY, World, id, step, three_steps};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_changes_nothing_for_those_under_way() {
    let world = World::start().await;
    let ana = world.contact("Ana", "+5511987650001").await;
    let bia = world.contact("Bia", "+5511987650002").await;
    let sequence = world.sequence(three_steps()).await;
    let first = id(&world.enroll(&sequence, &ana).await);
    world.advance(60).await;

    let draft = world.get(&format!("/v1/sequences/{sequence}")).await;
    let mut definition = three_steps();
    definition["steps"].as_array_mut().unwrap().truncate(1);
    definition["steps"][0]["fallback_template"]["name"] = json!("outro_modelo");
    let put = |revision: String| {
        let url = format!("{}/v1/sequences/{sequence}", world.local.base_url);
        let request = reqwest::Client::new().put(url).bearer_auth(&world.local.admin_key).json(&definition);
        if revision.is_empty() { request } else { request.header("if-match", format!("\"{revision}\"")) }
    };
    assert_eq!(put(String::new()).send().await.unwrap().status(), 428);
    assert_eq!(put("999".into()).send().await.unwrap().status(), 412);
    assert_eq!(put(draft["revision"].to_string()).send().await.unwrap().status(), 200);
    let published = world.post(&format!("/v1/sequences/{sequence}/publish"), json!({})).await;
    assert_eq!(published["version"], json!(2));

    let second = id(&world.enroll(&sequence, &bia).await);
    world.advance(30 * DAY).await;
    let first = world.enrollment(&first).await;
    assert_eq!((&first["version"], first["steps"].as_array().unwrap().len()), (&json!(1), 3));
    let second = world.enrollment(&second).await;
    assert_eq!((&second["version"], second["steps"].as_array().unwrap().len()), (&json!(2), 1));
    let messages = world.messages().await;
    let names: Vec<_> =
        messages.iter().map(|m| (m["to"].as_str().unwrap(), m["body"]["template"]["name"].as_str().unwrap())).collect();
    assert_eq!(
        names,
        [
            ("+5511987650001", "modelo_um"),
            ("+5511987650002", "outro_modelo"),
            ("+5511987650001", "modelo_dois"),
            ("+5511987650001", "modelo_tres"),
        ]
    );
    let versions = world.get(&format!("/v1/sequences/{sequence}/versions")).await;
    assert_eq!(versions["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn clone_archive_and_delete() {
    let world = World::start().await;
    let ana = world.contact("Ana", "+5511987650001").await;
    let sequence = world.sequence(three_steps()).await;
    world.enroll(&sequence, &ana).await;
    let copy =
        world.post(&format!("/v1/sequences/{sequence}/clone"), json!({"name": "Cópia", "description": ""})).await;
    assert_ne!(id(&copy), sequence);
    let gone = world.client.call(Method::DELETE, &format!("/v1/sequences/{}", id(&copy)), None).await.unwrap();
    assert!((200..300).contains(&gone.0), "{gone:?}");
    let (status, problem) =
        world.client.call(Method::DELETE, &format!("/v1/sequences/{sequence}"), None).await.unwrap();
    assert_eq!((status, &problem["code"]), (409, &json!("sequence_in_use")));
    world.post(&format!("/v1/sequences/{sequence}/archive"), json!({})).await;
    let body = json!({"sequence_id": sequence, "contact": {"external_id": "b"}});
    let (status, problem) = world.call(Method::POST, "/v1/enrollments", body).await;
    assert_eq!((status, &problem["code"]), (422, &json!("sequence_archived")));
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 3, "those under way go on");
}

/// Publishes other steps as the sequence's next version.
async fn publish(world: &World, sequence: &str, steps: serde_json::Value) {
    let draft = world.get(&format!("/v1/sequences/{sequence}")).await;
    let mut definition = three_steps();
    definition["steps"] = steps;
    let request = reqwest::Client::new().put(format!("{}/v1/sequences/{sequence}", world.local.base_url));
    let request = request.bearer_auth(&world.local.admin_key).json(&definition);
    let saved = request.header("if-match", format!("\"{}\"", draft["revision"])).send().await.unwrap();
    assert_eq!(saved.status(), 200);
    world.post(&format!("/v1/sequences/{sequence}/publish"), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_moves_to_another_version_and_repeats_nothing() {
    let world = World::start().await;
    let ana = world.contact("Ana", "+5511987650001").await;
    let sequence = world.sequence(three_steps()).await;
    let enrolled = id(&world.enroll(&sequence, &ana).await);
    world.advance(60).await;
    publish(&world, &sequence, json!([step("dois", 1, "days"), step("um", 0, "minutes"), step("fim", 2, "days")]))
        .await;
    let migrate = format!("/v1/enrollments/{enrolled}/migrate");
    for (body, code) in [
        (json!({"version": 9}), "unknown_reference"),
        (json!({}), "required"),
        (json!({"version": 2, "now": true}), "unknown_field"),
    ] {
        let (status, problem) = world.call(Method::POST, &migrate, body).await;
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{problem}");
    }
    let (status, problem) = world.call(Method::POST, &migrate, json!({"version": 9})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/version")));
    // Behind `um`, which has been sent, and counted from it.
    let moved = world.post(&migrate, json!({"version": 2})).await;
    assert_eq!((&moved["version"], &moved["step"]), (&json!(2), &json!(2)), "{moved}");
    assert_eq!(moved["due_at"], "2026-03-04T12:00:00Z");
    let told = moved["timeline"].as_array().unwrap().iter().find(|t| t["code"] == "migrated").unwrap();
    assert_eq!(told["detail"], "moved from version 1 to 2");
    let again = world.post(&migrate, json!({"version": 2})).await;
    assert_eq!(again["timeline"], moved["timeline"], "it is there already");
    // And back: the second step of the first version has not been sent.
    let back = world.post(&migrate, json!({"version": 1})).await;
    assert_eq!((&back["step"], &back["due_at"]), (&json!(1), &json!("2026-03-05T12:00:00Z")));
    world.post(&migrate, json!({"version": 2})).await;
    world.advance(30 * DAY).await;
    let messages = world.messages().await;
    let names: Vec<_> = messages.iter().map(|m| m["body"]["template"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["modelo_um", "modelo_fim"]);
    assert_eq!(world.enrollment(&enrolled).await["outcome"], "completed");
    let (status, problem) = world.call(Method::POST, &migrate, json!({"version": 1})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("enrollment_finished")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_in_the_moment_of_the_last_send_goes_on_in_the_new_version() {
    let world = World::start().await;
    let ana = world.contact("Ana", "+5511987650001").await;
    let mut one = three_steps();
    one["steps"] = json!([step("um", 0, "minutes")]);
    let sequence = world.sequence(one).await;
    world.fault(json!({"delay_ms": 1_500}), 1).await;
    let enrolled = id(&world.enroll(&sequence, &ana).await);
    publish(&world, &sequence, json!([step("um", 0, "minutes"), step("dois", 1, "days")])).await;
    for _ in 0..200 {
        if world.enrollment(&enrolled).await["state"] == "sending" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let answer = world.post(&format!("/v1/enrollments/{enrolled}/migrate"), json!({"version": 2})).await;
    assert_eq!((&answer["in_flight"], &answer["version"]), (&json!(true), &json!(1)), "{answer}");
    world.advance(60).await;
    let moved = world.enrollment(&enrolled).await;
    assert_eq!(
        (&moved["version"], &moved["step"], &moved["state"]),
        (&json!(2), &json!(1), &json!("waiting")),
        "{moved}"
    );
    world.advance(3 * DAY).await;
    assert_eq!(world.messages().await.len(), 2);
    assert_eq!(world.enrollment(&enrolled).await["outcome"], "completed");
}
