use serde_json::{Value, json};

use super::*;
use crate::account::Settings;
use crate::contact::{Contact, Profile, Target};
use crate::content::{RenderedParameters, Templates};
use crate::ids::{ContactId, Ids, SenderId, TenantId};
use crate::message::{Links, ProviderKind};
use crate::sender::Sender;
use crate::sequence::{Sequence, TargetKind};
use crate::time::AdjustmentCode;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

struct World {
    tenant: TenantId,
    sequence_id: SequenceId,
    sequence: Sequence,
    settings: Settings,
    senders: Vec<Sender>,
    person: Person,
    templates: Templates,
    links: Links,
}

/// An account in `zone` with one WhatsApp sender, and Ana with a charge due on 2026-04-10.
fn world(settings: Value, steps: Value) -> World {
    let mut ids = Ids::from_seed([3; 32]);
    let tenant = TenantId::new(&mut ids);
    let sender = json!({"id": SenderId::of(tenant, &mut ids), "rev": 1, "created_at": 0, "name": "Loja",
        "channel": "whatsapp", "provider": "whatsapp_cloud", "config": {}});
    let profile = Profile {
        first_name: Some("Ana".into()),
        phone: Some("+5511987654321".into()),
        timezone: Some("America/Manaus".into()),
        ..Profile::default()
    };
    let charge = json!({"kind": "charge", "id": "inv_1", "rev": 1,
        "attributes": {"amount": "129,90", "due_date": "2026-04-10"}});
    World {
        tenant,
        sequence_id: SequenceId::new(&mut ids),
        sequence: serde_json::from_value(json!({"name": "Cobrança", "target": "charge", "steps": steps})).unwrap(),
        settings: serde_json::from_value(settings).unwrap(),
        senders: vec![serde_json::from_value(sender).unwrap()],
        templates: Templates::new(),
        links: Links::default(),
        person: Person {
            contact: Contact::new(ContactId::new(&mut ids), profile, at("2026-01-01T00:00:00Z")),
            conversations: Vec::new(),
            targets: vec![serde_json::from_value::<Target>(charge).unwrap()],
            enrollments: Vec::new(),
        },
    }
}

impl World {
    fn start(&self, start: &str) -> Start {
        let target = TargetRef { kind: TargetKind::Charge, id: "inv_1".into() };
        Start { sequence: self.sequence_id, at: at(start), target: Some(target), seed: None }
    }

    fn context(&self) -> Context<'_> {
        Context {
            tenant: self.tenant,
            person: &self.person,
            sequence: &self.sequence,
            moves_to: None,
            settings: &self.settings,
            senders: &self.senders,
            templates: &self.templates,
            links: &self.links,
        }
    }

    fn preview(&self, start: &str) -> Vec<PreviewStep> {
        preview(&self.context(), &self.start(start)).unwrap()
    }
}

fn step(key: &str, wait: Value, changes: Value) -> Value {
    let mut step = json!({"key": key, "wait": wait, "channel": "whatsapp",
        "content": {"type": "text", "text": "Olá {{ contact.first_name }}: {{ target.amount }}"},
        "fallback_template": {"name": "cobranca_1", "language": "pt_BR", "body": ["{{ contact.first_name }}"]}});
    for (name, value) in changes.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

/// TIME.md section 5, through the same door as the API.
#[test]
fn the_rules_own_examples() {
    let check = |settings: Value, previous: &str, wait: Value, changes: Value, due: &str| {
        let steps = world(settings, json!([step("a", wait, changes)])).preview(previous);
        assert_eq!(steps[0].at, Some(at(due)), "{previous}: {steps:#?}");
    };
    let days = |n: u32| json!({"value": n, "unit": "days"});
    let business = |n: u32| json!({"value": n, "unit": "business_days"});
    let now = || json!({"value": 0, "unit": "minutes"});
    let zone = |zone: &str| json!({"timezone": zone});
    let new_york = || zone("America/New_York");
    let quiet = json!([{"from": "20:00", "to": "08:00"}]);
    let br = json!({"countries": ["BR"]});

    check(new_york(), "2026-03-06T14:00:00Z", days(3), json!({}), "2026-03-09T13:00:00Z");
    check(new_york(), "2026-03-07T07:30:00Z", days(1), json!({}), "2026-03-08T07:00:00Z");
    check(new_york(), "2026-10-31T05:30:00Z", days(1), json!({}), "2026-11-01T05:30:00Z");
    check(new_york(), "2026-11-01T04:30:00Z", json!({"value": 24, "unit": "hours"}), json!({}), "2026-11-02T04:30:00Z");
    check(
        json!({"timezone": "America/Sao_Paulo", "quiet_hours": quiet, "holidays": br}),
        "2026-11-20T01:00:00Z",
        business(1),
        json!({}),
        "2026-11-24T11:00:00Z",
    );
    check(
        json!({"timezone": "America/Sao_Paulo", "send_on_holidays": false, "holidays": br}),
        "2026-11-20T15:00:00Z",
        now(),
        json!({}),
        "2026-11-21T15:00:00Z",
    );
    check(
        json!({"timezone": "America/Sao_Paulo", "quiet_hours": quiet}),
        "2026-11-14T01:00:00Z",
        business(0),
        json!({}),
        "2026-11-16T11:00:00Z",
    );
    check(
        zone("Asia/Tokyo"),
        "2026-06-06T03:00:00Z",
        now(),
        json!({"window": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00"}}),
        "2026-06-07T23:00:00Z",
    );
    check(
        zone("Europe/Lisbon"),
        "2026-03-28T22:30:00Z",
        now(),
        json!({"window": {"from": "20:00", "to": "06:00"}}),
        "2026-03-28T22:30:00Z",
    );
}

#[test]
fn each_step_counts_from_the_one_before() {
    let settings = json!({"timezone": "America/Sao_Paulo", "use_contact_timezone": true,
        "quiet_hours": [{"from": "20:00", "to": "08:00"}]});
    let world = world(
        settings,
        json!([
            step("aviso", json!({"value": 0, "unit": "minutes"}), json!({})),
            step("dia3", json!({"value": 3, "unit": "business_days"}), json!({"at": "09:30"})),
            step("vespera", json!({"value": 1, "unit": "days", "before": "target.due_date"}), json!({"at": "10:00"})),
        ]),
    );
    // Manaus is four hours behind UTC: 23:00 on Friday.
    let steps = world.preview("2026-03-07T03:00:00Z");
    let times: Vec<_> = steps.iter().map(|s| s.local.as_deref().unwrap()).collect();
    assert_eq!(times, ["2026-03-07T08:00:00-04:00", "2026-03-11T09:30:00-04:00", "2026-04-09T10:00:00-04:00"]);
    assert_eq!(steps[0].base, Some(at("2026-03-07T03:00:00Z")));
    let moved = Adjustment {
        code: AdjustmentCode::QuietHours,
        from: at("2026-03-07T03:00:00Z"),
        to: at("2026-03-07T12:00:00Z"),
    };
    assert_eq!(steps[0].adjustments, [moved]);
    assert_eq!((steps[2].index, steps[2].key.as_str()), (2, "vespera"));
}

#[test]
fn a_step_whose_date_has_passed_is_shown_as_skipped() {
    let before = json!({"value": 1, "unit": "days", "before": "target.due_date"});
    let later = json!({"value": 1, "unit": "hours"});
    let world = world(json!({}), json!([step("a", before, json!({})), step("b", later, json!({}))]));
    let steps = world.preview("2026-04-12T12:00:00Z");
    assert_eq!((steps[0].skipped, steps[0].at, &steps[0].message), (Some(StepReason::Past), None, &None));
    assert_eq!(steps[1].at, Some(at("2026-04-12T13:00:00Z")));
}

#[test]
fn the_window_is_judged_when_the_step_goes() {
    let hours = |n: u32| json!({"value": n, "unit": "hours"});
    let mut world = world(json!({}), json!([step("a", hours(1), json!({})), step("b", hours(23), json!({}))]));
    let sender = world.senders[0].id;
    world.person.contact.last_inbound.insert(sender, at("2026-03-02T10:00:00Z"));
    let steps = world.preview("2026-03-02T11:00:00Z");
    assert_eq!(steps[0].message, Some(Message::Text { text: "Olá Ana: 129,90".into() }));
    assert!(steps[0].channel_reason.contains("within the last 24 hours"), "{}", steps[0].channel_reason);
    let Some(Message::WhatsappTemplate(template)) = &steps[1].message else { panic!("{steps:#?}") };
    assert_eq!(template.body, RenderedParameters::Positional(vec!["Ana".into()]));
    assert!(steps[1].channel_reason.contains("template"), "{}", steps[1].channel_reason);
}

#[test]
fn what_is_missing_is_a_warning() {
    let now = json!({"value": 0, "unit": "minutes"});
    let codes = |world: &World| {
        let steps = world.preview("2026-03-02T11:00:00Z");
        steps[0].warnings.iter().map(|w| (w.code, w.detail.clone())).collect::<Vec<_>>()
    };
    let one = |changes: Value| world(json!({}), json!([step("a", now.clone(), changes)]));

    let mut no_sender = one(json!({}));
    no_sender.senders.clear();
    assert_eq!(codes(&no_sender)[0].0, "sender_missing");
    let mut nameless = one(json!({}));
    nameless.person.contact.profile.first_name = None;
    let found = codes(&nameless);
    assert_eq!(found[0].0, "blank_variable");
    assert!(found[0].1.contains("contact.first_name"), "{}", found[0].1);
    let mut nowhere = one(json!({}));
    nowhere.person.contact.profile.phone = None;
    assert_eq!(codes(&nowhere)[0].0, "no_address");
    let fail = one(json!({"outside_window": "fail"}));
    assert_eq!(codes(&fail)[0].0, "outside_window_no_template");
    let dateless = one(json!({"wait": {"value": 1, "unit": "days", "after": "target.paid_at"}}));
    assert_eq!(codes(&dateless)[0].0, "target_date_missing");
}

#[test]
fn nothing_allowed_names_the_step() {
    let now = json!({"value": 0, "unit": "minutes"});
    let night = json!({"window": {"from": "21:00", "to": "23:00"}});
    let quiet = json!({"quiet_hours": [{"from": "20:00", "to": "08:00"}]});
    let world = world(quiet, json!([step("a", now.clone(), json!({})), step("b", now, night)]));
    let refused = preview(&world.context(), &world.start("2026-03-02T12:00:00Z"));
    assert_eq!(refused, Err(NeverAllowed { step: 1 }));
}

/// The promise that a preview's times are the run's.
#[test]
fn the_spread_is_that_of_the_enrollment() {
    let settings = json!({"quiet_hours": [{"from": "20:00", "to": "08:00"}], "spread_minutes": 60});
    let steps = json!([step("a", json!({"value": 0, "unit": "minutes"}), json!({}))]);
    let mut world = world(settings, steps);
    let start = at("2026-03-02T22:00:00Z");
    let enroll = |world: &World| {
        let wish = Wish {
            id: 1 + world.person.enrollments.len() as u64,
            sequence: world.sequence_id,
            version: 1,
            conversation: None,
            target: world.start("2026-03-02T22:00:00Z").target,
            start_at: None,
            by: "test".into(),
            source: Source { type_: SourceType::Manual, name: None },
            since: start,
            trigger: None,
        };
        let calendar = world.settings.calendar(None);
        let dates = Default::default();
        let planning = Planning { sequence: &world.sequence, calendar: &calendar, target_dates: &dates };
        let Decision::New(e) = wish.decide(&world.person, &planning, start) else { panic!("not new") };
        *e
    };
    let first = enroll(&world);
    let shown = world.preview("2026-03-02T22:00:00Z")[0].clone();
    assert_eq!(shown.at, first.due);
    assert_eq!(shown.adjustments.last().map(|a| a.code), Some(AdjustmentCode::Spread));

    // The second run is another enrollment, with a spread of its own.
    let id = first.id;
    world.person.enrollments.push(first.finished(crate::enrollment::Outcome::Removed, None, start).unwrap());
    let second = enroll(&world);
    assert_eq!(second.id.run, 2);
    assert_eq!(world.preview("2026-03-02T22:00:00Z")[0].at, second.due);
    assert_ne!(second.due, shown.at);

    let mut seeded = world.start("2026-03-02T22:00:00Z");
    seeded.seed = Some(id.to_string());
    assert_eq!(preview(&world.context(), &seeded).unwrap()[0].at, shown.at);
    seeded.seed = Some("another".into());
    let other = preview(&world.context(), &seeded).unwrap();
    assert_ne!(other[0].at, shown.at);
    assert_eq!(preview(&world.context(), &seeded).unwrap(), other);
}

/// Before there is a sender of the channel, and with one.
#[test]
fn an_email_and_an_sms_are_shown_in_their_own_form() {
    let days = |n: u32| json!({"value": n, "unit": "days"});
    let email = |changes: Value| {
        let mut email = json!({"subject": "Fatura de {{ contact.first_name }}", "html": "<p>{{ target.amount }}</p>"});
        email.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({"channel": "email", "content": {"type": "text", "text": "Olá {{ contact.first_name }}", "email": email}})
    };
    let rich = json!({"channel": "email", "content": {"type": "rich", "text": "Pagou?",
        "buttons": [{"id": "y", "title": "Sim"}, {"id": "n", "title": "Não"}]}});
    let sms = |text: &str, transliterate: bool| json!({"channel": "sms", "content": {"type": "text", "text": "x", "sms": {"text": text, "transliterate": transliterate}}});
    let long = "ação ".repeat(20);
    let mut world = world(
        json!({}),
        json!([
            step("a", days(0), email(json!({}))),
            step("b", days(1), rich),
            step("c", days(1), email(json!({"subject": "Outra", "thread": "new"}))),
            step("d", days(1), email(json!({"subject": null}))),
            step("e", days(1), sms(&long, false)),
            step("f", days(1), sms(&long, true)),
            step("g", days(1), sms(&"a".repeat(460), false)),
            step("h", days(1), sms("{{ contact.email }}", false)),
        ]),
    );
    let steps = world.preview("2026-03-02T11:00:00Z");
    let shown: Vec<_> = steps
        .iter()
        .map(|s| match &s.message {
            Some(Message::Email(email)) => (email.subject.clone(), email.text.clone()),
            Some(Message::Text { text }) => (String::new(), text.chars().take(8).collect()),
            other => (String::new(), format!("{other:?}")),
        })
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        shown,
        [
            pair("Fatura de Ana", "Olá Ana"),
            pair("Re: Fatura de Ana", "Pagou?\n\n1. Sim\n2. Não"),
            pair("Outra", "Olá Ana"),
            pair("Re: Outra", "Olá Ana"),
            pair("", "ação açã"),
            pair("", "acao aca"),
            pair("", "aaaaaaaa"),
            pair("", "None"),
        ]
    );
    let Some(Message::Email(first)) = &steps[0].message else { panic!() };
    assert_eq!(first.html.as_deref(), Some("<p>129,90</p>"));
    let parts: Vec<_> = steps.iter().map(|s| (s.sms_segments, s.sms_segments_saved)).collect();
    assert_eq!(parts[3..7], [(None, None), (Some(2), None), (Some(1), Some(1)), (Some(4), None)]);
    let codes = |i: usize| steps[i].warnings.iter().map(|w| w.code).collect::<Vec<_>>();
    assert_eq!(codes(0), ["sender_missing"]);
    assert_eq!(codes(4), ["sender_missing", "sms_accents"]);
    assert_eq!(codes(5), ["sender_missing"]);
    assert_eq!(codes(6), ["sender_missing", "sms_long"]);
    // The text came out blank, as there is no address to name.
    assert_eq!(codes(7), ["sender_missing", "message_rejected"]);
    let id = SenderId::of(world.tenant, &mut Ids::from_seed([9; 32]));
    world.senders.push(Sender::new(id, Timestamp(0), Channel::Sms, ProviderKind::Twilio, json!({})));
    let sent = world.preview("2026-03-02T11:00:00Z");
    let with_sender: Vec<_> = sent.iter().map(|s| (s.sms_segments, s.sms_segments_saved)).collect();
    assert_eq!(with_sender, parts);
    let codes: Vec<_> = sent[4..7].iter().flat_map(|s| &s.warnings).map(|w| w.code).collect();
    assert_eq!(codes, ["sms_accents", "sms_long"]);
}

#[test]
fn a_blank_name_keeps_a_strict_email_from_being_shown() {
    let now = json!({"value": 0, "unit": "minutes"});
    let email = json!({"channel": "email", "content": {"type": "text", "text": "Olá {{ contact.last_name }}",
        "email": {"subject": "Oi"}}});
    let mut world = world(json!({}), json!([step("a", now, email)]));
    let warned = |world: &World| {
        let step = world.preview("2026-03-02T11:00:00Z").remove(0);
        let codes: Vec<_> = step.warnings.iter().map(|w| w.code).collect();
        (step.message.is_some(), codes)
    };
    assert_eq!(warned(&world), (true, vec!["sender_missing", "blank_variable"]));
    world.sequence.strict_variables = true;
    assert_eq!(warned(&world), (false, vec!["sender_missing", "blank_variable"]));
}
