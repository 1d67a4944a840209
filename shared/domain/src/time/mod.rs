//! When a step is sent: instants, waits, windows, calendars and the one rule, [`due`].
//!
//! Outside this module times are [`Timestamp`]s (UTC, whole seconds); inside they are civil
//! times in a zone. Nothing here reads a clock.

mod allowed;
mod base;
mod calendar;
mod civil;
mod days;
mod due;
mod holidays;
mod hours;
mod target_date;
mod timestamp;
mod trail;
mod types;

#[cfg(test)]
mod tests;

pub use chrono::NaiveDate;

pub use allowed::{AllowedUntil, allowed_until, next_allowed};
pub use calendar::{Calendar, Zone};
pub use civil::{civil_day, day_begins, next_day_change};
pub use due::{Adjustment, AdjustmentCode, Due, DueInput, Planned, due};
pub use holidays::{country_supported, national_holidays};
pub use timestamp::Timestamp;
pub use types::{AllowedHours, Anchor, ClockTime, Period, Unit, Wait, Weekday};
