use chrono::NaiveDate;

use super::{Calendar, Weekday, national_holidays};

/// Business days and holidays of an account (TIME.md section 1). National holidays are computed
/// once per year asked for: a search may look at 400 days.
pub(super) struct DayBook<'a> {
    calendar: &'a Calendar,
    years: Vec<(i32, Vec<NaiveDate>)>,
}

impl<'a> DayBook<'a> {
    pub(super) fn new(calendar: &'a Calendar) -> Self {
        Self { calendar, years: Vec::new() }
    }

    pub(super) fn is_holiday(&mut self, day: NaiveDate) -> bool {
        self.calendar.holiday_dates.contains(&day) || self.is_national_holiday(day)
    }

    pub(super) fn is_business_day(&mut self, day: NaiveDate) -> bool {
        let weekday = Weekday::from_chrono(chrono::Datelike::weekday(&day));
        self.calendar.business_days.contains(&weekday) && !self.is_holiday(day)
    }

    fn is_national_holiday(&mut self, day: NaiveDate) -> bool {
        let countries = &self.calendar.holiday_countries;
        if countries.is_empty() {
            return false;
        }
        let year = chrono::Datelike::year(&day);
        if let Some((_, days)) = self.years.iter().find(|(y, _)| *y == year) {
            return days.contains(&day);
        }
        let days: Vec<_> = countries.iter().flat_map(|c| national_holidays(c, year)).collect();
        let found = days.contains(&day);
        self.years.push((year, days));
        found
    }
}
