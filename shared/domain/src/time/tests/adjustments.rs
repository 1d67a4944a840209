use super::support::{Rules, instant};
use crate::time::{AdjustmentCode::*, *};

fn check(zone: &str, previous: &str, rules: &str, expected: &[(AdjustmentCode, &str)]) {
    let Due::At(plan) = Rules::read(zone, rules).due(instant(previous)) else { panic!("{rules}: not planned") };
    let found: Vec<_> = plan.adjustments.iter().map(|a| (a.code, a.to)).collect();
    let expected: Vec<_> = expected.iter().map(|(code, to)| (*code, instant(to))).collect();
    assert_eq!(found, expected, "{rules}");
    assert!(plan.adjustments.windows(2).all(|pair| pair[0].to == pair[1].from), "{rules}");
    assert!(plan.adjustments.iter().all(|a| a.from != a.to), "{rules}");
}

#[test]
fn every_move_has_its_reason() {
    let ny = "America/New_York";
    check(ny, "2026-06-01T10:00-04:00", "1 days", &[]);
    check(ny, "2026-03-07T02:30-05:00", "1 days", &[(DstGap, "2026-03-08T03:00-04:00")]);
    check(ny, "2026-06-01T14:00-04:00", "0 days at 09:00", &[(Past, "2026-06-02T09:00-04:00")]);
    check(ny, "2026-06-01T14:00-04:00", "1 days after 2026-05-01", &[(Past, "2026-06-01T14:00-04:00")]);
    check(ny, "2026-06-01T22:00-04:00", "0 minutes quiet 20:00-08:00", &[(QuietHours, "2026-06-02T08:00-04:00")]);
    check(ny, "2026-06-01T22:00-04:00", "0 minutes window 08:00-18:00", &[(Window, "2026-06-02T08:00-04:00")]);
    let office = "0 minutes window mon-fri 08:00-18:00";
    check(ny, "2026-06-05T22:00-04:00", office, &[(Window, "2026-06-08T08:00-04:00")]);
    check(ny, "2026-06-06T12:00-04:00", office, &[(Weekday, "2026-06-08T08:00-04:00")]);
    check(ny, "2026-06-06T02:00-04:00", "0 minutes window mon-thu 20:00-06:00", &[(Weekday, "2026-06-08T20:00-04:00")]);
    check(
        ny,
        "2026-07-02T12:00-04:00",
        "1 days nohol country US window 13:00-14:00",
        &[(Holiday, "2026-07-05T12:00-04:00"), (Window, "2026-07-05T13:00-04:00")],
    );
    check(
        ny,
        "2026-06-05T22:00-04:00",
        "0 business_days quiet 20:00-08:00",
        &[
            (QuietHours, "2026-06-06T08:00-04:00"),
            (BusinessDay, "2026-06-08T00:00-04:00"),
            (QuietHours, "2026-06-08T08:00-04:00"),
        ],
    );
}

#[test]
fn spread_is_the_last_move() {
    let rules = Rules::read("UTC", "0 minutes window 08:00-18:00 spread 60 seed 1");
    let Due::At(plan) = rules.due(instant("2026-06-01T05:00:00Z")) else { panic!() };
    assert_eq!(plan.adjustments.iter().map(|a| a.code).collect::<Vec<_>>(), [Window, Spread]);
    assert_eq!(plan.adjustments[1].to, plan.allowed);
    assert_eq!(plan.base, instant("2026-06-01T05:00:00Z"));
}

#[test]
fn a_long_way_is_told_in_few_moves() {
    // The window lies in quiet hours every day but one.
    let rules = "0 minutes window 02:00-03:00 quiet sun,mon,tue,wed,thu,fri 01:00-04:00 quiet sat 01:00-02:30 \
                 own 2026-06-06 own 2026-06-13 own 2026-06-20 own 2026-06-27 nohol";
    let Due::At(plan) = Rules::read("UTC", rules).due(instant("2026-06-01T00:00:00Z")) else { panic!() };
    assert_eq!(plan.at, instant("2026-07-04T02:30:00Z"));
    assert!(plan.adjustments.len() <= 24);
    assert_eq!(plan.adjustments.last().map(|a| a.to), Some(plan.at));
}
