//! TIME.md section 3.

use super::support::{Rules, check_all, instant};
use crate::time::{Due, Planned};

const ZONE: &str = "America/Sao_Paulo";

fn plan(previous: &str, rules: &str) -> Planned {
    match Rules::read(ZONE, rules).due(instant(previous)) {
        Due::At(plan) => plan,
        other => panic!("{rules}: {other:?}"),
    }
}

#[test]
fn a_late_step_goes_at_the_first_allowed_instant() {
    check_all(
        ZONE,
        &[
            ("2026-06-01T10:00-03:00", "1 hours now 2026-06-01T10:30-03:00", "2026-06-01T11:00-03:00"),
            ("2026-06-01T10:00-03:00", "1 hours now 2026-06-01T11:10-03:00", "2026-06-01T11:10-03:00"),
            ("2026-06-01T10:00-03:00", "1 hours now 2026-06-03T11:10-03:00", "2026-06-03T11:10-03:00"),
            (
                "2026-06-01T10:00-03:00",
                "1 hours window 08:00-18:00 now 2026-06-01T19:00-03:00",
                "2026-06-02T08:00-03:00",
            ),
            // Late into Saturday: a business-day step waits for Monday.
            ("2026-06-04T23:00-03:00", "1 business_days now 2026-06-06T00:30-03:00", "2026-06-08T00:00-03:00"),
            ("2026-12-24T10:00-03:00", "0 days nohol country BR now 2026-12-25T10:00-03:00", "2026-12-26T00:00-03:00"),
            (
                "2026-06-10T10:00-03:00",
                "1 hours before 2026-06-10T20:00 now 2026-06-10T19:30-03:00",
                "2026-06-10T19:30-03:00",
            ),
            ("2026-06-10T10:00-03:00", "1 hours before 2026-06-10T20:00 now 2026-06-10T20:00-03:00", "past"),
            (
                "2026-06-10T10:00-03:00",
                "1 hours before 2026-06-10T20:00 quiet 19:10-20:10 now 2026-06-10T19:30-03:00",
                "past",
            ),
            // `now` never beats `previous`.
            ("2026-06-10T10:00-03:00", "0 minutes now 2026-06-01T00:00-03:00", "2026-06-10T10:00-03:00"),
        ],
    );
}

#[test]
fn skip_if_late_counts_from_section_2s_instant() {
    check_all(
        ZONE,
        &[
            ("2026-06-01T10:00-03:00", "1 hours skip 2 hours now 2026-06-01T13:00-03:00", "2026-06-01T13:00-03:00"),
            ("2026-06-01T10:00-03:00", "1 hours skip 2 hours now 2026-06-01T13:00:01-03:00", "too_late"),
            // Not late yet, but the window opens too late.
            (
                "2026-06-01T10:00-03:00",
                "1 hours skip 2 hours window 08:00-18:00 now 2026-06-01T18:00-03:00",
                "too_late",
            ),
            // The night's wait is section 2's, not lateness.
            ("2026-06-01T20:00-03:00", "0 minutes skip 2 hours window 08:00-18:00", "2026-06-02T08:00-03:00"),
            ("2026-06-01T10:00-03:00", "0 minutes skip 1 days now 2026-06-02T10:00-03:00", "2026-06-02T10:00-03:00"),
            ("2026-06-01T10:00-03:00", "0 minutes skip 0 minutes", "2026-06-01T10:00-03:00"),
        ],
    );
    // The spread alone does not make it too late.
    for seed in 0..100 {
        let rules = format!("0 minutes skip 1 hours spread 30 seed {seed} now 2026-06-01T10:50-03:00");
        let late = plan("2026-06-01T10:00-03:00", &rules).at.seconds_since(instant("2026-06-01T10:50-03:00"));
        assert!((0..=600).contains(&late), "{late}");
    }
}

#[test]
fn more_than_fifteen_minutes_late_is_spread_once() {
    let on_time = plan("2026-06-01T10:00-03:00", "1 hours spread 30");
    assert!(!on_time.caught_up && on_time.at == on_time.allowed);
    let close = plan("2026-06-01T10:00-03:00", "1 hours spread 30 now 2026-06-01T11:15-03:00");
    assert!(!close.caught_up);
    assert_eq!(close.at, instant("2026-06-01T11:15-03:00"));

    let mut moved = 0;
    for seed in 0..100 {
        let rules = format!("1 hours spread 30 window 08:00-18:00 seed {seed}");
        let late = plan("2026-06-01T10:00-03:00", &format!("{rules} now 2026-06-01T11:15:01-03:00"));
        let part = late.at.seconds_since(instant("2026-06-01T11:15:01-03:00"));
        assert!(late.caught_up && (0..=1_800).contains(&part));
        moved += i32::from(part > 0);

        // Woken at the stored due, it goes.
        let now = late.at;
        let again = Rules { caught_up: true, now: Some(now), ..Rules::read(ZONE, &rules) };
        let Due::At(again) = again.due(instant("2026-06-01T10:00-03:00")) else { panic!() };
        assert_eq!(again, Planned { at: now, ..late });
    }
    assert!(moved > 90);
}

#[test]
fn late_by_minutes_into_a_closed_window_is_spread_too() {
    let mut openings = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let rules = format!("0 minutes window 08:00-18:00 spread 30 seed {seed} now 2026-06-01T18:01-03:00");
        let late = plan("2026-06-01T17:59-03:00", &rules);
        assert!(late.caught_up);
        openings.insert(late.at);
    }
    assert!(openings.len() > 40);
    assert!(openings.iter().all(|at| (0..=1_800).contains(&at.seconds_since(instant("2026-06-02T08:00-03:00")))));
}
