use serde_json::json;

use crate::world::{DAY, World, id};

/// A step with a tone says a short follow-up of its own, in the person's language.
#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_without_words_speaks_in_its_tone() {
    let world = World::start().await;
    let people = [("Ana", "+5511987650001", "pt_BR"), ("Bob", "+5511987650002", "en")];
    for (name, phone, language) in people {
        let body = json!({"first_name": name, "phone": phone, "language": language});
        let contact = id(&world.post("/v1/contacts", body).await);
        world.inbound(phone, "oi").await;
        world.post("/v1/enrollments", json!({"sequence_id": "seq_UklUTU8tMDE", "contact_id": contact})).await;
    }
    let shown = json!({"sequence_id": "seq_UklUTU8tMDE", "contact": {"first_name": "Eva", "language": "es"}});
    let shown = world.post("/v1/preview", shown).await;
    assert_eq!(shown["steps"].as_array().unwrap().len(), 5);
    world.advance(DAY / 2).await;
    let mut said: Vec<_> = world.messages().await.iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect();
    said.sort();
    assert_eq!(
        said,
        ["Hi Bob! Did you get to see my last message? 😊", "Oi Ana! Conseguiu ver minha última mensagem? 😊"]
    );
    // From the second day on they are outside WhatsApp's window: each step says so, and nothing is stuck.
    world.advance(30 * DAY).await;
    assert_eq!(world.messages().await.len(), 2);
    let runs = world.get("/v1/enrollments?sequence_id=seq_UklUTU8tMDE").await;
    for run in runs["data"].as_array().unwrap() {
        assert_eq!((&run["state"], &run["outcome"]), (&json!("finished"), &json!("completed")));
        assert_eq!(run["steps"][4]["reason"], "outside_window_no_template");
    }
}
