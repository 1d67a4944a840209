//! Drafts, their owners and what is different between versions, over HTTP on the real store.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Api, api, draft};

/// A key of a role, with a user of that name or without.
async fn key(admin: &Api, role: &str, user: Option<&str>) -> Api {
    let user = user.map(|name| json!({"name": name, "email": format!("{name}@loja.co")}));
    let made = admin.post("/v1/api-keys", json!({"name": role, "role": role, "user": user})).await.is(201);
    admin.with_key(made["secret"].as_str().unwrap())
}

fn owned_by(owner: &str) -> Value {
    let mut body = draft("contact");
    body["owner"] = json!(owner);
    body
}

/// Who may do what to a sequence of Ana's, each on one of its own.
#[tokio::test]
async fn only_the_owner_and_admins_change_a_sequence() {
    let admin = api(true).await;
    admin.sequence("contact").await;
    let ana = key(&admin, "manager", Some("ana")).await;
    let same_person = key(&admin, "manager", Some("ana")).await;
    let other = key(&admin, "manager", Some("bia")).await;
    let nameless = key(&admin, "manager", None).await;
    let (agent, viewer) = (key(&admin, "agent", Some("ana")).await, key(&admin, "viewer", Some("ana")).await);

    let changes = ["PUT", "publish", "archive", "unarchive", "DELETE"];
    let uses = ["GET", "validate", "clone"];
    let act = async |who: &Api, what: &str, path: &str| match what {
        "GET" => who.get(path).await,
        "DELETE" => who.delete(path).await,
        "PUT" => who.json("PUT", path, &[("if-match", "*")], draft("contact")).await,
        "clone" => who.post(&format!("{path}/clone"), json!({"name": "Cópia"})).await,
        other => who.post(&format!("{path}/{other}"), json!({})).await,
    };
    // (who, may change, may clone); all may read and validate
    let everybody = [
        ("the owner", &ana, true, true),
        ("another key of hers", &same_person, true, true),
        ("an admin", &admin, true, true),
        ("another manager", &other, false, true),
        ("a key without a user", &nameless, false, true),
        ("an agent of her name", &agent, false, false),
        ("a viewer of her name", &viewer, false, false),
    ];
    for (name, who, may_change, may_clone) in everybody {
        for what in changes.iter().chain(&uses) {
            let made = ana.post("/v1/sequences", draft("contact")).await.is(201);
            assert_eq!(made["owner"], "ana@loja.co");
            let path = format!("/v1/sequences/{}", made["id"].as_str().unwrap());
            let answer = act(who, what, &path).await;
            let allowed = match *what {
                "GET" | "validate" => true,
                "clone" => may_clone,
                _ => may_change,
            };
            if allowed {
                assert!(answer.status < 300, "{name} {what}: {} {}", answer.status, answer.body);
            } else {
                // A role that is too small is said first.
                let code = if may_clone { "not_owner" } else { "forbidden" };
                answer.refuses(403, code);
                assert_eq!(ana.get(&path).await.is(200), made, "{name} {what} changed nothing");
            }
        }
    }
    let stranger = admin.stranger().await;
    let made = ana.post("/v1/sequences", draft("contact")).await.is(201);
    let path = format!("/v1/sequences/{}", made["id"].as_str().unwrap());
    for what in changes.iter().chain(&uses) {
        act(&stranger, what, &path).await.refuses(404, "not_found");
    }
}

#[tokio::test]
async fn only_admins_give_a_sequence_away() {
    let admin = api(true).await;
    let (ana, bia) = (key(&admin, "manager", Some("ana")).await, key(&admin, "manager", Some("bia")).await);
    // One's own name changes nothing.
    ana.post("/v1/sequences", owned_by("ana@loja.co")).await.is(201);
    let refused = ana.post("/v1/sequences", owned_by("bia@loja.co")).await;
    assert_eq!(refused.body["code"], "not_owner");
    refused.points(403, "/owner", "not_owner");
    let made = ana.post("/v1/sequences", draft("contact")).await.is(201);
    let path = format!("/v1/sequences/{}", made["id"].as_str().unwrap());
    let put = async |who: &Api, body: Value| who.json("PUT", &path, &[("if-match", "*")], body).await;
    put(&ana, owned_by("bia@loja.co")).await.points(403, "/owner", "not_owner");
    put(&ana, owned_by("ana@loja.co")).await.is(200);
    assert_eq!(put(&admin, draft("contact")).await.is(200)["owner"], "ana@loja.co", "left out, it stays");
    assert_eq!(put(&admin, owned_by("bia@loja.co")).await.is(200)["owner"], "bia@loja.co");
    put(&ana, draft("contact")).await.refuses(403, "not_owner");
    put(&bia, draft("contact")).await.is(200);
    let given = admin.post("/v1/sequences", owned_by("bia@loja.co")).await.is(201);
    assert_eq!(given["owner"], "bia@loja.co");
    for (owner, code) in [(json!(5), "invalid_value"), (json!("  "), "invalid_value")] {
        let mut body = draft("contact");
        body["owner"] = owner;
        body["colour"] = json!("red");
        let answer = admin.post("/v1/sequences", body).await;
        let errors = answer.body["errors"].clone();
        assert_eq!(errors.as_array().unwrap().len(), 2, "with everything else that is wrong: {errors}");
        answer.points(422, "/owner", code);
    }
    let mut body = draft("contact");
    body["owner"] = json!(null);
    assert!(admin.post("/v1/sequences", body).await.is(201)["owner"].as_str().unwrap().starts_with("key_"));
}

#[tokio::test]
async fn versions_and_the_draft_are_compared() {
    let api = api(true).await;
    let id = api.sequence("contact").await;
    let path = format!("/v1/sequences/{id}");
    let nothing = json!({"fields": [], "steps": {"added": [], "removed": [], "moved": [], "changed": []}});
    let with_sides = |from: Value, to: Value| {
        let mut answer = nothing.clone();
        answer["from"] = from;
        answer["to"] = to;
        answer
    };
    let same = api.get(&format!("{path}/diff")).await.is(200);
    assert_eq!(same, with_sides(json!(1), json!("draft")));

    let mut changed = draft("contact");
    changed["name"] = json!("Nova");
    changed["steps"].as_array_mut().unwrap().reverse();
    changed["steps"][0]["wait"]["value"] = json!(5);
    changed["steps"][1]["key"] = json!("c");
    api.json("PUT", &path, &[("if-match", "*")], changed.clone()).await.is(200);
    let diff = api.get(&format!("{path}/diff")).await.is(200);
    assert_eq!(diff["fields"], json!([{"pointer": "/name", "from": "Cobrança", "to": "Nova"}]));
    let steps = &diff["steps"];
    assert_eq!((&steps["added"][0]["key"], &steps["removed"][0]["key"]), (&json!("c"), &json!("a")));
    assert_eq!(
        steps["changed"],
        json!([{"key": "b", "index": 0, "fields": [{"pointer": "/steps/0/wait/value", "from": 1, "to": 5}]}])
    );
    api.post(&format!("{path}/publish"), json!({})).await.is(200);
    let versions = api.get(&format!("{path}/diff?from=1&to=2")).await.is(200);
    assert_eq!((&versions["from"], &versions["to"], &versions["steps"]), (&json!(1), &json!(2), steps));
    assert_eq!(api.get(&format!("{path}/diff?from=2&to=draft")).await.is(200), with_sides(json!(2), json!("draft")));
    let back = api.get(&format!("{path}/diff?from=draft&to=1")).await.is(200);
    assert_eq!(back["fields"][0], json!({"pointer": "/name", "from": "Nova", "to": "Cobrança"}));

    api.get(&format!("{path}/diff?from=9")).await.refuses(422, "unknown_reference");
    api.get(&format!("{path}/diff?from=new")).await.refuses(422, "invalid_parameter");
    api.get(&format!("{path}/diff?version=1")).await.refuses(422, "unknown_parameter");
    let never = api.post("/v1/sequences", draft("contact")).await.is(201)["id"].as_str().unwrap().to_owned();
    api.get(&format!("/v1/sequences/{never}/diff")).await.refuses(422, "sequence_not_published");
    api.get(&format!("/v1/sequences/{never}/diff?from=draft")).await.is(200);
    api.get("/v1/sequences/seq_AAAAAAAAAAA/diff").await.refuses(404, "not_found");
    api.stranger().await.get(&format!("{path}/diff")).await.refuses(404, "not_found");
}
