use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{DAY, World, id, three_steps};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_make_one_enrollment() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    let body = json!({"sequence_id": sequence, "contact_id": contact});
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (client, body) = (world.client.clone(), body.clone());
            tokio::spawn(async move { client.call(Method::POST, "/v1/enrollments", Some(&body)).await.unwrap() })
        })
        .collect();
    let mut ids = HashSet::new();
    let (mut created, mut duplicates) = (0, 0);
    for task in tasks {
        let (status, answer) = task.await.unwrap();
        ids.insert(id(&answer));
        match (status, &answer["duplicate"]) {
            (201, _) => created += 1,
            (200, Value::Bool(true)) => duplicates += 1,
            other => panic!("{other:?}: {answer}"),
        }
    }
    assert_eq!((created, duplicates, ids.len()), (1, 49, 1));
    world.advance(60).await;
    assert_eq!(world.messages().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_charges_are_chased_apart() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let mut definition = three_steps();
    definition["target"] = json!("charge");
    definition["exit"] = json!({"on_reply": false, "goals": [
        {"event": "charge.paid", "where": [{"field": "data.amount", "op": "gte", "value": 50}]}]});
    let sequence = world.sequence(definition).await;
    let enroll = |charge: &str| {
        json!({"sequence_id": sequence, "contact_id": contact,
            "target": {"kind": "charge", "id": charge, "attributes": {"amount": "129,90"}}})
    };
    let first = id(&world.post("/v1/enrollments", enroll("c1")).await);
    let second = id(&world.post("/v1/enrollments", enroll("c2")).await);
    assert_ne!(first, second);
    world.advance(60).await;
    let paid = |charge: &str, amount: &str| {
        json!({"type": "charge.paid", "contact_id": contact, "target": {"kind": "charge", "id": charge},
            "data": {"amount": amount}})
    };
    assert_eq!(world.post("/v1/events", paid("c1", "49,99")).await["exited"], json!([]), "the condition does not hold");
    assert_eq!(world.post("/v1/events", paid("c1", "129,90")).await["exited"], json!([first]));
    world.advance(30 * DAY).await;
    assert_eq!(world.enrollment(&first).await["outcome"], "goal");
    assert_eq!(world.enrollment(&second).await["outcome"], "completed");
    let sent_of = |messages: &[Value], id: &str| messages.iter().filter(|m| m["enrollment_id"] == json!(id)).count();
    let messages = world.messages().await;
    assert_eq!((sent_of(&messages, &first), sent_of(&messages, &second)), (1, 3));
    // Finished: the same charge may enter again.
    let again = world.post("/v1/enrollments", enroll("c1")).await;
    assert_eq!(again["run"], json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_enroll_by_trigger_and_the_same_event_only_once() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let mut definition = three_steps();
    definition["target"] = json!("charge");
    definition["entry"] = json!({"triggers": [
        {"event": "charge.overdue", "where": [{"field": "data.amount", "op": "gte", "value": "50,00"}]}]});
    let sequence = world.sequence(definition).await;
    let overdue = |event: &str, amount: u32| {
        json!({"id": event, "type": "charge.overdue", "contact_id": contact,
            "target": {"kind": "charge", "id": "c1"}, "data": {"amount": amount}})
    };
    assert_eq!(world.post("/v1/events", overdue("e0", 49)).await["enrolled"], json!([]));
    let first = world.post("/v1/events", overdue("e1", 51)).await;
    assert_eq!(first["enrolled"].as_array().unwrap().len(), 1);
    assert_eq!(world.post("/v1/events", overdue("e1", 51)).await["enrolled"], json!([]));
    let list = world.get(&format!("/v1/enrollments?sequence_id={sequence}")).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["entered"]["source"]["type"], "event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_is_imported_and_enrolled_in_bulk() {
    let world = World::start().await;
    let mut csv = String::from("first_name,phone,email,plan\n");
    for n in 0..2_050 {
        csv.push_str(&format!("Contato {n},+55119{},c{n}@example.com,pro\n", 80_000_000 + n));
    }
    csv.push_str("Sem número,12,,\n");
    let job = world.client.import("", csv).await.unwrap();
    let report = job_done(&world, &job).await;
    assert_eq!((&report["created"], &report["failed"]), (&json!(2_050), &json!(1)), "{report}");
    assert_eq!(report["errors"][0]["row"], json!(2_051));
    assert_eq!(report["errors"][0]["field"], "phone");
    let sequence = world.sequence(three_steps()).await;
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("/v1/contacts?limit=200{cursor}")).await;
        ids.extend(page["data"].as_array().unwrap().iter().map(id));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 2_050);
    ids.truncate(600);
    ids.push(ids[0].clone());
    ids.push("ctc_nobody".into());
    let job = world.post("/v1/enrollments/bulk", json!({"sequence_id": sequence, "contact_ids": ids})).await;
    let report = job_done(&world, &job).await;
    assert_eq!((&report["enrolled"], &report["duplicates"], &report["failed"]), (&json!(600), &json!(1), &json!(1)));
    assert_eq!((&report["errors"][0]["row"], &report["errors"][0]["code"]), (&json!(602), &json!("unknown_reference")));
    world.advance(60).await;
    let messages = world.messages().await;
    let to: HashSet<&str> = messages.iter().map(|m| m["to"].as_str().unwrap()).collect();
    assert_eq!((messages.len(), to.len()), (600, 600));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_csv_comes_in_parts() {
    let world = World::start().await;
    let part = |from: u32, rows: u32| {
        let rows = (from..from + rows).map(|n| format!("x{n}\n")).collect::<String>();
        format!("external_id\n{rows}")
    };
    let first = world.client.import("", part(0, 2_001)).await.unwrap();
    let job = first["job_id"].as_str().unwrap();
    assert_eq!(job_done(&world, &first).await["created"], json!(2_001));
    world.client.import(&format!("?job_id={job}"), part(2_001, 3)).await.unwrap();
    world.advance(0).await;
    assert_eq!(world.get(&format!("/v1/jobs/{job}")).await["state"], "running", "more is to come");
    world.client.import(&format!("?job_id={job}&last=true"), part(2_004, 2)).await.unwrap();
    let report = job_done(&world, &first).await;
    assert_eq!((&report["created"], &report["total"]), (&json!(2_006), &json!(2_006)));
}

async fn job_done(world: &World, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}", job["job_id"].as_str().unwrap_or_else(|| panic!("no job: {job}")));
    world.advance(0).await; // answers when all is quiet
    let report = world.get(&path).await;
    assert_eq!(report["state"], "done", "{report}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_gives_the_same_answer() {
    let world = World::start().await;
    let post = async |key: &str, body: Value| {
        let url = format!("{}/v1/contacts", world.local.base_url);
        let request = reqwest::Client::new().post(url).bearer_auth(&world.local.admin_key);
        let answer = request.header("idempotency-key", key).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let body = json!({"first_name": "Ana", "external_id": "x1"});
    let first = post("k1", body.clone()).await;
    assert_eq!(first.0, 201);
    assert_eq!(post("k1", body.clone()).await, first, "the very same answer, not a merge's 200");
    let (status, problem) = post("k1", json!({"first_name": "Bia", "external_id": "x1"})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_mismatch")));
    assert_eq!(post("k2", body).await.0, 200, "another key: the contact exists");
}
