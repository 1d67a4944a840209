//! What happens to people from outside, the marks it leaves, and what it ends.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::contact::{Person, TargetRef};
use crate::content::{DecimalMark, read_number};
use crate::enrollment::{Enrollment, Outcome};
use crate::sequence::{Condition, EventRule, Exit, Op};
use crate::time::Timestamp;

pub const MESSAGE_RECEIVED: &str = "message.received";
pub const SENT_BY_AGENT: &str = "message.sent_by_agent";
pub const CONVERSATION_OPENED: &str = "conversation.opened";
pub const CONVERSATION_RESOLVED: &str = "conversation.resolved";
pub const UNSUBSCRIBED: &str = "contact.unsubscribed";

/// An event about a contact: from `POST /v1/events`, a provider's webhook, or a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The same id never counts twice.
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// How the account that it came to writes amounts, where that decides what a text in `data` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal_mark: Option<DecimalMark>,
}

impl Signal {
    fn is_in(&self, conversation: &str) -> bool {
        self.conversation.as_deref() == Some(conversation)
    }

    /// Whether the account's way of writing amounts decides what some text in `data` is (`1.299`).
    pub fn needs_decimal_mark(&self) -> bool {
        fn decides(value: &Value) -> bool {
            let read = |mark| decimal(value, Some(mark));
            match value {
                Value::Array(list) => list.iter().any(decides),
                Value::Object(fields) => fields.values().any(decides),
                _ => read(DecimalMark::Comma) != read(DecimalMark::Point),
            }
        }
        self.data.values().any(decides)
    }
}

/// The last few signals of each type, left on the contact, conversation or target *before* the
/// enrollments are read: an enrollment still being written finds them when it is planned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marks(BTreeMap<String, Vec<Signal>>);

impl Marks {
    const KEPT: usize = 5;
    /// More than this of an event's data is not kept: conditions on it are false in a race.
    const MAX_DATA: usize = 1024;

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a signal; `false` when this very one is there already.
    pub fn add(&mut self, signal: &Signal) -> bool {
        let list = self.0.entry(signal.kind.clone()).or_default();
        if list.iter().any(|s| s.id == signal.id) {
            return false;
        }
        let mut signal = signal.clone();
        if serde_json::to_string(&signal.data).map_or(0, |s| s.len()) > Self::MAX_DATA {
            signal.data.retain(|_, v| v.is_number() || v.is_boolean());
        }
        list.push(signal);
        list.sort_by_key(|s| s.at);
        if list.len() > Self::KEPT {
            list.remove(0);
        }
        true
    }

    pub fn iter(&self) -> impl Iterator<Item = &Signal> {
        self.0.values().flatten()
    }
}

impl Person {
    /// Every mark on the person, their conversations and targets.
    pub fn marks(&self) -> impl Iterator<Item = &Signal> {
        self.contact
            .marks
            .iter()
            .chain(self.conversations.iter().flat_map(|c| c.marks.iter()))
            .chain(self.targets.iter().flat_map(|t| t.marks.iter()))
    }

    /// The ids of the marks in the second of `since`: signals that an enrollment made now already
    /// knows and that therefore never end it.
    pub fn marks_at(&self, since: Timestamp) -> Vec<String> {
        self.marks().filter(|s| s.at == since).map(|s| s.id.clone()).collect()
    }

    /// The first mark that ends this enrollment, if any.
    pub fn ended_by_mark(&self, enrollment: &Enrollment, exit: &Exit) -> Option<(Outcome, &Signal)> {
        self.marks().find_map(|signal| Some((ends(exit, enrollment, signal)?, signal)))
    }
}

/// Whether a signal ends an enrollment, and as what. The one rule for signals that arrive and for
/// marks found later.
pub fn ends(exit: &Exit, enrollment: &Enrollment, signal: &Signal) -> Option<Outcome> {
    if !counts(enrollment, signal) {
        return None;
    }
    if signal.kind == UNSUBSCRIBED {
        return Some(Outcome::Unsubscribed);
    }
    if signal.kind == MESSAGE_RECEIVED && exit.on_reply {
        return Some(Outcome::Replied);
    }
    let its_own = [enrollment.conversation.as_deref(), enrollment.went_into()];
    if signal.kind == CONVERSATION_RESOLVED
        && exit.on_resolved
        && its_own.into_iter().flatten().any(|of| signal.is_in(of))
    {
        return Some(Outcome::Resolved);
    }
    exit.goals.iter().any(|goal| is_goal(goal, enrollment, signal)).then_some(Outcome::Goal)
}

/// A signal counts if it happened after the second in which the enrollment began, or within it
/// when the enrollment neither began with it nor knew it.
fn counts(enrollment: &Enrollment, signal: &Signal) -> bool {
    let new_in_that_second = signal.at == enrollment.since && !enrollment.marks_seen.contains(&signal.id);
    enrollment.trigger.as_ref() != Some(&signal.id) && (signal.at > enrollment.since || new_in_that_second)
}

fn is_goal(goal: &EventRule, enrollment: &Enrollment, signal: &Signal) -> bool {
    let about_another = match (&signal.target, &enrollment.target) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => false,
    };
    goal.event == signal.kind && !about_another && holds(&goal.conditions, signal)
}

/// Whether all conditions hold on an event.
pub fn holds(conditions: &[Condition], signal: &Signal) -> bool {
    conditions.iter().all(|c| condition_holds(c, signal))
}

fn condition_holds(condition: &Condition, signal: &Signal) -> bool {
    let found = field(signal, &condition.field);
    let Some(found) = found.filter(|v| !v.is_null()) else {
        return match condition.op {
            Op::Exists => condition.value == Value::Bool(false),
            Op::Ne => true,
            _ => false,
        };
    };
    let same = |value: &Value| same(&found, value, signal.decimal_mark);
    let order = || compare(&found, &condition.value, signal.decimal_mark);
    match condition.op {
        Op::Exists => condition.value != Value::Bool(false),
        Op::Eq => same(&condition.value),
        Op::Ne => !same(&condition.value),
        Op::In => condition.value.as_array().is_some_and(|list| list.iter().any(same)),
        Op::Gt => order().is_some_and(|o| o.is_gt()),
        Op::Gte => order().is_some_and(|o| o.is_ge()),
        Op::Lt => order().is_some_and(|o| o.is_lt()),
        Op::Lte => order().is_some_and(|o| o.is_le()),
    }
}

fn field(signal: &Signal, path: &str) -> Option<Value> {
    let mut parts = path.split('.');
    let mut value = match parts.next()? {
        "data" => Value::Object(signal.data.clone()),
        "target" => serde_json::to_value(signal.target.as_ref()?).ok()?,
        _ => return None,
    };
    for part in parts {
        value = value.get(part)?.clone();
    }
    Some(value)
}

fn same(a: &Value, b: &Value, account: Option<DecimalMark>) -> bool {
    match (decimal(a, account), decimal(b, account)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn compare(a: &Value, b: &Value, account: Option<DecimalMark>) -> Option<std::cmp::Ordering> {
    Some(decimal(a, account)?.cmp(&decimal(b, account)?))
}

/// A number exactly, or an amount in text, read as content reads it: `129,90` (API.md: the account's form).
pub fn decimal(value: &Value, account: Option<DecimalMark>) -> Option<Decimal> {
    match value {
        Value::Number(n) => n.to_string().parse().ok().or_else(|| Decimal::from_scientific(&n.to_string()).ok()),
        Value::String(text) => read_number(text, account),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_compare_as_decimals() {
        use DecimalMark::{Comma, Point};
        let any = [None, Some(Comma), Some(Point)];
        for (text, expected, accounts) in [
            ("129.90", "129.90", &any[..]),
            ("129,90", "129.90", &any),
            ("1.299,90", "1299.90", &any),
            ("1,299.90", "1299.90", &any),
            ("R$ 1.299,90", "1299.90", &any),
            ("-3", "-3", &any),
            ("1.299", "1299", &[None, Some(Comma)]),
            ("1.299", "1.299", &[Some(Point)]),
            ("1,299", "1299", &[None, Some(Point)]),
            ("1,299", "1.299", &[Some(Comma)]),
        ] {
            for account in accounts {
                assert_eq!(decimal(&json!(text), *account), expected.parse().ok(), "{text} {account:?}");
            }
        }
        for none in [json!("abc"), json!("3 dias"), json!("2026-12-01"), json!(null), json!(true), json!(["1"])] {
            assert_eq!(decimal(&none, None), None, "{none}");
        }
        assert_eq!(decimal(&json!(0.1), None), "0.1".parse().ok());
        assert_eq!(decimal(&json!(1.299), Some(Comma)), "1.299".parse().ok(), "a number is not written");
    }

    #[test]
    fn only_what_can_be_read_in_two_ways_needs_the_accounts() {
        let signal = |data: Value| Signal {
            id: "e".into(),
            kind: "x".into(),
            at: Timestamp(0),
            target: None,
            conversation: None,
            data: data.as_object().cloned().unwrap_or_default(),
            decimal_mark: None,
        };
        for (data, needed) in [
            (json!({"amount": "1.299"}), true),
            (json!({"a": [{"b": "1,299"}]}), true),
            (json!({"amount": "129,90", "text": "1.299 dias", "n": 1.299}), false),
            (json!({}), false),
        ] {
            assert_eq!(signal(data.clone()).needs_decimal_mark(), needed, "{data}");
        }
    }

    #[test]
    fn conditions() {
        let signal = Signal {
            id: "e".into(),
            kind: "charge.paid".into(),
            at: Timestamp(0),
            target: Some(TargetRef { kind: crate::sequence::TargetKind::Charge, id: "c1".into() }),
            conversation: None,
            data: json!({"amount": "129,90", "method": "pix", "nested": {"n": 5}, "nothing": null})
                .as_object()
                .cloned()
                .expect("an object"),
            decimal_mark: None,
        };
        let check = |field: &str, op: Op, value: Value, expected: bool| {
            let condition = Condition { field: field.into(), op, value: value.clone() };
            assert_eq!(condition_holds(&condition, &signal), expected, "{field} {op:?} {value}");
        };
        check("data.amount", Op::Gte, json!(50), true);
        check("data.amount", Op::Lt, json!("129.91"), true);
        check("data.amount", Op::Gt, json!(129.90), false);
        check("data.amount", Op::Eq, json!(129.9), true);
        check("data.method", Op::Eq, json!("pix"), true);
        check("data.method", Op::In, json!(["boleto", "pix"]), true);
        check("data.method", Op::Gt, json!(1), false);
        check("data.nested.n", Op::Lte, json!(5), true);
        check("data.missing", Op::Exists, json!(true), false);
        check("data.missing", Op::Exists, json!(false), true);
        check("data.nothing", Op::Exists, json!(true), false);
        check("data.missing", Op::Ne, json!(1), true);
        check("data.missing", Op::Eq, json!(1), false);
        check("target.id", Op::Eq, json!("c1"), true);
        check("elsewhere", Op::Exists, json!(true), false);
    }
}
