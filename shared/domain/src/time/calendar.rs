use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::{AllowedHours, Weekday};

/// An IANA zone.
pub type Zone = chrono_tz::Tz;

/// The account's rules about days and hours, with the zone they are read in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    pub zone: Zone,
    pub quiet_hours: Vec<AllowedHours>,
    /// Never empty; the account's settings refuse that.
    pub business_days: Vec<Weekday>,
    /// ISO 3166 codes whose nationwide public holidays count.
    pub holiday_countries: Vec<String>,
    /// The account's own holidays.
    pub holiday_dates: BTreeSet<NaiveDate>,
    pub send_on_holidays: bool,
    pub spread_minutes: u32,
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            zone: Zone::UTC,
            quiet_hours: Vec::new(),
            business_days: Weekday::WORKING.to_vec(),
            holiday_countries: Vec::new(),
            holiday_dates: BTreeSet::new(),
            send_on_holidays: true,
            spread_minutes: 0,
        }
    }
}
