//! TIME.md section 2.

use super::support::{Rules, check, check_all, instant};
use crate::time::{AllowedUntil, Timestamp, allowed_until, next_allowed};

#[test]
fn windows_include_from_and_exclude_to() {
    check_all(
        "America/Sao_Paulo",
        &[
            ("2026-06-01T07:59-03:00", "0 minutes window 08:00-18:00", "2026-06-01T08:00-03:00"),
            ("2026-06-01T08:00-03:00", "0 minutes window 08:00-18:00", "2026-06-01T08:00-03:00"),
            ("2026-06-01T17:59:59-03:00", "0 minutes window 08:00-18:00", "2026-06-01T17:59:59-03:00"),
            ("2026-06-01T18:00-03:00", "0 minutes window 08:00-18:00", "2026-06-02T08:00-03:00"),
            ("2026-12-31T18:00-03:00", "0 minutes window 08:00-18:00", "2027-01-01T08:00-03:00"),
            ("2028-02-28T18:00-03:00", "0 minutes window 08:00-18:00", "2028-02-29T08:00-03:00"),
        ],
    );
}

#[test]
fn overnight_windows_belong_to_the_day_they_begin() {
    check_all(
        "America/Sao_Paulo",
        &[
            ("2026-06-01T05:59-03:00", "0 minutes window 20:00-06:00", "2026-06-01T05:59-03:00"),
            ("2026-06-01T06:00-03:00", "0 minutes window 20:00-06:00", "2026-06-01T20:00-03:00"),
            ("2026-06-06T02:00-03:00", "0 minutes window fri 20:00-06:00", "2026-06-06T02:00-03:00"),
            ("2026-06-05T02:00-03:00", "0 minutes window fri 20:00-06:00", "2026-06-05T20:00-03:00"),
            ("2026-06-06T06:00-03:00", "0 minutes window fri 20:00-06:00", "2026-06-12T20:00-03:00"),
            ("2026-06-06T09:00-03:00", "0 minutes quiet fri 22:00-10:00", "2026-06-06T10:00-03:00"),
            ("2026-06-07T09:00-03:00", "0 minutes quiet fri 22:00-10:00", "2026-06-07T09:00-03:00"),
        ],
    );
}

#[test]
fn twenty_four_hundred_ends_the_day() {
    check_all(
        "America/Sao_Paulo",
        &[
            ("2026-06-01T23:59-03:00", "0 minutes window 18:00-24:00", "2026-06-01T23:59-03:00"),
            ("2026-06-02T00:00-03:00", "0 minutes window 18:00-24:00", "2026-06-02T18:00-03:00"),
            ("2026-06-02T10:00-03:00", "0 minutes window mon 00:00-24:00", "2026-06-08T00:00-03:00"),
            ("2026-06-06T10:00-03:00", "0 minutes quiet sat,sun 00:00-24:00", "2026-06-08T00:00-03:00"),
            ("2026-06-01T22:00-03:00", "0 minutes quiet 20:00-24:00", "2026-06-02T00:00-03:00"),
        ],
    );
}

#[test]
fn windows_and_quiet_hours_together() {
    check_all(
        "America/Sao_Paulo",
        &[
            ("2026-06-01T21:00-03:00", "0 minutes quiet 20:00-22:00 quiet 22:00-08:00", "2026-06-02T08:00-03:00"),
            ("2026-06-01T18:00-03:00", "0 minutes window 08:00-18:00 quiet 17:00-09:00", "2026-06-02T09:00-03:00"),
            ("2026-06-01T12:00-03:00", "0 minutes window 08:00-18:00 quiet 12:00-13:30", "2026-06-01T13:30-03:00"),
            ("2026-06-05T18:30-03:00", "0 minutes window mon-fri 08:00-18:00", "2026-06-08T08:00-03:00"),
        ],
    );
}

#[test]
fn edges_follow_the_dst_rule() {
    check_all(
        "America/New_York",
        &[
            // Both edges in the gap: no window that day.
            ("2026-03-08T00:30-05:00", "0 minutes window 02:00-02:30", "2026-03-09T02:00-04:00"),
            ("2026-03-08T00:30-05:00", "0 minutes window 02:30-04:00", "2026-03-08T03:00-04:00"),
            ("2026-03-08T03:00-04:00", "0 minutes window 01:30-02:30", "2026-03-09T01:30-04:00"),
            ("2026-03-08T01:59-05:00", "0 minutes window 01:30-02:30", "2026-03-08T01:59-05:00"),
            // From the first 01:30 to the only 02:00: the second 01:10 is inside.
            ("2026-11-01T01:10-05:00", "0 minutes window 01:30-02:00", "2026-11-01T01:10-05:00"),
            ("2026-11-01T01:20-05:00", "0 minutes window 01:10-01:40", "2026-11-02T01:10-05:00"),
            ("2026-11-01T01:15-05:00", "0 minutes window 00:30-01:30", "2026-11-02T00:30-05:00"),
            ("2026-11-01T01:15-05:00", "0 minutes quiet 00:30-01:30", "2026-11-01T01:15-05:00"),
            ("2026-11-01T01:15-05:00", "0 minutes quiet 01:00-02:00", "2026-11-01T02:00-05:00"),
            ("2026-10-31T23:00-04:00", "0 minutes quiet 22:00-01:30", "2026-11-01T01:30-04:00"),
            ("2026-03-07T23:00-05:00", "0 minutes quiet 22:00-02:30", "2026-03-08T03:00-04:00"),
        ],
    );
    check_all(
        "Australia/Lord_Howe",
        &[
            ("2026-04-05T01:45+10:30", "0 minutes quiet 01:30-02:00", "2026-04-05T02:00+10:30"),
            ("2026-04-05T01:35+10:30", "0 minutes quiet 01:00-01:40", "2026-04-05T01:35+10:30"),
            ("2026-10-04T01:50+10:30", "0 minutes window 02:10-02:20", "2026-10-05T02:10+11:00"),
        ],
    );
}

#[test]
fn clocks_that_go_back_over_midnight() {
    // At 00:01 on Sunday back to 23:01 on Saturday: Sunday's window begins, and Saturday comes again.
    check_all(
        "America/St_Johns",
        &[
            ("2009-10-31T23:30-03:30", "0 minutes window sun 00:00-00:30", "2009-10-31T23:30-03:30"),
            ("2009-10-31T23:30-02:30", "0 minutes window sun 00:00-00:30", "2009-11-01T00:00-02:30"),
            ("2009-11-01T00:00-02:30", "0 minutes nohol own 2009-10-31", "2009-11-01T00:00-02:30"),
            ("2009-10-31T22:00-02:30", "60 minutes nohol own 2009-10-31", "2009-11-01T23:00-03:30"),
        ],
    );
    // The day rule: one minute of Sunday, then Saturday, a holiday, again.
    let rules = Rules::read("America/St_Johns", "0 minutes nohol own 2009-10-31");
    let next = |at: &str| next_allowed(&rules.calendar, None, false, instant(at)).unwrap();
    assert_eq!(next("2009-10-31T12:00-02:30"), instant("2009-11-01T00:00-02:30"));
    assert_eq!(next("2009-10-31T23:01-03:30"), instant("2009-11-01T00:00-03:30"));
    let until = allowed_until(&rules.calendar, None, false, instant("2009-11-01T00:00-02:30"));
    assert_eq!(until, AllowedUntil::Until(instant("2009-10-31T23:01-03:30")));
}

#[test]
fn the_day_rule_looks_at_the_instant_itself() {
    let sp = "America/Sao_Paulo";
    // Saturday 02:00 inside Friday's window is not a business day.
    let rules = Rules::read(sp, "0 business_days window mon-fri 20:00-06:00");
    let next = next_allowed(&rules.calendar, rules.window.as_ref(), true, instant("2026-06-06T02:00-03:00"));
    assert_eq!(next, Some(instant("2026-06-08T20:00-03:00")));
    let every_night = Rules::read(sp, "0 business_days window 20:00-06:00");
    let next = next_allowed(&rules.calendar, every_night.window.as_ref(), true, instant("2026-06-06T02:00-03:00"));
    assert_eq!(next, Some(instant("2026-06-08T00:00-03:00")));
    check(sp, "2026-06-04T02:00-03:00", "1 business_days window 20:00-06:00", "2026-06-05T02:00-03:00");
    // The window opens on the eve of a holiday and the rest of the night is barred.
    check(
        sp,
        "2026-12-24T19:00-03:00",
        "0 minutes window thu 20:00-06:00 nohol country BR quiet 20:00-24:00",
        "2027-01-08T00:00-03:00",
    );
}

#[test]
fn never() {
    check_all(
        "America/Sao_Paulo",
        &[
            ("2026-06-01T10:00-03:00", "1 business_days window sat 08:00-18:00", "never"),
            ("2026-06-01T10:00-03:00", "0 minutes quiet 00:00-24:00", "never"),
            ("2026-06-01T10:00-03:00", "0 minutes quiet 00:00-12:00 quiet 12:00-24:00", "never"),
            ("2026-06-01T10:00-03:00", "0 minutes window 02:00-03:00 quiet 01:00-04:00", "never"),
            ("2026-06-01T10:00-03:00", "0 minutes window 08:00-08:00", "never"),
        ],
    );
    // Every day of two years is a holiday.
    let mut rules = Rules::read("UTC", "0 business_days");
    rules.calendar.holiday_dates =
        instant("2026-01-01T00:00:00Z").to_chrono().date_naive().iter_days().take(731).collect();
    assert_eq!(rules.due(instant("2026-01-01T00:00:00Z")), crate::time::Due::NeverAllowed);
}

#[test]
fn spread_moves_only_what_hours_moved_and_stays_inside() {
    let zone = "America/Sao_Paulo";
    let at = |text: &str, previous: &str| match Rules::read(zone, text).due(instant(previous)) {
        crate::time::Due::At(plan) => plan.at,
        other => panic!("{other:?}"),
    };
    let opening = instant("2026-06-01T08:00-03:00");
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let text = format!("0 minutes window 08:00-18:00 spread 30 seed {seed}");
        let spread = at(&text, "2026-06-01T05:00-03:00").seconds_since(opening);
        assert!((0..=1_800).contains(&spread));
        seen.insert(spread);
        assert_eq!(at(&text, "2026-06-01T09:00-03:00"), instant("2026-06-01T09:00-03:00"));

        let short = format!("0 minutes window 08:00-08:05 spread 30 seed {seed}");
        assert!((0..300).contains(&at(&short, "2026-06-01T05:00-03:00").seconds_since(opening)));
        let quiet = format!("0 minutes window 08:00-18:00 quiet 08:02-09:00 spread 30 seed {seed}");
        assert!((0..120).contains(&at(&quiet, "2026-06-01T05:00-03:00").seconds_since(opening)));
        // Moved by the day rule alone.
        let holiday = format!("0 minutes nohol own 2026-06-01 spread 30 seed {seed}");
        assert_eq!(at(&holiday, "2026-06-01T05:00-03:00"), instant("2026-06-02T05:00-03:00"));
    }
    assert!(seen.len() > 150, "{} different parts of 200", seen.len());
}

#[test]
fn how_long_an_instant_stays_allowed() {
    let until = |rules: &str, at: &str| -> Option<Timestamp> {
        let rules = Rules::read("America/Sao_Paulo", rules);
        let business = rules.wait.unit == crate::time::Unit::BusinessDays;
        match allowed_until(&rules.calendar, rules.window.as_ref(), business, instant(at)) {
            AllowedUntil::NotAllowed => panic!("not allowed"),
            found => found.end(),
        }
    };
    let monday = "2026-06-01T10:00-03:00";
    assert_eq!(until("0 minutes", monday), None);
    assert_eq!(until("0 minutes window 00:00-24:00", monday), None);
    assert_eq!(until("0 minutes window 08:00-18:00", monday), Some(instant("2026-06-01T18:00-03:00")));
    assert_eq!(until("0 minutes window mon,tue 00:00-24:00", monday), Some(instant("2026-06-03T00:00-03:00")));
    assert_eq!(until("0 minutes quiet sat 12:00-13:00", monday), Some(instant("2026-06-06T12:00-03:00")));
    assert_eq!(until("0 business_days", monday), Some(instant("2026-06-06T00:00-03:00")));
    assert_eq!(until("0 minutes nohol own 2026-06-03", monday), Some(instant("2026-06-03T00:00-03:00")));
    assert_eq!(
        until("0 minutes window 08:00-18:00 quiet 12:00-13:00 quiet 11:30-12:15", monday),
        Some(instant("2026-06-01T11:30-03:00"))
    );
    let closed = Rules::read("America/Sao_Paulo", "0 minutes window 08:00-09:00");
    let found = allowed_until(&closed.calendar, closed.window.as_ref(), false, instant(monday));
    assert_eq!(found, AllowedUntil::NotAllowed);
}

#[test]
fn instants_outside_the_calendar_are_refused() {
    let calendar = crate::time::Calendar::default();
    for at in [i64::MIN, i64::MAX, 1 << 50] {
        assert_eq!(next_allowed(&calendar, None, false, Timestamp(at)), None);
        assert_eq!(allowed_until(&calendar, None, true, Timestamp(at)), AllowedUntil::NotAllowed);
    }
}
