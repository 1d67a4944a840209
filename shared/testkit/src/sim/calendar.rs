//! When a message may go out, worked out anew: plain arithmetic in a zone without DST, so that it
//! shares no mistake with `domain::time`.

use super::scenario::{Hours, StepSpec, ZONE_OFFSET};

const DAY: i64 = 86_400;

/// Days since the epoch of a local day; day 0 was a Thursday.
fn is_weekday(day: i64) -> bool {
    // 0 = Monday.
    (day + 3).rem_euclid(7) < 5
}

/// Days since the epoch.
pub(super) fn local_day(at: i64) -> i64 {
    (at + ZONE_OFFSET).div_euclid(DAY)
}

fn within(hours: Hours, at: i64) -> bool {
    let local = at + ZONE_OFFSET;
    let (day, minute) = (local_day(at), local.rem_euclid(DAY) / 60);
    let begins = |day| !hours.weekdays || is_weekday(day);
    if hours.from < hours.to {
        begins(day) && (hours.from..hours.to).contains(&minute)
    } else {
        (minute >= hours.from && begins(day)) || (minute < hours.to && begins(day - 1))
    }
}

/// Whether a step may go out at this very instant.
pub(super) fn allowed(step: &StepSpec, quiet: Option<Hours>, at: i64) -> bool {
    let business = !step.business || is_weekday(local_day(at));
    business && step.window.is_none_or(|w| within(w, at)) && !quiet.is_some_and(|q| within(q, at))
}

/// Whether it could have been at any instant of the span.
pub(super) fn allowed_within(step: &StepSpec, quiet: Option<Hours>, from: i64, to: i64) -> bool {
    (from..=to).step_by(5).chain([to]).any(|at| allowed(step, quiet, at))
}

#[cfg(test)]
mod tests {
    use super::super::scenario::START;
    use super::*;

    #[test]
    fn hours_of_a_monday_morning() {
        let hours = |from: i64, to: i64, weekdays| Hours { from: from * 60, to: to * 60, weekdays };
        // START is a Monday, 09:00.
        assert!(within(hours(9, 12, true), START));
        assert!(!within(hours(9, 12, true), START - 1));
        assert!(!within(hours(9, 12, true), START + 5 * DAY));
        assert!(within(hours(9, 12, false), START + 5 * DAY));
        // Friday night reaches into Saturday, Sunday's does not begin.
        let night = hours(18, 1, true);
        assert!(within(night, START + 4 * DAY + 15 * 3600 + 1800));
        assert!(!within(night, START - 9 * 3600 + 1800), "Sunday's night does not begin");
    }
}
