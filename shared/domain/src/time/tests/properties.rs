//! What holds for any rules, against a checker that shares no code with the rule: it walks the
//! minutes of the wall clock.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, Offset as _, TimeZone as _};
use proptest::prelude::*;

use crate::time::{
    AllowedHours, AllowedUntil, Calendar, ClockTime, Due, DueInput, Period, Timestamp, Unit, Wait, Weekday, Zone,
    allowed_until, due, national_holidays, next_allowed,
};

fn offset(zone: Zone, at: i64) -> i64 {
    let utc = Timestamp(at).to_chrono().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

fn wall(zone: Zone, at: i64) -> NaiveDateTime {
    Timestamp(at + offset(zone, at)).to_chrono().naive_utc()
}

/// The checker: the edges of intervals are the first instants whose wall clock is not before them.
struct Checker<'a> {
    calendar: &'a Calendar,
    window: Option<&'a AllowedHours>,
    business: bool,
    edges: BTreeMap<(NaiveDate, u16), i64>,
}

impl<'a> Checker<'a> {
    fn new(calendar: &'a Calendar, window: Option<&'a AllowedHours>, business: bool) -> Self {
        Self { calendar, window, business, edges: BTreeMap::new() }
    }

    fn edge(&mut self, day: NaiveDate, clock: ClockTime) -> i64 {
        let zone = self.calendar.zone;
        *self.edges.entry((day, clock.minutes())).or_insert_with(|| {
            let wanted = day.and_hms_opt(0, 0, 0).unwrap() + chrono::Duration::minutes(i64::from(clock.minutes()));
            let utc = wanted.and_utc().timestamp();
            let east = (-36..=36).map(|h| offset(zone, utc + h * 3_600)).max().unwrap();
            (0..).map(|minute| utc - east + minute * 60).find(|at| wall(zone, *at) >= wanted).unwrap()
        })
    }

    fn inside(&mut self, hours: &AllowedHours, at: i64) -> bool {
        let today = wall(self.calendar.zone, at).date();
        (-2..=1).any(|ago| {
            let day = today + chrono::Duration::days(ago);
            let begins = match &hours.days {
                None => true,
                Some(days) => days.contains(&Weekday::from_chrono(day.weekday())),
            };
            let last = if hours.from > hours.to { day + Days::new(1) } else { day };
            begins && self.edge(day, hours.from) <= at && at < self.edge(last, hours.to)
        })
    }

    fn allows(&mut self, at: i64) -> bool {
        let calendar = self.calendar;
        let day = wall(calendar.zone, at).date();
        let national = calendar.holiday_countries.iter().any(|c| national_holidays(c, day.year()).contains(&day));
        let holiday = national || calendar.holiday_dates.contains(&day);
        let weekday = Weekday::from_chrono(day.weekday());
        let barred = (self.business && (holiday || !calendar.business_days.contains(&weekday)))
            || (!calendar.send_on_holidays && holiday);
        !barred
            && self.window.is_none_or(|window| self.inside(window, at))
            && !calendar.quiet_hours.iter().any(|quiet| self.inside(quiet, at))
    }
}

fn zone() -> impl Strategy<Value = Zone> {
    use chrono_tz::*;
    prop_oneof![
        Just(America::New_York),
        Just(America::Sao_Paulo),
        Just(America::Havana),
        Just(America::Nuuk),
        Just(America::St_Johns),
        Just(America::Santiago),
        Just(Australia::Lord_Howe),
        Just(Europe::Lisbon),
        Just(Atlantic::Azores),
        Just(Africa::Cairo),
        Just(Africa::Casablanca),
        Just(Antarctica::Troll),
        Just(Asia::Kathmandu),
        Just(Asia::Beirut),
        Just(Pacific::Apia),
        Just(UTC),
    ]
}

/// Any time of some years, and often close to a change of the clocks. 2009 has clocks that go
/// back over midnight (St. John's), 2011 a day that is left out (Apia).
fn previous() -> impl Strategy<Value = Timestamp> {
    let around = [
        "2009-11-01",
        "2011-12-30",
        "2025-03-30",
        "2026-03-08",
        "2026-03-29",
        "2026-04-05",
        "2026-04-24",
        "2026-09-06",
        "2026-10-04",
        "2026-10-25",
        "2026-10-30",
        "2026-11-01",
        "2026-12-31",
    ]
    .map(|day| day.parse::<NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp());
    prop_oneof![
        (1_577_836_800_i64..2_114_380_800).prop_map(Timestamp),
        (prop::sample::select(around.to_vec()), -600_i64..1_800).prop_map(|(day, m)| Timestamp(day + m * 60)),
    ]
}

/// A zone and an instant; half of them within the hours around the clocks' going back.
fn zone_and_previous() -> impl Strategy<Value = (Zone, Timestamp)> {
    use chrono_tz::{America, Antarctica, Australia, Europe};
    let back = [
        (America::New_York, "2026-11-01T06:00:00Z"),
        (America::Santiago, "2026-04-05T03:00:00Z"),
        (America::St_Johns, "2009-11-01T02:31:00Z"),
        (Antarctica::Troll, "2026-10-25T01:00:00Z"),
        (Australia::Lord_Howe, "2026-04-04T15:00:00Z"),
        (Europe::Lisbon, "2026-10-25T01:00:00Z"),
    ];
    let near = (prop::sample::select(back.to_vec()), -10_000_i64..8_000)
        .prop_map(|((zone, at), seconds)| (zone, Timestamp::parse(at).unwrap().plus_seconds(seconds)));
    prop_oneof![near, (zone(), previous())]
}

fn clock(minutes: std::ops::Range<u16>) -> impl Strategy<Value = ClockTime> {
    // Often at night and on the half hour, where the clocks change.
    let night = (0_u16..210).prop_map(|m| m / 10 * 10);
    let late = (1_380_u16..1_440).prop_map(|m| m / 30 * 30);
    prop_oneof![minutes.clone(), minutes.prop_map(|m| m / 30 * 30), night, late]
        .prop_map(|m| ClockTime::new(m / 60, m % 60).unwrap())
}

fn weekdays() -> impl Strategy<Value = Vec<Weekday>> {
    use Weekday::*;
    prop::sample::subsequence(vec![Mon, Tue, Wed, Thu, Fri, Sat, Sun], 1..=7)
}

fn hours() -> impl Strategy<Value = AllowedHours> {
    (prop::option::of(weekdays()), clock(0..1_440), clock(0..1_441))
        .prop_map(|(days, from, to)| AllowedHours { days, from, to })
        .prop_filter("from = to is refused", AllowedHours::is_valid)
}

fn calendar() -> impl Strategy<Value = Calendar> {
    let countries = prop::sample::subsequence(vec!["BR", "PT", "US"], 0..=2);
    (zone(), prop::collection::vec(hours(), 0..3), weekdays(), countries, any::<bool>(), 0_u32..90).prop_map(
        |(zone, quiet_hours, business_days, countries, send_on_holidays, spread_minutes)| Calendar {
            zone,
            quiet_hours,
            business_days,
            holiday_countries: countries.into_iter().map(str::to_owned).collect(),
            holiday_dates: ["2026-03-09", "2026-11-02"].iter().map(|d| d.parse().unwrap()).collect(),
            send_on_holidays,
            spread_minutes,
        },
    )
}

#[derive(Debug, Clone)]
struct Step {
    wait: Wait,
    at: Option<ClockTime>,
    window: Option<AllowedHours>,
    date: Option<String>,
    skip_if_late: Option<Period>,
    seed: u64,
}

impl Step {
    fn due(&self, calendar: &Calendar, previous: Timestamp, now: Timestamp, caught_up: bool) -> Due {
        let input = DueInput {
            previous,
            wait: &self.wait,
            at: self.at,
            window: self.window.as_ref(),
            target_date: self.date.as_deref(),
            skip_if_late: self.skip_if_late,
            spread_seed: self.seed,
            caught_up,
        };
        due(&input, calendar, now)
    }

    fn is_business(&self) -> bool {
        self.wait.unit == Unit::BusinessDays
    }

    fn is_before(&self) -> bool {
        self.wait.before.is_some()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let unit = prop_oneof![
        (0_u32..5_000).prop_map(|n| (n, Unit::Minutes)),
        (0_u32..100).prop_map(|n| (n, Unit::Hours)),
        (0_u32..9).prop_map(|n| (n, Unit::Days)),
        (0_u32..9).prop_map(|n| (n, Unit::BusinessDays)),
    ];
    let date = prop_oneof![
        Just("2026-03-08".to_owned()),
        Just("2026-11-01T01:30".to_owned()),
        Just("2026-10-04T02:10:30+10:30".to_owned()),
    ];
    let skip = prop::option::of((0_u32..50).prop_map(|value| Period { value, unit: Unit::Hours }));
    (unit, prop::option::of(clock(0..1_440)), prop::option::of(hours()), 0..4, date, skip, any::<u64>()).prop_map(
        |((value, unit), at, window, anchor, date, skip_if_late, seed)| {
            let mut wait = Wait::from_previous(value, unit);
            match anchor {
                0 => wait.before = Some("target.date".to_owned()),
                1 => wait.after = Some("target.date".to_owned()),
                _ => {}
            }
            Step { wait, at, window, date: Some(date), skip_if_late, seed }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Never before the previous send, never before `now`, always inside allowed hours, in any
    /// case of lateness; and the same input gives the same answer.
    #[test]
    fn a_plan_is_allowed(
        calendar in calendar(), step in step(), previous in previous(), late in 0_i64..200_000, caught_up in any::<bool>(),
    ) {
        for now in [previous, previous.plus_seconds(late)] {
            let found = step.due(&calendar, previous, now, caught_up);
            prop_assert_eq!(&found, &step.due(&calendar, previous, now, caught_up));
            let Due::At(plan) = found else { continue };
            let mut checker = Checker::new(&calendar, step.window.as_ref(), step.is_business());
            prop_assert!(plan.at >= previous && plan.at >= now && plan.at >= plan.allowed);
            prop_assert!(plan.allowed >= plan.base);
            prop_assert!(step.is_before() || plan.base >= previous);
            prop_assert!(checker.allows(plan.at.0), "{} is not allowed", plan.at);
            prop_assert!(checker.allows(plan.allowed.0), "{} is not allowed", plan.allowed);
            let last = plan.adjustments.last().map_or(plan.base, |last| last.to);
            prop_assert_eq!(last, plan.allowed);
            prop_assert!(plan.adjustments.windows(2).all(|pair| pair[0].to == pair[1].from));
            if let Some(skip) = step.skip_if_late {
                prop_assert!(plan.at.seconds_since(plan.allowed) <= skip.nominal_seconds());
            }

            // Woken at the stored due, it goes then.
            let woken = step.due(&calendar, previous, plan.at, plan.caught_up);
            prop_assert!(matches!(&woken, Due::At(again) if again.at == plan.at), "{woken:?} after {plan:?}");
        }
    }

    /// The first allowed instant is the first: nothing before it is allowed, and it stays.
    #[test]
    fn the_first_allowed_instant_is_the_first(
        calendar in calendar(), window in prop::option::of(hours()), business in any::<bool>(), from in previous(),
    ) {
        let mut checker = Checker::new(&calendar, window.as_ref(), business);
        let found = next_allowed(&calendar, window.as_ref(), business, from);
        let until = found.unwrap_or(from.plus_days(30));
        prop_assert!(until >= from);
        let (mut at, dense) = (from.0, until.0 - 120 * 60);
        while at < until.0 {
            prop_assert!(!checker.allows(at), "{} is allowed, found {found:?}", Timestamp(at));
            at += if at < dense { 11 * 60 } else { 60 };
        }
        if let Some(found) = found {
            prop_assert!(checker.allows(found.0));
            prop_assert!(found == from || !checker.allows(found.0 - 1));
            prop_assert_eq!(next_allowed(&calendar, window.as_ref(), business, found), Some(found));
        }
    }

    /// A stretch is allowed from its start to its end and not at its end.
    #[test]
    fn a_stretch_is_allowed_throughout(
        calendar in calendar(), window in prop::option::of(hours()), business in any::<bool>(), from in previous(),
    ) {
        let mut checker = Checker::new(&calendar, window.as_ref(), business);
        match allowed_until(&calendar, window.as_ref(), business, from) {
            AllowedUntil::NotAllowed => prop_assert!(!checker.allows(from.0)),
            AllowedUntil::Unbounded => {
                prop_assert!((0..2_000).all(|i| checker.allows(from.0 + i * 37 * 60)));
            }
            AllowedUntil::Until(end) => {
                prop_assert!(end > from && !checker.allows(end.0) && checker.allows(end.0 - 1));
                let pace = ((end.0 - from.0) / 500).max(1) as usize;
                for at in (from.0..end.0).step_by(pace) {
                    prop_assert!(checker.allows(at), "{} is not allowed", Timestamp(at));
                }
            }
        }
    }

    /// A later previous send never makes a step earlier, where no day is barred: a base moves off
    /// a barred day with its time, and passes the bases of the day it moves to.
    #[test]
    fn minutes_and_hours_are_monotone(
        calendar in calendar(), step in step(), (zone, previous) in zone_and_previous(), hours in any::<bool>(),
        later in prop_oneof![0_i64..8_000, 0_i64..100_000],
    ) {
        let calendar = Calendar { zone, spread_minutes: 0, send_on_holidays: true, ..calendar };
        let unit = if hours { Unit::Hours } else { Unit::Minutes };
        let step = Step { wait: Wait::from_previous(step.wait.value, unit), skip_if_late: None, ..step };
        let second = previous.plus_seconds(later);
        if let (Due::At(a), Due::At(b)) =
            (step.due(&calendar, previous, previous, false), step.due(&calendar, second, second, false))
        {
            prop_assert!(a.at <= b.at, "{} then {}", a.at, b.at);
        }
    }

    /// A later previous send never puts the base on an earlier civil day; and with one wall-clock
    /// time for all, or on a later civil day with none barred, it never makes the step earlier.
    #[test]
    fn days_are_monotone_in_the_civil_day(
        calendar in calendar(), step in step(), (zone, previous) in zone_and_previous(), business in any::<bool>(),
        later in prop_oneof![0_i64..8_000, 0_i64..700_000],
    ) {
        let calendar = Calendar { zone, spread_minutes: 0, ..calendar };
        let unit = if business { Unit::BusinessDays } else { Unit::Days };
        let step = Step { wait: Wait::from_previous(step.wait.value % 12, unit), skip_if_late: None, ..step };
        let second = previous.plus_seconds(later);
        let day = |at: Timestamp| wall(calendar.zone, at.0).date();
        // Clocks that go back over midnight.
        prop_assume!(day(previous) <= day(second));
        if let (Due::At(a), Due::At(b)) =
            (step.due(&calendar, previous, previous, false), step.due(&calendar, second, second, false))
        {
            prop_assert!(day(a.base) <= day(b.base), "{} then {}", a.base, b.base);
            // Within a day the wall clock may go back, and its times with it.
            let no_day_is_barred = !business && calendar.send_on_holidays;
            if step.at.is_some() || (no_day_is_barred && day(previous) < day(second)) {
                prop_assert!(a.at <= b.at, "{} then {}", a.at, b.at);
            }
        }
    }

    /// Without spread a plan is the first allowed second from its base on: none before it is allowed.
    #[test]
    fn no_second_between_the_base_and_the_plan_is_allowed(
        calendar in calendar(), step in step(), previous in previous(), probes in prop::collection::vec(0.0..1.0_f64, 60),
    ) {
        let calendar = Calendar { spread_minutes: 0, ..calendar };
        let Due::At(plan) = step.due(&calendar, previous, previous, false) else { return Ok(()) };
        let mut checker = Checker::new(&calendar, step.window.as_ref(), step.is_business());
        let between = plan.allowed.seconds_since(plan.base);
        let near = (1..=between.min(30)).map(|ago| between - ago);
        let far = probes.iter().map(|part| (part * between as f64) as i64);
        for after in near.chain(far).filter(|after| *after < between) {
            prop_assert!(!checker.allows(plan.base.0 + after), "{} is allowed, and it goes at {}",
                plan.base.plus_seconds(after), plan.allowed);
        }
    }

    /// A step that is planned at an instant that is allowed, with nothing to wait for, stays there.
    #[test]
    fn an_allowed_instant_stays(calendar in calendar(), step in step(), previous in previous()) {
        let business = step.is_business();
        if let Some(allowed) = next_allowed(&calendar, step.window.as_ref(), business, previous) {
            let unit = if business { Unit::BusinessDays } else { Unit::Minutes };
            let step = Step { wait: Wait::from_previous(0, unit), at: None, ..step };
            let Due::At(plan) = step.due(&calendar, allowed, allowed, false) else { panic!("not planned") };
            prop_assert_eq!(plan.at, allowed);
        }
    }
}
