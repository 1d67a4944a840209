//! Cases as one line of text, so that a table reads like TIME.md.

use crate::time::{AllowedHours, Calendar, ClockTime, Due, DueInput, Period, Timestamp, Unit, Wait, Weekday, due};

/// The rules of a case, written as words:
/// `2 days [before|after DATE] [at 09:00] [window [mon,tue] 08:00-18:00] [quiet [sat] 20:00-08:00]
/// [country BR] [own 2026-12-24] [biz mon-sat] [nohol] [skip 2 hours] [spread 30] [seed 7]
/// [caught_up] [now 2026-06-01T10:00-03:00]`.
pub(super) struct Rules {
    pub(super) calendar: Calendar,
    pub(super) wait: Wait,
    pub(super) at: Option<ClockTime>,
    pub(super) window: Option<AllowedHours>,
    pub(super) date: Option<String>,
    pub(super) skip: Option<Period>,
    pub(super) seed: u64,
    pub(super) caught_up: bool,
    pub(super) now: Option<Timestamp>,
}

pub(super) fn instant(text: &str) -> Timestamp {
    let full = if text.matches(':').count() == 3 || (text.ends_with('Z') && text.matches(':').count() == 2) {
        text.to_owned()
    } else {
        // Minutes are enough for most cases.
        format!("{}:00{}", &text[..16], &text[16..])
    };
    Timestamp::parse(&full).unwrap_or_else(|| panic!("`{text}` is no instant"))
}

fn unit(word: &str) -> Unit {
    match word {
        "minutes" => Unit::Minutes,
        "hours" => Unit::Hours,
        "days" => Unit::Days,
        "business_days" => Unit::BusinessDays,
        _ => panic!("`{word}` is no unit"),
    }
}

const WEEK: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

fn weekdays(words: &str) -> Vec<Weekday> {
    let place = |name: &str| WEEK.iter().position(|(n, _)| *n == name).unwrap();
    match words.split_once('-') {
        Some((first, last)) => WEEK[place(first)..=place(last)].iter().map(|(_, day)| *day).collect(),
        None => words.split(',').map(|name| WEEK[place(name)].1).collect(),
    }
}

fn hours<'a>(words: &mut impl Iterator<Item = &'a str>) -> AllowedHours {
    let mut word = words.next().unwrap();
    let mut days = None;
    if word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        days = Some(weekdays(word));
        word = words.next().unwrap();
    }
    let (from, to) = word.split_once('-').unwrap();
    AllowedHours { days, from: ClockTime::parse(from).unwrap(), to: ClockTime::parse(to).unwrap() }
}

impl Rules {
    pub(super) fn read(zone: &str, text: &str) -> Self {
        let mut words = text.split_whitespace();
        let value = words.next().unwrap().parse().unwrap();
        let mut rules = Self {
            calendar: Calendar { zone: zone.parse().unwrap(), ..Calendar::default() },
            wait: Wait::from_previous(value, unit(words.next().unwrap())),
            at: None,
            window: None,
            date: None,
            skip: None,
            seed: 0,
            caught_up: false,
            now: None,
        };
        while let Some(word) = words.next() {
            let field = || Some("target.due_date".to_owned());
            match word {
                "before" | "after" => {
                    let (before, after) = if word == "before" { (field(), None) } else { (None, field()) };
                    (rules.wait.before, rules.wait.after) = (before, after);
                    rules.date = words.next().map(|date| date.replace('_', " ")).filter(|date| date != "none");
                }
                "at" => rules.at = words.next().and_then(ClockTime::parse),
                "window" => rules.window = Some(hours(&mut words)),
                "quiet" => rules.calendar.quiet_hours.push(hours(&mut words)),
                "country" => rules.calendar.holiday_countries.push(words.next().unwrap().to_owned()),
                "own" => drop(rules.calendar.holiday_dates.insert(words.next().unwrap().parse().unwrap())),
                "biz" => rules.calendar.business_days = weekdays(words.next().unwrap()),
                "nohol" => rules.calendar.send_on_holidays = false,
                "skip" => {
                    let value = words.next().unwrap().parse().unwrap();
                    rules.skip = Some(Period { value, unit: unit(words.next().unwrap()) });
                }
                "spread" => rules.calendar.spread_minutes = words.next().unwrap().parse().unwrap(),
                "seed" => rules.seed = words.next().unwrap().parse().unwrap(),
                "caught_up" => rules.caught_up = true,
                "now" => rules.now = words.next().map(instant),
                _ => panic!("`{word}` is no rule"),
            }
        }
        rules
    }

    pub(super) fn due(&self, previous: Timestamp) -> Due {
        let input = DueInput {
            previous,
            wait: &self.wait,
            at: self.at,
            window: self.window.as_ref(),
            target_date: self.date.as_deref(),
            skip_if_late: self.skip,
            spread_seed: self.seed,
            caught_up: self.caught_up,
        };
        due(&input, &self.calendar, self.now.unwrap_or(previous))
    }
}

/// `expected` is an instant, or `past`, `too_late`, `missing`, `never`.
pub(super) fn check(zone: &str, previous: &str, rules: &str, expected: &str) {
    let rules_text = rules;
    let rules = Rules::read(zone, rules);
    let found = rules.due(instant(previous));
    let text = match &found {
        Due::At(plan) => plan.at.to_string(),
        Due::Past { .. } => "past".to_owned(),
        Due::TooLate { .. } => "too_late".to_owned(),
        Due::TargetDateMissing => "missing".to_owned(),
        Due::NeverAllowed => "never".to_owned(),
    };
    let expected = if expected.contains(':') { instant(expected).to_string() } else { expected.to_owned() };
    assert_eq!(text, expected, "{zone}, previous {previous}, {rules_text}: {found:#?}");
    if let Due::At(plan) = found {
        let moves = &plan.adjustments;
        assert!(moves.windows(2).all(|pair| pair[0].to == pair[1].from), "{rules_text}: {moves:?}");
        assert_eq!(moves.last().map_or(plan.base, |last| last.to), plan.allowed, "{rules_text}");
    }
}

/// Cases of one zone: previous, rules, expected.
pub(super) fn check_all(zone: &str, cases: &[(&str, &str, &str)]) {
    for (previous, rules, expected) in cases {
        check(zone, previous, rules, expected);
    }
}
