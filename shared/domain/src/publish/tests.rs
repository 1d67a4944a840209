mod content;

use serde_json::{Value, json};

use super::*;
use crate::content::Templates;
use crate::ids::{Ids, SenderId, TenantId};

fn sequence(document: Value) -> Sequence {
    serde_json::from_value(document).unwrap()
}

/// A sequence of one step: a plain text on WhatsApp that says `fail` outside the window, with
/// `changes` over it.
fn one_step(changes: Value) -> Value {
    let mut step = json!({"key": "a", "wait": {"value": 0, "unit": "minutes"}, "channel": "whatsapp",
        "content": {"type": "text", "text": "Olá"}, "outside_window": "fail"});
    for (name, value) in changes.as_object().unwrap() {
        step[name] = value.clone();
    }
    json!({"name": "Cobrança", "target": "charge", "steps": [step]})
}

pub(crate) fn sender(number: u8, templates: Option<Value>) -> Sender {
    let mut ids = Ids::from_seed([number; 32]);
    let tenant = TenantId::new(&mut ids);
    serde_json::from_value(json!({"id": SenderId::of(tenant, &mut ids), "rev": 1, "created_at": 0, "name": "Loja",
        "channel": "whatsapp", "provider": "whatsapp_cloud", "config": {}, "templates": templates}))
    .unwrap()
}

fn cobranca(status: &str) -> Value {
    json!([{"name": "cobranca_1", "language": "pt_BR", "status": status, "body_parameters": 2}])
}

fn report(document: Value, settings: &Settings, senders: &[Sender]) -> Report {
    let attributes = [(TargetKind::Contact, "plan".to_owned())];
    let now = Timestamp::parse("2026-03-02T12:00:00Z").unwrap();
    check(&sequence(document), &Facts { settings, senders, attributes: &attributes, templates: &templates(), now })
}

/// `tpl_1` shows `amount`, and `note` where it has one.
fn templates() -> Templates {
    let template = json!({"name": "Lembrete",
        "text": "{{ contact.first_name | default: 'Olá' }}: {{ amount }} {{ note | default: '' }}",
        "channel_variants": {"sms": {"text": "{{ amount }}"}}});
    [("tpl_1".to_owned(), serde_json::from_value(template).unwrap())].into()
}

fn found(problems: &[Problem]) -> Vec<(&str, &str)> {
    problems.iter().map(|p| (p.pointer.as_str(), p.code)).collect()
}

#[track_caller]
fn shape_is(document: Value, expected: &[(&str, &str)]) {
    let problems = shape(&sequence(document));
    assert_eq!(found(&problems), expected, "{problems:#?}");
}

#[track_caller]
fn step_shape_is(changes: Value, expected: &[(&str, &str)]) {
    shape_is(one_step(changes), expected);
}

/// Problems, then warnings, of a step in an account with one sender that was never synced.
#[track_caller]
fn step_is(changes: Value, problems: &[(&str, &str)], warnings: &[(&str, &str)]) {
    let report = report(one_step(changes), &Settings::default(), &[sender(1, None)]);
    assert_eq!(found(&report.problems), problems, "{report:#?}");
    assert_eq!(found(&report.warnings), warnings, "{report:#?}");
}

#[test]
fn every_mistake_is_listed_at_once() {
    let document = json!({"name": " ", "target": "charge", "language": "português",
        "steps": [
            {"key": "a b", "wait": {"value": 5, "unit": "minutes"}, "at": "09:00", "channel": "whatsapp",
             "content": {"type": "text"}},
            {"key": "dia3", "wait": {"value": 401, "unit": "days", "before": "target.due_date", "after": "due_date"},
             "window": {"days": [], "from": "09:00", "to": "09:00"}, "channel": "email",
             "content": {"type": "text", "text": "{{ contact.first_name | shout }}", "bot_id": "b"}},
            {"key": "DIA3", "wait": {"value": 0, "unit": "days"}, "at": "24:00", "channel": "sms",
             "content": {"type": "whatsapp_template", "name": "Olá", "language": "pt-BR", "body": [""]}},
        ],
        "exit": {"goals": [{"event": "", "where": [{"field": "amount", "op": "gte", "value": "much"}]}]},
        "entry": {"reentry": "never_within", "triggers": [{}, {"event": "x", "ai": {"description": "y"}}]},
        "caps": [{"countries": ["Brasil"], "regions": ["mars"], "max_steps": 0}]});
    let expected = [
        ("/name", "required"),
        ("/language", "invalid_value"),
        ("/steps/0/key", "invalid_value"),
        ("/steps/0/at", "not_allowed"),
        ("/steps/0/content/text", "required"),
        ("/steps/1/wait/value", "out_of_range"),
        ("/steps/1/wait/after", "mutually_exclusive"),
        ("/steps/1/wait/after", "invalid_value"),
        ("/steps/1/window", "empty_window"),
        ("/steps/1/window/days", "required"),
        ("/steps/1/content/bot_id", "not_allowed"),
        ("/steps/1/content/text", "unknown_filter"),
        ("/steps/2/key", "duplicate_key"),
        ("/steps/2/at", "invalid_value"),
        ("/steps/2/content/name", "invalid_value"),
        ("/steps/2/content/language", "invalid_value"),
        ("/steps/2/content/body/0", "required"),
        ("/exit/goals/0/event", "required"),
        ("/exit/goals/0/where/0/field", "invalid_value"),
        ("/exit/goals/0/where/0/value", "invalid_value"),
        ("/entry/period", "required"),
        ("/entry/triggers/0", "required"),
        ("/entry/triggers/1", "mutually_exclusive"),
        ("/caps/0/countries/0", "invalid_value"),
        ("/caps/0/regions/0", "invalid_value"),
        ("/caps/0/max_steps", "out_of_range"),
    ];
    shape_is(document.clone(), &expected);

    // Publishing says the same, and what only publishing asks for.
    let report = report(document, &Settings::default(), &[]);
    assert_eq!(found(&report.problems)[..expected.len()], expected);
    let more = found(&report.problems)[expected.len()..].to_vec();
    for one in [
        ("/steps/0/channel", "sender_missing"),
        ("/steps/0/fallback_template", "template_missing"),
        ("/steps/1/channel", "sender_missing"),
        ("/steps/2/content", "channel_mismatch"),
        ("/entry/triggers/1/ai", "not_available"),
    ] {
        assert!(more.contains(&one), "{one:?} is not in {more:?}");
    }
}

#[test]
fn the_contracts_own_example_is_a_draft() {
    let document = json!({"name": "Cobrança", "description": "", "target": "charge", "language": "pt_BR",
     "steps": [
      {"key": "aviso", "wait": {"value": 0, "unit": "minutes"}, "channel": "whatsapp", "sender_id": null,
       "content": {"type": "text", "text": "Olá {{ contact.first_name | default: 'tudo bem' }}, sua fatura de R$ {{ target.amount }} vence hoje: {{ target.link }}"},
       "fallback_template": {"name": "cobranca_1", "language": "pt_BR", "body": ["{{ contact.first_name }}", "{{ target.amount }}"], "header": null, "buttons": []},
       "outside_window": "template", "compose": {"mode": "static"}, "on_failure": "continue"},
      {"key": "dia3", "wait": {"value": 3, "unit": "business_days"}, "at": "09:30",
       "window": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"},
       "channel": "automatic", "channel_order": ["same_conversation", "whatsapp", "email"],
       "content": {"type": "text", "text": "…", "email": {"subject": "Fatura em aberto", "html": "…", "cc": ["{{ contact.assignee.email }}"], "thread": "same"}, "sms": {"text": "…"}},
       "compose": {"mode": "ai_assisted", "intent": "lembrar com gentileza", "lead": {"value": 12, "unit": "hours"}, "patience": {"value": 0, "unit": "minutes"}},
       "skip_if_late": {"value": 2, "unit": "days"}},
      {"key": "lembrete", "wait": {"value": 1, "unit": "days", "after": "target.due_date"}, "channel": "sms", "content": {"type": "template", "template_id": "tpl_1"}}],
     "exit": {"on_reply": true, "on_resolved": true, "goals": [{"event": "charge.paid", "where": [{"field": "data.amount", "op": "gte", "value": 50}]}]},
     "entry": {"reentry": "if_not_active", "period": null, "on_duplicate": "ignore",
               "triggers": [{"event": "charge.overdue", "where": [{"field": "data.amount", "op": "gte", "value": 50}]},
                            {"inactivity": {"value": 30, "unit": "minutes", "from": "either"}},
                            {"ai": {"description": "customer asked for a price and went quiet"}}]},
     "caps": [{"countries": ["DE", "FR"], "regions": ["europe"], "max_steps": 4}], "strict_variables": false});
    shape_is(document.clone(), &[]);
    let report = report(document, &Settings::default(), &[sender(1, Some(cobranca("APPROVED")))]);
    assert_eq!(
        found(&report.problems),
        [
            ("/steps/1/compose/mode", "not_available"),
            ("/steps/1/fallback_template", "template_missing"),
            ("/steps/2/channel", "sender_missing"),
            ("/steps/2/content/values/amount", "required"),
            ("/entry/triggers/1/inactivity", "not_available"),
            ("/entry/triggers/2/ai", "not_available"),
        ]
    );
    assert_eq!(
        found(&report.warnings),
        [
            ("/steps/0/content/text", "blank_variable"),
            ("/steps/0/content/text", "blank_variable"),
            ("/steps/0/fallback_template/body/0", "blank_variable"),
            ("/steps/0/fallback_template/body/1", "blank_variable"),
            ("/steps/1/channel_order/2", "sender_missing"),
            ("/steps/1/content/email/cc/0", "blank_variable"),
        ]
    );
}

#[test]
fn shape_of_a_step() {
    step_shape_is(json!({}), &[]);
    step_shape_is(json!({"window": {"from": "24:00", "to": "06:00"}}), &[("/steps/0/window/from", "invalid_value")]);
    step_shape_is(json!({"window": {"from": "20:00", "to": "06:00"}}), &[]);
    step_shape_is(json!({"window": {"from": "08:00", "to": "24:00"}}), &[]);
    step_shape_is(json!({"wait": {"value": 576_000, "unit": "minutes"}}), &[]);
    step_shape_is(json!({"wait": {"value": 9_601, "unit": "hours"}}), &[("/steps/0/wait/value", "out_of_range")]);
    step_shape_is(
        json!({"wait": {"value": 1, "unit": "days", "before": "target."}}),
        &[("/steps/0/wait/before", "invalid_value")],
    );
    step_shape_is(
        json!({"channel": "automatic", "channel_order": ["whatsapp", "automatic", "whatsapp"]}),
        &[("/steps/0/channel_order/1", "invalid_value"), ("/steps/0/channel_order/2", "duplicate")],
    );
    step_shape_is(
        json!({"skip_if_late": {"value": 401, "unit": "days"}}),
        &[("/steps/0/skip_if_late/value", "out_of_range")],
    );
    step_shape_is(
        json!({"content": {"type": "text", "text": "a".repeat(4097)}}),
        &[("/steps/0/content/text", "too_long")],
    );
    step_shape_is(
        json!({"content": {"type": "text", "text": "{{ contact.first_name"}}),
        &[("/steps/0/content/text", "liquid_syntax")],
    );
    step_shape_is(
        json!({"fallback_template": {"name": "", "language": "", "body": {"a/b": ""},
            "buttons": [{"index": 0, "sub_type": "url", "value": "x"}, {"index": 0, "sub_type": "url", "value": "y"}]}}),
        &[
            ("/steps/0/fallback_template/name", "required"),
            ("/steps/0/fallback_template/language", "required"),
            ("/steps/0/fallback_template/body/a~1b", "invalid_value"),
            ("/steps/0/fallback_template/buttons/1/index", "duplicate"),
            ("/steps/0/fallback_template/body/a~1b", "required"),
        ],
    );
    step_shape_is(
        json!({"content": {"type": "whatsapp_template", "name": "a", "language": "es", "buttons": [{"id": "x"}]}}),
        &[
            ("/steps/0/content/buttons/0/id", "not_allowed"),
            ("/steps/0/content/buttons/0/index", "required"),
            ("/steps/0/content/buttons/0/sub_type", "required"),
            ("/steps/0/content/buttons/0/value", "required"),
        ],
    );
    for (content, field) in [
        (json!({"type": "bot"}), "bot_id"),
        (json!({"type": "rich"}), "text"),
        (json!({"type": "template"}), "template_id"),
        (json!({"type": "text", "text": "  "}), "text"),
    ] {
        step_shape_is(json!({"content": content}), &[(&format!("/steps/0/content/{field}"), "required")]);
    }
}

#[test]
fn shape_of_the_whole() {
    shape_is(json!({"name": "a", "target": "deal", "steps": []}), &[("/steps", "required")]);
    let step = one_step(json!({}))["steps"][0].clone();
    let many: Vec<Value> = (0..101)
        .map(|i| {
            let mut step = step.clone();
            step["key"] = json!(format!("k{i}"));
            step
        })
        .collect();
    shape_is(
        json!({"name": "a".repeat(201), "target": "deal", "steps": many}),
        &[("/name", "too_long"), ("/steps", "too_many")],
    );
    let mut large = one_step(json!({}));
    large["steps"] = (0..30)
        .map(|i| {
            let mut step = step.clone();
            step["key"] = json!(format!("k{i}"));
            step["content"]["text"] = json!(format!("{{% if contact.name %}}{}{{% endif %}}", "a".repeat(12_000)));
            step
        })
        .collect();
    shape_is(large, &[("", "too_large")]);
}

#[test]
fn a_step_needs_one_sender() {
    let (one, other) = (sender(1, None), sender(2, None));
    let both = [one.clone(), other.clone()];
    let problems = |changes: Value, settings: &Settings, senders: &[Sender]| {
        let report = report(one_step(changes), settings, senders);
        report.problems.iter().map(|p| (p.pointer.clone(), p.code)).collect::<Vec<_>>()
    };
    let settings = Settings::default();
    let at = |pointer: &str, code| vec![(pointer.to_owned(), code)];
    let titled = || json!({"type": "text", "text": "Olá", "email": {"subject": "Oi"}});
    assert_eq!(problems(json!({}), &settings, &[]), at("/steps/0/channel", "sender_missing"));
    assert_eq!(problems(json!({}), &settings, &both), at("/steps/0/sender_id", "sender_ambiguous"));
    assert_eq!(problems(json!({"sender_id": one.id}), &settings, &both), []);
    assert_eq!(
        problems(json!({"sender_id": other.id}), &settings, std::slice::from_ref(&one)),
        at("/steps/0/sender_id", "unknown_reference")
    );
    assert_eq!(
        problems(json!({"sender_id": one.id, "channel": "email", "content": titled()}), &settings, &both),
        at("/steps/0/sender_id", "sender_channel_mismatch")
    );
    assert_eq!(problems(json!({"channel": "sms"}), &settings, &both), at("/steps/0/channel", "sender_missing"));
    assert_eq!(problems(json!({"channel": "same_conversation"}), &settings, std::slice::from_ref(&one)), []);
    assert_eq!(problems(json!({"channel": "automatic"}), &settings, std::slice::from_ref(&one)), []);
    let default =
        Settings { default_senders: [(crate::message::Channel::Whatsapp, other.id)].into(), ..Settings::default() };
    assert_eq!(problems(json!({}), &default, &both), []);
}

#[test]
fn an_automatic_step_needs_one_way() {
    let of = |number: u8, channel: &str, provider: &str| {
        let mut sender = sender(number, None);
        sender.channel = serde_json::from_value(json!(channel)).unwrap();
        sender.provider = serde_json::from_value(json!(provider)).unwrap();
        sender
    };
    let (whatsapp, second) = (|| of(1, "whatsapp", "whatsapp_cloud"), || of(2, "whatsapp", "sinch"));
    let email = || Sender { config: json!({"inbound_domain": "re.example.com"}), ..of(3, "email", "ses") };
    let helpdesk = || of(4, "conversation", "chatwoot");
    let gateway = |window: &str| {
        let mut sender = of(5, "whatsapp", "http");
        sender.config = json!({"window": window});
        sender
    };
    let check = |changes: Value, senders: &[Sender], problems: &[(&str, &str)], warnings: &[(&str, &str)]| {
        let titled = json!({"type": "text", "text": "Olá", "email": {"subject": "Oi"}});
        let mut document = one_step(json!({"content": titled, "outside_window": "template"}));
        for (name, value) in changes.as_object().unwrap() {
            document["steps"][0][name] = value.clone();
        }
        let report = report(document, &Settings::default(), senders);
        let short = |found: Vec<(&str, &str)>| -> Vec<(String, String)> {
            found.iter().map(|(p, c)| (p.replace("/steps/0", ""), (*c).to_owned())).collect()
        };
        let expected = |list: &[(&str, &str)]| short(list.to_vec());
        assert_eq!(short(found(&report.problems)), expected(problems), "{report:#?}");
        assert_eq!(short(found(&report.warnings)), expected(warnings), "{report:#?}");
    };
    let order = |channels: &[&str]| json!({"channel": "automatic", "channel_order": channels});
    let anything = || json!({"channel": "automatic"});
    let template = ("/fallback_template", "template_missing");
    // The order that is meant without words names nothing that must be there.
    check(anything(), &[email()], &[], &[]);
    check(anything(), &[whatsapp()], &[template], &[]);
    check(anything(), &[whatsapp(), email()], &[], &[template]);
    check(anything(), &[gateway("none")], &[], &[]);
    check(anything(), &[gateway("24h"), email()], &[], &[template]);
    check(anything(), &[gateway("24h")], &[template], &[]);
    check(anything(), &[helpdesk()], &[], &[]);
    check(anything(), &[], &[("/channel", "sender_missing")], &[]);
    check(anything(), &[whatsapp(), second()], &[("/sender_id", "sender_ambiguous"), template], &[]);
    check(anything(), &[whatsapp(), second(), email()], &[], &[("/channel", "sender_ambiguous"), template]);
    let missing = ("/channel_order/0", "sender_missing");
    check(order(&["sms", "email"]), &[email()], &[], &[missing]);
    check(order(&["sms", "whatsapp"]), &[email()], &[("/channel", "sender_missing")], &[]);
    check(order(&["same_conversation", "sms"]), &[helpdesk()], &[], &[("/channel_order/1", "sender_missing")]);
    check(order(&["same_conversation"]), &[email()], &[], &[]);
    let mut named = order(&["whatsapp", "email"]);
    named["sender_id"] = json!(second().id);
    named["outside_window"] = json!("fail");
    check(named.clone(), &[whatsapp(), second(), email()], &[], &[]);
    named["channel_order"] = json!(["email"]);
    check(named, &[whatsapp(), second(), email()], &[("/sender_id", "sender_channel_mismatch")], &[]);
    // The conversation to go on with, wherever it runs.
    let same = || json!({"channel": "same_conversation"});
    check(same(), &[helpdesk()], &[], &[]);
    check(same(), &[helpdesk(), whatsapp()], &[], &[template]);
    check(same(), &[whatsapp()], &[template], &[]);
    check(same(), &[], &[("/channel", "sender_missing")], &[]);
    // A helpdesk's sender is for its conversations.
    let in_helpdesk = json!({"sender_id": helpdesk().id, "outside_window": "fail"});
    check(in_helpdesk, &[helpdesk(), whatsapp()], &[("/sender_id", "sender_channel_mismatch")], &[]);
    let bot = |channel: &str| json!({"channel": channel, "content": {"type": "bot", "bot_id": "7"}});
    check(bot("same_conversation"), &[helpdesk(), whatsapp()], &[], &[]);
    check(bot("automatic"), &[whatsapp(), email()], &[("/content/type", "bot_needs_helpdesk")], &[]);
    let approved = |channel: &str| json!({"channel": channel, "content": {"type": "whatsapp_template", "name": "a", "language": "pt_BR"}});
    let unverified = ("/content", "template_unverified");
    check(approved("automatic"), &[whatsapp(), email()], &[], &[unverified]);
    check(approved("automatic"), &[email()], &[("/content", "channel_mismatch")], &[]);
    check(approved("whatsapp"), &[gateway("none")], &[("/content", "channel_mismatch")], &[]);
    // Answers to a mailbox that is not ours are not seen, and do not end what ends on them.
    let titled = json!({"channel": "email", "content": {"type": "text", "text": "Olá", "email": {"subject": "Oi"}}});
    let deaf = of(3, "email", "ses");
    check(titled.clone(), &[email()], &[], &[]);
    check(titled, &[deaf], &[], &[("/channel", "email_replies_not_seen")]);
    // Nobody named email: without a subject it is one way less.
    let untitled =
        json!({"channel": "automatic", "content": {"type": "text", "text": "Olá"}, "outside_window": "fail"});
    check(untitled, &[whatsapp(), email()], &[], &[("/content/email/subject", "subject_missing")]);
}

#[test]
fn templates_are_judged_against_the_synced_list() {
    let document = |body: Value, language: &str| {
        one_step(json!({"outside_window": "template",
            "fallback_template": {"name": "cobranca_1", "language": language, "body": body}}))
    };
    let check = |document: Value, templates: Option<Value>| {
        let report = report(document, &Settings::default(), &[sender(1, templates)]);
        let all = report.problems.iter().chain(&report.warnings);
        all.map(|p| (p.pointer.replace("/steps/0/fallback_template", ""), p.code)).collect::<Vec<_>>()
    };
    let at = |pointer: &str, code| vec![(pointer.to_owned(), code)];
    let two = || json!(["a", "b"]);
    assert_eq!(check(document(two(), "pt_BR"), None), at("", "template_unverified"));
    assert_eq!(check(document(two(), "pt_BR"), Some(cobranca("APPROVED"))), []);
    assert_eq!(check(document(two(), "pt_BR"), Some(cobranca("PAUSED"))), at("/name", "template_not_approved"));
    assert_eq!(check(document(two(), "es"), Some(cobranca("APPROVED"))), at("/language", "template_not_approved"));
    assert_eq!(check(document(two(), "pt_BR"), Some(json!([]))), at("/name", "template_not_approved"));
    assert_eq!(check(document(json!(["a"]), "pt_BR"), Some(cobranca("APPROVED"))), at("/body", "template_parameters"));
    assert_eq!(check(one_step(json!({"outside_window": "template"})), None), at("", "template_missing"));
    // Never used, never judged.
    let mut unused = document(two(), "pt_BR");
    unused["steps"][0]["outside_window"] = json!("fail");
    assert_eq!(check(unused, Some(json!([]))), []);
    let content = json!({"type": "whatsapp_template", "name": "cobranca_1", "language": "pt_BR", "body": ["a"]});
    let found = check(one_step(json!({"content": content})), Some(cobranca("REJECTED")));
    assert_eq!(
        found,
        [
            ("/steps/0/content/name".to_owned(), "template_not_approved"),
            ("/steps/0/content/body".to_owned(), "template_parameters")
        ]
    );
}

#[test]
fn variables() {
    let text = |text: &str| json!({"content": {"type": "text", "text": text}});
    let here = "/steps/0/content/text";
    step_is(
        text("{{ contact.first_name | default: 'você' }} {{ contact.plan | default: '-' }} {{ target.id }}"),
        &[],
        &[],
    );
    step_is(text("{{ contact.first_name }} {{ contact.first_name }}"), &[], &[(here, "blank_variable")]);
    step_is(text("{% if target.link %}{{ target.link }}{% endif %}"), &[], &[]);
    step_is(
        text("{{ contact.frist_name }} {{ fatura.valor }}"),
        &[(here, "unknown_variable"), (here, "unknown_variable")],
        &[],
    );
    let report = report(one_step(text("{{ contact.frist_name }}")), &Settings::default(), &[sender(1, None)]);
    assert!(report.problems[0].detail.contains("`contact.first_name`"), "{}", report.problems[0].detail);
}

#[test]
fn what_ai_needs_and_what_does_not_exist_yet() {
    step_is(
        json!({"content": {"type": "text"}, "compose": {"mode": "ai_full"}}),
        &[("/steps/0/compose/mode", "not_available"), ("/steps/0/content/text", "static_fallback_missing")],
        &[],
    );
    // A tone says it where the step has no words of its own.
    step_is(json!({"compose": {"tone": "friendly"}, "content": {"type": "text"}}), &[], &[]);
    step_is(json!({"content": {"type": "text"}}), &[("/steps/0/content/text", "required")], &[]);
}

#[test]
fn hours_in_which_nothing_can_be_sent() {
    let saturdays = json!({"wait": {"value": 1, "unit": "business_days"},
        "window": {"days": ["sat"], "from": "08:00", "to": "12:00"}});
    step_is(saturdays, &[("/steps/0/window", "never_allowed")], &[]);
    // Begins on Friday and runs into Saturday: its first hours are Friday's.
    let fridays = json!({"wait": {"value": 1, "unit": "business_days"},
        "window": {"days": ["fri"], "from": "22:00", "to": "02:00"}});
    step_is(fridays, &[], &[]);

    let settings: Settings = serde_json::from_value(
        json!({"timezone": "America/Sao_Paulo", "quiet_hours": [{"from": "20:00", "to": "08:00"}]}),
    )
    .unwrap();
    let night = json!({"window": {"from": "21:00", "to": "23:00"}});
    let found_at = |changes: Value, settings: &Settings| {
        let report = report(one_step(changes), settings, &[sender(1, None)]);
        report.problems.iter().map(|p| (p.pointer.clone(), p.code)).collect::<Vec<_>>()
    };
    assert_eq!(found_at(night, &settings), [("/steps/0/window".to_owned(), "never_allowed")]);
    assert_eq!(found_at(json!({"window": {"from": "07:00", "to": "08:01"}}), &settings), []);
    let silent: Settings = serde_json::from_value(json!({"quiet_hours": [{"from": "00:00", "to": "24:00"}]})).unwrap();
    assert_eq!(found_at(json!({}), &silent), [("/steps/0".to_owned(), "never_allowed")]);
}

#[test]
fn lesser_things_are_warnings() {
    let mut document = one_step(json!({"wait": {"value": 1, "unit": "days", "before": "target.due_date"},
        "channel_order": ["whatsapp"]}));
    document["target"] = json!("contact");
    let mut suspended = sender(1, None);
    suspended.suspended = Some(crate::sender::Suspension { code: "190".into(), at: Timestamp(0) });
    let report = report(document, &Settings::default(), &[suspended]);
    assert_eq!(report.problems, []);
    assert_eq!(
        found(&report.warnings),
        [
            ("/steps/0/channel", "sender_suspended"),
            ("/steps/0/wait/before", "no_target_date"),
            ("/steps/0/channel_order", "ignored"),
        ]
    );
}
