//! How many steps may reach one contact in a day or a week, over all sequences (TIME.md section 4).
//!
//! The contact keeps a short list of what counts. A step is in it once, however often it is planned,
//! from just before it is put on the send queue: on the day on which it was last planned.

use chrono::{Datelike as _, Days, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::account::{ContactLimit, LimitPeriod};
use crate::contact::Contact;
use crate::ids::EnrollmentId;

/// A step that counts, and on which day (in the account's zone).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    #[serde(rename = "e")]
    pub enrollment: EnrollmentId,
    #[serde(rename = "k")]
    pub step: String,
    #[serde(rename = "d")]
    pub day: NaiveDate,
}

impl Counted {
    fn is(&self, enrollment: EnrollmentId, step: &str) -> bool {
        self.enrollment == enrollment && self.step == step
    }
}

impl LimitPeriod {
    /// The first day of the period in which `day` lies. Weeks begin on Monday.
    fn begins(self, day: NaiveDate) -> NaiveDate {
        let into = match self {
            Self::Day => 0,
            Self::Week => day.weekday().num_days_from_monday(),
        };
        day.checked_sub_days(Days::new(into.into())).unwrap_or(day)
    }

    fn next_begins(self, day: NaiveDate) -> NaiveDate {
        let length = match self {
            Self::Day => 1,
            Self::Week => 7,
        };
        self.begins(day).checked_add_days(Days::new(length)).unwrap_or(day)
    }
}

impl Contact {
    /// The day from which on this step may reach the contact: `today`, or the first day of the next
    /// period in which there is room.
    pub fn has_room_from(
        &self,
        limits: &[ContactLimit],
        enrollment: EnrollmentId,
        step: &str,
        today: NaiveDate,
    ) -> NaiveDate {
        let others = || self.counted.iter().filter(|c| !c.is(enrollment, step));
        let full = limits.iter().filter(|limit| {
            let since = limit.per.begins(today);
            others().filter(|c| c.day >= since).count() >= limit.max as usize
        });
        // Nothing counts on a day to come: there all of them have room.
        full.map(|limit| limit.per.next_begins(today)).max().unwrap_or(today)
    }

    /// The contact with this step counted today, and without what counts no more; `None` when that is
    /// what it is already.
    pub fn counting(
        &self,
        limits: &[ContactLimit],
        enrollment: EnrollmentId,
        step: &str,
        today: NaiveDate,
    ) -> Option<Self> {
        if limits.is_empty() || self.counted.iter().any(|c| c.is(enrollment, step) && c.day == today) {
            return None;
        }
        let since = limits.iter().map(|limit| limit.per.begins(today)).min()?;
        let mut next = self.clone();
        next.rev += 1;
        next.counted.retain(|c| c.day >= since && !c.is(enrollment, step));
        next.counted.push(Counted { enrollment, step: step.to_owned(), day: today });
        Some(next)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::contact::Profile;
    use crate::ids::{ContactId, SequenceId};
    use crate::time::Timestamp;

    fn run(n: u32) -> EnrollmentId {
        EnrollmentId {
            contact: ContactId::from_bytes([1; 12]),
            sequence: SequenceId::from_bytes([1; 8]),
            scope: [0; 8],
            run: n,
        }
    }

    fn limits(text: &str) -> Vec<ContactLimit> {
        serde_json::from_str(text).unwrap()
    }

    /// A day of November 2026: the 16th and the 23rd are Mondays.
    fn on(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
    }

    /// Somebody whom steps of runs 1, 2, … have reached on these days.
    fn reached(days: &[u32]) -> Contact {
        let mut contact = Contact::new(ContactId::from_bytes([1; 12]), Profile::default(), Timestamp(0));
        let counted = |(n, day): (u32, &u32)| Counted { enrollment: run(n), step: "um".into(), day: on(*day) };
        contact.counted = (1..).zip(days).map(counted).collect();
        contact
    }

    const TWO_A_DAY: &str = r#"[{"max": 2, "per": "day"}]"#;
    const THREE_A_WEEK: &str = r#"[{"max": 3, "per": "week"}]"#;
    const BOTH: &str = r#"[{"max": 2, "per": "day"}, {"max": 3, "per": "week"}]"#;

    #[test]
    fn a_full_period_gives_way_to_the_next_with_room() {
        let check = |text: &str, days: &[u32], today: u32, from: u32| {
            let found = reached(days).has_room_from(&limits(text), run(99), "um", on(today));
            assert_eq!(found, on(from), "{text} {days:?} on {today}");
        };
        check("[]", &[18, 18, 18], 18, 18);
        check(TWO_A_DAY, &[], 18, 18);
        check(TWO_A_DAY, &[18], 18, 18);
        check(TWO_A_DAY, &[18, 18], 18, 19);
        check(TWO_A_DAY, &[17, 17], 18, 18);
        check(THREE_A_WEEK, &[16, 17], 18, 18);
        check(THREE_A_WEEK, &[16, 17, 18], 18, 23);
        // Sunday is the last day, Monday the first.
        check(THREE_A_WEEK, &[16, 17, 18], 22, 23);
        check(THREE_A_WEEK, &[16, 17, 22], 23, 23);
        check(BOTH, &[16, 18, 18], 18, 23);
        check(BOTH, &[18, 18], 18, 19);
        check(BOTH, &[22, 22], 22, 23);
    }

    #[test]
    fn a_step_counts_once_however_often_it_is_planned() {
        let two = limits(TWO_A_DAY);
        let mut contact = reached(&[18]);
        contact.rev = 4;
        let counted = contact.counting(&two, run(2), "um", on(18)).unwrap();
        assert_eq!((counted.rev, counted.counted.len()), (5, 2));
        assert_eq!(counted.counting(&two, run(2), "um", on(18)), None);
        assert_eq!(counted.has_room_from(&two, run(2), "um", on(18)), on(18), "its own place");
        assert_eq!(counted.has_room_from(&two, run(2), "dois", on(18)), on(19), "another step of the run");
        // Planned again the day after, it counts there.
        let moved = counted.counting(&two, run(2), "um", on(19)).unwrap();
        assert_eq!(moved.counted, [Counted { enrollment: run(2), step: "um".into(), day: on(19) }]);
        assert_eq!(contact.counting(&[], run(2), "um", on(18)), None, "without limits nothing is kept");
    }

    #[test]
    fn what_counts_no_more_is_forgotten() {
        let contact = reached(&[14, 15, 16, 18, 19]);
        let days = |text: &str| {
            let next = contact.counting(&limits(text), run(99), "um", on(19)).unwrap();
            next.counted.iter().map(|c| c.day).collect::<Vec<_>>()
        };
        assert_eq!(days(TWO_A_DAY), [on(19), on(19)]);
        assert_eq!(days(THREE_A_WEEK), [on(16), on(18), on(19), on(19)]);
        assert_eq!(days(BOTH), [on(16), on(18), on(19), on(19)]);
    }

    #[test]
    fn a_contact_stored_before_there_were_limits_is_read() {
        let stored = serde_json::to_value(reached(&[])).unwrap();
        assert!(stored.get("counted").is_none());
        assert_eq!(serde_json::from_value::<Contact>(stored).unwrap(), reached(&[]));
        let full = serde_json::to_value(reached(&[18])).unwrap();
        assert_eq!(full["counted"][0]["d"], "2026-11-18");
        assert_eq!(serde_json::from_value::<Contact>(full).unwrap(), reached(&[18]));
    }
}
