use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, id, step, three_steps};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_clear_error_and_changes_nothing() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    let ghost = "ctc_AAAAAAAAAAAAAAAA";
    let mut wrong_unit = three_steps();
    wrong_unit["steps"][1]["wait"]["unit"] = json!("weeks");
    let mut unknown = three_steps();
    unknown["steps"][0]["colour"] = json!("red");
    let mut missing = three_steps();
    missing["steps"][2].as_object_mut().unwrap().remove("channel");
    let mut wrong_type = three_steps();
    wrong_type["steps"][0]["wait"]["value"] = json!("three");
    let cases: Vec<(Method, String, Value, u16, &str, &str)> = vec![
        (Method::POST, "/v1/sequences".into(), wrong_unit, 422, "invalid_value", "/steps/1/wait/unit"),
        (Method::POST, "/v1/sequences".into(), unknown, 422, "unknown_field", "/steps/0/colour"),
        (Method::POST, "/v1/sequences".into(), missing, 422, "required", "/steps/2/channel"),
        (Method::POST, "/v1/sequences".into(), wrong_type, 422, "invalid_type", "/steps/0/wait/value"),
        (
            Method::POST,
            "/v1/enrollments".into(),
            json!({"sequence_id": "seq_AAAAAAAAAAA", "contact_id": contact}),
            422,
            "unknown_reference",
            "/sequence_id",
        ),
        (
            Method::POST,
            "/v1/enrollments".into(),
            json!({"sequence_id": sequence, "contact_id": ghost}),
            422,
            "unknown_reference",
            "/contact_id",
        ),
        (Method::POST, "/v1/contacts".into(), json!({"phone": "12"}), 422, "invalid_phone", "/phone"),
        (Method::POST, "/v1/contacts".into(), json!({"first_name": "x"}), 422, "required", ""),
        (Method::PATCH, "/v1/account".into(), json!({"timezone": "Mars/Olympus"}), 422, "", "/timezone"),
        (
            Method::PATCH,
            "/v1/account".into(),
            json!({"quiet_hours": [{"from": "20:00", "to": "20:00"}]}),
            422,
            "",
            "/quiet_hours/0",
        ),
        (
            Method::POST,
            "/v1/senders".into(),
            json!({"name": "x", "channel": "whatsapp", "provider": "whatsapp_cloud", "config": {"waba_id": "1"},
                "credentials": {"access_token": "a", "app_secret": "b", "verify_token": "c"}}),
            422,
            "",
            "/config/phone_number_id",
        ),
    ];
    for (method, path, body, status, code, pointer) in cases {
        let (got, problem) = world.call(method, &path, body).await;
        assert_eq!(got, status, "{path}: {problem}");
        let error = &problem["errors"][0];
        assert!(code.is_empty() || problem["code"] == code || error["code"] == code, "{path}: {problem}");
        if !pointer.is_empty() {
            let found = error["pointer"].as_str().unwrap_or_default();
            assert!(found.starts_with(pointer), "{path}: {problem}");
        }
    }
    let list = world.get("/v1/sequences").await;
    let own = list["data"].as_array().unwrap().iter().filter(|s| s["owner"] != domain::system::OWNER);
    assert_eq!(own.count(), 1, "nothing was created");
    assert_eq!(world.get("/v1/contacts").await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_itself_is_answered_as_problems() {
    let world = World::start().await;
    let http = reqwest::Client::new();
    let url = |path: &str| format!("{}{path}", world.local.base_url);
    let key = &world.local.admin_key;
    let check = async |request: reqwest::RequestBuilder, status: u16, code: &str| {
        let answer = request.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(answer.status(), status, "{code}");
        assert_eq!(kind, "application/problem+json", "{code}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], json!(status));
    };
    let post = |path: &str| http.post(url(path)).bearer_auth(key).header("content-type", "application/json");
    check(post("/v1/contacts").body("{\"first_name\": "), 400, "malformed_json").await;
    check(http.get(url("/v1/contacts")), 401, "unauthorized").await;
    check(http.get(url("/v1/contacts")).bearer_auth("rk_wrong"), 401, "unauthorized").await;
    check(http.get(url("/v1/nowhere")).bearer_auth(key), 404, "not_found").await;
    check(http.get(url("/v1/contacts/ctc_AAAAAAAAAAAAAAAA")).bearer_auth(key), 404, "not_found").await;
    check(http.get(url("/v1/contacts/garbage")).bearer_auth(key), 404, "not_found").await;
    let xml = http.post(url("/v1/contacts")).bearer_auth(key).header("content-type", "text/xml").body("<a/>");
    check(xml, 415, "unsupported_media_type").await;
    let large = format!("{{\"first_name\": \"{}\"}}", "x".repeat(1_100_000));
    check(post("/v1/contacts").body(large), 413, "too_large").await;
    check(http.get(url("/v1/contacts?cursor=garbage")).bearer_auth(key), 422, "invalid_cursor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_tenants_are_kept_apart() {
    let world = World::start().await;
    let contact = world.contact("Ana", "+5511987654321").await;
    let sequence = world.sequence(three_steps()).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    let viewer = world.post("/v1/api-keys", json!({"name": "dash", "role": "viewer"})).await;
    let viewer = local::client::Client::new(&world.local.base_url, viewer["secret"].as_str().unwrap());
    assert_eq!(viewer.call(Method::GET, "/v1/contacts", None).await.unwrap().0, 200);
    let (status, problem) =
        viewer.call(Method::POST, "/v1/contacts", Some(&json!({"external_id": "x"}))).await.unwrap();
    assert_eq!((status, &problem["code"]), (403, &json!("forbidden")));
    let agent = world.post("/v1/api-keys", json!({"name": "crm", "role": "agent"})).await;
    let agent = local::client::Client::new(&world.local.base_url, agent["secret"].as_str().unwrap());
    assert_eq!(agent.call(Method::POST, "/v1/sequences", Some(&three_steps())).await.unwrap().0, 403);

    let operator = local::client::Client::new(&world.local.base_url, &world.local.operator_key);
    let other = operator.post("/v1/accounts", &json!({"name": "Outra"})).await.unwrap();
    let secret = other["api_key"].as_str().or(other["api_key"]["secret"].as_str()).unwrap();
    let other = local::client::Client::new(&world.local.base_url, secret);
    other.patch("/v1/account", &json!({"enabled": true})).await.unwrap();
    for path in [
        format!("/v1/contacts/{contact}"),
        format!("/v1/sequences/{sequence}"),
        format!("/v1/enrollments/{enrolled}"),
        format!("/v1/senders/{}", world.default_sender().await),
    ] {
        assert_eq!(other.call(Method::GET, &path, None).await.unwrap().0, 404, "{path}");
    }
    let steal = json!({"sequence_id": sequence, "contact_id": contact});
    assert_eq!(other.call(Method::POST, "/v1/enrollments", Some(&steal)).await.unwrap().0, 422);
    assert_eq!(other.get("/v1/contacts").await.unwrap()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_lists_every_mistake() {
    let world = World::start().await;
    world.without_senders().await;
    let definition = json!({"name": "Dez erros", "target": "charge", "steps": [
        step("ok", 0, "minutes"),
        {"key": "a", "wait": {"value": 1, "unit": "days"}, "channel": "whatsapp",
            "content": {"type": "text", "text": "{{ contact.frist_name }}"}},
        {"key": "b", "wait": {"value": 1, "unit": "days"}, "channel": "email",
            "content": {"type": "text", "text": "Oi"}},
        {"key": "c", "wait": {"value": 1, "unit": "business_days"}, "channel": "whatsapp",
            "window": {"days": ["sun"], "from": "09:00", "to": "10:00"},
            "content": {"type": "text", "text": "Oi {{ nowhere.name }}"},
            "fallback_template": {"name": "x", "language": "pt_BR"}}]});
    let sequence = id(&world.post("/v1/sequences", definition).await);
    let (status, problem) = world.call(Method::POST, &format!("/v1/sequences/{sequence}/publish"), json!({})).await;
    assert_eq!(status, 422, "{problem}");
    let found: Vec<(&str, &str)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["pointer"].as_str().unwrap(), e["code"].as_str().unwrap()))
        .collect();
    for (pointer, code) in [
        ("/steps/1/content/text", "unknown_variable"),
        ("/steps/1", "template_missing"),
        ("/steps/2", "sender_missing"),
        ("/steps/3", "never_allowed"),
        ("/steps/3/content/text", "unknown_variable"),
    ] {
        assert!(found.iter().any(|(p, c)| p.starts_with(pointer) && *c == code), "{pointer} {code} in {found:?}");
    }
    let (status, problem) = world
        .call(Method::POST, "/v1/enrollments", json!({"sequence_id": sequence, "contact": {"external_id": "x"}}))
        .await;
    assert_eq!((status, &problem["code"]), (422, &json!("sequence_not_published")));
}
