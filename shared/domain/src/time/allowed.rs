//! The first allowed instant and how long it stays allowed (TIME.md section 2). The search jumps
//! from edge to edge of the intervals that stand in its way.

use chrono::NaiveDate;

use super::civil::{civil_day, next_day_change};
use super::days::DayBook;
use super::hours::Interval;
use super::trail::Trail;
use super::{AdjustmentCode, AllowedHours, Calendar, Timestamp, Zone};

/// How far ahead an allowed instant is looked for.
pub(super) const SEARCH_DAYS: i64 = 400;

/// 0001-01-02 and 9998-12-31. Instants outside are refused before the calendar runs out of days.
const FIRST: Timestamp = Timestamp(-62_135_510_400);
const LAST: Timestamp = Timestamp(253_370_678_400);

/// Whether a search from `at` stays inside what the calendar can express.
pub(super) fn in_calendar(at: Timestamp) -> Option<()> {
    (FIRST <= at && at <= LAST).then_some(())
}

/// The first instant at or after `from` that satisfies TIME.md section 2, without spread;
/// `business_wait` says whether the step's wait is in business days. `None` when there is none
/// within 400 days.
pub fn next_allowed(
    calendar: &Calendar,
    window: Option<&AllowedHours>,
    business_wait: bool,
    from: Timestamp,
) -> Option<Timestamp> {
    Rules::new(calendar, window, business_wait).search(from, &mut Trail::default()).map(|found| found.at)
}

/// How long an instant stays allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedUntil {
    /// Up to this instant, itself not allowed.
    Until(Timestamp),
    /// For the next 400 days at least.
    Unbounded,
    /// The instant asked about is not allowed itself.
    NotAllowed,
}

impl AllowedUntil {
    /// The end (exclusive) of the stretch, where there is one.
    pub fn end(self) -> Option<Timestamp> {
        match self {
            Self::Until(end) => Some(end),
            Self::Unbounded | Self::NotAllowed => None,
        }
    }
}

/// The end of the allowed stretch that contains `at` (TIME.md section 2).
pub fn allowed_until(
    calendar: &Calendar,
    window: Option<&AllowedHours>,
    business_wait: bool,
    at: Timestamp,
) -> AllowedUntil {
    let mut rules = Rules::new(calendar, window, business_wait);
    if in_calendar(at).is_none() || rules.obstacle(at, at).is_some() {
        return AllowedUntil::NotAllowed;
    }
    rules.stretch_end(at, at.plus_days(SEARCH_DAYS)).map_or(AllowedUntil::Unbounded, AllowedUntil::Until)
}

/// What the search found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) at: Timestamp,
    /// Rule 1 or 2 had a part in it, and not only the day rule.
    pub(super) moved_by_hours: bool,
}

/// What stands in the way of an instant, and when that ends.
struct Obstacle {
    code: AdjustmentCode,
    /// `None`: not before the limit of the search.
    end: Option<Timestamp>,
}

/// The three rules of section 2, for one step.
pub(super) struct Rules<'a> {
    pub(super) zone: Zone,
    pub(super) days: DayBook<'a>,
    pub(super) business_wait: bool,
    calendar: &'a Calendar,
    window: Option<&'a AllowedHours>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(calendar: &'a Calendar, window: Option<&'a AllowedHours>, business_wait: bool) -> Self {
        Self { zone: calendar.zone, days: DayBook::new(calendar), business_wait, calendar, window }
    }

    /// Rule 3: why nothing goes out on `day`, if nothing does.
    pub(super) fn bars(&mut self, day: NaiveDate) -> Option<AdjustmentCode> {
        if self.business_wait && !self.days.is_business_day(day) {
            let holiday = self.days.is_holiday(day);
            return Some(if holiday { AdjustmentCode::Holiday } else { AdjustmentCode::BusinessDay });
        }
        (!self.calendar.send_on_holidays && self.days.is_holiday(day)).then_some(AdjustmentCode::Holiday)
    }

    /// The first allowed instant at or after `from`, within [`SEARCH_DAYS`]. The day rule goes
    /// first: an instant that it alone explains was not moved by hours, and is not spread.
    pub(super) fn search(&mut self, from: Timestamp, trail: &mut Trail) -> Option<Found> {
        in_calendar(from)?;
        let limit = from.plus_days(SEARCH_DAYS);
        let mut found = Found { at: from, moved_by_hours: false };
        while let Some(obstacle) = self.obstacle(found.at, limit) {
            let end = obstacle.end.filter(|end| *end <= limit)?;
            debug_assert!(end > found.at, "every obstacle ends after the instant it bars");
            trail.push(obstacle.code, found.at, end);
            found.at = end;
            found.moved_by_hours |= !matches!(obstacle.code, AdjustmentCode::Holiday | AdjustmentCode::BusinessDay);
        }
        Some(found)
    }

    fn obstacle(&mut self, at: Timestamp, limit: Timestamp) -> Option<Obstacle> {
        if let Some(code) = self.bars(civil_day(self.zone, at)) {
            return Some(Obstacle { code, end: Some(next_day_change(self.zone, at)) });
        }
        if let Some(window) = self.window.filter(|w| w.around(self.zone, at).is_none()) {
            let code = self.closed_by(window, at);
            return Some(Obstacle { code, end: window.next(self.zone, at, limit).map(|i| i.start) });
        }
        let quiet = self.calendar.quiet_hours.iter().find_map(|quiet| quiet.around(self.zone, at))?;
        Some(Obstacle { code: AdjustmentCode::QuietHours, end: Some(quiet.end) })
    }

    /// A closed window is closed by its `days` when it does not begin today or, overnight, would
    /// be open if it had begun yesterday.
    fn closed_by(&self, window: &AllowedHours, at: Timestamp) -> AdjustmentCode {
        let any_day = AllowedHours { days: None, ..*window };
        let by_days = !window.begins_on(civil_day(self.zone, at)) || any_day.around(self.zone, at).is_some();
        if by_days { AdjustmentCode::Weekday } else { AdjustmentCode::Window }
    }

    /// The first instant after `at`, itself allowed, that is not; `None` when that is after `limit`.
    fn stretch_end(&mut self, at: Timestamp, limit: Timestamp) -> Option<Timestamp> {
        let mut end = limit.plus_seconds(1);
        if let Some(window) = self.window {
            let mut closes = at;
            while let Some(Interval { end: next, .. }) = window.around(self.zone, closes).filter(|_| closes < end) {
                closes = next;
            }
            end = end.min(closes);
        }
        for quiet in &self.calendar.quiet_hours {
            if let Some(next) = quiet.next(self.zone, at, end) {
                end = end.min(next.start);
            }
        }
        if self.business_wait || !self.calendar.send_on_holidays {
            let mut day = next_day_change(self.zone, at);
            while day < end {
                if self.bars(civil_day(self.zone, day)).is_some() {
                    end = day;
                }
                day = next_day_change(self.zone, day);
            }
        }
        (end <= limit).then_some(end)
    }

    /// `at`, itself allowed, plus its part of the account's `spread_minutes`: whole seconds, fixed
    /// by `seed`, inside the allowed stretch around `at` and not after `last`.
    pub(super) fn spread(&mut self, at: Timestamp, seed: u64, last: Option<Timestamp>) -> Timestamp {
        let mut end = at.plus_minutes(i64::from(self.calendar.spread_minutes));
        if let Some(last) = last {
            end = end.min(last);
        }
        if end <= at {
            return at;
        }
        if let Some(closes) = self.stretch_end(at, end) {
            end = closes.plus_seconds(-1);
        }
        let room = end.seconds_since(at).unsigned_abs();
        let part = mix(seed) % (room + 1);
        at.plus_seconds(i64::try_from(part).unwrap_or(0))
    }
}

/// The finaliser of SplitMix64: neighbouring seeds give unrelated numbers.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
