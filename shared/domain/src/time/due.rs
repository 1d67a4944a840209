//! The rule itself (TIME.md sections 1 to 3).
use serde::{Deserialize, Serialize};

use super::allowed::Rules;
use super::base::{Base, base};
use super::trail::Trail;
use super::{AllowedHours, Calendar, ClockTime, Period, Timestamp, Unit, Wait};

/// Everything the rule depends on besides the calendar.
#[derive(Debug, Clone)]
pub struct DueInput<'a> {
    /// The actual send of the previous step; for the first step the moment of enrollment.
    pub previous: Timestamp,
    pub wait: &'a Wait,
    pub at: Option<ClockTime>,
    pub window: Option<&'a AllowedHours>,
    /// The raw value of the target's field that a before/after wait names, if the target has it.
    pub target_date: Option<&'a str>,
    pub skip_if_late: Option<Period>,
    /// Fixes the spread: the same enrollment and step always get the same part of it.
    pub spread_seed: u64,
    /// The plan was already caught up after being late, has a reserved slot, or follows a backoff:
    /// no further spread (TIME.md section 3).
    pub caught_up: bool,
}

/// Why an instant was moved, from where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    #[serde(rename = "c")]
    pub code: AdjustmentCode,
    #[serde(rename = "f")]
    pub from: Timestamp,
    #[serde(rename = "t")]
    pub to: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentCode {
    QuietHours,
    Window,
    Weekday,
    BusinessDay,
    Holiday,
    Spread,
    DstGap,
    Past,
}

/// A step's time with the way that led there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Section 1.
    pub base: Timestamp,
    /// Section 2's instant, spread included: what `skip_if_late` is measured from.
    pub allowed: Timestamp,
    /// When it goes, seen from `now`: `allowed`, or later by section 3.
    pub at: Timestamp,
    /// Section 3 moved it more than 15 minutes and that is now decided: stored beside the due.
    pub caught_up: bool,
    pub adjustments: Vec<Adjustment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    At(Planned),
    /// A step before a date that is already behind.
    Past {
        base: Timestamp,
    },
    /// Later than `skip_if_late` allows.
    TooLate {
        allowed: Timestamp,
    },
    /// The target's date is missing or unreadable.
    TargetDateMissing,
    /// Nothing is allowed within 400 days.
    NeverAllowed,
}

/// A step this late, in seconds, is spread again and marked as caught up (TIME.md section 3).
const LATE_SECONDS: i64 = 15 * 60;

/// When the step goes (TIME.md sections 1 to 3). Pure: the same input gives the same answer.
///
/// A `now` before `previous` counts as `previous`: nothing is sent before it.
pub fn due(input: &DueInput<'_>, calendar: &Calendar, now: Timestamp) -> Due {
    let mut rules = Rules::new(calendar, input.window, input.wait.unit == Unit::BusinessDays);
    let mut trail = Trail::default();
    let (base, date) = match base(input, &mut rules, &mut trail) {
        Base::At { base, before } => (base, before),
        Base::TargetDateMissing => return Due::TargetDateMissing,
        Base::OutOfReach => return Due::NeverAllowed,
    };
    let missed_date = |at: Timestamp| date.is_some_and(|date| at >= date);
    let late_base = date.is_some() && base < input.previous;
    if missed_date(base) || (late_base && input.skip_if_late.is_none()) {
        return Due::Past { base };
    }

    let Some(found) = rules.search(base, &mut trail) else { return Due::NeverAllowed };
    if missed_date(found.at) {
        return Due::Past { base };
    }
    let last_before_date = date.map(|date| date.plus_seconds(-1));
    let allowed =
        if found.moved_by_hours { rules.spread(found.at, input.spread_seed, last_before_date) } else { found.at };
    trail.push(AdjustmentCode::Spread, found.at, allowed);

    let latest = input.skip_if_late.map(|late| allowed.plus_seconds(late.nominal_seconds()));
    let now = now.max(input.previous);
    let (mut at, mut caught_up) = (allowed, input.caught_up);
    if now > allowed {
        let Some(first) = rules.search(now, &mut Trail::default()) else { return Due::NeverAllowed };
        let late = first.at.seconds_since(allowed) > LATE_SECONDS;
        at = if !input.caught_up && (late || first.moved_by_hours) {
            // The spread alone never makes a step too late or carries it over its date.
            let last = [last_before_date, latest].into_iter().flatten().min();
            rules.spread(first.at, input.spread_seed, last)
        } else {
            first.at
        };
        caught_up |= at.seconds_since(allowed) > LATE_SECONDS;
    }

    if missed_date(at) {
        return Due::Past { base };
    }
    if latest.is_some_and(|latest| at > latest) {
        return if late_base { Due::Past { base } } else { Due::TooLate { allowed } };
    }
    Due::At(Planned { base, allowed, at, caught_up, adjustments: trail.into_adjustments() })
}
