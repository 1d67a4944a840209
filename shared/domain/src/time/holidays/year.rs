use chrono::{Datelike as _, Duration, NaiveDate, Weekday};

/// The holidays of one year, while they are collected.
pub(super) struct Year {
    pub(super) number: i32,
    easter: NaiveDate,
    days: Vec<NaiveDate>,
}

impl Year {
    pub(super) fn new(number: i32) -> Self {
        let (month, day) = easter_sunday(number);
        Self { number, easter: date(number, month, day), days: Vec::with_capacity(24) }
    }

    pub(super) fn into_days(mut self) -> Vec<NaiveDate> {
        self.days.sort_unstable();
        self.days.dedup();
        self.days
    }

    /// Leaves out what an observance carried into another year.
    pub(super) fn add(&mut self, day: NaiveDate) {
        if day.year() == self.number {
            self.days.push(day);
        }
    }

    pub(super) fn fixed(&mut self, days: &[(u32, u32)]) {
        for &(month, day) in days {
            self.add(self.on(month, day));
        }
    }

    /// Days counted from Easter Sunday.
    pub(super) fn around_easter(&mut self, offsets: &[i64]) {
        for &days in offsets {
            self.add(self.easter(days));
        }
    }

    pub(super) fn nth(&mut self, n: u8, weekday: Weekday, month: u32) {
        let day = NaiveDate::from_weekday_of_month_opt(self.number, month, weekday, n);
        self.add(day.expect("every month has the first four of each weekday"));
    }

    pub(super) fn last_monday(&mut self, month: u32) {
        let last = self.on(month + 1, 1) - Duration::days(1);
        self.add(last - Duration::days(i64::from(last.weekday().num_days_from_monday())));
    }

    pub(super) fn on(&self, month: u32, day: u32) -> NaiveDate {
        date(self.number, month, day)
    }

    pub(super) fn easter(&self, days: i64) -> NaiveDate {
        self.easter + Duration::days(days)
    }
}

/// Moves a day by a number of days that depends on its weekday, Monday first.
pub(super) fn shifted(day: NaiveDate, by: [i64; 7]) -> NaiveDate {
    day + Duration::days(by[day.weekday().num_days_from_monday() as usize])
}

pub(super) fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a rule names days that every year has")
}

/// Gregorian Easter as month and day (the anonymous algorithm, Meeus ch. 8).
fn easter_sunday(year: i32) -> (u32, u32) {
    let a = year % 19;
    let (b, c) = (year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let f = (b + 8) / 25;
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    (n.unsigned_abs() / 31, n.unsigned_abs() % 31 + 1)
}
