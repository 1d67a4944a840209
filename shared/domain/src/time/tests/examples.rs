//! TIME.md section 5, as written there.

use crate::time::{AllowedHours, Calendar, ClockTime, Due, DueInput, Timestamp, Unit, Wait, Weekday, due};

fn hours(days: Option<&[Weekday]>, from: &str, to: &str) -> AllowedHours {
    AllowedHours {
        days: days.map(<[_]>::to_vec),
        from: ClockTime::parse(from).unwrap(),
        to: ClockTime::parse(to).unwrap(),
    }
}

fn brazil(quiet: bool) -> Calendar {
    Calendar {
        zone: chrono_tz::America::Sao_Paulo,
        holiday_countries: vec!["BR".to_owned()],
        quiet_hours: if quiet { vec![hours(None, "20:00", "08:00")] } else { Vec::new() },
        ..Calendar::default()
    }
}

fn check(calendar: &Calendar, previous: &str, wait: (u32, Unit), window: Option<AllowedHours>, expected: &str) {
    let previous = Timestamp::parse(previous).unwrap();
    let wait = Wait::from_previous(wait.0, wait.1);
    let input = DueInput {
        previous,
        wait: &wait,
        at: None,
        window: window.as_ref(),
        target_date: None,
        skip_if_late: None,
        spread_seed: 0,
        caught_up: false,
    };
    let Due::At(plan) = due(&input, calendar, previous) else { panic!("{previous}: not planned") };
    assert_eq!(plan.at.to_string(), expected, "{previous}: {:?}", plan.adjustments);
    assert_eq!(plan.adjustments.last().map_or(plan.allowed, |last| last.to), plan.allowed);
}

#[test]
fn section_5() {
    let new_york = Calendar { zone: chrono_tz::America::New_York, ..Calendar::default() };
    check(&new_york, "2026-03-06T14:00:00Z", (3, Unit::Days), None, "2026-03-09T13:00:00Z");
    check(&new_york, "2026-03-07T07:30:00Z", (1, Unit::Days), None, "2026-03-08T07:00:00Z");
    check(&new_york, "2026-10-31T05:30:00Z", (1, Unit::Days), None, "2026-11-01T05:30:00Z");
    check(&new_york, "2026-11-01T04:30:00Z", (24, Unit::Hours), None, "2026-11-02T04:30:00Z");

    check(&brazil(true), "2026-11-20T01:00:00Z", (1, Unit::BusinessDays), None, "2026-11-24T11:00:00Z");
    let no_holidays = Calendar { send_on_holidays: false, ..brazil(false) };
    check(&no_holidays, "2026-11-20T15:00:00Z", (0, Unit::Minutes), None, "2026-11-21T15:00:00Z");
    check(&brazil(true), "2026-11-14T01:00:00Z", (0, Unit::BusinessDays), None, "2026-11-16T11:00:00Z");

    let tokyo = Calendar { zone: chrono_tz::Asia::Tokyo, ..Calendar::default() };
    let office = hours(Some(&Weekday::WORKING), "08:00", "18:00");
    check(&tokyo, "2026-06-06T03:00:00Z", (0, Unit::Minutes), Some(office), "2026-06-07T23:00:00Z");
    let lisbon = Calendar { zone: chrono_tz::Europe::Lisbon, ..Calendar::default() };
    let night = hours(None, "20:00", "06:00");
    check(&lisbon, "2026-03-28T22:30:00Z", (0, Unit::Minutes), Some(night), "2026-03-28T22:30:00Z");
}
