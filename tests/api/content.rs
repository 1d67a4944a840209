//! What a step says, as the provider gets it and as a preview shows it.

use serde_json::{Value, json};

use crate::world::{START, World, id};

const PHONE: &str = "+5511987654321";

fn rich_step(key: &str, parts: Value) -> Value {
    let mut content = json!({"type": "rich", "text": "Olá {{ contact.first_name }}"});
    content.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    json!({"key": key, "wait": {"value": 1, "unit": "minutes"}, "channel": "whatsapp", "content": content,
        "fallback_template": {"name": "modelo", "language": "pt_BR", "body": ["{{ contact.first_name }}"]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn rich_content_goes_out_in_whatsapps_own_forms() {
    let world = World::start().await;
    let contact = world.contact("Ana", PHONE).await;
    world.inbound(PHONE, "Oi!").await;
    let url = "https://files.example.com/fatura.pdf";
    let buttons = json!([{"id": "y", "title": "Sim, {{ contact.first_name }}"}, {"id": "n", "title": "Não"}]);
    let rows = json!([{"id": "9", "title": "9h", "description": "com a Bia"}, {"id": "10", "title": "10h"}]);
    let steps = json!([
        rich_step("image", json!({"media": {"kind": "image", "url": url, "caption": "A fatura"}})),
        rich_step("video", json!({"media": {"kind": "video", "url": url}})),
        rich_step("document", json!({"media": {"kind": "document", "url": url}})),
        rich_step("audio", json!({"media": {"kind": "audio", "url": url}})),
        rich_step("buttons", json!({"buttons": buttons})),
        rich_step("header", json!({"buttons": buttons, "media": {"kind": "image", "url": url}})),
        rich_step("list", json!({"list": {"button": "Ver", "sections": [{"rows": rows}]}})),
        rich_step("text", json!({})),
    ]);
    let sequence = world.sequence(json!({"name": "Rica", "target": "contact", "steps": steps})).await;
    world.advance(60).await;
    let enrolled = id(&world.enroll(&sequence, &contact).await);
    world.advance(3_600).await;

    let messages = world.messages().await;
    let types: Vec<_> = messages.iter().map(|m| m["body"]["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["image", "video", "document", "audio", "interactive", "interactive", "interactive", "text"]);
    let texts: Vec<_> = messages.iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!(
        texts,
        ["Olá Ana\n\nA fatura", "Olá Ana", "Olá Ana", "[audio]", "Olá Ana", "Olá Ana", "Olá Ana", "Olá Ana"]
    );
    let reply = &messages[4]["body"]["interactive"]["action"]["buttons"][0]["reply"];
    assert_eq!(*reply, json!({"id": "y", "title": "Sim, Ana"}));
    assert_eq!(messages[5]["body"]["interactive"]["header"]["image"]["link"], url);
    let end = world.enrollment(&enrolled).await;
    assert!(end["steps"].as_array().unwrap().iter().all(|s| s["status"] == "delivered"), "{end}");
    // What went out is kept in words.
    let kept = world.get(&format!("/v1/contacts/{contact}/messages")).await;
    let kept = kept["data"].as_array().unwrap().iter().filter_map(|m| m["text"].as_str()).collect::<Vec<_>>();
    assert!(kept.contains(&"Olá Ana\n\n1. Sim, Ana\n2. Não"), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_window_rich_content_leaves_as_its_template() {
    let world = World::start().await;
    let contact = world.contact("Ana", PHONE).await;
    let steps = json!([rich_step("a", json!({"buttons": [{"id": "y", "title": "Sim"}]}))]);
    let sequence = world.sequence(json!({"name": "Rica", "target": "contact", "steps": steps})).await;
    world.enroll(&sequence, &contact).await;
    world.advance(3_600).await;
    let messages = world.messages().await;
    assert_eq!((messages.len(), &messages[0]["body"]["type"]), (1, &json!("template")));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_are_refused_at_save_wherever_they_stand() {
    let world = World::start().await;
    let hostile = [
        ("{% for i in (1..100000000) %}x{% endfor %}", "loop_too_large"),
        ("{{ nil_x }}", "reserved_name"),
        ("{{ contact.first_name | shout }}", "unknown_filter"),
        ("{% include 'x' %}", "unknown_tag"),
        ("{{ a", "liquid_syntax"),
        (&"{% if a %}".repeat(9), "nesting_too_deep"),
        (&"x".repeat(1 << 20), "content_too_long"),
        ("{% for i in (1..1000) %}{% for j in (1..10) %}0123456789{% endfor %}{% endfor %}", "content_too_long"),
    ];
    let places = [
        "/text",
        "/media/url",
        "/media/caption",
        "/buttons/0/title",
        "/list/button",
        "/list/sections/0/title",
        "/list/sections/0/rows/0/title",
        "/list/sections/0/rows/0/description",
        "/email/subject",
        "/email/html",
        "/email/cc/0",
        "/sms/text",
    ];
    for place in places {
        for (source, code) in hostile {
            // One megabyte is the largest body there is.
            if source.len() > 100_000 && place != "/email/html" {
                continue;
            }
            let source = &source[..source.len().min(900_000)];
            let mut content = json!({"type": "rich", "text": "x", "email": {"subject": "s", "html": "h", "cc": ["a@example.com"]},
                "sms": {"text": "x"}, "media": {"kind": "image", "url": "https://files.example.com/a.png", "caption": "c"}});
            if place.starts_with("/buttons") {
                content["buttons"] = json!([{"id": "a", "title": "t"}]);
            }
            if place.starts_with("/list") {
                content.as_object_mut().unwrap().remove("media");
                content["list"] = json!({"button": "b", "sections": [{"title": "s", "rows": [
                    {"id": "a", "title": "t", "description": "d"}]}]});
            }
            *content.pointer_mut(place).unwrap() = json!(source);
            let step = json!({"key": "a", "wait": {"value": 0, "unit": "minutes"}, "channel": "whatsapp", "content": content,
                "outside_window": "fail"});
            let body = json!({"name": "x", "target": "contact", "steps": [step]});
            let (status, answer) = world.call(reqwest::Method::POST, "/v1/sequences", body).await;
            let pointer = format!("/steps/0/content{place}");
            let errors = answer["errors"].as_array().cloned().unwrap_or_default();
            let found = errors.iter().any(|e| e["pointer"] == pointer.as_str() && e["code"] == code);
            assert!(status == 422 && found, "{place} {code}: {status} {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_emails_and_sms_before_there_is_a_sender() {
    let world = World::start().await;
    world.without_senders().await;
    let step = |key: &str, channel: &str, content: Value| json!({"key": key, "wait": {"value": 1, "unit": "days"}, "channel": channel, "content": content});
    let email = json!({"type": "text", "text": "Olá {{ contact.first_name }}", "email": {
        "subject": "Fatura", "html": "<p>{{ contact.first_name }}</p>", "cc": ["{{ contact.assignee.email }}"]}});
    let sms = json!({"type": "text", "text": "Olá {{ contact.first_name }}, não esqueça"});
    let body = json!({
        "sequence": {"name": "x", "target": "contact", "steps": [step("a", "email", email), step("b", "sms", sms)]},
        "contact": {"first_name": "Ana <b>", "email": "ana@example.com", "assignee": {"name": "Bia", "email": "bia@example.com"}},
        "start_at": START});
    let preview = world.post("/v1/preview", body).await;
    assert_eq!(
        preview["steps"][0]["message"],
        json!({"type": "email", "subject": "Fatura", "text": "Olá Ana <b>", "html": "<p>Ana &lt;b&gt;</p>",
            "cc": ["bia@example.com"], "thread": "same"})
    );
    assert_eq!(preview["steps"][1]["message"], json!({"type": "text", "text": "Olá Ana <b>, não esqueça"}));
    assert_eq!(preview["steps"][1]["sms_segments"], 1);
    for step in preview["steps"].as_array().unwrap() {
        assert_eq!(step["warnings"][0]["code"], "sender_missing", "{step}");
    }
}

async fn put(world: &World, path: &str, body: Value, revision: Option<&str>) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.put(format!("{}{path}", world.local.base_url)).bearer_auth(&world.local.admin_key);
    if let Some(revision) = revision {
        request = request.header("If-Match", revision);
    }
    let response = request.json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// A published version keeps the template as it was, whatever becomes of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_is_edited_changes_nothing_that_runs() {
    let world = World::start().await;
    let contact = world.contact("Ana", PHONE).await;
    world.inbound(PHONE, "Oi!").await;
    let text = |text: &str| json!({"name": "Lembrete", "text": text, "language": "pt_BR"});
    let template = world.post("/v1/templates", text("{{ contact.first_name }}: {{ amount }}")).await;
    let (template, revision) = (id(&template), template["revision"].clone());
    assert_eq!(revision, 1);
    let step = |key: &str| {
        json!({"key": key, "wait": {"value": 1, "unit": "hours"}, "channel": "whatsapp", "outside_window": "fail",
            "content": {"type": "template", "template_id": template, "values": {"amount": "R$ {{ target.amount | default: '10' }}"}}})
    };
    let definition = json!({"name": "Lembrar", "target": "contact", "steps": [step("a"), step("b")]});
    let sequence = world.sequence(definition.clone()).await;
    world.advance(60).await;
    world.enroll(&sequence, &contact).await;
    world.advance(3_600).await;

    let path = format!("/v1/templates/{template}");
    let changed = || text("Mudou: {{ amount }} {{ other }}");
    assert_eq!(put(&world, &path, changed(), None).await.0, 428);
    let (status, edited) = put(&world, &path, changed(), Some("\"1\"")).await;
    assert_eq!((status, &edited["revision"], &edited["text"]), (200, &json!(2), &changed()["text"]));
    let (status, stale) = put(&world, &path, changed(), Some("\"1\"")).await;
    assert_eq!((status, &stale["code"]), (412, &json!("stale_revision")));

    world.advance(3_600).await;
    let sent: Vec<_> = world.messages().await.iter().map(|m| m["text"].clone()).collect();
    assert_eq!(sent, ["Ana: R$ 10", "Ana: R$ 10"]);
    // A preview of the version has it as it was, one of the draft as it is.
    let preview = |version: Value| {
        let body = json!({"sequence_id": sequence, "version": version, "contact_id": contact, "start_at": START});
        world.post("/v1/preview", body)
    };
    let kept = preview(json!(1)).await;
    assert_eq!(kept["warnings"].as_array().unwrap().iter().find(|w| w["code"] == "required"), None, "{kept}");
    let current = preview(json!(null)).await;
    let missing = current["warnings"].as_array().unwrap().iter().find(|w| w["code"] == "required").unwrap();
    assert_eq!(missing["pointer"], "/steps/0/content/values/other");
    let (status, refused) =
        world.call(reqwest::Method::POST, &format!("/v1/sequences/{sequence}/publish"), json!({})).await;
    assert_eq!((status, &refused["errors"][0]["pointer"]), (422, &json!("/steps/0/content/values/other")));

    // A draft uses it; without one it goes, and what was published stays.
    let (status, refused) = world.call(reqwest::Method::DELETE, &path, json!(null)).await;
    assert_eq!((status, &refused["code"]), (409, &json!("template_in_use")));
    let mut other = definition;
    for step in other["steps"].as_array_mut().unwrap() {
        step["content"] = json!({"type": "text", "text": "x"});
    }
    assert_eq!(put(&world, &format!("/v1/sequences/{sequence}"), other, Some("*")).await.0, 200);
    assert_eq!(world.call(reqwest::Method::DELETE, &path, json!(null)).await.0, 204);
    assert_eq!(world.call(reqwest::Method::GET, &path, json!(null)).await.0, 404);
    assert_eq!(preview(json!(1)).await["steps"][0]["channel"], "whatsapp");
    assert_eq!(world.get("/v1/templates").await["data"], json!([]));
}
