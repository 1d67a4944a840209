use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{DAY, World, id, step, three_steps};

const PHONE: &str = "+5511987650009";

/// A world whose test contact is named Teste.
async fn world() -> (World, String) {
    let world = World::start().await;
    let contact = world.contact("Teste", PHONE).await;
    world.client.patch("/v1/account", &json!({"test_contact_id": contact})).await.unwrap();
    (world, contact)
}

async fn test(world: &World, sequence: &str, body: Value) -> String {
    let started = world.post(&format!("/v1/sequences/{sequence}/test"), body).await;
    assert_eq!(started["test"], json!(true), "{started}");
    id(&started)
}

async fn templates(world: &World) -> Vec<String> {
    let messages = world.messages().await;
    messages.iter().map(|m| m["body"]["template"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_cadence_goes_out_at_once_in_order_at_any_hour() {
    let (world, contact) = world().await;
    world.client.patch("/v1/account", &json!({"quiet_hours": [{"from": "08:00", "to": "20:00"}]})).await.unwrap();
    let sender = world.default_sender().await;
    world.client.patch(&format!("/v1/senders/{sender}"), &json!({"limits": {"per_hour": 1}})).await.unwrap();
    let mut definition = three_steps();
    definition["steps"][1]["window"] = json!({"from": "03:00", "to": "04:00"});
    // A draft that was never published.
    let sequence = id(&world.post("/v1/sequences", definition).await);
    let run = test(&world, &sequence, json!({})).await;
    world.advance(60).await;
    assert_eq!(templates(&world).await, ["modelo_um", "modelo_dois", "modelo_tres"]);
    let messages = world.messages().await;
    assert!(
        messages
            .iter()
            .all(|m| m["to"] == PHONE && m["body"]["template"]["components"][0]["parameters"][0]["text"] == "Teste")
    );
    let steps: Vec<_> = messages.iter().map(|m| m["step"].clone()).collect();
    assert_eq!(steps, [json!(0), json!(1), json!(2)]);
    world.advance(2 * 3600).await;
    let ended = world.enrollment(&run).await;
    assert_eq!((&ended["outcome"], &ended["contact_id"]), (&json!("completed"), &json!(contact)), "{ended}");
    assert!(ended["steps"].as_array().unwrap().iter().all(|s| s["status"] == "delivered"), "{ended}");
    assert!(ended["timeline"][0]["detail"].as_str().unwrap().starts_with("test send of the draft"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_step_of_the_draft_as_it_stands() {
    let (world, _) = world().await;
    let sequence = world.sequence(three_steps()).await;
    let path = format!("/v1/sequences/{sequence}");
    let draft = world.get(&path).await;
    let mut edited = three_steps();
    edited["steps"][1] = step("novo", 9, "days");
    let put = reqwest::Client::new().put(format!("{}{path}", world.local.base_url)).bearer_auth(&world.local.admin_key);
    let put = put.header("if-match", format!("\"{}\"", draft["revision"])).json(&edited);
    assert_eq!(put.send().await.unwrap().status(), 200);
    let run = test(&world, &sequence, json!({"step": 1})).await;
    world.advance(60).await;
    assert_eq!(templates(&world).await, ["modelo_novo"]);
    world.advance(30 * DAY).await;
    assert_eq!(templates(&world).await.len(), 1, "nothing comes behind the tested step");
    let ended = world.enrollment(&run).await;
    assert_eq!((&ended["outcome"], &ended["step"]), (&json!("completed"), &json!(2)), "{ended}");
    // A deleted draft takes nothing from the test that ran on it.
    let other = id(&world.post("/v1/sequences", three_steps()).await);
    let run = test(&world, &other, json!({})).await;
    let gone = world.client.call(Method::DELETE, &format!("/v1/sequences/{other}"), None).await.unwrap();
    assert_eq!(gone.0, 204);
    world.advance(60).await;
    assert_eq!((templates(&world).await.len(), world.enrollment(&run).await["test"].clone()), (4, json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_and_a_real_run_do_not_know_of_each_other() {
    let (world, contact) = world().await;
    let mut definition = three_steps();
    definition["entry"] = json!({"on_duplicate": "restart", "reentry": "once"});
    let sequence = world.sequence(definition).await;
    let real = id(&world.enroll(&sequence, &contact).await);
    world.advance(60).await;
    let tests = [test(&world, &sequence, json!({})).await, test(&world, &sequence, json!({"step": 0})).await];
    world.advance(60).await;
    let sent = templates(&world).await;
    assert_eq!(sent.len(), 1 + 3 + 1, "{sent:?}");
    assert_eq!(world.enrollment(&real).await["state"], "waiting");
    // A test first does not use up the one time that somebody may be enrolled.
    let other = world.contact("Outra", "+5511987650008").await;
    world.client.patch("/v1/account", &json!({"test_contact_id": other})).await.unwrap();
    test(&world, &sequence, json!({})).await;
    world.advance(60).await;
    assert_eq!(world.enroll(&sequence, &other).await["run"], json!(1));
    // Whoever the test contact is, a real reply is one.
    world.inbound(PHONE, "Oi").await;
    assert_eq!(world.enrollment(&real).await["outcome"], "replied");
    for test in tests {
        world.advance(2 * 3600).await;
        assert_eq!(world.enrollment(&test).await["state"], "finished");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_protects_people_holds_for_tests() {
    let (world, contact) = world().await;
    let mut definition = three_steps();
    definition["steps"][0]["outside_window"] = json!("fail");
    definition["steps"][0]["fallback_template"] = json!(null);
    let sequence = id(&world.post("/v1/sequences", definition).await);
    // Outside the 24 h window: no free text.
    let run = test(&world, &sequence, json!({"step": 0})).await;
    world.advance(60).await;
    assert_eq!(world.enrollment(&run).await["steps"][0]["reason"], "outside_window_no_template");
    assert_eq!(world.messages().await.len(), 0);
    world.inbound(PHONE, "Oi").await;
    world.advance(60).await;
    test(&world, &sequence, json!({"step": 0})).await;
    world.advance(60).await;
    assert_eq!(world.messages().await[0]["text"], "um: Teste");
    // A reply ends a test like any run; one that is paused waits for it.
    let paused = test(&world, &sequence, json!({})).await;
    world.post(&format!("/v1/enrollments/{paused}/pause"), json!({})).await;
    world.advance(60).await;
    world.inbound(PHONE, "Chegou").await;
    assert_eq!(world.enrollment(&paused).await["outcome"], "replied");
    // Whoever opted out gets no tests either.
    let before = world.messages().await.len();
    world.inbound(PHONE, "SAIR").await;
    let run = test(&world, &sequence, json!({})).await;
    world.advance(60).await;
    let skipped = world.enrollment(&run).await;
    assert!(skipped["steps"].as_array().unwrap().iter().all(|s| s["reason"] == "suppressed"), "{skipped}");
    assert_eq!(world.messages().await.len(), before);
    assert_eq!(skipped["contact_id"], json!(contact));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_speak_of_the_newest_target_or_leave_it_blank() {
    let (world, contact) = world().await;
    let mut definition = three_steps();
    definition["target"] = json!("charge");
    definition["steps"] = json!([step("um", 0, "minutes")]);
    definition["steps"][0]["wait"] = json!({"value": 1, "unit": "days", "before": "target.due_date"});
    definition["steps"][0]["fallback_template"]["body"] = json!(["{{ target.amount | default: 'nada' }}"]);
    world.post("/v1/attributes", json!({"name": "amount", "type": "text", "of": "charge"})).await;
    let sequence = id(&world.post("/v1/sequences", definition).await);
    let told = async || {
        test(&world, &sequence, json!({})).await;
        world.advance(60).await;
        let last = world.messages().await.pop().unwrap();
        last["body"]["template"]["components"][0]["parameters"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(told().await, "nada");
    for (charge, amount) in [("z", "10"), ("a", "20")] {
        let target = format!("/v1/contacts/{contact}/targets/charge/{charge}");
        let body = json!({"attributes": {"amount": amount}});
        let put = world.call(Method::PUT, &target, body).await;
        assert!(put.0 < 300, "{put:?}");
        world.advance(60).await;
    }
    assert_eq!(told().await, "20");
}
