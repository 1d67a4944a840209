use domain::content::RenderedTemplate;
use domain::time::Adjustment;
use serde_json::json;

use super::*;

fn request(body: Value) -> Result<PreviewRequest, String> {
    serde_json::from_value(body).map_err(|e| e.to_string())
}

fn found(problems: &[Problem]) -> Vec<(&str, &str)> {
    problems.iter().map(|p| (p.pointer.as_str(), p.code)).collect()
}

fn overridden(overrides: Value) -> Result<Settings, Vec<Problem>> {
    let account: Settings = serde_json::from_value(json!({"timezone": "America/Sao_Paulo",
        "holidays": {"countries": ["BR"], "dates": ["2026-12-24"]}, "spread_minutes": 30}))
    .unwrap();
    with_overrides(&account, overrides.as_object())
}

#[test]
fn a_request_is_read_strictly() {
    let read = request(
        json!({"sequence": {"name": "a", "target": "contact", "steps": []}, "contact": {"phone": "+5511987654321"},
        "target": {"kind": "charge", "attributes": {"amount": "10,00"}}, "start_at": "2026-03-09T09:00:00-03:00",
        "account": {"timezone": "UTC"}, "enrollment_seed": "x"}),
    );
    assert_eq!(read.unwrap().start_at, Timestamp::parse("2026-03-09T12:00:00Z"));
    assert_eq!(request(json!({})).unwrap().start_at, None);
    for (body, error) in [
        (json!({"start_at": "tomorrow"}), "RFC 3339"),
        (json!({"starts_at": "2026-03-09T09:00:00Z"}), "unknown field `starts_at`"),
        (json!({"contact": {"fone": "1"}}), "unknown field `fone`"),
        (json!({"sequence_id": "cadence"}), "not an id of the form seq_"),
    ] {
        let refused = request(body).unwrap_err();
        assert!(refused.contains(error), "{refused}");
    }
}

#[test]
fn a_thing_is_either_named_or_given() {
    let both = request(json!({"sequence_id": SequenceId::from_bytes([1; 8]), "version": 2,
        "sequence": {"name": "a", "target": "contact", "steps": []},
        "contact_id": ContactId::from_bytes([1; 12]), "contact": {}}));
    let expected =
        [("/sequence", "mutually_exclusive"), ("/version", "mutually_exclusive"), ("/contact", "mutually_exclusive")];
    assert_eq!(found(&conflicts(&both.unwrap())), expected);
}

#[test]
fn settings_lie_over_the_accounts_own() {
    let merged =
        overridden(json!({"quiet_hours": [{"from": "20:00", "to": "08:00"}], "holidays": {"countries": ["US"]}}));
    let merged = merged.unwrap();
    assert_eq!(merged.timezone, "America/Sao_Paulo");
    assert_eq!((merged.quiet_hours.len(), merged.spread_minutes), (1, 30));
    assert_eq!((merged.holidays.countries, merged.holidays.dates.len()), (vec!["US".to_owned()], 1));
}

#[test]
fn each_wrong_setting_is_named() {
    let refused =
        overridden(json!({"colour": "blue", "spread_minutes": "many", "timezone": "Mars/Olympus"})).unwrap_err();
    let expected = [
        ("/account/colour", "unknown_field"),
        ("/account/spread_minutes", "invalid_value"),
        ("/account/timezone", "invalid_timezone"),
    ];
    assert_eq!(found(&refused), expected);
}

#[test]
fn a_given_contact_needs_no_identity_but_a_sound_one() {
    let contact = |body: Value| serde_json::from_value::<PreviewContact>(body).unwrap();
    let nobody = profile(contact(json!({"first_name": " Ana "})), None).unwrap();
    assert_eq!((nobody.first_name.as_deref(), nobody.external_id), (Some("Ana"), None));
    let known = profile(contact(json!({"phone": "(11) 98765-4321"})), Some("BR")).unwrap();
    assert_eq!(known.phone.as_deref(), Some("+5511987654321"));
    let wrong = profile(contact(json!({"phone": "123", "timezone": "Mars"})), None).unwrap_err();
    assert_eq!(
        found(&problems(wrong, "/contact")),
        [("/contact/phone", "invalid_phone"), ("/contact/timezone", "invalid_timezone")]
    );
}

#[test]
fn a_given_target_lies_over_the_stored_one() {
    let at = Timestamp::parse("2026-03-09T12:00:00Z").unwrap();
    let stored =
        json!({"kind": "charge", "id": "inv_1", "rev": 4, "attributes": {"amount": "10,00", "link": "https://a"}});
    let mut person = Person {
        contact: Contact::new(ContactId::from_bytes([1; 12]), Profile::default(), at),
        conversations: Vec::new(),
        targets: vec![serde_json::from_value(stored).unwrap()],
        enrollments: Vec::new(),
    };
    let target = |body: Value| serde_json::from_value::<PreviewTarget>(body).unwrap();
    let given = json!({"kind": "charge", "id": "inv_1", "attributes": {"amount": "12,00"}});
    let named = place(&mut person, target(given)).unwrap();
    let attributes = &person.target(&named).unwrap().attributes;
    assert_eq!((attributes["amount"].as_str(), attributes["link"].as_str()), (Some("12,00"), Some("https://a")));

    let new = place(&mut person, target(json!({"kind": "deal"}))).unwrap();
    assert_eq!((person.targets.len(), new.kind), (2, TargetKind::Deal));
    let wrong = place(&mut person, target(json!({"kind": "deal", "attributes": {"a": [1]}}))).unwrap_err();
    assert_eq!(found(&wrong), [("/target/attributes/a", "invalid_type")]);
}

#[test]
fn a_step_is_shown_in_the_contracts_words() {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let template = json!({"name": "cobranca_1", "language": "pt_BR", "body": {"positional": ["Ana"]}});
    let step = PreviewStep {
        index: 0,
        key: "aviso".into(),
        base: Some(at("2026-03-09T02:00:00Z")),
        at: Some(at("2026-03-09T13:00:00Z")),
        local: Some("2026-03-09T09:00:00-04:00".into()),
        adjustments: vec![Adjustment {
            code: AdjustmentCode::QuietHours,
            from: at("2026-03-09T02:00:00Z"),
            to: at("2026-03-09T13:00:00Z"),
        }],
        channel: Some(Channel::Whatsapp),
        channel_reason: "the step asks for whatsapp".into(),
        message: Some(Message::WhatsappTemplate(serde_json::from_value::<RenderedTemplate>(template).unwrap())),
        sms_segments: None,
        sms_segments_saved: None,
        warnings: vec![domain::preview::Warning { code: "blank_variable", detail: "…".into() }],
        skipped: None,
    };
    let expected = json!({"index": 0, "key": "aviso", "base": "2026-03-09T02:00:00Z", "at": "2026-03-09T13:00:00Z",
        "local": "2026-03-09T09:00:00-04:00",
        "adjustments": [{"code": "quiet_hours", "from": "2026-03-09T02:00:00Z", "to": "2026-03-09T13:00:00Z"}],
        "channel": "whatsapp", "channel_reason": "the step asks for whatsapp",
        "message": {"type": "whatsapp_template", "name": "cobranca_1", "language": "pt_BR", "body": ["Ana"],
            "header": null, "buttons": []},
        "warnings": [{"code": "blank_variable", "detail": "…"}], "skipped": null});
    assert_eq!(serde_json::to_value(Step::from(step)).unwrap(), expected);
    let text = StepMessage::from(Message::Text { text: "Olá".into() });
    assert_eq!(serde_json::to_value(text).unwrap(), json!({"type": "text", "text": "Olá"}));
    assert_eq!(serde_json::to_value(StepReason::Past).unwrap(), json!("past"));
}
