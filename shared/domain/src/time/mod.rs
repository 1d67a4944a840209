//! When a step is sent: instants, waits, windows, calendars and the one rule, [`due`].
//!
//! Outside this module times are [`Timestamp`]s (UTC, whole seconds); inside they are civil
//! times in a zone. Nothing here reads a clock.

mod calendar;
mod due;
mod holidays;
mod timestamp;
mod types;

pub use calendar::{Calendar, Zone};
pub use due::{Adjustment, AdjustmentCode, Due, DueInput, Planned, allowed_until, due, next_allowed};
pub use holidays::{country_supported, national_holidays};
pub use timestamp::Timestamp;
pub use types::{AllowedHours, Anchor, ClockTime, Period, Unit, Wait, Weekday};
