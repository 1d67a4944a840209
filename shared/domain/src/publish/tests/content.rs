//! What a step may say.

use serde_json::{Value, json};

use super::{found, one_step, report, sender, step_is, step_shape_is};
use crate::account::Settings;

fn rich(parts: Value) -> Value {
    let mut content = json!({"type": "rich", "text": "Olá"});
    for (name, value) in parts.as_object().unwrap() {
        content[name] = value.clone();
    }
    json!({"content": content})
}

fn buttons(titles: &[&str]) -> Value {
    (0..).zip(titles).map(|(i, t): (u32, _)| json!({"id": format!("b{i}"), "title": t})).collect()
}

fn list(rows: usize) -> Value {
    let rows: Value = (0..rows).map(|i| json!({"id": format!("r{i}"), "title": "Linha"})).collect();
    json!({"button": "Ver", "sections": [{"rows": rows}]})
}

#[test]
fn media_buttons_and_lists() {
    let image = json!({"kind": "image", "url": "https://files.example.com/a.png", "caption": "A foto"});
    let check = |parts: Value, expected: &[(&str, &str)]| {
        let expected: Vec<(String, &str)> =
            expected.iter().map(|(p, code)| (format!("/steps/0/content{p}"), *code)).collect();
        let expected: Vec<(&str, &str)> = expected.iter().map(|(p, code)| (p.as_str(), *code)).collect();
        step_shape_is(rich(parts), &expected);
    };
    check(json!({}), &[]);
    check(json!({"media": image}), &[]);
    check(json!({"media": image, "buttons": buttons(&["Sim", "Não", "Depois"])}), &[]);
    check(json!({"list": list(10)}), &[]);
    check(json!({"buttons": []}), &[]);
    check(json!({"buttons": buttons(&["{{ contact.first_name | default: 'você' }}, de acordo"])}), &[]);
    check(json!({"media": {"kind": "audio", "url": "https://files.example.com/{{ target.id }}.ogg"}}), &[]);
    check(json!({"media": {"kind": "document", "url": "{{ target.link }}"}}), &[]);

    check(json!({"buttons": buttons(&["a", "b", "c", "d"])}), &[("/buttons", "too_many")]);
    check(json!({"buttons": buttons(&["a", "a"])}), &[("/buttons/1/title", "duplicate")]);
    check(json!({"buttons": buttons(&[&"x".repeat(21)])}), &[("/buttons/0/title", "too_long")]);
    check(json!({"buttons": buttons(&[" "])}), &[("/buttons/0/title", "required")]);
    check(json!({"buttons": buttons(&["{{ x"])}), &[("/buttons/0/title", "liquid_syntax")]);
    check(
        json!({"buttons": [{"title": "a"}, {"id": "b"}, {"id": "b", "title": "c", "index": 1}]}),
        &[
            ("/buttons/0/id", "required"),
            ("/buttons/1/title", "required"),
            ("/buttons/2/index", "not_allowed"),
            ("/buttons/2/id", "duplicate"),
        ],
    );
    check(
        json!({"buttons": [{"id": "{{ x }}", "title": "a"}, {"id": "i".repeat(257), "title": "b"}]}),
        &[("/buttons/0/id", "invalid_value"), ("/buttons/1/id", "too_long")],
    );
    check(json!({"buttons": buttons(&["a"]), "list": list(1)}), &[("/list", "mutually_exclusive")]);
    check(json!({"media": image, "list": list(1)}), &[("/media", "mutually_exclusive")]);
    check(json!({"list": list(11)}), &[("/list/sections", "too_many")]);
    check(json!({"list": {"button": "Ver", "sections": []}}), &[("/list/sections", "required")]);
    check(
        json!({"list": {"button": "", "sections": [
            {"rows": []},
            {"title": "t".repeat(25), "rows": [{"id": "a", "title": "r".repeat(25), "description": "d".repeat(73)},
                {"id": "a", "title": ""}]}]}}),
        &[
            ("/list/sections/0/title", "required"),
            ("/list/sections/0/rows", "required"),
            ("/list/sections/1/rows/1/id", "duplicate"),
            ("/list/button", "required"),
            ("/list/sections/1/title", "too_long"),
            ("/list/sections/1/rows/0/title", "too_long"),
            ("/list/sections/1/rows/0/description", "too_long"),
            ("/list/sections/1/rows/1/title", "required"),
        ],
    );
    let audio = |parts: Value| {
        let mut media = json!({"kind": "audio", "url": "https://files.example.com/a.ogg"});
        media.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        media
    };
    check(json!({"media": audio(json!({"caption": "x"}))}), &[("/media/caption", "not_allowed")]);
    check(json!({"media": audio(json!({})), "buttons": buttons(&["a"])}), &[("/media/kind", "not_allowed")]);
    for url in [
        "http://files.example.com/a.png",
        "https://localhost/a.png",
        "https://10.0.0.1/a.png",
        "a.png",
        "http://x.example.com/{{ target.id }}",
        "",
        "javascript:{{ target.id }}",
    ] {
        let code = if url.is_empty() { "required" } else { "invalid_link" };
        check(json!({"media": {"kind": "image", "url": url}}), &[("/media/url", code)]);
    }
    // The words that stand in a caption or above buttons are a quarter of a text's.
    let long = |n: usize| "é".repeat(n);
    check(json!({"text": long(4_096)}), &[]);
    check(json!({"text": long(1_025), "buttons": buttons(&["a"])}), &[("/text", "too_long")]);
    check(json!({"text": long(1_025), "list": list(1)}), &[("/text", "too_long")]);
    let captioned = json!({"kind": "image", "url": "https://files.example.com/a.png", "caption": long(23)});
    check(json!({"text": long(1_000), "media": captioned}), &[("/media/caption", "too_long")]);
    check(json!({"text": long(999), "media": captioned}), &[]);
}

/// Of a use of `fatura`, which takes two numbered parameters, a document and three values for buttons.
#[test]
fn every_part_of_a_template_is_judged() {
    let parts = |parts: Value| json!([{"name": "fatura", "language": "pt_BR", "status": "APPROVED", "body_parameters": 2, "parts": parts}]);
    let check = |use_: Value, known: Value, expected: &[(&str, &str)]| {
        let mut template = json!({"name": "fatura", "language": "pt_BR", "body": ["a", "b"]});
        template.as_object_mut().unwrap().extend(use_.as_object().unwrap().clone());
        let document = one_step(json!({"outside_window": "template", "fallback_template": template}));
        let report = report(document, &Settings::default(), &[sender(1, Some(parts(known)))]);
        let at: Vec<_> = report
            .problems
            .iter()
            .map(|p| (p.pointer.strip_prefix("/steps/0/fallback_template").unwrap(), p.code))
            .collect();
        assert_eq!(at, expected, "{report:#?}");
    };
    let wrong = "template_parameters";
    let link = "https://files.example.com/a.pdf";
    let whole = || {
        json!({"header": "document", "buttons": [
            {"index": 0, "sub_type": "url"}, {"index": 1, "sub_type": "quick_reply"}, {"index": 3, "sub_type": "copy_code"}]})
    };
    let document = || json!({"type": "document", "value": link, "filename": "a.pdf"});
    let values =
        json!([{"index": 0, "sub_type": "url", "value": "a"}, {"index": 3, "sub_type": "copy_code", "value": "X"}]);
    check(json!({"header": document(), "buttons": values}), whole(), &[]);
    // A list that an earlier release read says nothing of them.
    check(json!({"header": document(), "buttons": values}), json!(null), &[]);
    check(json!({}), whole(), &[("/header", wrong), ("/buttons", wrong), ("/buttons", wrong)]);
    check(json!({"header": document()}), json!({}), &[("/header", wrong)]);
    check(
        json!({"header": {"type": "image", "value": link}, "buttons": [
            {"index": 0, "sub_type": "copy_code", "value": "a"}, {"index": 2, "sub_type": "url", "value": "a"},
            {"index": 3, "sub_type": "copy_code", "value": "X"}]}),
        whole(),
        &[("/header/type", wrong), ("/buttons/0/sub_type", wrong), ("/buttons/1/index", wrong)],
    );
    let named = || json!({"body_names": ["first_name", "amount"], "header": "text", "header_name": "first_name"});
    let text = |name: Value| json!({"type": "text", "value": "Ana", "name": name});
    let body = json!({"first_name": "Ana", "amount": "1"});
    check(json!({"body": body, "header": text(json!("first_name"))}), named(), &[]);
    check(json!({"body": body, "header": text(json!(null))}), named(), &[("/header/name", wrong)]);
    check(json!({"header": text(json!(null))}), named(), &[("/body", wrong), ("/header/name", wrong)]);
    check(
        json!({"body": {"first_name": "Ana", "value": "1"}, "header": text(json!("first_name"))}),
        named(),
        &[("/body/value", wrong)],
    );
    check(json!({"body": body}), json!({}), &[("/body", wrong)]);
}

#[test]
fn a_templates_parameters_are_held_to_whatsapps_rules() {
    let check = |template: Value, expected: &[(&str, &str)]| {
        let mut whole = json!({"name": "fatura", "language": "pt_BR"});
        whole.as_object_mut().unwrap().extend(template.as_object().unwrap().clone());
        let at = |p: &str| format!("/steps/0/fallback_template{p}");
        let expected: Vec<(String, &str)> = expected.iter().map(|(p, code)| (at(p), *code)).collect();
        let expected: Vec<(&str, &str)> = expected.iter().map(|(p, code)| (p.as_str(), *code)).collect();
        step_shape_is(json!({"fallback_template": whole}), &expected);
    };
    check(json!({"body": ["a", "b    c", "{{ contact.first_name }}\n"]}), &[]);
    for odd in ["a\nb", "a\tb", "a     b"] {
        check(json!({"body": [odd]}), &[("/body/0", "invalid_value")]);
    }
    check(json!({"body": ["é".repeat(1_024)]}), &[]);
    check(json!({"body": ["é".repeat(1_025)]}), &[("/body/0", "too_long")]);
    let header = |type_: &str, more: Value| {
        let mut header = json!({"type": type_, "value": "https://files.example.com/a.pdf"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"header": header})
    };
    for media in ["image", "video", "document"] {
        check(header(media, json!({})), &[]);
        check(header(media, json!({"value": "http://files.example.com/a"})), &[("/header/value", "invalid_link")]);
    }
    check(header("document", json!({"filename": "fatura.pdf"})), &[]);
    check(header("image", json!({"filename": "a.png"})), &[("/header/filename", "not_allowed")]);
    check(header("image", json!({"name": "x"})), &[("/header/name", "not_allowed")]);
    check(header("text", json!({"value": "é".repeat(61)})), &[("/header/value", "too_long")]);
    check(header("text", json!({"value": ""})), &[("/header/value", "required")]);
    check(header("text", json!({"name": "Nome"})), &[("/header/name", "invalid_value")]);
    let mut mixed = header("text", json!({"name": "nome"}));
    mixed["body"] = json!(["a"]);
    check(mixed, &[("/header/name", "not_allowed")]);
    let button = |sub_type: &str, value: &str| json!({"buttons": [{"index": 0, "sub_type": sub_type, "value": value}]});
    check(button("copy_code", &"X".repeat(16)), &[("/buttons/0/value", "too_long")]);
    check(button("quick_reply", &"X".repeat(257)), &[("/buttons/0/value", "too_long")]);
    check(button("url", "faturas/{{ target.id }}"), &[]);
    check(button("url", ""), &[("/buttons/0/value", "required")]);
    check(
        json!({"buttons": [{"index": 10, "sub_type": "url", "value": "a"}]}),
        &[("/buttons/0/index", "out_of_range")],
    );
}

#[test]
fn a_template_gets_what_it_shows() {
    let check = |content: Value, problems: &[(&str, &str)], warnings: &[(&str, &str)]| {
        let mut whole = json!({"type": "template", "template_id": "tpl_1"});
        whole.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        step_is(json!({"content": whole}), problems, warnings);
    };
    let value = |name: &str| format!("/steps/0/content/values/{name}");
    let (amount, note) = (value("amount"), value("note"));
    check(json!({"values": {"amount": "R$ 10"}}), &[], &[]);
    check(json!({"values": {"amount": "R$ 10", "note": "{{ contact.attributes.note }}"}}), &[], &[]);
    check(json!({}), &[(&amount, "required")], &[]);
    check(json!({"values": {"note": "x"}}), &[(&amount, "required")], &[]);
    check(json!({"values": {"amount": "{{ target.amount }}"}}), &[], &[(&amount, "blank_variable")]);
    check(json!({"values": {"amount": "{{ target.amount | money"}}), &[(&amount, "liquid_syntax")], &[]);
    check(json!({"values": {"amount": "x", "note": "{{ contact.nmae }}"}}), &[(&note, "unknown_variable")], &[]);
    check(json!({"values": {"amount": "x", "colour": "red"}}), &[], &[(&value("colour"), "ignored")]);
    check(
        json!({"template_id": "tpl_2", "values": {"amount": "x"}}),
        &[("/steps/0/content/template_id", "unknown_reference")],
        &[],
    );
    check(
        json!({"values": {"amount": "x", "contact": "y", "nil_x": "z", "a b": "w"}}),
        &[(&value("a b"), "invalid_value"), (&value("contact"), "not_allowed"), (&value("nil_x"), "invalid_value")],
        &[(&value("a b"), "ignored"), (&value("contact"), "ignored"), (&value("nil_x"), "ignored")],
    );
    check(json!({"text": "x", "values": {"amount": "x"}}), &[("/steps/0/content/text", "not_allowed")], &[]);
    // An email needs a subject, which this template has not.
    let email =
        json!({"channel": "email", "content": {"type": "template", "template_id": "tpl_1", "values": {"amount": "x"}}});
    let report = report(one_step(email), &Settings::default(), &[]);
    assert_eq!(
        found(&report.problems),
        [("/steps/0/channel", "sender_missing"), ("/steps/0/content/template_id", "subject_missing")]
    );
}

#[test]
fn a_message_template_is_checked_when_it_is_saved() {
    let check = |template: Value, expected: &[(&str, &str)]| {
        let mut whole = json!({"name": "Lembrete", "text": "Olá {{ amount }}"});
        whole.as_object_mut().unwrap().extend(template.as_object().unwrap().clone());
        let problems = crate::publish::message_template(&serde_json::from_value(whole).unwrap());
        assert_eq!(found(&problems), expected);
    };
    check(json!({}), &[]);
    check(json!({"language": "pt_BR", "channel_variants": {"sms": {"text": "{{ amount }}"}}}), &[]);
    check(
        json!({"name": " ", "text": "", "language": "português"}),
        &[("/name", "required"), ("/text", "required"), ("/language", "invalid_value")],
    );
    check(json!({"text": "{{ nil_x }}"}), &[("/text", "reserved_name")]);
    check(json!({"text": "é".repeat(4_097)}), &[("/text", "too_long")]);
    check(
        json!({"channel_variants": {"email": {"subject": "{{ a", "html": "{% for i in (1..9999) %}{% endfor %}", "cc": ["x"]},
            "sms": {"text": "{{ a | shout }}"}}}),
        &[
            ("/channel_variants/email/subject", "liquid_syntax"),
            ("/channel_variants/email/html", "loop_too_large"),
            ("/channel_variants/email/cc/0", "invalid_value"),
            ("/channel_variants/sms/text", "unknown_filter"),
        ],
    );
}

#[test]
fn a_long_sms_is_warned_of() {
    let sms = |content: Value| json!({"channel": "sms", "content": content});
    let check = |content: Value, expected: &[(&str, &str)]| {
        let report = report(one_step(sms(content)), &Settings::default(), &[]);
        assert_eq!(found(&report.warnings), expected);
    };
    check(json!({"type": "text", "text": "a".repeat(459)}), &[]);
    check(json!({"type": "text", "text": "a".repeat(460)}), &[("/steps/0/content/text", "sms_long")]);
    let variant = |text: &str, transliterate: bool| json!({"type": "text", "text": "x", "sms": {"text": text, "transliterate": transliterate}});
    check(variant(&"á".repeat(300), false), &[("/steps/0/content/sms/text", "sms_long")]);
    check(variant(&"á".repeat(300), true), &[]);
    let too_long = |content: Value| {
        let report = report(one_step(sms(content)), &Settings::default(), &[]);
        found(&report.problems).iter().any(|problem| problem.1 == "too_long")
    };
    assert!(!too_long(variant(&"á".repeat(1_600), false)));
    assert!(too_long(variant(&"á".repeat(1_601), false)));
    assert!(too_long(json!({"type": "text", "text": "a".repeat(1_601)})));
}

#[test]
fn rich_content_is_published_like_a_text() {
    let audio = json!({"kind": "audio", "url": "https://files.example.com/a.ogg"});
    step_is(rich(json!({"buttons": buttons(&["Sim"])})), &[], &[]);
    step_is(rich(json!({"media": audio})), &[], &[("/steps/0/content/text", "text_not_shown")]);
    step_is(
        rich(
            json!({"media": {"kind": "image", "url": "{{ target.photo }}"}, "buttons": buttons(&["{{ contact.nope }}"])}),
        ),
        &[("/steps/0/content/buttons/0/title", "unknown_variable")],
        &[("/steps/0/content/media/url", "blank_variable")],
    );
    let mut changes = rich(json!({"buttons": buttons(&["Sim"])}));
    changes["outside_window"] = json!("template");
    step_is(changes, &[("/steps/0/fallback_template", "template_missing")], &[]);
}

#[test]
fn a_bot_needs_a_helpdesk() {
    let bot = |content: Value| json!({"content": content, "outside_window": "template"});
    step_is(bot(json!({"type": "bot", "bot_id": "7"})), &[("/steps/0/content/type", "bot_needs_helpdesk")], &[]);
    step_is(
        bot(
            json!({"type": "bot", "bot_id": "7", "text": "{{ contact.nope }}", "media": {"kind": "image", "url": "x"}}),
        ),
        &[
            ("/steps/0/content/media", "not_allowed"),
            ("/steps/0/content/media/url", "invalid_link"),
            ("/steps/0/content/type", "bot_needs_helpdesk"),
            ("/steps/0/content/text", "unknown_variable"),
        ],
        &[],
    );
    // Without any sender the channel is what is missing.
    let report = report(one_step(bot(json!({"type": "bot", "bot_id": "7"}))), &Settings::default(), &[]);
    assert_eq!(found(&report.problems), [("/steps/0/channel", "sender_missing")]);
}

#[test]
fn an_email_begins_its_thread_with_a_subject() {
    let email = |key: &str, channel: &str, email: Value| {
        json!({"key": key, "wait": {"value": 1, "unit": "days"}, "channel": channel,
            "content": {"type": "text", "text": "Olá", "email": email}})
    };
    let check = |steps: Value, expected: &[(&str, &str)]| {
        let document = json!({"name": "a", "target": "charge", "steps": steps});
        let report = report(document, &Settings::default(), &[sender(1, None)]);
        let all = report.problems.iter().chain(&report.warnings);
        let about = all.filter(|p| p.pointer.contains("/email/"));
        assert_eq!(about.map(|p| (p.pointer.as_str(), p.code)).collect::<Vec<_>>(), expected, "{report:#?}");
    };
    let subject = |text: &str| json!({"subject": text});
    let missing = |n: usize| format!("/steps/{n}/content/email/subject");
    check(json!([email("a", "email", subject("Fatura")), email("b", "email", json!({}))]), &[]);
    check(json!([email("a", "email", json!({}))]), &[(&missing(0), "subject_missing")]);
    check(json!([email("a", "email", subject(" "))]), &[(&missing(0), "required"), (&missing(0), "subject_missing")]);
    check(
        json!([email("a", "email", subject("A")), email("b", "email", json!({"thread": "new"}))]),
        &[(&missing(1), "subject_missing")],
    );
    check(json!([email("a", "email", subject("A")), email("b", "email", subject("B"))]), &[(&missing(1), "ignored")]);
    check(
        json!([email("a", "email", subject("A")), email("b", "email", json!({"subject": "B", "thread": "new"}))]),
        &[],
    );
    // Nobody has asked for email here: the account has no sender for it.
    check(json!([email("a", "automatic", json!({}))]), &[]);
    let mut named = email("a", "automatic", json!({}));
    named["channel_order"] = json!(["whatsapp", "email"]);
    check(json!([named]), &[(&missing(0), "subject_missing")]);

    let html = |html: &str| json!([email("a", "email", json!({"subject": "A", "html": html}))]);
    check(html("<p>{{ contact.first_name | default: 'você' }}</p>"), &[]);
    check(html("<p>{{ contact.first_name </p>"), &[("/steps/0/content/email/html", "liquid_syntax")]);
    check(html("<p>{{ contact.name_ }}</p>"), &[("/steps/0/content/email/html", "unknown_variable")]);
    let cc = |cc: Value| json!([email("a", "email", json!({"subject": "A", "cc": cc}))]);
    check(cc(json!(["ana@example.com"])), &[]);
    check(
        cc(json!(["ana", "a@b.c, d@e.f", "a@b.c\nBcc: x@y.z"])),
        &[
            ("/steps/0/content/email/cc/0", "invalid_value"),
            ("/steps/0/content/email/cc/1", "invalid_value"),
            ("/steps/0/content/email/cc/2", "invalid_value"),
        ],
    );
    check(cc(json!(["{{ agent.email }}"])), &[("/steps/0/content/email/cc/0", "blank_variable")]);
    check(json!([email("a", "email", subject(&"x".repeat(256)))]), &[("/steps/0/content/email/subject", "too_long")]);
}
