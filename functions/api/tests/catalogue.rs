//! What every account begins with: blueprints and the system's sequences, over HTTP on the real store.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Api, api, sender};

const RECOMMENDED: &str = "/v1/sequences/seq_UklUTU8tMDE";

fn data(list: &Value) -> Vec<Value> {
    list["data"].as_array().unwrap().clone()
}

async fn with_sender() -> Api {
    let api = api(true).await;
    let sender = api.post("/v1/senders", sender()).await.is(201)["id"].clone();
    api.patch("/v1/account", json!({"default_senders": {"whatsapp": sender}})).await.is(200);
    api
}

#[tokio::test]
async fn every_blueprint_becomes_a_draft_that_can_be_published() {
    let api = with_sender().await;
    let all = data(&api.get("/v1/blueprints").await.is(200));
    assert_eq!(all.len(), 18);
    for language in ["pt", "en_US", "es"] {
        let some = data(&api.get(&format!("/v1/blueprints?language={language}")).await.is(200));
        assert_eq!(some.len(), 6, "{language}");
        assert!(some.iter().all(|b| b["language"].as_str().unwrap()[..2] == language[..2]));
    }
    for blueprint in &all {
        let key = blueprint["key"].as_str().unwrap();
        let made = api.post(&format!("/v1/blueprints/{key}/apply"), json!({})).await.is(201);
        let draft = &made["sequence"];
        assert_eq!((&draft["name"], &draft["published_version"]), (&blueprint["name"], &Value::Null));
        let path = format!("/v1/sequences/{}", draft["id"].as_str().unwrap());
        let report = api.post(&format!("{path}/validate"), json!({})).await.is(200);
        assert_eq!(report["problems"], json!([]), "{key}");
        api.post(&format!("{path}/publish"), json!({})).await.is(200);
    }
}

#[tokio::test]
async fn applying_declares_the_attributes_that_are_new() {
    let api = with_sender().await;
    // The account's own declaration stays as it is.
    api.post("/v1/attributes", json!({"name": "offer", "type": "link", "of": "contact"})).await.is(201);
    let body = json!({"name": "Volta"});
    let made = api.post("/v1/blueprints/reactivation_pt/apply", body.clone()).await.is(201);
    assert_eq!(made["sequence"]["name"], "Volta");
    assert_eq!(made["attributes"], json!([{"name": "last_purchase", "type": "date", "of": "contact"}]));
    let declared = data(&api.get("/v1/attributes").await.is(200));
    assert_eq!(declared.len(), 2);
    assert!(declared.contains(&json!({"name": "offer", "type": "link", "of": "contact"})));
    // Once more: another draft, nothing new.
    let again = api.post("/v1/blueprints/reactivation_pt/apply", body.clone()).await.is(201);
    assert_eq!(again["attributes"], json!([]));
    assert_ne!(again["sequence"]["id"], made["sequence"]["id"]);
    // The same request once more: the same answer.
    let key = [("idempotency-key", "1")];
    let first = api.json("POST", "/v1/blueprints/welcome_en/apply", &key, body.clone()).await.is(201);
    assert_eq!(first, api.json("POST", "/v1/blueprints/welcome_en/apply", &key, body).await.is(201));

    api.post("/v1/blueprints/billing/apply", json!({})).await.refuses(404, "not_found");
    api.post("/v1/blueprints/billing_pt/apply", json!({"name": " "})).await.points(422, "/name", "required");
    api.post("/v1/blueprints/billing_pt/apply", json!({"colour": 1})).await.points(422, "/colour", "unknown_field");
    let viewer = api.with_role("viewer").await;
    viewer.get("/v1/blueprints").await.is(200);
    viewer.post("/v1/blueprints/billing_pt/apply", json!({})).await.refuses(403, "forbidden");
    api.patch("/v1/account", json!({"enabled": false})).await.is(200);
    api.get("/v1/blueprints").await.refuses(403, "module_disabled");
}

#[tokio::test]
async fn a_system_sequence_may_be_used_and_cloned_and_never_changed() {
    let api = with_sender().await;
    let listed = data(&api.get("/v1/sequences").await.is(200));
    let named: Vec<_> = listed.iter().map(|s| (s["name"].as_str().unwrap(), s["system"].as_bool().unwrap())).collect();
    assert_eq!(named, [("Recommended", true), ("Recommended for Email CC", true)]);
    let shown = api.get(RECOMMENDED).await.is(200);
    assert_eq!((&shown["owner"], &shown["published_version"]), (&json!("system"), &json!(1)));
    assert_eq!(api.get(&format!("{RECOMMENDED}/versions/1")).await.is(200)["steps"], shown["steps"]);
    assert_eq!(data(&api.get(&format!("{RECOMMENDED}/versions")).await.is(200)).len(), 1);
    api.get(&format!("{RECOMMENDED}/versions/2")).await.refuses(404, "not_found");
    let report = api.post(&format!("{RECOMMENDED}/validate"), json!({})).await.is(200);
    assert_eq!(report, json!({"problems": [], "warnings": []}));

    let draft = support::draft("contact");
    let put = api.json("PUT", RECOMMENDED, &[("if-match", "\"1\"")], draft).await;
    put.refuses(403, "system_sequence");
    api.delete(RECOMMENDED).await.refuses(403, "system_sequence");
    for verb in ["publish", "archive", "unarchive"] {
        api.post(&format!("{RECOMMENDED}/{verb}"), json!({})).await.refuses(403, "system_sequence");
    }

    let copy = api.post(&format!("{RECOMMENDED}/clone"), json!({"name": "Meu"})).await.is(201);
    assert_eq!((&copy["system"], &copy["steps"]), (&json!(false), &shown["steps"]));
    let path = format!("/v1/sequences/{}", copy["id"].as_str().unwrap());
    api.post(&format!("{path}/publish"), json!({})).await.is(200);
    api.delete(&path).await.is(204);

    let contact = api.contact("ana@b.co").await;
    let body = json!({"sequence_id": "seq_UklUTU8tMDE", "contact_id": contact});
    let enrolled = api.post("/v1/enrollments", body).await.is(201);
    assert_eq!((&enrolled["state"], &enrolled["version"]), (&json!("waiting"), &json!(1)));
    assert_eq!(enrolled["due_at"], "2026-03-09T10:00:00Z");
    // Everybody's, and nobody sees another's enrollments on it.
    let stranger = api.stranger().await;
    stranger.get(RECOMMENDED).await.is(200);
    let list = stranger.get("/v1/enrollments?sequence_id=seq_UklUTU8tMDE").await.is(200);
    assert_eq!(data(&list), Vec::<Value>::new());
}
