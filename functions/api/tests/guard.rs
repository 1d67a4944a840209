//! What every request passes: keys, roles, the module, sizes, types, idempotency, the document.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{OPERATOR, api, draft, sender};

#[tokio::test]
async fn the_document_and_the_router_agree() {
    let api = api(true).await.with_key("rk_nobody");
    let document = api.get("/v1/openapi.json").await.is(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            routes += 1;
            let answer = api.send(api.request(&method.to_uppercase(), path, &[], "")).await;
            let open = operation.get("security").is_none();
            assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {path}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
            let takes = operation.get("requestBody").is_some();
            assert!(takes || !matches!(method.as_str(), "put" | "patch"), "{method} {path} takes a body");
        }
    }
    assert!(routes > 50, "{routes}");
    check_references(&document, &document);
}

/// Every `$ref` leads somewhere.
fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
            object.values().for_each(|v| check_references(document, v));
        }
        Value::Array(list) => list.iter().for_each(|v| check_references(document, v)),
        _ => {}
    }
}

#[tokio::test]
async fn keys_have_roles() {
    let admin = api(true).await;
    let sequence = admin.sequence("contact").await;
    let contact = json!({"email": "a@b.co"});
    // The role, and how many of these it may do.
    for (role, power) in [("viewer", 0), ("agent", 1), ("manager", 2), ("admin", 3)] {
        let key = admin.with_role(role).await;
        key.get("/v1/contacts").await.is(200);
        key.get(&format!("/v1/sequences/{sequence}")).await.is(200);
        key.post("/v1/preview", json!({"sequence_id": sequence, "start_at": "2026-03-09T09:00:00Z"})).await.is(200);
        let deeds = [
            key.post("/v1/contacts", contact.clone()).await,
            key.post("/v1/sequences", draft("contact")).await,
            key.post("/v1/senders", sender()).await,
        ];
        for (i, answer) in deeds.into_iter().enumerate() {
            if i < power {
                assert!(answer.status < 300, "{role} {i}: {}", answer.body);
            } else {
                answer.refuses(403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn without_a_key_nothing() {
    let api = api(true).await;
    for key in ["rk_wrong", OPERATOR, ""] {
        api.with_key(key).get("/v1/account").await.refuses(401, "unauthorized");
    }
    api.post("/v1/accounts", json!({})).await.refuses(401, "unauthorized");
    let made = api.post("/v1/api-keys", json!({"name": "x", "role": "viewer"})).await.is(201);
    let viewer = api.with_key(made["secret"].as_str().unwrap());
    viewer.get("/v1/account").await.is(200);
    assert!(viewer.get("/v1/api-keys").await.is(200).to_string().find("secret").is_none());
    assert_eq!(api.delete(&format!("/v1/api-keys/{}", made["id"].as_str().unwrap())).await.status, 204);
    viewer.get("/v1/account").await.refuses(401, "unauthorized");
}

#[tokio::test]
async fn routes_methods_sizes_and_types() {
    let api = api(true).await;
    api.get("/v1/nothing").await.refuses(404, "not_found");
    api.delete("/v1/contacts").await.refuses(405, "method_not_allowed");
    api.get("/v1/contacts/nonsense").await.refuses(404, "not_found");
    let send =
        |headers: &'static [(&str, &str)], body: String| api.send(api.request("POST", "/v1/contacts", headers, body));
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    send(&[], "{}".into()).await.refuses(415, "unsupported_media_type");
    send(&[("content-type", "text/plain")], "{}".into()).await.refuses(415, "unsupported_media_type");
    send(JSON, "{".into()).await.refuses(400, "malformed_json");
    send(JSON, format!("\"{}\"", "x".repeat(1 << 20))).await.refuses(413, "too_large");
    api.csv("/v1/contacts/import", &format!("email\n{}", "x".repeat(5 << 20))).await.refuses(413, "too_large");
    api.get("/v1/contacts?colour=red").await.refuses(422, "unknown_parameter");
    api.get("/v1/contacts?limit=many").await.refuses(422, "invalid_parameter");
    api.get("/v1/contacts?cursor=forged").await.refuses(422, "invalid_cursor");
}

#[tokio::test]
async fn a_disabled_module_is_closed_before_the_body_is_read() {
    let api = api(false).await;
    for path in ["/v1/sequences", "/v1/enrollments"] {
        api.get(path).await.refuses(403, "module_disabled");
    }
    for path in ["/v1/events", "/v1/preview", "/v1/sequences", "/v1/enrollments"] {
        api.send(api.request("POST", path, &[], "not even json")).await.refuses(403, "module_disabled");
    }
    api.with_key("rk_x").get("/v1/sequences").await.refuses(401, "unauthorized");
    for path in [
        "/v1/account",
        "/v1/contacts",
        "/v1/senders",
        "/v1/payment-sources",
        "/v1/attributes",
        "/v1/suppressions",
        "/v1/api-keys",
    ] {
        api.get(path).await.is(200);
    }
    api.patch("/v1/account", json!({"enabled": true})).await.is(200);
    api.get("/v1/sequences").await.is(200);
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer() {
    let api = api(true).await;
    let once = |key: &'static str, body: Value| {
        let api = &api;
        async move { api.json("POST", "/v1/contacts", &[("idempotency-key", key)], body).await }
    };
    let body = json!({"email": "a@b.co", "first_name": "Ana"});
    let first = once("k1", body.clone()).await.is(201);
    assert_eq!(once("k1", body.clone()).await.is(201), first);
    once("k1", json!({"email": "x@b.co"})).await.refuses(422, "idempotency_mismatch");
    assert_eq!(once("k2", body.clone()).await.is(200), first);
    once("", body.clone()).await.refuses(422, "invalid_idempotency_key");
    // Another key is another scope.
    let other = api.with_role("agent").await;
    other.json("POST", "/v1/contacts", &[("idempotency-key", "k1")], json!({"email": "y@b.co"})).await.is(201);
    // A refusal is an answer, too.
    once("k3", json!({"email": "nobody"})).await.refuses(422, "invalid_email");
    once("k3", json!({"email": "nobody"})).await.refuses(422, "invalid_email");
    // A secret is shown again to whoever repeats the request.
    let key = json!({"name": "x", "role": "viewer"});
    let secret = |body: Value| body["secret"].as_str().unwrap().to_owned();
    let header = [("idempotency-key", "k4")];
    let made = secret(api.json("POST", "/v1/api-keys", &header, key.clone()).await.is(201));
    assert_eq!(secret(api.json("POST", "/v1/api-keys", &header, key).await.is(201)), made);
    // After a day the key is free.
    api.advance(25 * 3600);
    once("k1", json!({"email": "z@b.co"})).await.is(201);
}

#[tokio::test]
async fn requests_with_one_key_at_once_run_once() {
    let api = api(true).await;
    let body = || json!({"name": "x", "role": "viewer"});
    let header = [("idempotency-key", "same")];
    let all = futures::future::join_all((0..10).map(|_| api.json("POST", "/v1/api-keys", &header, body()))).await;
    let bodies: Vec<Value> = all.into_iter().map(|a| a.is(201)).collect();
    assert!(bodies.iter().all(|b| *b == bodies[0]));
    assert_eq!(api.get("/v1/api-keys").await.is(200)["data"].as_array().unwrap().len(), 2);
}
