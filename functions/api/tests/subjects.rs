//! The subjects' own rules, over HTTP on the real store.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{api, draft, sender};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn settings_are_patched_and_checked() {
    let api = api(true).await;
    let before = api.get("/v1/account").await.is(200);
    assert_eq!((&before["timezone"], &before["default_country"]), (&json!("UTC"), &json!("BR")));
    let patch = json!({"timezone": "America/Sao_Paulo", "quiet_hours": [{"from": "20:00", "to": "08:00"}],
        "holidays": {"countries": ["BR"]}, "contact_limits": [{"max": 2, "per": "day"}]});
    let after = api.patch("/v1/account", patch).await.is(200);
    assert_eq!(after, api.get("/v1/account").await.is(200));
    assert_eq!(after["name"], "Loja");
    let wrong = json!({"timezone": "Mars", "colour": 1, "business_days": [], "holidays": {"countries": ["XX"]}});
    let answer = api.patch("/v1/account", wrong).await.is(422);
    assert_eq!(answer["errors"].as_array().unwrap().len(), 4, "{answer}");
    let dead = json!({"default_senders": {"whatsapp": "snd_AAAAAAAAAAAAAAAAAAAAAAAA"}});
    api.patch("/v1/account", dead).await.points(422, "/default_senders/whatsapp", "unknown_reference");
    assert_eq!(after, api.get("/v1/account").await.is(200));
}

#[tokio::test]
async fn a_contact_is_one_person() {
    let api = api(true).await;
    let ana =
        json!({"external_id": "7", "email": "Ana@B.co", "phone": "(11) 98765-4321", "attributes": {"plan": "pro"}});
    let made = api.post("/v1/contacts", ana).await.is(201);
    assert_eq!((&made["email"], &made["phone"]), (&json!("ana@b.co"), &json!("+5511987654321")));
    let more = api.post("/v1/contacts", json!({"phone": "+5511987654321", "first_name": "Ana"})).await.is(200);
    assert_eq!((&more["id"], &more["first_name"]), (&made["id"], &json!("Ana")));
    assert_eq!(more["attributes"], json!({"plan": "pro"}));
    let bia = api.post("/v1/contacts", json!({"email": "bia@b.co"})).await.is(201);
    let both = json!({"email": "bia@b.co", "external_id": "7"});
    api.post("/v1/contacts", both).await.refuses(409, "identity_conflict");
    let path = format!("/v1/contacts/{}", text(&bia["id"]));
    api.patch(&path, json!({"email": "ana@b.co"})).await.refuses(409, "identity_conflict");
    api.patch(&path, json!({"email": null})).await.refuses(422, "required");
    let moved = api.patch(&path, json!({"email": "bia@c.co", "attributes": {"x": 1}})).await.is(200);
    assert_eq!((&moved["email"], &moved["attributes"]), (&json!("bia@c.co"), &json!({"x": 1})));
    // The old address is free again.
    api.post("/v1/contacts", json!({"email": "bia@b.co"})).await.is(201);
    for query in ["bia%40c.co", "7", "%2B5511987654321", "ana@b.co"] {
        let found = api.get(&format!("/v1/contacts?query={query}")).await.is(200);
        assert_eq!(found["data"].as_array().unwrap().len(), 1, "{query}");
    }
    let wrong = api.post("/v1/contacts", json!({"email": "x", "phone": "1", "colour": 1})).await.is(422);
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 3, "{wrong}");
    let stranger = api.stranger().await;
    stranger.get(&path).await.refuses(404, "not_found");
    stranger.patch(&path, json!({"first_name": "x"})).await.refuses(404, "not_found");
}

#[tokio::test]
async fn fifty_requests_for_one_address_make_one_contact() {
    let api = api(true).await;
    let one = |i: usize| api.post("/v1/contacts", json!({"email": "a@b.co", "attributes": {format!("a{}", i % 3): i}}));
    let all = futures::future::join_all((0..50).map(one)).await;
    assert_eq!(all.iter().filter(|a| a.status == 201).count(), 1);
    let ids: std::collections::BTreeSet<String> = all.into_iter().map(|a| text(&a.body["id"])).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = api(true).await;
    for i in 0..7 {
        api.contact(&format!("p{i}@b.co")).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = api.get(&format!("/v1/contacts?limit=3&cursor={cursor}")).await.is(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(|c| text(&c["id"])));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.into(),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[tokio::test]
async fn a_csv_is_imported_at_once_or_by_a_job() {
    let api = api(true).await;
    let file = "email,phone,first_name,plan\na@b.co,,Ana,pro\nwrong,,Bia,\na@b.co,(11) 98765-4321,,\n";
    let report = api.csv("/v1/contacts/import", file).await.is(200);
    assert_eq!((&report["created"], &report["updated"], &report["failed"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!((&report["errors"][0]["row"], &report["errors"][0]["field"]), (&json!(2), &json!("email")));
    let found = api.get("/v1/contacts?query=a@b.co").await.is(200);
    assert_eq!(found["data"][0]["attributes"], json!({"plan": "pro"}));
    assert_eq!(found["data"][0]["phone"], "+5511987654321");

    let rows: String = (0..2_001).map(|i| format!("p{i}@b.co\n")).collect();
    let job = text(&api.csv("/v1/contacts/import", &format!("email\n{rows}")).await.is(202)["job_id"]);
    api.work().await;
    let done = api.get(&format!("/v1/jobs/{job}")).await.is(200);
    assert_eq!((&done["state"], &done["created"], &done["failed"]), (&json!("done"), &json!(2_001), &json!(0)));

    let job = text(&api.csv("/v1/contacts/import?last=false", "email\nq1@b.co\n").await.is(202)["job_id"]);
    api.work().await;
    assert_eq!(api.get(&format!("/v1/jobs/{job}")).await.is(200)["state"], "running");
    api.csv(&format!("/v1/contacts/import?job_id={job}&last=true"), "email\nq2@b.co\n").await.is(202);
    api.work().await;
    let done = api.get(&format!("/v1/jobs/{job}")).await.is(200);
    assert_eq!((&done["state"], &done["total"], &done["created"]), (&json!("done"), &json!(2), &json!(2)));
}

#[tokio::test]
async fn senders_keep_their_secrets() {
    let api = api(true).await;
    let mut wrong = sender();
    wrong["config"] = json!({});
    api.post("/v1/senders", wrong).await.points(422, "/config/phone_number_id", "required");
    let mut wrong = sender();
    wrong["channel"] = json!("sms");
    api.post("/v1/senders", wrong).await.points(422, "/channel", "wrong_channel");
    let made = api.post("/v1/senders", sender()).await.is(201);
    assert!(!made.to_string().contains("secret-token"));
    let path = format!("/v1/senders/{}", text(&made["id"]));
    assert_eq!(api.get(&path).await.is(200), made);
    assert_eq!(api.patch(&path, json!({"name": "Nova"})).await.is(200)["name"], "Nova");
    api.patch(&path, json!({"channel": "sms"})).await.points(422, "/channel", "unknown_field");
    let templates = api.post(&format!("{path}/templates/sync"), json!({})).await.is(200);
    assert_eq!(templates["data"][0]["name"], "a");
    assert_eq!(api.get(&format!("{path}/templates")).await.is(200), templates);
    api.patch("/v1/account", json!({"default_senders": {"whatsapp": made["id"]}})).await.is(200);
    api.delete(&path).await.refuses(409, "sender_in_use");
    api.patch("/v1/account", json!({"default_senders": null})).await.is(200);
    assert_eq!(api.delete(&path).await.status, 204);
    api.get(&path).await.refuses(404, "not_found");
    api.stranger().await.get(&path).await.refuses(404, "not_found");
}

#[tokio::test]
async fn payment_sources_keep_their_secrets() {
    let api = api(true).await;
    let body = || json!({"name": "Loja", "provider": "asaas", "credentials": {"secret": "token-do-painel"}});
    let mut wrong = body();
    wrong["credentials"] = json!({});
    api.post("/v1/payment-sources", wrong).await.points(422, "/credentials/secret", "required");
    let mut wrong = body();
    wrong["provider"] = json!("paypal");
    api.post("/v1/payment-sources", wrong).await.points(422, "/provider", "invalid_value");
    let mut wrong = body();
    wrong["name"] = json!(" ");
    api.post("/v1/payment-sources", wrong).await.points(422, "/name", "required");
    let made = api.post("/v1/payment-sources", body()).await.is(201);
    assert!(!made.to_string().contains("token-do-painel"));
    assert_eq!(made["webhook_path"], format!("/webhooks/asaas/{}", text(&made["id"])));
    let path = format!("/v1/payment-sources/{}", text(&made["id"]));
    assert_eq!(api.get(&path).await.is(200), made);
    assert_eq!(api.get("/v1/payment-sources").await.is(200)["data"], json!([made]));
    let changed = api.patch(&path, json!({"name": "Nova", "credentials": {"secret": "outro"}})).await.is(200);
    assert_eq!(changed["name"], "Nova");
    assert!(!changed.to_string().contains("outro"));
    api.patch(&path, json!({"provider": "stripe"})).await.points(422, "/provider", "unknown_field");
    let unmatched = api.get(&format!("{path}/unmatched?limit=5")).await.is(200);
    assert_eq!(unmatched, json!({"data": [], "next_cursor": null}));
    api.get(&format!("{path}/unmatched?cursor=x")).await.refuses(422, "invalid_cursor");
    for role in ["viewer", "agent", "manager"] {
        let key = api.with_role(role).await;
        key.get(&path).await.is(200);
        key.post("/v1/payment-sources", body()).await.refuses(403, "forbidden");
        key.delete(&path).await.refuses(403, "forbidden");
    }
    api.stranger().await.get(&path).await.refuses(404, "not_found");
    api.get("/v1/payment-sources/snd_AAAA").await.refuses(404, "not_found");
    assert_eq!(api.delete(&path).await.status, 204);
    api.get(&path).await.refuses(404, "not_found");
    api.get(&format!("{path}/unmatched")).await.refuses(404, "not_found");
}

#[tokio::test]
async fn sequences_are_drafts_with_versions() {
    let api = api(true).await;
    let mut wrong = draft("contact");
    wrong["steps"][1]["wait"]["unit"] = json!("weeks");
    api.post("/v1/sequences", wrong).await.points(422, "/steps/1/wait/unit", "invalid_value");
    let mut wrong = draft("contact");
    wrong["colour"] = json!("red");
    let problem = api.post("/v1/sequences", wrong).await.refuses(422, "unknown_field");
    assert_eq!(problem["errors"][0]["pointer"], "/colour");

    let id = api.sequence("contact").await;
    let path = format!("/v1/sequences/{id}");
    let answer = api.get(&path).await;
    let tag = answer.headers["etag"].to_str().unwrap().to_owned();
    let stored = answer.is(200);
    assert_eq!((&stored["published_version"], &stored["name"]), (&json!(1), &json!("Cobrança")));
    assert_eq!(tag, format!("\"{}\"", stored["revision"]));
    let mut changed = draft("contact");
    changed["name"] = json!("Nova");
    api.put(&path, changed.clone()).await.refuses(428, "precondition_required");
    api.json("PUT", &path, &[("if-match", "\"999\"")], changed.clone()).await.refuses(412, "stale_revision");
    let put = api.json("PUT", &path, &[("if-match", &tag)], changed.clone()).await.is(200);
    assert_eq!(put["name"], "Nova");
    api.json("PUT", &path, &[("if-match", &tag)], changed).await.refuses(412, "stale_revision");
    let manager = api.with_role("manager").await;
    manager.json("PUT", &path, &[("if-match", "*")], draft("contact")).await.refuses(403, "not_owner");
    let report = api.post(&format!("{path}/validate"), json!({})).await.is(200);
    assert_eq!(report["problems"], json!([]));
    assert_eq!(report["warnings"][0]["code"], "template_unverified");
    assert_eq!(api.post(&format!("{path}/publish"), json!({"running": "pinned"})).await.is(200)["version"], 2);
    assert_eq!(api.get(&format!("{path}/versions")).await.is(200)["data"].as_array().unwrap().len(), 2);
    assert_eq!(api.get(&format!("{path}/versions/1")).await.is(200)["name"], "Cobrança");
    api.get(&format!("{path}/versions/9")).await.refuses(404, "not_found");
    let copy = api.post(&format!("{path}/clone"), json!({"name": "Cópia"})).await.is(201);
    assert_eq!((&copy["name"], &copy["published_version"]), (&json!("Cópia"), &json!(null)));
    assert_eq!(api.post(&format!("{path}/archive"), json!({})).await.is(200)["archived"], true);
    let contact = api.contact("a@b.co").await;
    let wish = json!({"sequence_id": id, "contact_id": contact});
    api.post("/v1/enrollments", wish).await.refuses(422, "sequence_archived");
    let wish = json!({"sequence_id": copy["id"], "contact": {"email": "new@b.co"}});
    api.post("/v1/enrollments", wish).await.refuses(422, "sequence_not_published");
    let found = api.get("/v1/contacts?query=new@b.co").await.is(200);
    assert_eq!(found["data"], json!([]), "what is refused writes nothing");
    api.stranger().await.get(&path).await.refuses(404, "not_found");
}

#[tokio::test]
async fn templates_are_the_managers_and_edited_over_their_revision() {
    let api = api(true).await;
    let body = |text: &str| json!({"name": "Lembrete", "text": text, "language": "pt_BR"});
    api.post("/v1/templates", json!({"name": "x"})).await.points(422, "/text", "required");
    api.post("/v1/templates", body("{{ nil_x }}")).await.points(422, "/text", "reserved_name");
    let mut strange = body("x");
    strange["channel_variants"] = json!({"fax": {}});
    api.post("/v1/templates", strange).await.points(422, "/channel_variants/fax", "unknown_field");
    for role in ["viewer", "agent"] {
        let key = api.with_role(role).await;
        key.get("/v1/templates").await.is(200);
        key.post("/v1/templates", body("x")).await.refuses(403, "forbidden");
    }
    let manager = api.with_role("manager").await;
    let made = manager.post("/v1/templates", body("Olá {{ what }}")).await.is(201);
    assert!(made["id"].as_str().unwrap().starts_with("tpl_"));
    let path = format!("/v1/templates/{}", made["id"].as_str().unwrap());
    let answer = api.get(&path).await;
    assert_eq!(answer.headers["etag"], "\"1\"");
    assert_eq!(answer.is(200), made);
    api.put(&path, body("y")).await.refuses(428, "precondition_required");
    let edited = api.json("PUT", &path, &[("if-match", "\"1\"")], body("y")).await.is(200);
    assert_eq!((&edited["revision"], &edited["text"]), (&json!(2), &json!("y")));
    api.json("PUT", &path, &[("if-match", "\"1\"")], body("z")).await.refuses(412, "stale_revision");
    assert_eq!(api.get("/v1/templates").await.is(200)["data"], json!([edited]));
    api.stranger().await.get(&path).await.refuses(404, "not_found");
    assert_eq!(api.delete(&path).await.status, 204);
    api.delete(&path).await.refuses(404, "not_found");
    api.get(&path).await.refuses(404, "not_found");
    let off = self::api(false).await;
    off.get("/v1/templates").await.refuses(403, "module_disabled");
}

#[tokio::test]
async fn fifty_wishes_make_one_enrollment() {
    let api = api(true).await;
    let sequence = api.sequence("contact").await;
    let wish = || json!({"sequence_id": sequence, "contact": {"email": "a@b.co", "first_name": "Ana"}});
    let all = futures::future::join_all((0..50).map(|_| api.post("/v1/enrollments", wish()))).await;
    assert_eq!(all.iter().filter(|a| a.status == 201).count(), 1);
    assert_eq!(all.iter().filter(|a| a.status == 200 && a.body["duplicate"] == true).count(), 49);
}

#[tokio::test]
async fn an_enrollment_is_steered_and_explained() {
    let api = api(true).await;
    let sequence = api.sequence("contact").await;
    let contact = api.contact("a@b.co").await;
    let unknown = json!({"sequence_id": "seq_AAAAAAAAAAA", "contact_id": contact});
    api.post("/v1/enrollments", unknown).await.points(422, "/sequence_id", "unknown_reference");
    let unknown = json!({"sequence_id": sequence, "contact_id": "ctc_AAAAAAAAAAAAAAAA"});
    api.post("/v1/enrollments", unknown).await.points(422, "/contact_id", "unknown_reference");
    api.post("/v1/enrollments", json!({"sequence_id": sequence})).await.points(422, "/contact_id", "required");
    let wish = json!({"sequence_id": sequence, "contact": {"phone": "12"}});
    api.post("/v1/enrollments", wish).await.points(422, "/contact/phone", "invalid_phone");

    let made = api.post("/v1/enrollments", json!({"sequence_id": sequence, "contact_id": contact})).await.is(201);
    assert_eq!((&made["state"], &made["due_at"]), (&json!("waiting"), &json!("2026-03-09T10:00:00Z")));
    let path = format!("/v1/enrollments/{}", text(&made["id"]));
    assert_eq!(api.get(&path).await.is(200), made);
    let expected = json!({"sequence_id": sequence, "version": 1, "contact_id": contact, "conversation_id": null,
        "target": null, "reason": null, "outcome": null, "step": 0, "run": 1});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    assert_eq!(
        (&made["entered"]["at"], &made["entered"]["source"]),
        (&json!("2026-03-09T09:00:00Z"), &json!({"type": "manual"}))
    );
    assert_eq!(made["steps"][0]["planned_at"], "2026-03-09T10:00:00Z");
    let pending = json!({"index": 1, "key": "b", "status": "pending", "reason": null, "planned_at": null,
        "sent_at": null, "delivered_at": null, "read_at": null, "replied_at": null, "channel": null, "message_id": null});
    assert_eq!(made["steps"][1], pending);
    assert_eq!(made["timeline"][0]["code"], "entered");
    assert!(made.get("in_flight").is_none() && made.get("duplicate").is_none());
    assert_eq!(api.post(&format!("{path}/pause"), json!({})).await.is(200)["state"], "paused");
    assert_eq!(api.post(&format!("{path}/pause"), json!({})).await.is(200)["state"], "paused");
    let explained = api.get(&format!("{path}/explain")).await.is(200);
    assert!(!explained["blocking"].as_array().unwrap().is_empty(), "{explained}");
    let resumed = api.post(&format!("{path}/resume"), json!({"mode": "restart_wait"})).await.is(200);
    assert_eq!(resumed["state"], "waiting");
    assert_eq!(api.post(&format!("{path}/skip"), json!({})).await.is(200)["step"], 1);
    for state in ["waiting", "active"] {
        let list = api.get(&format!("/v1/enrollments?sequence_id={sequence}&state={state}")).await.is(200);
        assert_eq!(list["data"].as_array().unwrap().len(), 1, "{state}");
    }
    let list = api.get(&format!("/v1/enrollments?contact_id={contact}&state=paused")).await.is(200);
    assert_eq!(list["data"], json!([]));
    assert_eq!(api.get(&format!("/v1/contacts/{contact}/enrollments")).await.is(200)["data"][0]["id"], made["id"]);
    let stranger = api.stranger().await;
    stranger.get(&path).await.refuses(404, "not_found");
    stranger.post(&format!("{path}/exit"), json!({})).await.refuses(404, "not_found");
    let ended = api.post(&format!("{path}/exit"), json!({"reason": "pediu"})).await.is(200);
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("finished"), &json!("removed")));
    api.post(&format!("{path}/pause"), json!({})).await.refuses(409, "enrollment_finished");
    let again = api.post("/v1/enrollments", json!({"sequence_id": sequence, "contact_id": contact})).await.is(201);
    assert_eq!(again["run"], 2);
}

#[tokio::test]
async fn paying_one_charge_ends_only_its_run() {
    let api = api(true).await;
    let sequence = api.sequence("charge").await;
    let contact = api.contact("a@b.co").await;
    let wish = json!({"sequence_id": sequence, "contact_id": contact});
    api.post("/v1/enrollments", wish).await.points(422, "/target", "target_required");
    let mut runs = Vec::new();
    for charge in ["c1", "c2"] {
        let target = json!({"kind": "charge", "id": charge, "attributes": {"amount": "10"}});
        let wish = json!({"sequence_id": sequence, "contact_id": contact, "target": target});
        runs.push(text(&api.post("/v1/enrollments", wish).await.is(201)["id"]));
    }
    api.advance(60);
    let paid =
        json!({"id": "e1", "type": "charge.paid", "contact_id": contact, "target": {"kind": "charge", "id": "c1"}});
    let effect = api.post("/v1/events", paid.clone()).await.is(202);
    assert_eq!(effect["exited"], json!([runs[0]]));
    assert_eq!(api.post("/v1/events", paid).await.is(202)["exited"], json!([]));
    let ended = api.get(&format!("/v1/enrollments/{}", runs[0])).await.is(200);
    assert_eq!(ended["outcome"], "goal");
    assert_eq!(api.get(&format!("/v1/enrollments/{}", runs[1])).await.is(200)["state"], "waiting");
    let target = api.put(&format!("/v1/contacts/{contact}/targets/charge/c1"), json!({})).await.is(200);
    assert_eq!(target["attributes"], json!({}));
    let list = json!([{"type": "x", "contact_id": contact}, {"type": "x", "contact": {"email": "wrong"}}]);
    api.post("/v1/events", list).await.points(422, "/1/contact/email", "invalid_email");
    let list = json!([{"type": "x", "contact_id": contact}, {"type": "message.received", "contact_id": contact}]);
    assert_eq!(api.post("/v1/events", list).await.is(202)["exited"], json!([runs[1]]));
}

#[tokio::test]
async fn a_resolved_conversation_ends_its_runs() {
    let api = api(true).await;
    let sequence = api.sequence("contact").await;
    let contact = api.contact("a@b.co").await;
    let path = format!("/v1/contacts/{contact}/conversations/42");
    assert_eq!(api.put(&path, json!({"channel": "whatsapp"})).await.is(200)["status"], "open");
    let wish = json!({"sequence_id": sequence, "contact_id": contact, "conversation_id": "42"});
    let run = text(&api.post("/v1/enrollments", wish).await.is(201)["id"]);
    api.advance(60);
    assert_eq!(api.put(&path, json!({"status": "resolved"})).await.is(200)["status"], "resolved");
    assert_eq!(api.get(&format!("/v1/enrollments/{run}")).await.is(200)["outcome"], "resolved");
    let nobody = "/v1/contacts/ctc_AAAAAAAAAAAAAAAA/conversations/42";
    api.put(nobody, json!({})).await.refuses(404, "not_found");
}

#[tokio::test]
async fn many_are_enrolled_by_a_job() {
    let api = api(true).await;
    let sequence = api.sequence("contact").await;
    let mut contacts = Vec::new();
    for i in 0..5 {
        contacts.push(api.contact(&format!("p{i}@b.co")).await);
    }
    let job = api.post("/v1/enrollments/bulk", json!({"sequence_id": sequence, "contact_ids": contacts})).await.is(202);
    let path = format!("/v1/jobs/{}", text(&job["job_id"]));
    assert_eq!(api.get(&path).await.is(200)["state"], "running");
    api.work().await;
    let done = api.get(&path).await.is(200);
    assert_eq!((&done["state"], &done["enrolled"], &done["duplicates"]), (&json!("done"), &json!(5), &json!(0)));
    let again =
        api.post("/v1/enrollments/bulk", json!({"sequence_id": sequence, "contact_ids": contacts})).await.is(202);
    api.work().await;
    let done = api.get(&format!("/v1/jobs/{}", text(&again["job_id"]))).await.is(200);
    assert_eq!((&done["enrolled"], &done["duplicates"]), (&json!(0), &json!(5)));
    api.stranger().await.get(&path).await.refuses(404, "not_found");
}

#[tokio::test]
async fn a_suppression_marks_whoever_has_or_gets_the_address() {
    let api = api(true).await;
    let contact = api.post("/v1/contacts", json!({"email": "a@b.co", "phone": "+5511987654321"})).await.is(201);
    let path = format!("/v1/contacts/{}", text(&contact["id"]));
    let body = json!({"channel": "all", "address": "(11) 98765-4321", "reason": "asked"});
    let made = api.post("/v1/suppressions", body).await.is(201);
    assert_eq!((&made["address"], &made["also"][0]["channel"]), (&json!("+5511987654321"), &json!("sms")));
    assert_eq!(api.get(&path).await.is(200)["suppressed"], json!(["whatsapp", "sms"]));
    let list = api.get("/v1/suppressions").await.is(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert_eq!(api.delete(&format!("/v1/suppressions/{}", text(&made["id"]))).await.status, 204);
    api.delete(&format!("/v1/suppressions/{}", text(&made["id"]))).await.refuses(404, "not_found");
    assert_eq!(api.get(&path).await.is(200)["suppressed"], json!(["sms"]));
    api.post("/v1/suppressions", json!({"channel": "email", "address": "New@B.co"})).await.is(201);
    let new = api.post("/v1/contacts", json!({"email": "new@b.co"})).await.is(201);
    assert_eq!(new["suppressed"], json!(["email"]));
    api.post("/v1/suppressions", json!({"channel": "sms", "address": "x"})).await.points(
        422,
        "/address",
        "invalid_phone",
    );
}

#[tokio::test]
async fn attributes_are_declared_and_listed_as_variables() {
    let api = api(true).await;
    api.post("/v1/attributes", json!({"name": "plan", "type": "text", "of": "contact"})).await.is(201);
    api.post("/v1/attributes", json!({"name": "a b", "type": "text", "of": "contact"})).await.points(
        422,
        "/name",
        "invalid_name",
    );
    assert_eq!(api.get("/v1/attributes").await.is(200)["data"].as_array().unwrap().len(), 1);
    let names = api.get("/v1/variables?target=charge").await.is(200).to_string();
    for name in ["contact.plan", "target.amount", "contact.first_name"] {
        assert!(names.contains(name), "{name}");
    }
}
