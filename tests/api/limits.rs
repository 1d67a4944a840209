use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{DAY, START, World, id, step};

/// So many contacts, enrolled in the same second.
async fn crowd(world: &World, count: usize, step: Value) {
    let sequence = world.sequence(json!({"name": "Todos", "target": "contact", "steps": [step]})).await;
    let rows: Vec<String> = (0..count).map(|n| format!("Ana,+55119876{n:05}")).collect();
    let csv = format!("first_name,phone\n{}\n", rows.join("\n"));
    let request = reqwest::Client::new().post(format!("{}/v1/contacts/import", world.local.base_url));
    let request = request.bearer_auth(&world.local.admin_key).header("content-type", "text/csv");
    assert_eq!(request.body(csv).send().await.unwrap().status(), 200);
    let mut contacts: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("/v1/contacts?limit=100{cursor}")).await;
        contacts.extend(page["data"].as_array().unwrap().iter().map(id));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(contacts.len(), count);
    world.post("/v1/enrollments/bulk", json!({"sequence_id": sequence, "contact_ids": contacts})).await;
}

async fn limit(world: &World, limits: Value) {
    let sender = world.default_sender().await;
    world.client.patch(&format!("/v1/senders/{sender}"), &json!({"limits": limits})).await.unwrap();
}

/// How many messages left in each second, in seconds from the start.
async fn seconds(world: &World) -> BTreeMap<i64, usize> {
    let start = domain::time::Timestamp::parse(START).unwrap();
    let mut all = BTreeMap::new();
    for message in world.messages().await {
        let at = domain::time::Timestamp::parse(message["at"].as_str().unwrap()).unwrap();
        *all.entry(at.seconds_since(start)).or_default() += 1;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn five_a_second_leave_five_a_second() {
    let world = World::start().await;
    limit(&world, json!({"per_second": 5})).await;
    crowd(&world, 200, step("um", 0, "minutes")).await;
    world.advance(300).await;
    assert_eq!(seconds(&world).await, (0..40).map(|second| (second, 5)).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_window_has_no_slot_for_leaves_in_the_next_one() {
    let world = World::start().await;
    limit(&world, json!({"per_second": 10, "per_minute": 60})).await;
    let mut step = step("um", 0, "minutes");
    step["window"] = json!({"from": "11:59", "to": "12:01"});
    crowd(&world, 90, step).await;
    world.advance(30).await;
    let waiting = world.get("/v1/enrollments?state=waiting&limit=1").await;
    let next_day = waiting["data"][0]["due_at"].as_str().unwrap().starts_with("2026-03-03");
    let code = if next_day { "waiting" } else { "sender_limit" };
    let explained = world.get(&format!("/v1/enrollments/{}/explain", id(&waiting["data"][0]))).await;
    assert_eq!(explained["blocking"][0]["code"], code, "{explained}");
    world.advance(2 * DAY).await;
    let opens = DAY - 60;
    let expected = (0..60).chain(opens..opens + 30).map(|second| (second, 1)).collect();
    assert_eq!(seconds(&world).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_whole_and_let_something_through() {
    let world = World::start().await;
    let sender = world.default_sender().await;
    for limits in
        [json!({"per_second": 0}), json!({"per_minute": -1}), json!({"per_hour": 1.5}), json!({"per_week": 1})]
    {
        let answer =
            world.call(reqwest::Method::PATCH, &format!("/v1/senders/{sender}"), json!({"limits": limits})).await;
        assert_eq!(answer.0, 422, "{limits}: {answer:?}");
    }
}
