use reqwest::Method;
use serde_json::json;

use crate::world::{DAY, World, id, three_steps};

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
