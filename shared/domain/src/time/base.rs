//! From what a step waits for to its base (TIME.md section 1).

use chrono::{NaiveDate, NaiveDateTime};

use super::allowed::{Rules, SEARCH_DAYS, in_calendar};
use super::civil::{civil_day, on_day, resolve, wall_clock};
use super::target_date::TargetDate;
use super::trail::Trail;
use super::{AdjustmentCode, Anchor, ClockTime, DueInput, Timestamp, Unit};

/// Business days are counted one by one; a hundred years of them is as good as never.
const MAX_BUSINESS_DAYS: u32 = 36_525;

pub(super) enum Base {
    At {
        base: Timestamp,
        /// The target's date, which a step *before* it must not reach.
        before: Option<Timestamp>,
    },
    TargetDateMissing,
    /// No day qualifies within 400 days, or the wait leaves the calendar.
    OutOfReach,
}

/// A candidate for the base, with the wall-clock time it stands for: a time that DST skipped on
/// one day is itself again when the base moves to another.
#[derive(Clone, Copy)]
struct Candidate {
    at: Timestamp,
    wall: NaiveDateTime,
}

/// Section 1. Moves of the base are added to `trail`.
pub(super) fn base(input: &DueInput<'_>, rules: &mut Rules<'_>, trail: &mut Trail) -> Base {
    let anchor = input.wait.anchor();
    let date = match anchor {
        Anchor::Previous => None,
        Anchor::Before(_) | Anchor::After(_) => {
            match input.target_date.and_then(|text| TargetDate::read(text, rules.zone, input.at)) {
                Some(date) => Some(date),
                None => return Base::TargetDateMissing,
            }
        }
    };
    let before = date.filter(|_| matches!(anchor, Anchor::Before(_))).map(|date| date.at);
    match find(input, date, before.is_some(), rules, trail) {
        Some(base) => Base::At { base, before },
        None => Base::OutOfReach,
    }
}

fn find(
    input: &DueInput<'_>,
    date: Option<TargetDate>,
    is_before: bool,
    rules: &mut Rules<'_>,
    trail: &mut Trail,
) -> Option<Timestamp> {
    in_calendar(input.previous)?;
    let origin = match date {
        Some(date) => Candidate { at: date.at, wall: date.wall },
        None => Candidate { at: input.previous, wall: wall_clock(rules.zone, input.previous) },
    };
    let mut base = count(input, origin, is_before, rules, trail)?;
    in_calendar(base.at)?;
    if base.at < input.previous && !is_before {
        base = lift(input, base, rules, trail)?;
    }
    if let Some(code) = rules.bars(civil_day(rules.zone, base.at)) {
        let day = next_day(civil_day(rules.zone, base.at), |day| rules.bars(day).is_none())?;
        base = move_to(base, day.and_time(base.wall.time()), code, rules, trail);
    }
    in_calendar(base.at)?;
    Some(base.at)
}

/// The wait, counted from its origin.
fn count(
    input: &DueInput<'_>,
    origin: Candidate,
    is_before: bool,
    rules: &mut Rules<'_>,
    trail: &mut Trail,
) -> Option<Candidate> {
    let value = input.wait.value;
    let day = match input.wait.unit {
        Unit::Minutes | Unit::Hours => {
            let seconds = if is_before { -input.wait_seconds() } else { input.wait_seconds() };
            let at = origin.at.plus_seconds(seconds);
            in_calendar(at)?;
            return Some(Candidate { at, wall: wall_clock(rules.zone, at) });
        }
        Unit::Days => {
            let days = chrono::Days::new(u64::from(value));
            let day = origin.wall.date();
            if is_before { day.checked_sub_days(days)? } else { day.checked_add_days(days)? }
        }
        Unit::BusinessDays => nth_business_day(origin.wall.date(), value, is_before, rules)?,
    };
    let wall = match day_clock(input) {
        Some(clock) => on_day(day, clock)?,
        None => day.and_time(origin.wall.time()),
    };
    let placed = resolve(rules.zone, wall);
    if let Some(skipped) = placed.skipped {
        trail.push(AdjustmentCode::DstGap, skipped, placed.at);
    }
    Some(Candidate { at: placed.at, wall })
}

/// A base before `previous` becomes `previous`; with `at`, the next day (business day) at `at`.
fn lift(input: &DueInput<'_>, base: Candidate, rules: &mut Rules<'_>, trail: &mut Trail) -> Option<Candidate> {
    let Some(clock) = day_clock(input) else {
        trail.push(AdjustmentCode::Past, base.at, input.previous);
        return Some(Candidate { at: input.previous, wall: wall_clock(rules.zone, input.previous) });
    };
    // `at` may be 24:00, and then the day it belongs to is the one before.
    let start = civil_day(rules.zone, input.previous).pred_opt()?.pred_opt()?;
    let zone = rules.zone;
    let day = next_day(start, |day| {
        let fits = on_day(day, clock).is_some_and(|wall| resolve(zone, wall).at >= input.previous);
        fits && (!rules.business_wait || rules.days.is_business_day(day))
    })?;
    Some(move_to(base, on_day(day, clock)?, AdjustmentCode::Past, rules, trail))
}

/// The n-th business day after (or before) `day`. The 0th is `day` itself or, if it is none, the
/// next; that of a wait before a date is left to the rule that moves a base off a barred day.
fn nth_business_day(day: NaiveDate, n: u32, is_before: bool, rules: &mut Rules<'_>) -> Option<NaiveDate> {
    if n > MAX_BUSINESS_DAYS {
        return None;
    }
    let mut found = day;
    if n == 0 && !is_before && !rules.days.is_business_day(day) {
        return next_day(day, |day| rules.days.is_business_day(day));
    }
    for _ in 0..n {
        found = if is_before {
            previous_day(found, |day| rules.days.is_business_day(day))?
        } else {
            next_day(found, |day| rules.days.is_business_day(day))?
        };
    }
    Some(found)
}

fn move_to(
    from: Candidate,
    wall: NaiveDateTime,
    code: AdjustmentCode,
    rules: &Rules<'_>,
    trail: &mut Trail,
) -> Candidate {
    let placed = resolve(rules.zone, wall);
    let to = placed.skipped.unwrap_or(placed.at);
    trail.push(code, from.at, to);
    trail.push(AdjustmentCode::DstGap, to, placed.at);
    Candidate { at: placed.at, wall }
}

/// `at` is refused beside minutes and hours; a step that has both anyway is read without it.
fn day_clock(input: &DueInput<'_>) -> Option<ClockTime> {
    input.at.filter(|_| matches!(input.wait.unit, Unit::Days | Unit::BusinessDays))
}

fn next_day(after: NaiveDate, mut fits: impl FnMut(NaiveDate) -> bool) -> Option<NaiveDate> {
    after.iter_days().skip(1).take(SEARCH_DAYS as usize).find(|day| fits(*day))
}

fn previous_day(before: NaiveDate, mut fits: impl FnMut(NaiveDate) -> bool) -> Option<NaiveDate> {
    std::iter::successors(before.pred_opt(), |day| day.pred_opt()).take(SEARCH_DAYS as usize).find(|day| fits(*day))
}

impl DueInput<'_> {
    fn wait_seconds(&self) -> i64 {
        super::Period { value: self.wait.value, unit: self.wait.unit }.nominal_seconds()
    }
}
