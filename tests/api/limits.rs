use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::{DAY, START, World, id, step, three_steps};

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

/// What keeps an enrollment from going on, and until when.
async fn blocked(world: &World, enrollment: &str) -> (String, String, String) {
    let explained = world.get(&format!("/v1/enrollments/{enrollment}/explain")).await;
    let text = |field: &str| explained["blocking"][0][field].as_str().unwrap_or_default().to_owned();
    (text("code"), text("until"), text("detail"))
}

/// The last line of a timeline with this code.
async fn told(world: &World, enrollment: &str, code: &str) -> String {
    let enrollment = world.enrollment(enrollment).await;
    let lines = enrollment["timeline"].as_array().unwrap();
    let line = lines.iter().rev().find(|line| line["code"] == code);
    line.unwrap_or_else(|| panic!("no {code} in {enrollment}"))["detail"].as_str().unwrap().to_owned()
}

/// A sequence of one step, at once.
async fn one_step(world: &World, key: &str) -> String {
    world.sequence(json!({"name": key, "target": "contact", "steps": [step(key, 0, "minutes")]})).await
}

const MIDNIGHT: &str = "2026-03-03T00:00:00Z";
/// From `START` to it.
const TO_MIDNIGHT: i64 = 12 * 3600;

#[tokio::test(flavor = "multi_thread")]
async fn a_days_messages_are_counted_by_the_accounts_day() {
    let world = World::start().await;
    limit(&world, json!({"per_day": 2})).await;
    let sequence = one_step(&world, "um").await;
    let mut enrolled = Vec::new();
    for n in 0..6 {
        let contact = world.contact("Ana", &format!("+551198765400{n}")).await;
        enrolled.push(id(&world.enroll(&sequence, &contact).await));
        world.advance(1).await;
    }
    assert_eq!(world.messages().await.len(), 2);
    let (code, until, detail) = blocked(&world, &enrolled[2]).await;
    assert_eq!((code.as_str(), until.as_str()), ("sender_limit", MIDNIGHT));
    assert_eq!(detail, "its sender's limit for a day lets it go at Tue 3 Mar 2026, 00:00 (UTC)");
    let line = told(&world, &enrolled[2], "limited").await;
    assert_eq!(line, format!("over the sender's limit for a day: its turn is at {MIDNIGHT}"));
    // The fifth and sixth have their turn the day after; whoever ends gives theirs to the next who asks.
    assert_eq!(blocked(&world, &enrolled[4]).await.1, "2026-03-04T00:00:00Z");
    world.post(&format!("/v1/enrollments/{}/exit", enrolled[2]), json!({})).await;
    world.advance(60).await;
    let contact = world.contact("Ana", "+5511987654009").await;
    let late = id(&world.enroll(&sequence, &contact).await);
    world.advance(1).await;
    assert_eq!(blocked(&world, &late).await.1, MIDNIGHT);
    world.advance(2 * DAY).await;
    let days: Vec<i64> = seconds(&world).await.into_keys().map(|s| (s + TO_MIDNIGHT).div_euclid(DAY)).collect();
    assert_eq!(days.len(), 4, "{days:?}");
    let mut counts = BTreeMap::new();
    for (second, count) in seconds(&world).await {
        *counts.entry((second - TO_MIDNIGHT).div_euclid(DAY)).or_default() += count;
    }
    assert_eq!(counts, BTreeMap::from([(-1, 2), (0, 2), (1, 2)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_limit_counts_from_the_next_message_on() {
    let world = World::start().await;
    limit(&world, json!({"ramp_up": {"start_per_day": 1, "growth": 2.0}})).await;
    let sequence = one_step(&world, "um").await;
    for n in 0..2 {
        let contact = world.contact("Ana", &format!("+551198765400{n}")).await;
        world.enroll(&sequence, &contact).await;
    }
    world.advance(60).await;
    assert_eq!(world.messages().await.len(), 1);
    limit(&world, json!({"per_day": 100})).await;
    let contact = world.contact("Ana", "+5511987654009").await;
    world.enroll(&sequence, &contact).await;
    world.advance(60).await;
    assert_eq!(world.messages().await.len(), 2);
    world.advance(DAY).await;
    assert_eq!(world.messages().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_gets_so_many_over_all_sequences() {
    let world = World::start().await;
    let limits = json!({"contact_limits": [{"max": 1, "per": "day"}, {"max": 2, "per": "week"}]});
    world.client.patch("/v1/account", &limits).await.unwrap();
    let ana = world.contact("Ana", "+5511987654321").await;
    let mut enrolled = Vec::new();
    for key in ["um", "dois", "tres"] {
        let sequence = one_step(&world, key).await;
        enrolled.push(id(&world.enroll(&sequence, &ana).await));
    }
    world.advance(60).await;
    assert_eq!(world.messages().await.len(), 1);
    let (code, until, detail) = blocked(&world, &enrolled[1]).await;
    assert_eq!((code.as_str(), until.as_str()), ("contact_limit", MIDNIGHT));
    let words = "contact limit: the contact has had as many messages as allowed until Tue 3 Mar 2026, 00:00 (UTC)";
    assert_eq!(detail, words);
    let line = told(&world, &enrolled[1], "limited").await;
    assert!(line.starts_with("contact limit: ") && line.ends_with(MIDNIGHT), "{line}");
    // The second of the week leaves on Tuesday, the third on Monday.
    world.advance(DAY).await;
    assert_eq!(world.messages().await.len(), 2);
    let waits = [&enrolled[1], &enrolled[2]];
    let mut untils = Vec::new();
    for enrolled in waits {
        let (code, until, _) = blocked(&world, enrolled).await;
        if code == "contact_limit" {
            untils.push(until);
        }
    }
    assert_eq!(untils, ["2026-03-09T00:00:00Z"]);
    world.advance(7 * DAY).await;
    assert_eq!(world.messages().await.len(), 3);
    // Others are not held up by it.
    let eva = world.contact("Eva", "+5511987654322").await;
    let sequence = one_step(&world, "quatro").await;
    world.enroll(&sequence, &eva).await;
    world.advance(1).await;
    assert_eq!(world.messages().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_country_has_its_own_number_of_steps() {
    let world = World::start().await;
    let mut three = three_steps();
    three["caps"] = json!([{"regions": ["americas"], "max_steps": 2}, {"countries": ["DE"], "regions": ["europe"], "max_steps": 1}]);
    let sequence = world.sequence(three).await;
    let mut enrolled = Vec::new();
    for (country, phone) in [(None, "+5511987654321"), (Some("PT"), "+5511987654322"), (Some("JP"), "+5511987654323")] {
        let contact =
            world.post("/v1/contacts", json!({"first_name": "Ana", "phone": phone, "country": country})).await;
        enrolled.push(id(&world.enroll(&sequence, &id(&contact)).await));
        let preview = world.post("/v1/preview", json!({"sequence_id": sequence, "contact_id": id(&contact)})).await;
        let skipped: Vec<_> = preview["steps"].as_array().unwrap().iter().map(|s| s["skipped"].clone()).collect();
        let most = [2, 1, 3][enrolled.len() - 1];
        let expected: Vec<_> = (0..3).map(|n| if n < most { Value::Null } else { json!("region_cap") }).collect();
        assert_eq!(skipped, expected, "{preview}");
    }
    world.advance(20 * DAY).await;
    for (enrolled, most) in enrolled.iter().zip([2, 1, 3]) {
        let enrollment = world.enrollment(enrolled).await;
        assert_eq!(enrollment["outcome"], "completed");
        let steps = enrollment["steps"].as_array().unwrap();
        let gone = steps.iter().filter(|s| s["status"] == "delivered").count();
        assert_eq!(gone, most, "{enrollment}");
        assert!(steps[most..].iter().all(|s| s["reason"] == "region_cap" && s["status"] == "skipped"), "{enrollment}");
    }
    let line = told(&world, &enrolled[1], "skipped").await;
    assert_eq!(line, "skipped: the cap of follow-ups for the contact's region is reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_messages_to_one_person_leave_six_seconds_apart() {
    let world = World::start().await;
    let ana = world.contact("Ana", "+5511987654321").await;
    let mut enrolled = Vec::new();
    for key in ["um", "dois", "tres"] {
        let sequence = one_step(&world, key).await;
        enrolled.push(id(&world.enroll(&sequence, &ana).await));
        // Whoever begins while another's message is still on its queue does not see it.
        world.advance(1).await;
    }
    let mut codes = Vec::new();
    for enrolled in &enrolled {
        codes.push(blocked(&world, enrolled).await.0);
    }
    assert!(codes.contains(&"pair_limit".to_owned()), "{codes:?}");
    world.advance(60).await;
    assert_eq!(seconds(&world).await, BTreeMap::from([(0, 1), (6, 1), (12, 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_whatsapps_own_pair_limit_the_wait_grows_by_four() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = one_step(&world, "um").await;
    world.fault(json!({"error_code": 131056}), 3).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    assert_eq!(seconds(&world).await, BTreeMap::from([(1 + 4 + 16, 1)]));
    let line = told(&world, &enrolled, "retrying").await;
    assert_eq!(line, "the provider refused (131056), tried again later");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_keeps_its_place_of_the_day() {
    let world = World::start().await;
    limit(&world, json!({"per_day": 1})).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = one_step(&world, "um").await;
    for fail in [json!({"status": 429}), json!({"status": 503}), json!({"error_code": 130429})] {
        world.fault(fail, 1).await;
    }
    world.enroll(&sequence, &contact).await;
    world.advance(600).await;
    assert_eq!(world.messages().await.len(), 1, "on the same day");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_whole_and_let_something_through() {
    let world = World::start().await;
    let sender = world.default_sender().await;
    for limits in [
        json!({"per_second": 0}),
        json!({"per_minute": -1}),
        json!({"per_hour": 1.5}),
        json!({"per_week": 1}),
        json!({"per_day": 0}),
        json!({"per_day": 1e12}),
        json!({"ramp_up": {"start_per_day": 0, "growth": 1.5}}),
        json!({"ramp_up": {"start_per_day": 50, "growth": 0.9}}),
        json!({"ramp_up": {"start_per_day": 50, "growth": 1e300}}),
        json!({"ramp_up": {"start_per_day": 50, "growth": "NaN"}}),
        json!({"ramp_up": {"start_per_day": 50}}),
    ] {
        let answer =
            world.call(reqwest::Method::PATCH, &format!("/v1/senders/{sender}"), json!({"limits": limits})).await;
        assert_eq!(answer.0, 422, "{limits}: {answer:?}");
    }
    for limits in [
        json!([{"max": 0, "per": "day"}]),
        json!([{"max": -1, "per": "day"}]),
        json!([{"max": 1, "per": "month"}]),
        json!([{"max": 1_000_000, "per": "day"}]),
        json!([{"max": 1, "per": "day"}, {"max": 2, "per": "day"}]),
        json!([{"per": "day"}]),
    ] {
        let answer = world.call(reqwest::Method::PATCH, "/v1/account", json!({"contact_limits": limits})).await;
        assert_eq!(answer.0, 422, "{limits}: {answer:?}");
    }
}
