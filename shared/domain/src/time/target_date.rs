use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::civil::{on_day, resolve, wall_clock};
use super::{ClockTime, Timestamp, Zone};

/// Where a date without a time is taken when the step has no `at` (TIME.md section 1).
const DATE_ONLY_HOUR: u16 = 9;

/// A date of the target, both as an instant and as it reads on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TargetDate {
    pub(super) at: Timestamp,
    /// As written, where it was written without an offset: a time that DST skips keeps its name,
    /// so that three days after 02:30 is 02:30.
    pub(super) wall: NaiveDateTime,
}

impl TargetDate {
    /// Reads ISO 8601: a date; a date and time with an offset; or without, which is wall-clock in
    /// `zone`. Seconds and their fraction may be left out; the fraction is cut off. `None` when
    /// the text is none of these.
    pub(super) fn read(text: &str, zone: Zone, at: Option<ClockTime>) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10)?;
        let date = read_date(date)?;
        if rest.is_empty() {
            let wall = on_day(date, at.or_else(|| ClockTime::new(DATE_ONLY_HOUR, 0))?)?;
            return Some(Self { at: resolve(zone, wall).at, wall });
        }
        let time = rest.strip_prefix(['T', 't', ' '])?;
        match split_offset(time) {
            (time, Some(offset)) => {
                let text = format!("{date}T{}{offset}", read_time(time)?);
                let at = Timestamp(DateTime::parse_from_rfc3339(&text).ok()?.timestamp());
                Some(Self { at, wall: wall_clock(zone, at) })
            }
            (time, None) => {
                let text = format!("{date}T{}", read_time(time)?);
                let wall = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S").ok()?;
                Some(Self { at: resolve(zone, wall).at, wall })
            }
        }
    }
}

fn read_date(text: &str) -> Option<NaiveDate> {
    let shaped = text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    if !shaped || text.starts_with("0000") {
        return None;
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fff` as `HH:MM:SS`; a leap second as the second before it.
fn read_time(text: &str) -> Option<String> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if whole.len() == 8 && digits(fraction) => whole,
        Some(_) => return None,
        None => text,
    };
    let full = if whole.len() == 5 { format!("{whole}:00") } else { whole.to_owned() };
    let shaped = full.len() == 8
        && full.bytes().enumerate().all(|(i, b)| if i == 2 || i == 5 { b == b':' } else { b.is_ascii_digit() });
    shaped.then(|| full.strip_suffix(":60").map(|start| format!("{start}:59")).unwrap_or(full))
}

/// The offset as RFC 3339 writes it, where there is one: `Z`, `+03:00`, `+0300`, `+03`.
fn split_offset(time: &str) -> (&str, Option<String>) {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return (time, Some("Z".to_owned()));
    }
    let Some(sign) = time.rfind(['+', '-']) else { return (time, None) };
    let (time, offset) = time.split_at(sign);
    let offset = match offset.len() {
        3 => format!("{offset}:00"),
        5 => format!("{}:{}", &offset[..3], &offset[3..]),
        _ => offset.to_owned(),
    };
    (time, Some(offset))
}
