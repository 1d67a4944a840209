//! Windows and quiet hours as intervals of instants (TIME.md section 2).

use chrono::{Datelike as _, Days, NaiveDate};

use super::civil::{civil_day, on_day, resolve};
use super::{AllowedHours, Timestamp, Weekday, Zone};

/// From `start`, included, to `end`, excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl AllowedHours {
    /// Whether the hours mean something: `from = to` is refused (TIME.md section 2), `24:00` only
    /// ends, and a list of days names at least one.
    pub fn is_valid(&self) -> bool {
        self.from != self.to && self.from.to_naive().is_some() && self.days.as_ref().is_none_or(|days| !days.is_empty())
    }

    pub(super) fn begins_on(&self, day: NaiveDate) -> bool {
        self.days.as_ref().is_none_or(|days| days.contains(&Weekday::from_chrono(day.weekday())))
    }

    /// The interval that begins on `day`, if one does. Both edges follow the DST rule, so on the
    /// day the clocks go back it runs from the first `from` to the first `to`, and it is empty
    /// when both fall in one gap.
    fn on(&self, zone: Zone, day: NaiveDate) -> Option<Interval> {
        if !self.is_valid() || !self.begins_on(day) {
            return None;
        }
        let last = if self.from > self.to { day.checked_add_days(Days::new(1))? } else { day };
        let start = resolve(zone, on_day(day, self.from)?).at;
        let end = resolve(zone, on_day(last, self.to)?).at;
        (start < end).then_some(Interval { start, end })
    }

    /// The interval that `at` lies in. It begins on the same civil day or the one before; or on
    /// the one after, where clocks went back over midnight.
    pub(super) fn around(&self, zone: Zone, at: Timestamp) -> Option<Interval> {
        let today = civil_day(zone, at);
        [today.pred_opt(), Some(today), today.succ_opt()]
            .into_iter()
            .flatten()
            .filter_map(|day| self.on(zone, day))
            .find(|i| i.start <= at && at < i.end)
    }

    /// The first interval that begins after `at` and not after `limit`.
    pub(super) fn next(&self, zone: Zone, at: Timestamp, limit: Timestamp) -> Option<Interval> {
        if !self.is_valid() {
            return None;
        }
        let mut day = civil_day(zone, at).pred_opt()?;
        let last = civil_day(zone, limit).succ_opt()?;
        while day <= last {
            if let Some(found) = self.on(zone, day).filter(|i| i.start > at) {
                return (found.start <= limit).then_some(found);
            }
            day = day.succ_opt()?;
        }
        None
    }
}
