//! Between instants and wall-clock times of a zone.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeZone as _, Timelike as _};
use chrono_tz::GapInfo;

use super::{ClockTime, Timestamp, Zone};

/// What is on the wall of `zone` at an instant.
pub(super) fn wall_clock(zone: Zone, at: Timestamp) -> NaiveDateTime {
    at.to_chrono().with_timezone(&zone).naive_local()
}

/// The day of an instant.
pub fn civil_day(zone: Zone, at: Timestamp) -> NaiveDate {
    wall_clock(zone, at).date()
}

/// The first instant of a day.
pub fn day_begins(zone: Zone, day: NaiveDate) -> Timestamp {
    resolve(zone, day.and_time(NaiveTime::MIN)).at
}

/// The instant of a wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) at: Timestamp,
    /// Where the time would have been had the clocks not jumped over it, by the offset after the
    /// jump and so before `at`; `None` for a time that exists.
    pub(super) skipped: Option<Timestamp>,
}

/// The DST rule of TIME.md section 1: a time that is skipped becomes the first instant after the
/// gap, one that occurs twice is the earlier. It never runs backwards as `wall` grows.
pub(super) fn resolve(zone: Zone, wall: NaiveDateTime) -> Resolved {
    if let Some(found) = zone.from_local_datetime(&wall).earliest() {
        return Resolved { at: Timestamp(found.timestamp()), skipped: None };
    }
    match GapInfo::new(&wall, &zone).and_then(|gap| gap.end) {
        Some(end) => {
            let offset = i64::from(end.offset().fix().local_minus_utc());
            let skipped = Timestamp(wall.and_utc().timestamp()).plus_seconds(-offset);
            Resolved { at: Timestamp(end.timestamp()), skipped: Some(skipped) }
        }
        // The zone tables name both sides of every gap; UTC is the answer that needs no table.
        None => Resolved { at: Timestamp(wall.and_utc().timestamp()), skipped: None },
    }
}

/// A clock time of a civil day; `24:00` is midnight of the next. `None` at the end of the calendar.
pub(super) fn on_day(day: NaiveDate, clock: ClockTime) -> Option<NaiveDateTime> {
    match clock.to_naive() {
        Some(time) => Some(day.and_time(time)),
        None => Some(day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN)),
    }
}

fn offset_seconds(zone: Zone, at: Timestamp) -> i64 {
    i64::from(zone.offset_from_utc_datetime(&at.to_chrono().naive_utc()).fix().local_minus_utc())
}

/// The first instant after `at` that has another civil day. Clocks that go back over midnight
/// make this an earlier day, so it looks for the change and not for midnight.
pub fn next_day_change(zone: Zone, at: Timestamp) -> Timestamp {
    let mut at = at;
    loop {
        let wall = wall_clock(zone, at);
        let midnight = at.plus_seconds(86_400 - i64::from(wall.time().num_seconds_from_midnight()));
        let offset = offset_seconds(zone, at);
        if offset_seconds(zone, midnight) == offset {
            return midnight;
        }
        let (mut before, mut after) = (at.0, midnight.0);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if offset_seconds(zone, Timestamp(middle)) == offset {
                before = middle;
            } else {
                after = middle;
            }
        }
        at = Timestamp(after);
        if civil_day(zone, at) != wall.date() {
            return at;
        }
    }
}
