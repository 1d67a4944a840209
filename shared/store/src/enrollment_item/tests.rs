use std::collections::HashMap;

use domain::contact::TargetRef;
use domain::enrollment::choice::{Left, Others, Passed, PassedOver};
use domain::enrollment::{
    Attempt, AttemptResult, DaySlot, Entered, Happening, HappeningCode, Intent, MessageForm, Outcome, ParkReason,
    Reserved, Source, SourceType, StepReason, StepRecord, StepStatus,
};
use domain::ids::{ContactId, EnrollmentId, SequenceId};
use domain::message::{Channel, DeliveryStatus};
use domain::sequence::{StepChannel, TargetKind};
use domain::time::{Adjustment, AdjustmentCode, NaiveDate};
use serde_json::{Value, json};

use super::*;

const START: i64 = 1_794_830_400;
const DAY: i64 = 86_400;

fn tenant() -> TenantId {
    TenantId::from_bytes([0xa1; 9])
}

fn sender() -> SenderId {
    let mut raw = [0xb2; 18];
    raw[..9].copy_from_slice(tenant().as_bytes());
    SenderId::from_bytes(raw)
}

fn id() -> EnrollmentId {
    EnrollmentId {
        contact: ContactId::from_bytes([0xc3; 12]),
        sequence: SequenceId::from_bytes([0xd4; 8]),
        scope: [0xe5; 8],
        run: 1,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(START + seconds)
}

/// A run with nothing sent yet.
fn waiting() -> Enrollment {
    Enrollment {
        id: id(),
        rev: 1,
        generation: 1,
        state: State::Waiting,
        step: 0,
        due: Some(at(60)),
        wake: Some(at(60)),
        lease: None,
        swept: 0,
        body: Body {
            version: 1,
            previous: at(0),
            since: at(0),
            entered: Entered {
                id: 0xf6f6_f6f6_f6f6_f6f6,
                at: at(0),
                by: "ana@example.com".into(),
                source: Source { type_: SourceType::Manual, name: None },
            },
            trigger: None,
            marks_seen: Vec::new(),
            conversation: None,
            target: None,
            caught_up: false,
            reserved: None,
            day: None,
            send_now: false,
            intents: Vec::new(),
            migrate_to: None,
            records: Vec::new(),
            happenings: Vec::new(),
        },
    }
}

fn lease() -> Lease {
    Lease {
        token: "b64-of-16-random-bytes".into(),
        generation: 2,
        claimed_at: at(60),
        expires_at: at(150),
        sender: sender(),
        channel: Channel::Whatsapp,
        form: MessageForm::FallbackTemplate,
        day: None,
        others: Default::default(),
        conversation: None,
        resolve_at: None,
        reported: None,
    }
}

fn delivered(n: i64) -> StepRecord {
    let sent = at(n * 3 * DAY);
    StepRecord {
        status: StepStatus::Delivered,
        planned_at: Some(sent),
        adjustments: Vec::new(),
        sent_at: Some(sent.plus_seconds(1)),
        delivered_at: Some(sent.plus_seconds(4)),
        attempts: vec![Attempt {
            conversation: None,
            generation: 2 + 3 * n as u32,
            at: sent.plus_seconds(1),
            sender: sender(),
            channel: Channel::Whatsapp,
            form: MessageForm::Template,
            left: Default::default(),
            result: AttemptResult::Accepted(DeliveryStatus::Delivered),
            provider_message_id: Some(format!("wamid.HBgNNTUxMTk4NzY1NDMyMRUCABEYEjQ2QzYwNTdBQzRBRTVBRDU{n}RgA=")),
        }],
        ..StepRecord::new(&format!("step_{n}"))
    }
}

/// Four steps, all sent and delivered.
fn completed() -> Enrollment {
    let mut e = waiting();
    e.rev = 17;
    e.generation = 13;
    e.state = State::Finished(Outcome::Completed);
    e.step = 4;
    (e.due, e.wake) = (None, None);
    e.body.previous = at(9 * DAY);
    e.body.records = (0..4).map(delivered).collect();
    e.body.happenings =
        vec![Happening { at: at(9 * DAY + 1), code: HappeningCode::Finished, step: None, detail: None }];
    e
}

/// Everything that an enrollment can hold.
fn full() -> Enrollment {
    let mut e = completed();
    e.state = State::Sending;
    (e.due, e.wake) = (Some(at(60)), Some(at(60)));
    e.lease = Some(Lease { resolve_at: Some(at(960)), ..lease() });
    e.swept = 2;
    e.body.trigger = Some("evt_1".into());
    e.body.marks_seen = vec!["evt_0".into()];
    e.body.conversation = Some("42".into());
    e.body.target = Some(TargetRef { kind: TargetKind::Charge, id: "ch#1".into() });
    e.body.intents = vec![Intent::Pause, Intent::SendNow];
    e.body.migrate_to = Some(7);
    (e.body.caught_up, e.body.send_now) = (true, true);
    let record = &mut e.body.records[0];
    record.adjustments = vec![Adjustment { code: AdjustmentCode::QuietHours, from: at(0), to: at(60) }];
    record.attempts[0].result = AttemptResult::Refused("131026".into());
    (record.tries, record.first_try) = (1, Some(at(1)));
    e
}

/// One whose sender has limits: with a slot of its rate, a message of its day, and one in flight.
fn limited() -> Enrollment {
    let mut e = full();
    let day = NaiveDate::from_ymd_opt(2026, 11, 16).expect("a day");
    e.lease = Some(Lease { day: Some(day), ..lease() });
    e.body.day = Some(DaySlot { sender: sender(), day });
    e.body.reserved = Some(Reserved { generation: 13, sender: sender() });
    e.body.happenings.push(Happening {
        at: at(60),
        code: HappeningCode::DayLimited,
        step: Some(3),
        detail: Some(at(DAY).to_string()),
    });
    e
}

/// One whose step had a choice of channels: refused by one, in flight on the next.
fn choosing() -> Enrollment {
    let mut e = full();
    let passed = vec![PassedOver(StepChannel::SameConversation, Passed::NoConversation)];
    let left = Left { template: true, channel: true };
    e.lease = Some(Lease { channel: Channel::Email, others: Others { passed: passed.clone(), left }, ..lease() });
    let record = &mut e.body.records[0];
    record.passed =
        vec![passed[0], PassedOver(StepChannel::Whatsapp, Passed::Failed(StepReason::RecipientUnreachable))];
    record.failed = vec![(Channel::Whatsapp, StepReason::RecipientUnreachable)];
    record.attempts[0].left = left;
    let detail = Some("whatsapp (131026)".to_owned());
    e.body.happenings.push(Happening { at: at(60), code: HappeningCode::NextChannel, step: Some(0), detail });
    e
}

/// One that writes into the helpdesk's conversations.
fn in_conversations() -> Enrollment {
    let mut e = full();
    e.lease = e.lease.map(|lease| Lease { conversation: Some("43".into()), ..lease });
    e.body.records[0].attempts[0].conversation = Some("42".into());
    e
}

/// An item's size by DynamoDB's rules: names and values, numbers two digits a byte and one more.
fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.trim_start_matches('-').trim_end_matches('0').len().div_ceil(2) + 1,
        AttributeValue::L(list) => 3 + list.iter().map(|v| 1 + value_size(v)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.iter().map(|(k, v)| 1 + k.len() + value_size(v)).sum::<usize>(),
        _ => 1,
    }
}

/// The largest write of a 4-step run: the claim of the last step, and its end with all delivered.
#[test]
fn four_delivered_steps_stay_within_a_write_unit() {
    let mut claimed = completed();
    claimed.state = State::Sending;
    claimed.step = 3;
    (claimed.due, claimed.wake, claimed.lease) = (Some(at(9 * DAY)), Some(at(9 * DAY)), Some(lease()));
    claimed.body.happenings.clear();
    if let Some(last) = claimed.body.records.last_mut() {
        *last = StepRecord { planned_at: Some(at(9 * DAY)), ..StepRecord::new(&last.key) };
    }
    // The figures are here to be seen when they change; the limit is what must hold.
    for (what, e, bytes) in
        [("nothing sent", waiting(), 292), ("last step claimed", claimed, 872), ("all delivered", completed(), 922)]
    {
        assert_eq!(size(&encode(tenant(), &e)), bytes, "{what}");
        assert!(bytes <= 1024, "{what}");
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    for e in [waiting(), completed(), full(), limited(), choosing()] {
        assert_eq!(decode(&encode(tenant(), &e)), Ok(e));
    }
    let states = [
        State::Waiting,
        State::Sending,
        State::Paused,
        State::Parked(ParkReason::NeverAllowed),
        State::Finished(Outcome::Unsubscribed),
    ];
    for state in states {
        assert_eq!(state_of(&super::state(state)), Some(state));
    }
    for text in ["", "gone", "parked", "parked#", "finished#never"] {
        assert_eq!(state_of(text), None, "{text}");
    }
}

/// DynamoDB's own JSON.
fn of_json(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().and_then(|o| o.iter().next()).expect("one type and its value");
    let text = || value.as_str().expect("text").to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(value.as_bool().expect("a truth value")),
        "L" => AttributeValue::L(value.as_array().expect("a list").iter().map(of_json).collect()),
        "M" => AttributeValue::M(item_of_json(value)),
        other => panic!("{other}"),
    }
}

fn item_of_json(value: &Value) -> HashMap<String, AttributeValue> {
    value.as_object().expect("a map").iter().map(|(name, v)| (name.clone(), of_json(v))).collect()
}

fn to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(digits) => json!({"N": digits}),
        AttributeValue::Bool(truth) => json!({"BOOL": truth}),
        AttributeValue::L(list) => json!({"L": list.iter().map(to_json).collect::<Vec<_>>()}),
        AttributeValue::M(map) => json!({"M": map_to_json(map)}),
        other => panic!("{other:?}"),
    }
}

fn map_to_json(map: &HashMap<String, AttributeValue>) -> Value {
    map.iter().map(|(name, v)| (name.clone(), to_json(v))).collect::<serde_json::Map<_, _>>().into()
}

/// What stands in tables, and what it means.
fn kept() -> [(Value, Enrollment); 4] {
    let read = |text| serde_json::from_str(text).expect("JSON");
    [
        (read(include_str!("../../tests/fixtures/enrollment_v1.json")), full()),
        (read(include_str!("../../tests/fixtures/enrollment_v1_limits.json")), limited()),
        (read(include_str!("../../tests/fixtures/enrollment_v1_channels.json")), choosing()),
        (read(include_str!("../../tests/fixtures/enrollment_v1_conversation.json")), in_conversations()),
    ]
}

/// Items that were written before a deploy are read after it. When this fails, `decode` must learn
/// the old form; the files are what stands in tables.
#[test]
fn yesterdays_items_are_read() {
    for (stored, e) in kept() {
        assert_eq!(decode(&item_of_json(&stored)), Ok(e));
    }
}

#[test]
fn the_form_that_is_written_is_the_one_that_is_kept_as_yesterdays() {
    for (stored, e) in kept() {
        let written = map_to_json(&encode(tenant(), &e));
        assert_eq!(written, stored, "a new form needs a fixture of its own: {written:#}");
    }
}

#[test]
fn the_due_index_is_sparse() {
    let indexed = |e: &Enrollment| {
        let item = encode(tenant(), e);
        let has = [WAKE, GSI2_PK, GSI2_SK].map(|name| item.contains_key(name));
        assert!(has.iter().all(|h| *h == has[0]), "all or none: {item:?}");
        has[0]
    };
    let mut e = waiting();
    assert!(indexed(&e));
    e.wake = None;
    assert!(!indexed(&e));
    // A finished run whose send is still in flight has one.
    e.state = State::Finished(Outcome::Replied);
    e.lease = Some(lease());
    e.wake = Some(at(60));
    assert!(indexed(&e));
}

#[test]
fn lists_hold_still_while_an_enrollment_sends() {
    let list = |e: &Enrollment| [GSI1_PK, GSI1_SK].map(|name| encode(tenant(), e)[name].clone());
    let e = waiting();
    assert_eq!(list(&e), list(&e.claimed(lease())));
    let mut parked = full();
    parked.state = State::Parked(ParkReason::SenderSuspended);
    let order = list(&parked)[1].as_s().expect("text").clone();
    assert_eq!(order, "sender_suspended#srKysrKysrKy#001794830400");
    parked.body.records.clear();
    assert_eq!(list(&parked)[1].as_s().expect("text"), "sender_suspended#-#001794830400");
}

#[test]
fn a_broken_item_is_poison_and_says_nothing() {
    let whole = encode(tenant(), &full());
    for name in [keys::PK, keys::SK, items::VERSION, REV, GEN, STATE, STEP, DATA, LEASE] {
        let mut item = whole.clone();
        item.insert(name.into(), s("broken"));
        let error = decode(&item).expect_err(name);
        assert_eq!(error.to_string(), "unreadable: a stored enrollment", "{name}");
    }
}

#[test]
fn our_own_write_is_known_after_a_push_back() {
    let mut stored = waiting();
    assert!(is_ours(&waiting(), &stored));
    (stored.wake, stored.swept) = (Some(at(600)), 1);
    assert!(is_ours(&waiting(), &stored));
    stored.body.send_now = true;
    assert!(!is_ours(&waiting(), &stored));
}
