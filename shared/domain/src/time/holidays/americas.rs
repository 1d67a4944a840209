use chrono::{Datelike as _, Weekday};

use super::year::{Year, date, shifted};

/// Tuesday and Wednesday to the Monday before, Thursday and Friday to the Monday after.
const AR_TO_MONDAY: [i64; 7] = [0, -1, -2, 4, 3, 0, 0];
/// Güemes keeps a Friday: the Monday after is Belgrano's already.
const AR_GUEMES: [i64; 7] = [0, -1, -2, 4, 0, 0, 0];
/// Bridge days and single occasions, fixed by decree for each year.
const AR_DECREED: [(i32, u32, u32); 10] = [
    (2024, 4, 1),
    (2024, 6, 21),
    (2024, 10, 11),
    (2025, 5, 2),
    (2025, 8, 15),
    (2025, 11, 21),
    (2026, 3, 23),
    (2026, 7, 10),
    (2026, 11, 9),
    (2026, 12, 7),
];

pub(super) fn argentina(year: &mut Year) {
    // Carnival Monday and Tuesday, Maundy Thursday, Good Friday.
    year.around_easter(&[-48, -47, -3, -2]);
    year.fixed(&[(1, 1), (3, 24), (4, 2), (5, 1), (5, 25), (6, 20), (7, 9), (12, 8), (12, 25)]);
    year.add(shifted(year.on(6, 17), AR_GUEMES));
    for (month, day) in [(8, 17), (10, 12), (11, 20)] {
        year.add(shifted(year.on(month, day), AR_TO_MONDAY));
    }
    for (y, month, day) in AR_DECREED {
        year.add(date(y, month, day));
    }
}

pub(super) fn brazil(year: &mut Year) {
    year.fixed(&[(1, 1), (4, 21), (5, 1), (9, 7), (10, 12), (11, 2), (11, 15), (12, 25)]);
    year.around_easter(&[-2]);
    // Zumbi and Black Awareness, national since 2024 (Law 14.759).
    if year.number >= 2024 {
        year.fixed(&[(11, 20)]);
    }
}

/// Tuesday to Thursday to the Monday before, Friday to the Monday after.
const CL_TO_MONDAY: [i64; 7] = [0, -1, -2, -3, 3, 0, 0];
/// Tuesday to the Friday before, Wednesday to the Friday after.
const CL_TO_FRIDAY: [i64; 7] = [0, -4, 2, 0, 0, 0, 0];

pub(super) fn chile(year: &mut Year) {
    year.fixed(&[(1, 1), (5, 1), (5, 21), (7, 16), (8, 15), (9, 18), (9, 19), (11, 1), (12, 8), (12, 25)]);
    // Good Friday, Holy Saturday.
    year.around_easter(&[-2, -1]);
    year.add(year.on(6, cl_solstice(year.number)));
    for (month, day) in [(6, 29), (10, 12)] {
        year.add(shifted(year.on(month, day), CL_TO_MONDAY));
    }
    year.add(shifted(year.on(10, 31), CL_TO_FRIDAY));
    // Days that join a holiday to the weekend.
    for (month, day, weekdays) in
        [(1, 2, &[Weekday::Mon][..]), (9, 17, &[Weekday::Mon, Weekday::Fri][..]), (9, 20, &[Weekday::Fri][..])]
    {
        let day = year.on(month, day);
        if weekdays.contains(&day.weekday()) {
            year.add(day);
        }
    }
}

/// The day of June of the winter solstice, Indigenous Peoples' Day.
fn cl_solstice(year: i32) -> u32 {
    let late = (year % 4 > 1 && year <= 2046) || (year % 4 > 2 && year <= 2075);
    if late { 21 } else { 20 }
}

const TO_NEXT_MONDAY: [i64; 7] = [0, 6, 5, 4, 3, 2, 1];

pub(super) fn colombia(year: &mut Year) {
    year.fixed(&[(1, 1), (5, 1), (7, 20), (8, 7), (12, 8), (12, 25)]);
    year.around_easter(&[-3, -2]);
    // Ascension, Corpus Christi, Sacred Heart.
    for days in [39, 60, 68] {
        year.add(shifted(year.easter(days), TO_NEXT_MONDAY));
    }
    for (month, day) in [(1, 6), (3, 19), (6, 29), (8, 15), (10, 12), (11, 1), (11, 11)] {
        year.add(shifted(year.on(month, day), TO_NEXT_MONDAY));
    }
    // Our Lady of Chiquinquirá.
    if year.number >= 2026 {
        year.add(shifted(year.on(7, 9), TO_NEXT_MONDAY));
    }
}

pub(super) fn mexico(year: &mut Year) {
    year.fixed(&[(1, 1), (5, 1), (9, 16), (12, 25)]);
    year.nth(1, Weekday::Mon, 2);
    year.nth(3, Weekday::Mon, 3);
    year.nth(3, Weekday::Mon, 11);
    // A new president takes office.
    if year.number % 6 == 2024 % 6 {
        year.fixed(&[(10, 1)]);
    }
}

/// Saturday is observed on Friday, Sunday on Monday.
const US_OBSERVED: [i64; 7] = [0, 0, 0, 0, 0, -1, 1];

pub(super) fn united_states(year: &mut Year) {
    year.nth(3, Weekday::Mon, 1);
    year.nth(3, Weekday::Mon, 2);
    year.last_monday(5);
    year.nth(1, Weekday::Mon, 9);
    year.nth(2, Weekday::Mon, 10);
    year.nth(4, Weekday::Thu, 11);
    for (month, day) in [(1, 1), (6, 19), (7, 4), (11, 11), (12, 25)] {
        let day = year.on(month, day);
        year.add(day);
        year.add(shifted(day, US_OBSERVED));
    }
    // New Year's Day on a Saturday is observed in the year before.
    year.add(shifted(date(year.number + 1, 1, 1), US_OBSERVED));
}
