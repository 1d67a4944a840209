//! Rules that even a draft obeys (API.md: 422 for shape and rules, drafts too). Types, unknown
//! fields and missing ones are found earlier, when the document is read.

use super::{Findings, Problem, content as contents};
use crate::content::{self, Templates};
use crate::region::is_country;
use crate::sequence::{
    Cap, Condition, Entry, EventRule, Inactivity, Op, Reentry, Sequence, Step, StepChannel, Trigger,
};
use crate::signal;
use crate::time::{AllowedHours, ClockTime, Period, Unit, Wait};

pub const MAX_NAME: usize = 200;
pub const MAX_STEPS: usize = 100;
/// Regions that a cap may name.
pub const REGIONS: [&str; 5] = ["africa", "americas", "asia", "europe", "oceania"];

const MAX_DESCRIPTION: usize = 2_000;
const MAX_KEY: usize = 64;
/// Goals, triggers, caps, and conditions of one rule.
const MAX_LIST: usize = 50;
const MAX_EVENT: usize = 100;
/// A wait or a period in days: as far as a step is ever looked for (TIME.md section 2).
const MAX_DAYS: u32 = 400;
/// A sequence is one stored item, which holds 400 KB with everything that stands beside it.
const MAX_DOCUMENT: usize = 300 * 1024;

/// Every rule that the sequence breaks as a document.
pub fn shape(sequence: &Sequence) -> Vec<Problem> {
    let mut found = Findings::default();
    head(sequence, &mut found);
    for (index, step) in sequence.steps.iter().enumerate() {
        let at = format!("/steps/{index}");
        key(&sequence.steps, index, &at, &mut found);
        self::step(step, &at, &mut found);
        contents::check(step, &at, &mut found);
    }
    goals(&sequence.exit.goals, &mut found);
    entry(&sequence.entry, &mut found);
    caps(&sequence.caps, &mut found);
    found.problems
}

fn head(sequence: &Sequence, found: &mut Findings) {
    if sequence.name.trim().is_empty() {
        found.problem("/name", "required", "a sequence needs a name");
    }
    longest(&sequence.name, MAX_NAME, "/name", found);
    longest(&sequence.description, MAX_DESCRIPTION, "/description", found);
    if sequence.language.as_ref().is_some_and(|l| !is_language(l)) {
        found.problem("/language", "invalid_value", "a language is written as pt_BR, en_US or es");
    }
    match sequence.steps.len() {
        0 => found.problem("/steps", "required", "a sequence needs at least one step"),
        n if n > MAX_STEPS => {
            found.problem("/steps", "too_many", format!("at most {MAX_STEPS} steps, not {n}"));
        }
        _ => {}
    }
    let size = serde_json::to_string(sequence).map_or(0, |s| s.len());
    if size > MAX_DOCUMENT {
        let detail = format!("the whole sequence may have {MAX_DOCUMENT} bytes, this one has {size}");
        found.problem("", "too_large", detail);
    }
}

/// A version is one stored item too, with the templates that it uses.
pub(super) fn stored(sequence: &Sequence, templates: &Templates, found: &mut Findings) {
    let size = |text: serde_json::Result<String>| text.map_or(0, |s| s.len());
    let used = size(serde_json::to_string(&content::used(sequence, templates)));
    if used > 2 && size(serde_json::to_string(sequence)) + used > MAX_DOCUMENT {
        let detail = format!("the sequence and the templates that it uses may have {MAX_DOCUMENT} bytes together");
        found.problem("", "too_large", detail);
    }
}

fn key(steps: &[Step], index: usize, at: &str, found: &mut Findings) {
    let key = &steps[index].key;
    let pointer = format!("{at}/key");
    let odd = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if key.is_empty() {
        found.problem(pointer, "required", "a step needs a key: it names the step over all versions");
    } else if key.len() > MAX_KEY || key.contains(odd) {
        let detail = format!("a key is 1 to {MAX_KEY} letters without accents, digits, `_` and `-`");
        found.problem(pointer, "invalid_value", detail);
    } else if let Some(first) = steps[..index].iter().position(|s| s.key.eq_ignore_ascii_case(key)) {
        found.problem(pointer, "duplicate_key", format!("step {first} already has the key `{key}`"));
    }
}

fn step(step: &Step, at: &str, found: &mut Findings) {
    wait(&step.wait, &format!("{at}/wait"), found);
    if let Some(clock) = step.at {
        let pointer = format!("{at}/at");
        if clock == ClockTime::END_OF_DAY {
            found.problem(pointer, "invalid_value", "24:00 belongs to the next day: use 00:00 and one day more");
        } else if matches!(step.wait.unit, Unit::Minutes | Unit::Hours) {
            let detail = "a wait in minutes or hours is exactly that long; `at` goes with days and business_days";
            found.problem(pointer, "not_allowed", detail);
        }
    }
    if let Some(window) = &step.window {
        hours(window, &format!("{at}/window"), found);
    }
    for (i, channel) in step.channel_order.iter().enumerate() {
        let pointer = format!("{at}/channel_order/{i}");
        if *channel == StepChannel::Automatic {
            found.problem(pointer, "invalid_value", "the order names the channels to pick from, not automatic itself");
        } else if step.channel_order[..i].contains(channel) {
            found.problem(pointer, "duplicate", "the channel is in the order already");
        }
    }
    let compose = &step.compose;
    let periods = [
        ("skip_if_late", &step.skip_if_late),
        ("compose/lead", &compose.lead),
        ("compose/patience", &compose.patience),
    ];
    for (name, period) in periods {
        if let Some(period) = period {
            within(*period, &format!("{at}/{name}"), found);
        }
    }
    longest(compose.intent.as_deref().unwrap_or_default(), MAX_DESCRIPTION, &format!("{at}/compose/intent"), found);
}

/// TIME.md section 1.
fn wait(wait: &Wait, at: &str, found: &mut Findings) {
    within(Period { value: wait.value, unit: wait.unit }, at, found);
    if wait.before.is_some() && wait.after.is_some() {
        let detail = "a wait counts either before or after a date, not both";
        found.problem(format!("{at}/after"), "mutually_exclusive", detail);
    }
    for (name, field) in [("before", &wait.before), ("after", &wait.after)] {
        let Some(field) = field else { continue };
        let known = field.strip_prefix("target.").is_some_and(|f| !f.is_empty() && !f.contains(['.', ' ']));
        if !known {
            let detail = format!("`{field}` is not a date of the target, which is written as target.due_date");
            found.problem(format!("{at}/{name}"), "invalid_value", detail);
        }
    }
}

/// A step's window (TIME.md section 2).
fn hours(hours: &AllowedHours, at: &str, found: &mut Findings) {
    if hours.from == hours.to {
        found.problem(at, "empty_window", format!("from and to are both {}: the window has no length", hours.from));
    } else if hours.from == ClockTime::END_OF_DAY {
        found.problem(format!("{at}/from"), "invalid_value", "24:00 can only end a window; it begins at 00:00");
    }
    if hours.days.as_ref().is_some_and(Vec::is_empty) {
        found.problem(format!("{at}/days"), "required", "name at least one day, or leave days out for every day");
    }
}

fn within(period: Period, at: &str, found: &mut Findings) {
    let (most, unit) = match period.unit {
        Unit::Minutes => (MAX_DAYS * 24 * 60, "minutes"),
        Unit::Hours => (MAX_DAYS * 24, "hours"),
        Unit::Days => (MAX_DAYS, "days"),
        Unit::BusinessDays => (MAX_DAYS, "business days"),
    };
    if period.value > most {
        found.problem(format!("{at}/value"), "out_of_range", format!("at most {most} {unit}, not {}", period.value));
    }
}

fn goals(goals: &[EventRule], found: &mut Findings) {
    most(goals.len(), "/exit/goals", found);
    for (i, goal) in goals.iter().enumerate() {
        let at = format!("/exit/goals/{i}");
        event(&goal.event, &at, found);
        conditions(&goal.conditions, &at, found);
    }
}

fn entry(entry: &Entry, found: &mut Findings) {
    match (entry.reentry, entry.period) {
        (Reentry::NeverWithin, None) => {
            found.problem("/entry/period", "required", "never_within needs the period within which nobody re-enters");
        }
        (Reentry::NeverWithin, Some(Period { value: 0, .. })) => {
            found.problem("/entry/period/value", "out_of_range", "a period of 0 keeps nobody out");
        }
        (_, Some(period)) => within(period, "/entry/period", found),
        (_, None) => {}
    }
    most(entry.triggers.len(), "/entry/triggers", found);
    for (i, one) in entry.triggers.iter().enumerate() {
        trigger(one, &format!("/entry/triggers/{i}"), found);
    }
}

fn trigger(trigger: &Trigger, at: &str, found: &mut Findings) {
    let named = [trigger.event.is_some(), trigger.inactivity.is_some(), trigger.ai.is_some()];
    match named.iter().filter(|n| **n).count() {
        1 => {}
        0 => found.problem(at, "required", "a trigger needs one of event, inactivity and ai"),
        _ => found.problem(at, "mutually_exclusive", "a trigger is only one of event, inactivity and ai"),
    }
    match &trigger.event {
        Some(name) => {
            event(name, at, found);
            conditions(&trigger.conditions, at, found);
        }
        None if !trigger.conditions.is_empty() => {
            found.problem(format!("{at}/where"), "not_allowed", "conditions go with an event");
        }
        None => {}
    }
    if let Some(Inactivity { value, unit, .. }) = &trigger.inactivity {
        if *value == 0 {
            found.problem(format!("{at}/inactivity/value"), "out_of_range", "at least 1");
        }
        within(Period { value: *value, unit: *unit }, &format!("{at}/inactivity"), found);
    }
    if let Some(ai) = &trigger.ai {
        let pointer = format!("{at}/ai/description");
        if ai.description.trim().is_empty() {
            found.problem(&pointer, "required", "describe the situation that enrolls");
        }
        longest(&ai.description, MAX_DESCRIPTION, &pointer, found);
    }
}

/// Types other than the known ones are the account's own: any name will do.
fn event(name: &str, at: &str, found: &mut Findings) {
    let pointer = format!("{at}/event");
    if name.trim().is_empty() {
        found.problem(pointer, "required", "name the event, such as charge.paid");
    } else if name.len() > MAX_EVENT || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let detail = format!("an event's type has no spaces and at most {MAX_EVENT} bytes, such as charge.paid");
        found.problem(pointer, "invalid_value", detail);
    }
}

fn conditions(conditions: &[Condition], at: &str, found: &mut Findings) {
    most(conditions.len(), &format!("{at}/where"), found);
    for (i, condition) in conditions.iter().enumerate() {
        let at = format!("{at}/where/{i}");
        let known =
            ["data.", "target."].iter().any(|root| condition.field.strip_prefix(root).is_some_and(|f| !f.is_empty()));
        if !known {
            let detail = format!("`{}` is not a field of the event: it begins with data. or target.", condition.field);
            found.problem(format!("{at}/field"), "invalid_value", detail);
        }
        let value = &condition.value;
        let (fits, expected) = match condition.op {
            Op::Eq | Op::Ne => {
                (!value.is_null() && !value.is_array() && !value.is_object(), "a text, number or boolean")
            }
            Op::Gt | Op::Gte | Op::Lt | Op::Lte => (signal::decimal(value, None).is_some(), "a number"),
            Op::In => (value.as_array().is_some_and(|list| !list.is_empty()), "a list with at least one value"),
            Op::Exists => (value.is_null() || value.is_boolean(), "true or false"),
        };
        if !fits {
            found.problem(format!("{at}/value"), "invalid_value", format!("this comparison needs {expected}"));
        }
    }
}

fn caps(caps: &[Cap], found: &mut Findings) {
    most(caps.len(), "/caps", found);
    for (i, cap) in caps.iter().enumerate() {
        let at = format!("/caps/{i}");
        if cap.countries.is_empty() && cap.regions.is_empty() {
            found.problem(&at, "required", "a cap needs countries or regions");
        }
        for (n, country) in cap.countries.iter().enumerate() {
            if !is_country(country) {
                let detail = format!("`{country}` is not a country's two capital letters (ISO 3166), such as BR");
                found.problem(format!("{at}/countries/{n}"), "invalid_value", detail);
            }
        }
        for (n, region) in cap.regions.iter().enumerate() {
            if !REGIONS.contains(&region.as_str()) {
                let detail = format!("`{region}` is not one of {}", REGIONS.join(", "));
                found.problem(format!("{at}/regions/{n}"), "invalid_value", detail);
            }
        }
        if cap.max_steps == 0 {
            let detail = "a cap allows at least one step; to send nothing, do not enroll";
            found.problem(format!("{at}/max_steps"), "out_of_range", detail);
        }
    }
}

fn most(count: usize, at: &str, found: &mut Findings) {
    if count > MAX_LIST {
        found.problem(at, "too_many", format!("at most {MAX_LIST}, not {count}"));
    }
}

pub(super) fn longest(text: &str, characters: usize, pointer: &str, found: &mut Findings) {
    let length = text.chars().count();
    if length > characters {
        found.problem(pointer, "too_long", format!("at most {characters} characters, not {length}"));
    }
}

/// `pt`, `pt_BR` or `pt-BR`.
pub(super) fn is_language(text: &str) -> bool {
    let (language, country) = text.split_once(['_', '-']).map_or((text, None), |(l, c)| (l, Some(c)));
    let letters = |s: &str| s.bytes().all(|b| b.is_ascii_alphabetic());
    (2..=3).contains(&language.len())
        && letters(language)
        && country.is_none_or(|c| (2..=4).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_alphanumeric()))
}
