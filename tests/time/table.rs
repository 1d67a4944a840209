//! `domain`'s answer to each case of `cases.json`, which `second.py` answered on its own.

use std::collections::{BTreeMap, BTreeSet};

use domain::account::Settings;
use domain::time::{AllowedHours, Anchor, ClockTime, Due, DueInput, Period, Timestamp, Wait, due};
use serde::Deserialize;

const CASES: &str = include_str!("cases.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    account: Settings,
    contact_timezone: Option<String>,
    step: Step,
    #[serde(default)]
    target: BTreeMap<String, String>,
    previous: String,
    now: Option<String>,
    #[serde(default)]
    caught_up: bool,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    wait: Wait,
    at: Option<ClockTime>,
    window: Option<AllowedHours>,
    skip_if_late: Option<Period>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Expect {
    /// At `at` or, where it is spread, not after `to`; moved by some of the rules in `why`.
    At {
        at: String,
        to: Option<String>,
        why: BTreeSet<String>,
    },
    Skip {
        skip: String,
    },
    Park {
        park: String,
    },
}

impl Case {
    fn due(&self, spread_seed: u64) -> Due {
        let target_date = match self.step.wait.anchor() {
            Anchor::Previous => None,
            Anchor::Before(name) | Anchor::After(name) => self.target.get(name).map(String::as_str),
        };
        let previous = instant(&self.previous);
        let input = DueInput {
            previous,
            wait: &self.step.wait,
            at: self.step.at,
            window: self.step.window.as_ref(),
            target_date,
            skip_if_late: self.step.skip_if_late,
            spread_seed,
            caught_up: self.caught_up,
        };
        let calendar = self.account.calendar(self.contact_timezone.as_deref());
        due(&input, &calendar, self.now.as_deref().map_or(previous, instant))
    }

    /// What is wrong with an answer, if anything is.
    fn disagreement(&self, found: &Due) -> Option<String> {
        match (&self.expect, found) {
            (Expect::At { at, to, why }, Due::At(plan)) => {
                let last = to.as_deref().unwrap_or(at);
                if plan.at < instant(at) || plan.at > instant(last) {
                    return Some(format!("{at} to {last}, not {}", plan.at));
                }
                let codes: BTreeSet<String> = plan.adjustments.iter().filter_map(|a| reason(a.code)).collect();
                let told = codes.is_subset(why) && codes.is_empty() == why.is_empty();
                (!told).then(|| format!("moved by {why:?}, not {codes:?}"))
            }
            (Expect::Skip { skip }, Due::Past { .. }) if skip == "past" => None,
            (Expect::Skip { skip }, Due::TooLate { .. }) if skip == "too_late" => None,
            (Expect::Park { park }, Due::TargetDateMissing) if park == "target_date_missing" => None,
            (Expect::Park { park }, Due::NeverAllowed) if park == "never_allowed" => None,
            (Expect::At { at, .. }, other) => Some(format!("{at}, not {other:?}")),
            (Expect::Skip { skip: reason } | Expect::Park { park: reason }, other) => {
                Some(format!("{reason}, not {other:?}"))
            }
        }
    }
}

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A code as the table names it, which makes no difference between a window's days and its hours.
fn reason(code: domain::time::AdjustmentCode) -> Option<String> {
    match serde_json::to_value(code).unwrap().as_str().unwrap() {
        "spread" => None,
        "weekday" => Some("window".to_owned()),
        code => Some(code.to_owned()),
    }
}

#[test]
fn both_implementations_give_the_same_answers() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() >= 900, "{}", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let wrong = (0..10).find_map(|seed| case.disagreement(&case.due(seed)))?;
            Some(format!("{}: {wrong}", case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
