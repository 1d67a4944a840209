//! A reply while the whole account's sends are under way.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::world::{DAY, World, id, step};

const PEOPLE: u32 = 500;

/// All five hundred are due in one second. Ana writes while workers claim: what stood in flight when
/// she was answered goes out, and nothing after it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_after_the_answer_while_five_hundred_are_sent() {
    let world = World::start().await;
    let sequence = world
        .sequence(json!({"name": "Um", "target": "contact", "steps": [step("um", 1, "days"), step("dois", 1, "days")]}))
        .await;
    let phone = |n: u32| format!("+5511980000{n:03}");
    let mut runs = Vec::new();
    for n in 0..PEOPLE {
        let contact = world.contact("Ana", &phone(n)).await;
        runs.push(id(&world.enroll(&sequence, &contact).await));
    }
    let ana = (PEOPLE / 2) as usize;
    let sent = |messages: &[Value]| -> HashMap<String, usize> {
        let mut sent = HashMap::new();
        for message in messages {
            *sent.entry(message["enrollment_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        sent
    };
    let answered = async {
        // The first messages say that the sends are under way.
        while world.messages().await.is_empty() {}
        world.inbound(&phone(ana as u32), "Já paguei").await;
        world.enrollment(&runs[ana]).await
    };
    let ((), answered) = tokio::join!(world.advance(DAY), answered);
    assert_eq!((&answered["state"], &answered["outcome"]), (&json!("finished"), &json!("replied")), "{answered}");
    let begun = answered["in_flight"] == true || answered["steps"][0]["status"] != "pending";
    world.advance(60).await;
    let sent = sent(&world.messages().await);
    for (n, run) in runs.iter().enumerate() {
        let expected = if n == ana { usize::from(begun) } else { 1 };
        assert_eq!(sent.get(run).copied().unwrap_or(0), expected, "{n}: {answered}");
    }
}
