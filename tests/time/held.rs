//! What was held goes on without a flood; what waits for a date follows it.

use std::collections::{BTreeMap, BTreeSet};

use domain::time::{Timestamp, Zone};
use serde_json::{Value, json};

use crate::world::{World, id, step};

const ZONE: &str = "America/Sao_Paulo";

/// A world in which it is Friday 2026-03-06, 12:00 in Sao Paulo, with quiet nights and an hour of spread.
async fn friday() -> World {
    let world = World::start().await;
    let settings = json!({"timezone": ZONE, "quiet_hours": [{"from": "20:00", "to": "08:00"}], "spread_minutes": 60});
    world.client.patch("/v1/account", &settings).await.unwrap();
    world.post("/_local/statuses", json!({"auto": []})).await;
    to(&world, "2026-03-06T12:00").await;
    world
}

/// On the wall of [`ZONE`], which is three hours behind UTC all year.
async fn to(world: &World, local: &str) {
    world.client.advance(&utc(local).to_string()).await.unwrap();
}

fn utc(local: &str) -> Timestamp {
    Timestamp::parse(&format!("{local}:00-03:00")).unwrap()
}

async fn crowd(world: &World, count: usize) -> Vec<String> {
    let rows: Vec<String> = (0..count).map(|n| format!("Ana,+55119876{n:05}")).collect();
    world.client.import("", format!("first_name,phone\n{}\n", rows.join("\n"))).await.unwrap();
    let mut contacts: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("/v1/contacts?limit=100{cursor}")).await;
        contacts.extend(page["data"].as_array().unwrap().iter().map(id));
        let Some(next) = page["next_cursor"].as_str() else { return contacts };
        cursor = format!("&cursor={next}");
    }
}

/// At once, after a day, an hour after that.
fn steps(second: Value) -> Value {
    let mut dois = step("dois", 1, "days");
    for (name, value) in second.as_object().unwrap() {
        dois[name] = value.clone();
    }
    json!([step("um", 0, "minutes"), dois, step("tres", 1, "hours")])
}

async fn enroll(world: &World, contacts: &[String], steps: Value) -> String {
    let sequence = world.sequence(json!({"name": "Todos", "target": "contact", "steps": steps})).await;
    world.post("/v1/enrollments/bulk", json!({"sequence_id": sequence, "contact_ids": contacts})).await;
    sequence
}

async fn runs(world: &World, sequence: &str) -> BTreeSet<String> {
    let mut runs = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("/v1/enrollments?sequence_id={sequence}&limit=100{cursor}")).await;
        runs.extend(page["data"].as_array().unwrap().iter().map(id));
        let Some(next) = page["next_cursor"].as_str() else { return runs };
        cursor = format!("&cursor={next}");
    }
}

/// When a step went out to each of these runs, none of them twice.
async fn sends(world: &World, runs: &BTreeSet<String>, step: u32) -> Vec<Timestamp> {
    let mut each = BTreeMap::new();
    for message in world.messages().await {
        let run = message["enrollment_id"].as_str().unwrap();
        if message["step"] == step && runs.contains(run) {
            let at = Timestamp::parse(message["at"].as_str().unwrap()).unwrap();
            assert_eq!(each.insert(run.to_owned(), at), None, "{run} twice");
        }
    }
    each.into_values().collect()
}

/// Nobody before or after these hours, and nothing like all at once.
fn assert_spread(sends: &[Timestamp], people: usize, from: &str, to: &str) {
    assert_eq!(sends.len(), people);
    let (from, to) = (utc(from), utc(to));
    let outside: Vec<_> = sends.iter().filter(|at| **at < from || **at > to).collect();
    assert!(outside.is_empty(), "not between {from} and {to}: {outside:?}");
    let mut seconds = BTreeMap::<Timestamp, usize>::new();
    sends.iter().for_each(|at| *seconds.entry(*at).or_default() += 1);
    assert!(seconds.values().all(|n| *n <= 5) && seconds.len() > people / 2, "{seconds:?}");
    // Over the whole of it, not at its beginning.
    let quarter = to.seconds_since(from) / 4;
    let in_quarter = |n: i64| sends.iter().filter(|at| at.seconds_since(from) / quarter == n).count();
    assert!((0..4).all(|n| in_quarter(n) > people / 10), "{seconds:?}");
}

async fn assert_quiet_nights(world: &World) {
    let zone: Zone = ZONE.parse().unwrap();
    for message in world.messages().await {
        let at = Timestamp::parse(message["at"].as_str().unwrap()).unwrap();
        let clock = at.to_chrono().with_timezone(&zone).format("%H:%M:%S").to_string();
        assert!(("08:00:00".."20:00:00").contains(&clock.as_str()), "sent at {clock}: {message}");
    }
}

/// Switched off over the weekend, switched on while it is still night.
#[tokio::test(flavor = "multi_thread")]
async fn a_weekend_switched_off_is_made_up_for_without_a_flood() {
    let world = friday().await;
    let contacts = crowd(&world, 240).await;
    let all = enroll(&world, &contacts[..120], steps(json!({}))).await;
    let in_time = json!({"skip_if_late": {"value": 12, "unit": "hours"}});
    let strict = enroll(&world, &contacts[120..], steps(in_time)).await;
    to(&world, "2026-03-06T18:00").await;
    let (all, strict) = (runs(&world, &all).await, runs(&world, &strict).await);
    assert_eq!((all.len(), strict.len(), world.messages().await.len()), (120, 120, 240));

    world.client.patch("/v1/account", &json!({"enabled": false})).await.unwrap();
    to(&world, "2026-03-09T06:30").await;
    assert_eq!(world.messages().await.len(), 240, "nothing while it is off");
    world.client.patch("/v1/account", &json!({"enabled": true})).await.unwrap();
    to(&world, "2026-03-09T20:00").await;

    assert_spread(&sends(&world, &all, 1).await, 120, "2026-03-09T08:00", "2026-03-09T09:00");
    assert_eq!(sends(&world, &all, 2).await.len(), 120, "an hour after that");
    // Saturday's noon is further back than twelve hours: skipped, and told so.
    assert_eq!(sends(&world, &strict, 1).await.len(), 0);
    let run = world.enrollment(strict.first().unwrap()).await;
    assert_eq!((&run["steps"][1]["status"], &run["steps"][1]["reason"]), (&json!("skipped"), &json!("too_late")));
    let told = run["timeline"].as_array().unwrap().iter().find(|e| e["step"] == 1 && e["code"] == "skipped");
    assert!(told.is_some_and(|e| e.to_string().contains("could not go out in time")), "{run:#}");
    // What comes after a skipped step is not late: moved out of the night, and so spread too.
    assert_spread(&sends(&world, &strict, 2).await, 120, "2026-03-09T08:00", "2026-03-09T09:00");
    assert_quiet_nights(&world).await;
}

/// Paused one by one, some of them in the middle of a backoff, and resumed in the middle of a morning.
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_resumed_at_once_do_not_leave_at_once() {
    let world = friday().await;
    let contacts = crowd(&world, 100).await;
    let sequence = enroll(&world, &contacts, steps(json!({}))).await;
    to(&world, "2026-03-07T11:59").await;
    let runs = runs(&world, &sequence).await;
    // Forty are refused on Saturday, and wait for their next try.
    world.fault(json!({"status": 503}), 40).await;
    to(&world, "2026-03-07T12:00").await;
    assert_eq!(sends(&world, &runs, 1).await.len(), 60);
    let mut held = BTreeSet::new();
    for run in &runs {
        if world.enrollment(run).await["state"] == "waiting" {
            world.post(&format!("/v1/enrollments/{run}/pause"), json!({})).await;
            held.insert(run.clone());
        }
    }
    to(&world, "2026-03-09T10:30").await;
    for run in &held {
        world.post(&format!("/v1/enrollments/{run}/resume"), json!({"mode": "keep_schedule"})).await;
    }
    to(&world, "2026-03-09T20:00").await;
    // The forty stood at their second step, the sixty at their third.
    let second: Vec<_> = sends(&world, &runs, 1).await.into_iter().filter(|at| *at > utc("2026-03-08T00:00")).collect();
    assert_spread(&second, 40, "2026-03-09T10:30", "2026-03-09T11:30");
    let third = sends(&world, &runs, 2).await;
    assert_eq!((held.len(), third.len()), (100, 100));
    assert_quiet_nights(&world).await;
}

/// A provider that is down from seven in the evening on: tries stop for the night, and go on in the morning.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_into_the_night_waits_for_the_morning() {
    let world = friday().await;
    let contacts = crowd(&world, 12).await;
    let steps = steps(json!({"wait": {"value": 31, "unit": "hours"}}));
    let sequence = enroll(&world, &contacts, steps).await;
    to(&world, "2026-03-07T18:50").await;
    let runs = runs(&world, &sequence).await;
    // 15 seconds after the first try, 30 after that, and so on up to 15 minutes: nine until 19:45:45. A
    // tenth before the morning would be taken.
    world.fault(json!({"status": 503}), 9 * 12).await;
    to(&world, "2026-03-08T07:59").await;
    assert_eq!(sends(&world, &runs, 1).await.len(), 0);
    let waiting = world.enrollment(runs.first().unwrap()).await;
    assert_eq!(
        (&waiting["state"], &waiting["due_at"]),
        (&json!("waiting"), &json!("2026-03-08T11:00:00Z")),
        "{waiting}"
    );
    to(&world, "2026-03-08T08:30").await;
    assert_eq!(sends(&world, &runs, 1).await, [utc("2026-03-08T08:00"); 12]);
    assert_quiet_nights(&world).await;
}

/// The day before a charge is due, wherever that goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_follows_its_date() {
    let world = friday().await;
    let mut vespera = step("vespera", 1, "days");
    vespera["wait"]["before"] = json!("target.due_date");
    vespera["at"] = json!("10:00");
    let mut depois = step("depois", 1, "business_days");
    depois["wait"]["after"] = json!("target.due_date");
    let sequence = json!({"name": "Cobrança", "target": "charge", "steps": [vespera, depois]});
    let sequence = world.sequence(sequence).await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let wish = json!({"sequence_id": sequence, "contact_id": contact, "target": {"kind": "charge", "id": "inv_1"}});
    let run = id(&world.post("/v1/enrollments", wish).await);
    let put = async |attributes: Value| {
        let path = format!("/v1/contacts/{contact}/targets/charge/inv_1");
        world.client.put(&path, &json!({"attributes": attributes})).await.unwrap();
    };
    let event = async |date: &str| {
        let target = json!({"kind": "charge", "id": "inv_1", "attributes": {"due_date": date}});
        world.post("/v1/events", json!({"type": "charge.created", "contact_id": contact, "target": target})).await;
    };
    let due = async |expected: &str| {
        let e = world.enrollment(&run).await;
        assert_eq!((&e["state"], &e["due_at"]), (&json!("waiting"), &json!(utc(expected).to_string())), "{e:#}");
    };
    let parked = async || {
        let e = world.enrollment(&run).await;
        assert_eq!((&e["state"], &e["reason"]), (&json!("parked"), &json!("target_date_missing")), "{e:#}");
        let explained = world.get(&format!("/v1/enrollments/{run}/explain")).await;
        assert_eq!(explained["blocking"][0]["code"], "target_date_missing", "{explained}");
    };
    parked().await;
    put(json!({"due_date": "2026-03-20"})).await;
    due("2026-03-19T10:00").await;
    // Further, nearer, and back, by both doors.
    event("2026-03-30").await;
    due("2026-03-29T10:00").await;
    put(json!({"due_date": "2026-03-12"})).await;
    due("2026-03-11T10:00").await;
    event("2026-03-17T15:00:00Z").await;
    due("2026-03-16T10:00").await;
    put(json!({"amount": "129,90"})).await;
    to(&world, "2026-03-12T10:00").await;
    parked().await;
    assert_eq!(world.messages().await.len(), 0, "nothing by a date that it had");
    put(json!({"due_date": "amanhã"})).await;
    parked().await;
    event("2026-03-13").await;
    // The day before is today, at ten: now.
    to(&world, "2026-03-12T10:00").await;
    assert_eq!(world.messages().await[0]["at"], utc("2026-03-12T10:00").to_string());
    // Friday's next business day, at the hour that a date stands for; then it moves again.
    due("2026-03-16T09:00").await;
    put(json!({"due_date": "2026-03-18T16:45:00-03:00"})).await;
    due("2026-03-19T16:45").await;
    to(&world, "2026-03-20T00:00").await;
    assert_eq!(world.messages().await[1]["at"], utc("2026-03-19T16:45").to_string());
    assert_eq!(world.enrollment(&run).await["outcome"], "completed");

    // Moved into the past while it waits: the step before it is skipped, the one after goes.
    let wish = json!({"sequence_id": sequence, "contact_id": contact,
        "target": {"kind": "charge", "id": "inv_2", "attributes": {"due_date": "2026-04-20"}}});
    let second = id(&world.post("/v1/enrollments", wish).await);
    let path = format!("/v1/contacts/{contact}/targets/charge/inv_2");
    world.client.put(&path, &json!({"attributes": {"due_date": "2026-03-19"}})).await.unwrap();
    to(&world, "2026-03-21T00:00").await;
    let e = world.enrollment(&second).await;
    assert_eq!((&e["steps"][0]["status"], &e["steps"][0]["reason"]), (&json!("skipped"), &json!("past")), "{e:#}");
    assert_eq!(e["steps"][1]["sent_at"], utc("2026-03-20T09:00").to_string(), "{e:#}");
}
