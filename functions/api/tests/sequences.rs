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

/// A key with a user of that name, an enrolled contact for each of these emails.
async fn enrolled(api: &Api, sequence: &str, count: usize) -> Vec<String> {
    let mut runs = Vec::new();
    for n in 0..count {
        let contact = api.post("/v1/contacts", json!({"email": format!("p{n}@b.co")})).await.is(201);
        let wish = json!({"sequence_id": sequence, "contact_id": contact["id"]});
        runs.push(api.post("/v1/enrollments", wish).await.is(201)["id"].as_str().unwrap().to_owned());
    }
    runs
}

#[tokio::test]
async fn an_impact_is_told_confirmed_and_carried_out() {
    let api = api(true).await;
    let id = api.sequence("contact").await;
    let path = format!("/v1/sequences/{id}");
    let runs = enrolled(&api, &id, 3).await;
    api.post(&format!("/v1/enrollments/{}/skip", runs[0]), json!({})).await.is(200);
    api.post(&format!("/v1/enrollments/{}/exit", runs[2]), json!({})).await.is(200);
    // [a, b] becomes [x, a, c].
    let mut changed = draft("contact");
    let mut new = changed["steps"][0].clone();
    new["key"] = json!("x");
    changed["steps"][1]["key"] = json!("c");
    changed["steps"].as_array_mut().unwrap().insert(0, new);
    let put = async |body: &Value| api.json("PUT", &path, &[("if-match", "*")], body.clone()).await.is(200);
    put(&changed).await;

    let viewer = api.with_role("viewer").await;
    let told = viewer.post(&format!("{path}/impact"), json!({})).await.is(200);
    assert_eq!((&told["running"], &told["complete"]), (&json!(2), &json!(true)));
    let due = |same: u32, earlier: u32| json!({"same": same, "earlier": earlier, "later": 0, "at_once": 0});
    assert_eq!(
        told["by_step"],
        json!([
            {"key": "a", "version": 1, "count": 1, "goes_on": "x", "skips": [], "due": due(1, 0)},
            {"key": "b", "version": 1, "count": 1, "goes_on": "c", "skips": ["x"], "due": due(1, 0)},
        ])
    );
    let again = viewer.post(&format!("{path}/impact"), json!({})).await.is(200);
    assert_eq!(again, told, "nothing was written");

    // What is confirmed and no longer true publishes nothing.
    let publish = async |body: Value| api.post(&format!("{path}/publish"), body).await;
    let confirmed = |token: &Value| json!({"running": "migrate", "confirm_impact": token});
    publish(confirmed(&json!("something"))).await.refuses(409, "impact_changed");
    put(&changed).await;
    let answer = publish(confirmed(&told["token"])).await;
    assert_eq!(answer.body["errors"][0]["pointer"], "/confirm_impact");
    answer.refuses(409, "impact_changed");
    let told = viewer.post(&format!("{path}/impact"), json!({})).await.is(200);
    api.post(&format!("/v1/enrollments/{}/skip", runs[1]), json!({})).await.is(200);
    publish(confirmed(&told["token"])).await.refuses(409, "impact_changed");
    assert_eq!(api.get(&path).await.is(200)["published_version"], 1);
    let told = viewer.post(&format!("{path}/impact"), json!({})).await.is(200);
    assert_eq!(told["by_step"][0]["count"], 2);
    api.advance(60);
    let published = publish(confirmed(&told["token"])).await.is(200);
    assert_eq!((&published["version"], &published["warnings"][0]["code"]), (&json!(2), &json!("template_unverified")));

    let job = format!("/v1/jobs/{}", published["job_id"].as_str().unwrap());
    assert_eq!(api.get(&job).await.is(200)["state"], "running");
    assert_eq!(api.get(&format!("/v1/enrollments/{}", runs[0])).await.is(200)["version"], 1);
    api.work().await;
    let done = api.get(&job).await.is(200);
    let counts = ["state", "total", "moved", "unchanged", "failed"].map(|name| done[name].clone());
    assert_eq!(counts, [json!("done"), json!(2), json!(2), json!(0), json!(0)], "{done}");
    assert!(done["enrolled"].is_null() && done["created"].is_null());
    for (run, version, step) in [(&runs[0], 2, 2), (&runs[1], 2, 2), (&runs[2], 1, 0)] {
        let run = api.get(&format!("/v1/enrollments/{run}")).await.is(200);
        assert_eq!((&run["version"], &run["step"]), (&json!(version), &json!(step)), "{run}");
    }
    // Pinned is what happens without a word, and there is no job then.
    assert!(publish(json!({})).await.is(200).get("job_id").is_none());
    assert_eq!(api.get(&format!("/v1/enrollments/{}", runs[0])).await.is(200)["version"], 2);
    api.stranger().await.post(&format!("{path}/impact"), json!({})).await.refuses(404, "not_found");
}

/// Everything that publishing refuses, in one draft.
#[tokio::test]
async fn ten_mistakes_are_told_at_once_each_with_its_place() {
    let api = api(true).await;
    let sender = |name: &str| {
        let mut body = support::sender();
        body["name"] = json!(name);
        body
    };
    let one = api.post("/v1/senders", sender("Loja")).await.is(201)["id"].clone();
    api.post(&format!("/v1/senders/{}/templates/sync", one.as_str().unwrap()), json!({})).await.is(200);
    api.post("/v1/senders", sender("Outra")).await.is(201);
    api.patch("/v1/account", json!({"quiet_hours": [{"from": "20:00", "to": "08:00"}]})).await.is(200);
    let step = |key: &str, changes: Value| {
        let mut step = json!({"key": key, "wait": {"value": 1, "unit": "days"}, "channel": "whatsapp", "sender_id": one,
            "content": {"type": "text", "text": "Olá"}, "outside_window": "fail"});
        for (name, value) in changes.as_object().unwrap() {
            step[name] = value.clone();
        }
        step
    };
    let template = |name: &str, language: &str, body: Value| json!({"outside_window": "template", "fallback_template": {"name": name, "language": language, "body": body}});
    let steps = [
        step("variable", json!({"content": {"type": "text", "text": "Olá {{ contact.frist_name }}"}})),
        step("no_sender", json!({"channel": "sms", "sender_id": null})),
        step("two_senders", json!({"sender_id": null})),
        step("stranger", json!({"sender_id": "snd_AAAAAAAAAAAAAAAAAAAAAAAA"})),
        step("other_channel", json!({"channel": "email"})),
        step("night", json!({"window": {"from": "21:00", "to": "23:00"}})),
        step("no_template", json!({"outside_window": "template"})),
        step("no_such_template", template("c", "pt_BR", json!([]))),
        step("other_language", template("a", "es", json!([]))),
        step("parameters", template("a", "pt_BR", json!(["Ana"]))),
        step("ai", json!({"content": {"type": "text"}, "compose": {"mode": "ai_full", "intent": "lembrar"}})),
        step(
            "template_by_sms",
            json!({"channel": "email", "sender_id": one,
            "content": {"type": "whatsapp_template", "name": "a", "language": "pt_BR"}}),
        ),
    ];
    let draft = json!({"name": "Tudo errado", "target": "contact", "steps": steps,
        "entry": {"triggers": [{"inactivity": {"value": 5, "unit": "minutes", "from": "either"}}]}});
    let id = api.post("/v1/sequences", draft).await.is(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/sequences/{id}");
    let expected = [
        ("/steps/0/content/text", "unknown_variable"),
        ("/steps/1/channel", "sender_missing"),
        ("/steps/2/sender_id", "sender_ambiguous"),
        ("/steps/3/sender_id", "unknown_reference"),
        ("/steps/4/sender_id", "sender_channel_mismatch"),
        ("/steps/4/content/email/subject", "subject_missing"),
        ("/steps/5/window", "never_allowed"),
        ("/steps/6/fallback_template", "template_missing"),
        ("/steps/7/fallback_template/name", "template_not_approved"),
        ("/steps/8/fallback_template/language", "template_not_approved"),
        ("/steps/9/fallback_template/body", "template_parameters"),
        ("/steps/10/compose/mode", "not_available"),
        ("/steps/10/content/text", "static_fallback_missing"),
        ("/steps/11/sender_id", "sender_channel_mismatch"),
        ("/steps/11/content", "channel_mismatch"),
        ("/entry/triggers/0/inactivity", "not_available"),
    ];
    let places = |errors: &Value| {
        let place = |e: &Value| (e["pointer"].as_str().unwrap().to_owned(), e["code"].as_str().unwrap().to_owned());
        errors.as_array().unwrap().iter().map(place).collect::<Vec<_>>()
    };
    let told = expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    let refused = api.post(&format!("{path}/publish"), json!({})).await.refuses(422, "invalid");
    assert_eq!(places(&refused["errors"]), told);
    assert!(refused["errors"].as_array().unwrap().iter().all(|e| e["detail"].as_str().unwrap().len() > 10));
    let report = api.post(&format!("{path}/validate"), json!({})).await.is(200);
    assert_eq!(places(&report["problems"]), told);
    assert_eq!(api.get(&path).await.is(200)["published_version"], json!(null));
    // A test of a step minds that step's alone.
    let contact = api.contact("test@b.co").await;
    api.patch("/v1/account", json!({"test_contact_id": contact})).await.is(200);
    let refused = api.post(&format!("{path}/test"), json!({"step": 5})).await.is(422);
    assert_eq!(places(&refused["errors"]), [("/steps/5/window".to_owned(), "never_allowed".to_owned())]);
    let refused = api.post(&format!("{path}/test"), json!({})).await.is(422);
    assert_eq!(places(&refused["errors"]), told[..15]);

    // A draft refuses what is no sequence: wrong shape, keys that are not different, text that is no Liquid.
    let wrong = json!({"name": "", "target": "contact", "steps": [
        step("a", json!({"wait": {"value": 401, "unit": "days"}})),
        step("a", json!({"content": {"type": "text", "text": "{{ contact.first_name | shout }}"}})),
        step("c", json!({"fallback_template": {"name": "a", "language": "pt-BR"}})),
    ]});
    let refused = api.post("/v1/sequences", wrong).await.is(422);
    assert_eq!(
        places(&refused["errors"]),
        [
            ("/name", "required"),
            ("/steps/0/wait/value", "out_of_range"),
            ("/steps/1/key", "duplicate_key"),
            ("/steps/1/content/text", "unknown_filter"),
            ("/steps/2/fallback_template/language", "invalid_value"),
        ]
        .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()))
    );
}

#[tokio::test]
async fn a_test_is_not_an_enrollment_of_the_sequence() {
    let api = api(true).await;
    let id = api.sequence("contact").await;
    let path = format!("/v1/sequences/{id}");
    let test = async |who: &Api, body: Value| who.post(&format!("{path}/test"), body).await;
    let refused = test(&api, json!({})).await.refuses(422, "test_contact_required");
    assert!(refused["detail"].as_str().unwrap().contains("test_contact_id"));
    let contact = api.contact("test@b.co").await;
    api.patch("/v1/account", json!({"test_contact_id": contact})).await.is(200);
    test(&api, json!({"step": 2})).await.points(422, "/step", "out_of_range");
    test(&api, json!({"steps": 1})).await.refuses(422, "unknown_field");
    test(&api.with_role("agent").await, json!({})).await.refuses(403, "forbidden");
    test(&api.stranger().await, json!({})).await.refuses(404, "not_found");

    // Any manager may test what others own.
    let manager = key(&api, "manager", Some("bia")).await;
    let one = test(&manager, json!({"step": 1})).await.is(201);
    let what = ["test", "version", "step", "state", "due_at"].map(|name| one[name].clone());
    assert_eq!(what, [json!(true), json!(null), json!(1), json!("waiting"), json!("2026-03-09T09:00:00Z")], "{one}");
    assert_eq!(one["entered"]["source"], json!({"type": "test"}));
    assert_eq!(one["timeline"][0]["detail"], "test send of the draft by bia@loja.co");
    let run = one["id"].as_str().unwrap().to_owned();
    // Each request is a test of its own, but for a repeat.
    let other = test(&api, json!({})).await.is(201);
    assert_ne!(other["id"], one["id"]);
    let repeated = async || {
        let headers = [("idempotency-key", "k")];
        api.json("POST", &format!("{path}/test"), &headers, json!({})).await.is(201)["id"].clone()
    };
    assert_eq!(repeated().await, repeated().await);

    // Nobody is enrolled: not counted, not listed as a version, in nobody's way.
    let impact = api.post(&format!("{path}/impact"), json!({})).await.is(200);
    assert_eq!((&impact["running"], &impact["by_step"]), (&json!(0), &json!([])));
    assert_eq!(api.get(&format!("{path}/versions")).await.is(200)["data"].as_array().unwrap().len(), 1);
    let real = api.post("/v1/enrollments", json!({"sequence_id": id, "contact_id": contact})).await.is(201);
    assert_eq!((&real["version"], real.get("test")), (&json!(1), None));
    api.post(&format!("/v1/enrollments/{}/exit", real["id"].as_str().unwrap()), json!({})).await.is(200);
    let sequence = serde_json::from_value(draft("contact")).unwrap();
    let number = domain::enrollment::test_send::test_version(&sequence, &Default::default(), 0);
    api.get(&format!("{path}/versions/{number}")).await.refuses(404, "not_found");
    api.get(&format!("{path}/diff?from={number}")).await.refuses(422, "unknown_reference");
    api.post("/v1/preview", json!({"sequence_id": id, "version": number})).await.points(
        422,
        "/version",
        "unknown_reference",
    );
    let migrate = |run: &str| format!("/v1/enrollments/{run}/migrate");
    api.post(&migrate(&run), json!({"version": 1})).await.refuses(422, "test_enrollment");
    let ana = api.contact("ana@b.co").await;
    let ana = api.post("/v1/enrollments", json!({"sequence_id": id, "contact_id": ana})).await.is(201);
    api.post(&migrate(ana["id"].as_str().unwrap()), json!({"version": number})).await.points(
        422,
        "/version",
        "unknown_reference",
    );
    let job = api.post(&format!("{path}/publish"), json!({"running": "migrate"})).await.is(200)["job_id"].clone();
    api.work().await;
    assert_eq!(api.get(&format!("/v1/jobs/{}", job.as_str().unwrap())).await.is(200)["moved"], 1);
    assert_eq!(api.get(&format!("/v1/enrollments/{run}")).await.is(200)["test"], true);
    let wish = json!({"sequence_id": id, "contact_id": contact, "source": {"type": "test"}});
    api.post("/v1/enrollments", wish).await.points(422, "/source/type", "invalid_value");
    let wish = json!({"sequence_id": id, "contact_ids": [contact], "source": {"type": "test"}});
    api.post("/v1/enrollments/bulk", wish).await.points(422, "/source/type", "invalid_value");

    // What was only tested can be deleted.
    let copy =
        api.post(&format!("{path}/clone"), json!({"name": "Cópia"})).await.is(201)["id"].as_str().unwrap().to_owned();
    let copied = format!("/v1/sequences/{copy}");
    api.post(&format!("{copied}/publish"), json!({})).await.is(200);
    for _ in 0..25 {
        api.post(&format!("{copied}/test"), json!({})).await.is(201);
    }
    assert_eq!(api.delete(&copied).await.status, 204);
    api.delete(&path).await.refuses(409, "sequence_in_use");
}
