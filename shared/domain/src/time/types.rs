use std::fmt;

use chrono::NaiveTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// `minutes | hours | days | business_days`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Minutes,
    Hours,
    Days,
    BusinessDays,
}

/// A length of time as people write it: `{"value": 3, "unit": "business_days"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    pub value: u32,
    pub unit: Unit,
}

impl Period {
    /// Seconds, for units of fixed length; days and business days count as 24 hours.
    pub fn nominal_seconds(self) -> i64 {
        let unit = match self.unit {
            Unit::Minutes => 60,
            Unit::Hours => 3_600,
            Unit::Days | Unit::BusinessDays => 86_400,
        };
        i64::from(self.value) * unit
    }
}

/// How long a step waits, and from what: from the previous actual send, or before or after a date
/// of the target (`"after": "target.due_date"`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    pub value: u32,
    pub unit: Unit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What a wait counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor<'a> {
    Previous,
    /// A field of the target, without the `target.` prefix.
    Before(&'a str),
    After(&'a str),
}

impl Wait {
    pub fn from_previous(value: u32, unit: Unit) -> Self {
        Self { value, unit, before: None, after: None }
    }

    pub fn anchor(&self) -> Anchor<'_> {
        let field = |s: &'_ String| -> usize { if s.starts_with("target.") { 7 } else { 0 } };
        match (&self.before, &self.after) {
            (Some(s), _) => Anchor::Before(&s[field(s)..]),
            (None, Some(s)) => Anchor::After(&s[field(s)..]),
            (None, None) => Anchor::Previous,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    pub const WORKING: [Weekday; 5] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri];

    pub fn from_chrono(day: chrono::Weekday) -> Self {
        match day {
            chrono::Weekday::Mon => Self::Mon,
            chrono::Weekday::Tue => Self::Tue,
            chrono::Weekday::Wed => Self::Wed,
            chrono::Weekday::Thu => Self::Thu,
            chrono::Weekday::Fri => Self::Fri,
            chrono::Weekday::Sat => Self::Sat,
            chrono::Weekday::Sun => Self::Sun,
        }
    }
}

/// A wall-clock time `HH:MM`, minutes after midnight, 00:00 to 24:00. `24:00` only makes sense
/// as the end of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockTime(u16);

impl ClockTime {
    pub const MIDNIGHT: Self = Self(0);
    pub const END_OF_DAY: Self = Self(24 * 60);

    pub fn new(hour: u16, minute: u16) -> Option<Self> {
        let valid = (hour < 24 && minute < 60) || (hour == 24 && minute == 0);
        valid.then_some(Self(hour * 60 + minute))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (h, m) = text.split_once(':')?;
        let digits = |s: &str| s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit());
        (digits(h) && digits(m)).then(|| Self::new(h.parse().ok()?, m.parse().ok()?)).flatten()
    }

    pub fn minutes(self) -> u16 {
        self.0
    }

    /// The time of day; `24:00` is `None`, it belongs to the next day.
    pub fn to_naive(self) -> Option<NaiveTime> {
        NaiveTime::from_hms_opt(u32::from(self.0 / 60), u32::from(self.0 % 60), 0)
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for ClockTime {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a time of day (HH:MM, 00:00 to 24:00)")))
    }
}

impl utoipa::PartialSchema for ClockTime {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("wall-clock time HH:MM, 00:00 to 24:00"))
            .into()
    }
}
impl utoipa::ToSchema for ClockTime {}

/// A step's window or one of the account's quiet hours: `{days?, from, to}`, wall-clock in the
/// zone, `from` included and `to` excluded, overnight when `from > to`. `days` names the days on
/// which it begins; omitted, every day. (TIME.md section 2.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedHours {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<Weekday>>,
    pub from: ClockTime,
    pub to: ClockTime,
}
