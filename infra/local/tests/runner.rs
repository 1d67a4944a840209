//! The local runner's own routes, and what it keeps.
#![allow(clippy::unwrap_used)]

mod support;

use local::{ClockKind, Data, Local, Options, StartError};
use serde_json::json;
use support::{App, START};

#[tokio::test]
async fn the_clock_stands_until_it_is_moved() {
    let app = App::start().await;
    assert_eq!(app.read("/_local/clock").await, json!({"now": "2026-03-09T12:00:00Z"}));
    assert_eq!(app.make("/_local/clock", json!({"advance_seconds": 3600})).await["now"], "2026-03-09T13:00:00Z");
    assert_eq!(
        app.make("/_local/clock", json!({"to": "2026-04-01T00:00:00-03:00"})).await["now"],
        "2026-04-01T03:00:00Z"
    );
    for wrong in [
        json!({"to": "2026-03-31T00:00:00Z"}),
        json!({"to": "tomorrow"}),
        json!({"advance_seconds": -1}),
        json!({"advance_seconds": i64::MAX}),
        json!({"to": "2027-01-01T00:00:00Z", "advance_seconds": 1}),
        json!({"seconds": 1}),
        json!({}),
    ] {
        let (status, problem) = app.post("/_local/clock", wrong.clone()).await;
        assert_eq!((status, problem["status"].as_u64()), (422, Some(422)), "{wrong}: {problem}");
    }
    let malformed = app.http.post(app.url("/_local/clock")).body("{");
    assert_eq!(app.send(malformed).await.0, 400);
    assert_eq!(app.read("/_local/clock").await["now"], "2026-04-01T03:00:00Z");
}

#[tokio::test]
async fn the_real_clock_is_not_moved() {
    let app = App::with(Options { clock: ClockKind::Real, start_at: None, ..Options::manual(START) }).await;
    assert_eq!(app.post("/_local/clock", json!({"advance_seconds": 1})).await.0, 409);
    assert_eq!(app.get("/health").await.0, 200);
    app.local.shutdown().await;
    let refused = Local::start(Options { clock: ClockKind::Real, ..Options::manual(START) }).await;
    assert!(matches!(refused.err(), Some(StartError::StartAt)));
}

#[tokio::test]
async fn unknown_fields_are_refused_everywhere() {
    let app = App::start().await;
    for (path, body) in [
        ("/_local/faults", json!({"provider": "whatsapp_cloud", "fail": [{"status": 429}], "often": 1})),
        ("/_local/faults", json!({"provider": "whatsapp_cloud", "fail": []})),
        ("/_local/statuses", json!({"auto": ["sent"], "x": 1})),
        ("/_local/templates", json!({"templates": [], "x": 1})),
        ("/_local/inbound", json!({"channel": "whatsapp", "from": "+5511987654321", "text": "hi", "x": 1})),
        ("/_local/inbound", json!({"channel": "sms", "from": "Ana", "text": "hi"})),
        (
            "/_local/inbound",
            json!({"channel": "whatsapp", "from": "+5511987654321", "text": "hi", "sender_id": "snd_x"}),
        ),
    ] {
        assert_eq!(app.post(path, body.clone()).await.0, 422, "{path} {body}");
    }
    assert_eq!(app.get("/_local/messages?page=2").await.0, 422);
    for (path, body) in [
        (
            "/_local/faults",
            json!({"provider": "whatsapp_cloud", "fail": [{"timeout": "after"}], "to": "+5511987654321"}),
        ),
        ("/_local/statuses", json!({"auto": []})),
        ("/_local/templates", json!({"templates": [{"name": "a", "language": "en"}]})),
    ] {
        app.make(path, body).await;
    }
}

#[tokio::test]
async fn a_forged_webhook_gets_nowhere() {
    let app = App::start().await;
    let path = format!("/webhooks/whatsapp_cloud/{}", app.local.whatsapp_sender);
    let post = |path: &str, signature: &str| {
        app.http.post(app.url(path)).header("x-hub-signature-256", signature).body(r#"{"object":"x"}"#)
    };
    let wrong = format!("sha256={}", "0".repeat(64));
    assert_eq!(app.send(post(&path, &wrong)).await.0, 401);
    assert_eq!(app.send(app.http.post(app.url(&path)).body("{}")).await.0, 401);
    assert_eq!(app.send(post("/webhooks/telegram/snd_x", &wrong)).await.0, 404);
    assert_eq!(app.send(post("/webhooks/whatsapp_cloud/snd_x", &wrong)).await.0, 404);
    // Signed with `local-app-secret`.
    let right = "sha256=b233f2f04524bba94fcaed80b3574dbc8af94b96ecc58803ab6276fcccb7d146";
    assert_eq!(app.send(post(&path, right)).await.0, 200);

    let ask = |token: &str| {
        let query = [("hub.mode", "subscribe"), ("hub.verify_token", token), ("hub.challenge", "1158201444")];
        app.http.get(app.url(&path)).query(&query)
    };
    assert_eq!(app.send(ask("wrong")).await.0, 403);
    assert_eq!(app.send(ask("local-verify-token")).await, (200, json!(1_158_201_444)));
    let large = app.http.post(app.url(&path)).body(vec![b' '; 3 * 1024 * 1024 + 1]);
    assert_eq!(app.send(large).await.0, 413);
}

#[tokio::test]
async fn a_directory_keeps_clock_and_keys() {
    let dir = std::env::temp_dir().join(format!("ritmo-keeps-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let options = Options { data: Data::Dir(dir.clone()), ..Options::manual(START) };
    let first = App::with(options.clone()).await;
    first.advance(86_400).await;
    assert!(matches!(Local::start(options.clone()).await.err(), Some(StartError::Locked)));
    let (key, operator, sender) = {
        let local = &first.local;
        (local.admin_key.clone(), local.operator_key.clone(), local.whatsapp_sender.clone())
    };
    first.local.shutdown().await;

    let second = App::with(options.clone()).await;
    assert_eq!(second.read("/_local/clock").await["now"], "2026-03-10T12:00:00Z");
    assert_eq!((&second.local.admin_key, &second.local.operator_key), (&key, &operator));
    assert_eq!(second.local.whatsapp_sender, sender);
    second.local.shutdown().await;

    let dev = App::with(Options { dev_key: Some("rk_development".into()), ..options.clone() }).await;
    assert_eq!(dev.local.admin_key, "rk_development");
    dev.local.shutdown().await;
    let refused = Local::start(Options { dev_key: Some("two words".into()), ..options }).await;
    assert!(matches!(refused.err(), Some(StartError::DevKey)));
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_directory_gets_the_senders_that_it_was_not_given_yet_and_no_other() {
    let dir = std::env::temp_dir().join(format!("ritmo-senders-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let options = Options { data: Data::Dir(dir.clone()), ..Options::manual(START) };
    let app = App::with(options.clone()).await;
    let path = format!("/v1/senders/{}", app.local.whatsapp_sender);
    let defaults = app.read("/v1/account").await["default_senders"].clone();
    assert_eq!(defaults["whatsapp"], app.local.whatsapp_sender.as_str());
    assert_eq!(app.patch(&path, json!({"name": "Loja"})).await.0, 200);
    app.local.shutdown().await;

    // As a version left it that knew of no senders, and one cut off before it wrote them down.
    let file = dir.join("local.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for senders in [None, Some(json!([]))] {
        match senders {
            None => drop(kept.as_object_mut().unwrap().remove("senders")),
            Some(senders) => kept["senders"] = senders,
        }
        std::fs::write(&file, kept.to_string()).unwrap();
        let app = App::with(options.clone()).await;
        assert_eq!(app.read(&path).await["name"], "Loja", "what an account changed stays");
        assert_eq!(app.read("/v1/account").await["default_senders"], defaults);
        app.local.shutdown().await;
    }

    let app = App::with(options.clone()).await;
    assert_eq!(app.patch("/v1/account", json!({"default_senders": {"whatsapp": null}})).await.0, 200);
    assert_eq!(app.send(app.http.delete(app.url(&path)).bearer_auth(&app.local.admin_key)).await.0, 204);
    app.local.shutdown().await;
    let app = App::with(options.clone()).await;
    assert_eq!(app.get(&path).await.0, 404, "what was deleted stays away");
    app.local.shutdown().await;

    kept["senders"] = json!([]);
    std::fs::write(&file, kept.to_string()).unwrap();
    let app = App::with(options).await;
    assert_eq!(app.read(&path).await["name"], "WhatsApp stand-in");
    assert_eq!(app.read("/v1/account").await["default_senders"]["whatsapp"], app.local.whatsapp_sender.as_str());
    app.local.shutdown().await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn calls_to_the_database_are_counted() {
    let app = App::start().await;
    let before = app.read("/_local/calls").await["total"].as_u64().unwrap();
    app.post("/_local/inbound", json!({"channel": "whatsapp", "from": "+5511987654321", "text": "hi"})).await;
    let after = app.read("/_local/calls").await;
    assert!(after["total"].as_u64().unwrap() > before, "{after}");
    assert!(after["by_operation"]["GetItem"].as_u64().is_some_and(|count| count > 0), "{after}");
}
