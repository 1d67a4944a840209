//! The rule itself (TIME.md sections 1 to 3).
use serde::{Deserialize, Serialize};

use super::{AllowedHours, Calendar, ClockTime, Period, Timestamp, Wait};

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

/// When the step goes (TIME.md sections 1 to 3). Pure: the same input gives the same answer.
pub fn due(_input: &DueInput<'_>, _calendar: &Calendar, _now: Timestamp) -> Due {
    Due::NeverAllowed
}
pub fn next_allowed(_c: &Calendar, _w: Option<&AllowedHours>, _b: bool, _f: Timestamp) -> Option<Timestamp> {
    None
}
pub fn allowed_until(_c: &Calendar, _w: Option<&AllowedHours>, _b: bool, _f: Timestamp) -> Option<Timestamp> {
    None
}
