//! WhatsApp's limit for one sender and one person (CHANNELS.md 1.8): a message every few seconds, over all
//! of the person's runs. What has gone out stands in their records, which planning has read anyway.
//!
//! Runs that are due at the same moment are all unsent when each of them is planned: the one that was
//! due first goes first, and each of the others leaves room for those before it. Whoever waits comes
//! back under the same generation: nothing is written. Nobody waits long for one that does not come.
//!
//! A run that begins while another's message is on the send queue does not see it, and may leave with it:
//! WhatsApp lends such a burst, and where it does not, its refusal (131056) is waited out.

use super::types::{AttemptResult, Enrollment, State};
use crate::contact::Person;
use crate::ids::SenderId;
use crate::time::Timestamp;

/// A run that has been due for longer is not waited for: something keeps it.
const PATIENCE_SECONDS: i64 = 60;

/// When `e` may go out through this sender, if not now. `apart`: seconds between two messages.
pub(super) fn room(e: &Enrollment, person: &Person, sender: SenderId, apart: i64, now: Timestamp) -> Option<Timestamp> {
    let free = person.enrollments.iter().filter_map(|run| last(run, sender)).max().map(|at| at.plus_seconds(apart));
    let before = |run: &&Enrollment| {
        let due = run.due.filter(|due| *due <= now && now.seconds_since(*due) < PATIENCE_SECONDS);
        run.state == State::Waiting && due.is_some() && (run.due, run.id) < (e.due, e.id)
    };
    let ahead = i64::try_from(person.enrollments.iter().filter(before).count()).unwrap_or(0);
    let at = free.map_or(now, |free| free.max(now)).plus_seconds(apart * ahead);
    (at > now).then_some(at)
}

/// The run's last message through this sender that may have reached the person, or is about to.
fn last(run: &Enrollment, sender: SenderId) -> Option<Timestamp> {
    let reached = |result: &AttemptResult| !matches!(result, AttemptResult::Refused(_) | AttemptResult::Failed(_));
    let attempts = run.records.iter().flat_map(|r| &r.attempts).filter(|a| a.sender == sender && reached(&a.result));
    let in_flight = run.lease.iter().filter(|l| l.sender == sender).map(|l| l.claimed_at);
    attempts.map(|a| a.at).chain(in_flight).max()
}
