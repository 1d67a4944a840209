use chrono::{Datelike as _, Weekday};

use super::year::{Year, shifted};

pub(super) fn germany(year: &mut Year) {
    year.fixed(&[(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)]);
    // Good Friday, Easter Monday, Ascension, Whit Monday.
    year.around_easter(&[-2, 1, 39, 50]);
}

pub(super) fn spain(year: &mut Year) {
    year.around_easter(&[-2]);
    for (month, day) in [(1, 1), (1, 6), (5, 1), (8, 15), (10, 12), (11, 1), (12, 6), (12, 8), (12, 25)] {
        let day = year.on(month, day);
        // On a Sunday it is for each region to move it or not.
        if day.weekday() != Weekday::Sun {
            year.add(day);
        }
    }
}

pub(super) fn france(year: &mut Year) {
    year.fixed(&[(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)]);
    // Easter Monday, Ascension, Whit Monday.
    year.around_easter(&[1, 39, 50]);
}

/// Saturday and Sunday are observed on Monday.
const GB_TO_MONDAY: [i64; 7] = [0, 0, 0, 0, 0, 2, 1];
/// Christmas and Boxing Day are neighbours: on a weekend both go two days on.
const GB_CHRISTMAS: [i64; 7] = [0, 0, 0, 0, 0, 2, 2];

/// What England, Wales, Scotland and Northern Ireland have in common, and New Year's Day.
pub(super) fn united_kingdom(year: &mut Year) {
    year.around_easter(&[-2]);
    year.nth(1, Weekday::Mon, 5);
    year.last_monday(5);
    for (month, day, rule) in [(1, 1, GB_TO_MONDAY), (12, 25, GB_CHRISTMAS), (12, 26, GB_CHRISTMAS)] {
        let day = year.on(month, day);
        year.add(day);
        year.add(shifted(day, rule));
    }
}

pub(super) fn italy(year: &mut Year) {
    year.fixed(&[(1, 1), (1, 6), (4, 25), (5, 1), (6, 2), (8, 15), (11, 1), (12, 8), (12, 25), (12, 26)]);
    year.around_easter(&[0, 1]);
    // National Unity and the Armed Forces.
    year.nth(1, Weekday::Sun, 11);
    // Saint Francis.
    if year.number >= 2026 {
        year.fixed(&[(10, 4)]);
    }
}

pub(super) fn portugal(year: &mut Year) {
    year.fixed(&[(1, 1), (4, 25), (5, 1), (6, 10), (8, 15), (10, 5), (11, 1), (12, 1), (12, 8), (12, 25)]);
    // Good Friday, Easter, Corpus Christi.
    year.around_easter(&[-2, 0, 60]);
}
