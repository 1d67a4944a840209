//! The `date` filter: reads what attributes hold, writes `strftime`, in the contact's zone.

use std::fmt::Write as _;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use rust_decimal::prelude::ToPrimitive;

use super::value::Value;
use crate::time::Zone;

/// Epoch seconds of 0001-01-03 and 9999-12-30: between them every zone's civil time can be shown.
const FIRST: i64 = -62_135_424_000;
const LAST: i64 = 253_402_128_000;
/// An epoch above this is in milliseconds (in seconds it would be the year 5138).
const MILLIS: i64 = 100_000_000_000;

/// Whether every `%` of a format is one that can be written.
pub(crate) fn format_is_known(format: &str) -> bool {
    StrftimeItems::new(format).all(|item| item != Item::Error)
}

/// Writes the moment that `value` names. None when it names none, or the format is unknown: the
/// filter then leaves the value as it is.
///
/// Reads ISO dates (`2026-12-01`, which stay that date in every zone), RFC 3339, `2026-12-01 10:00`
/// (in `zone`) and epoch seconds or milliseconds.
pub(crate) fn date(value: &Value<'_>, format: &str, zone: Zone, language: Option<&str>) -> Option<String> {
    let moment = match value {
        Value::Number(number) => epoch(number.to_i64()?, zone)?,
        Value::Text(text) => read(text.trim(), zone)?,
        _ => return None,
    };
    let format =
        with_names(format, moment.month0() as usize, moment.weekday().num_days_from_monday() as usize, language);
    if !format_is_known(&format) {
        return None;
    }
    let mut text = String::new();
    write!(text, "{}", moment.format_with_items(StrftimeItems::new(&format))).ok()?;
    Some(text)
}

fn epoch(number: i64, zone: Zone) -> Option<DateTime<Zone>> {
    let seconds = if number.unsigned_abs() >= MILLIS.unsigned_abs() { number / 1000 } else { number };
    in_zone(DateTime::from_timestamp(seconds, 0)?, zone)
}

fn in_zone(at: DateTime<Utc>, zone: Zone) -> Option<DateTime<Zone>> {
    (FIRST..=LAST).contains(&at.timestamp()).then(|| at.with_timezone(&zone))
}

fn read(text: &str, zone: Zone) -> Option<DateTime<Zone>> {
    if text.len() > 40 {
        return None;
    }
    if text.len() >= 9 && text.bytes().all(|b| b.is_ascii_digit()) {
        return epoch(text.parse().ok()?, zone);
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return civil(date.and_time(NaiveTime::MIN), zone);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return in_zone(at.to_utc(), zone);
    }
    if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z") {
        return in_zone(at.to_utc(), zone);
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .and_then(|at| civil(at, zone))
}

/// A civil time in a zone; one that a clock change skips is read an hour later.
fn civil(at: NaiveDateTime, zone: Zone) -> Option<DateTime<Zone>> {
    if !(2..=9998).contains(&at.year()) {
        return None;
    }
    let later = || zone.from_local_datetime(&(at + chrono::TimeDelta::hours(1))).earliest();
    zone.from_local_datetime(&at).earliest().or_else(later)
}

type Names = ([&'static str; 12], [&'static str; 7]);

const PORTUGUESE: Names = (
    [
        "janeiro",
        "fevereiro",
        "março",
        "abril",
        "maio",
        "junho",
        "julho",
        "agosto",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
    ],
    ["segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"],
);
const SPANISH: Names = (
    [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
);

/// Puts the language's month and weekday in place of `%B`, `%b`, `%h`, `%A` and `%a`; English is
/// what `strftime` writes by itself.
fn with_names(format: &str, month: usize, weekday: usize, language: Option<&str>) -> String {
    let (months, days) = match language.unwrap_or_default().get(..2) {
        Some("pt") => PORTUGUESE,
        Some("es") => SPANISH,
        _ => return format.to_owned(),
    };
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('B') => text.push_str(months[month]),
            Some('b' | 'h') => text.extend(months[month].chars().take(3)),
            Some('A') => text.push_str(days[weekday]),
            Some('a') => text.extend(days[weekday].chars().take(3)),
            other => {
                text.push('%');
                text.extend(other);
            }
        }
    }
    text
}
