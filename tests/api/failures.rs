use std::collections::HashMap;

use serde_json::{Value, json};

use crate::world::{DAY, World, id, three_steps};

async fn two_hundred(world: &World) -> Vec<String> {
    let sequence = world.sequence(three_steps()).await;
    let mut ids = Vec::new();
    for n in 0..200 {
        let contact = world.contact("Ana", &format!("+5511980000{n:03}")).await;
        ids.push(id(&world.enroll(&sequence, &contact).await));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_loses_and_doubles_nothing() {
    let world = World::start().await;
    let ids = two_hundred(&world).await;
    // Some of the first sends are under way when everything in the process is dropped.
    world.post("/_local/restart", json!({})).await;
    world.advance(DAY).await;
    world.post("/_local/restart", json!({})).await;
    world.advance(40 * DAY).await;
    let messages = world.messages().await;
    let mut per_step: HashMap<(String, String), u32> = HashMap::new();
    for m in &messages {
        *per_step.entry((m["enrollment_id"].to_string(), m["step"].to_string())).or_default() += 1;
    }
    assert!(per_step.values().all(|n| *n == 1), "nothing doubled");
    let mut missing = 0;
    for enrolled in &ids {
        let enrollment = world.enrollment(enrolled).await;
        assert_eq!(enrollment["outcome"], "completed", "{enrollment}");
        for step in enrollment["steps"].as_array().unwrap() {
            let arrived = per_step.contains_key(&(json!(enrolled).to_string(), step["index"].to_string()));
            if !arrived {
                missing += 1;
                assert_eq!(step["unknown"], json!(true), "what did not arrive is flagged: {step}");
            }
        }
    }
    // At most what the send workers held in their hands at that moment.
    assert!(missing <= 16, "{missing} steps missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_refuses_is_tried_again_later() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    for fail in [json!({"status": 429}), json!({"status": 503}), json!({"error_code": 130429})] {
        world.fault(fail, 1).await;
    }
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(600).await;
    let enrollment = world.enrollment(&enrolled).await;
    assert_eq!(enrollment["steps"][0]["status"], "delivered", "{enrollment}");
    let messages = world.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["at"], "2026-03-02T12:01:45Z", "15, 30 and 60 seconds later");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_answer_is_never_asked_twice() {
    for (fault, arrived) in [(json!({"timeout": "after"}), 1), (json!({"timeout": "before"}), 0)] {
        let world = World::start().await;
        let contact = world.contact("Ana", "+5511987654321").await;
        let sequence = world.sequence(three_steps()).await;
        world.fault(fault.clone(), 1).await;
        let enrolled = id(&world.enroll(&sequence, &contact).await);
        world.advance(DAY).await;
        assert_eq!(world.messages().await.len(), arrived, "{fault}");
        let step = world.enrollment(&enrolled).await["steps"][0].clone();
        if arrived == 1 {
            assert_eq!(
                (&step["status"], &step["unknown"]),
                (&json!("delivered"), &Value::Null),
                "a status told: {step}"
            );
        } else {
            assert_eq!((&step["status"], &step["unknown"]), (&json!("sent"), &json!(true)), "{step}");
        }
        world.advance(30 * DAY).await;
        assert_eq!(world.messages().await.len(), arrived + 2);
        assert_eq!(world.enrollment(&enrolled).await["outcome"], "completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_out_of_reach_fails_that_step_only() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    world.fault(json!({"error_code": 131026}), 1).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(30 * DAY).await;
    let enrollment = world.enrollment(&enrolled).await;
    let steps = &enrollment["steps"];
    assert_eq!((&steps[0]["status"], &steps[0]["reason"]), (&json!("failed"), &json!("recipient_unreachable")));
    assert_eq!((&steps[1]["status"], &enrollment["outcome"]), (&json!("delivered"), &json!("completed")));
}

/// People enrolled in this very moment, whose provider fails for the first `refusals` tries of each.
async fn enrolled_in_an_outage(world: &World, people: u32, refusals: u32) -> Vec<String> {
    let settings = json!({"timezone": "America/Sao_Paulo", "quiet_hours": [{"from": "20:00", "to": "08:00"}]});
    world.client.patch("/v1/account", &settings).await.unwrap();
    let sequence = world.sequence(three_steps()).await;
    world.fault(json!({"status": 503}), people * refusals).await;
    let mut ids = Vec::new();
    for n in 0..people {
        let contact = world.contact("Ana", &format!("+5511980000{n:03}")).await;
        ids.push(id(&world.enroll(&sequence, &contact).await));
    }
    ids
}

fn times(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|m| m["at"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_for_six_hours_delays_and_doubles_nothing() {
    // 09:00 to 15:00 in São Paulo: 29 tries, from the eighth on a quarter of an hour apart.
    let world = World::start().await;
    let ids = enrolled_in_an_outage(&world, 3, 29).await;
    world.advance(6 * 3_600).await;
    assert_eq!(world.messages().await.len(), 0);
    world.inbound("+5511980000000", "Oi").await;
    world.advance(900).await;
    let messages = world.messages().await;
    assert_eq!(times(&messages), ["2026-03-02T18:00:45Z"; 2], "all but the one who wrote meanwhile");
    world.advance(40 * DAY).await;
    for (n, enrolled) in ids.iter().enumerate() {
        let enrollment = world.enrollment(enrolled).await;
        assert_eq!(enrollment["outcome"], if n == 0 { "replied" } else { "completed" }, "{enrollment}");
    }
    assert_eq!(world.messages().await.len(), 2 * 3, "each step once");

    // 15:00 to 21:00: the tries stop at 20:00, and all go out in the morning.
    let world = World::start().await;
    world.advance(6 * 3_600).await;
    enrolled_in_an_outage(&world, 3, 25).await;
    world.advance(20 * 3_600).await;
    assert_eq!(times(&world.messages().await), ["2026-03-03T11:00:00Z"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_for_more_than_a_day_costs_that_step() {
    let world = World::start().await;
    // No quiet hours: 102 tries in 24 hours.
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    world.fault(json!({"status": 503}), 102).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(30 * DAY).await;
    let enrollment = world.enrollment(&enrolled).await;
    let steps = &enrollment["steps"];
    assert_eq!((&steps[0]["status"], &steps[0]["reason"]), (&json!("failed"), &json!("provider_unavailable")));
    assert_eq!((&steps[1]["status"], &enrollment["outcome"]), (&json!("delivered"), &json!("completed")));
    assert_eq!(world.messages().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_sender_holds_its_people_until_it_is_mended() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    world.fault(json!({"error_code": 190}), 1).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(DAY).await;
    let parked = world.enrollment(&enrolled).await;
    assert_eq!((&parked["state"], &parked["reason"]), (&json!("parked"), &json!("sender_suspended")), "{parked}");
    let sender = world.default_sender().await;
    assert_eq!(world.get(&format!("/v1/senders/{sender}")).await["suspended"]["code"], "190");
    let explained = world.get(&format!("/v1/enrollments/{enrolled}/explain")).await;
    assert_eq!(explained["blocking"][0]["code"], "sender_suspended", "{explained}");
    assert_eq!(explained["blocking"].as_array().map(Vec::len), Some(1), "one reason, told once: {explained}");
    // Who becomes due meanwhile is held without a call.
    let other = world.contact("Bia", "+5511987654322").await;
    let other = id(&world.enroll(&sequence, &other).await);
    world.advance(DAY).await;
    assert_eq!(world.enrollment(&other).await["reason"], "sender_suspended");
    let held = world.get("/v1/enrollments?state=parked").await;
    assert_eq!(held["data"].as_array().unwrap().len(), 2);
    let fixed = json!({"credentials": {"access_token": "novo", "app_secret": "s", "verify_token": "v"}});
    world.client.patch(&format!("/v1/senders/{sender}"), &fixed).await.unwrap();
    world.advance(60).await;
    assert_eq!(world.messages().await.len(), 2, "both go on at once");
    assert_eq!(world.get("/v1/enrollments?state=parked").await["data"], json!([]));
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 6);
}
