//! Why has it not sent? Everything that stands between an enrollment and its next message, and until
//! when, in words that a support agent understands. A view: nothing here decides.

use super::choice::{Choice, not_by};
use super::compose::Not;
use super::plan::Context;
use super::types::{Enrollment, HappeningCode, ParkReason, State, StepReason};
use super::view::{adjustment, ended};
use crate::message::Channel;
use crate::time::{Timestamp, Zone};

/// One thing that keeps the next step from going out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocking {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people; times are those of the person's calendar.
    pub detail: String,
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
}

/// What keeps the run's next step, the first thing first; never empty.
pub fn explain(e: &Enrollment, context: &Context<'_>, now: Timestamp) -> Vec<Blocking> {
    let zone = context.settings.calendar(context.person.contact.profile.timezone.as_deref()).zone;
    let mut all = vec![state(e, context, zone, now)];
    if e.state.is_finished() {
        return all;
    }
    // Judged for the moment at which it would leave.
    let then = e.due.map_or(now, |due| due.max(now));
    for other in obstacles(e, context, zone, now, then) {
        // What it is held for already is said once, and nobody takes what something else keeps.
        all.retain(|b| b.code != "due");
        if all.iter().all(|b| b.code != other.code) {
            all.push(other);
        }
    }
    all
}

/// The channel by which the next step would go out when its time comes, and why by that one.
pub fn channel(e: &Enrollment, context: &Context<'_>, now: Timestamp) -> Option<(Channel, String)> {
    let step = context.sequence.steps.get(e.step as usize).filter(|_| !e.state.is_finished())?;
    let choice = context.choose(e, step, e.due.map_or(now, |due| due.max(now)));
    let why = choice.why();
    choice.picked.ok().map(|composed| (composed.channel, why))
}

fn state(e: &Enrollment, context: &Context<'_>, zone: Zone, now: Timestamp) -> Blocking {
    let block = |code, detail: String, until| Blocking { code, detail, until };
    let at = |at| on_the_wall(at, zone);
    match e.state {
        State::Finished(outcome) => block("finished", ended(outcome, None), None),
        State::Paused => block("paused", "it is paused: resume it to go on".into(), None),
        State::Parked(reason) => block(reason.as_str(), format!("held: {}", held(e, reason, context)), None),
        State::Sending => match e.lease.as_ref().and_then(|l| l.resolve_at) {
            Some(until) => {
                let detail = "the provider did not answer: it is not sent twice, its report is awaited";
                block("unknown", detail.into(), Some(until))
            }
            None => block("in_flight", "the message is being sent right now".into(), None),
        },
        State::Waiting if let Some(to) = e.migrate_to => {
            block("migrating", format!("it moves to version {to}, then goes on"), None)
        }
        State::Waiting if let Some(until) = e.closes_at(context.sequence) => {
            let detail = format!("every step is done: it waits for the last message's report until {}", at(until));
            block("closing", detail, Some(until))
        }
        State::Waiting if let (Some(limit), Some(due)) = (e.waits_for_limit(), e.due.filter(|due| *due > now)) => {
            let (code, detail) = match limit {
                HappeningCode::ContactLimited => (
                    "contact_limit",
                    format!("contact limit: the contact has had as many messages as allowed until {}", at(due)),
                ),
                HappeningCode::DayLimited if e.day.is_some() => {
                    ("sender_limit", format!("its sender's limit for a day lets it go at {}", at(due)))
                }
                HappeningCode::DayLimited => (
                    "sender_limit",
                    format!("its sender has no message left for the next days: it asks again at {}", at(due)),
                ),
                _ => ("sender_limit", format!("its sender's limit lets it go at {}", at(due))),
            };
            block(code, detail, Some(due))
        }
        State::Waiting => match e.due.filter(|due| *due > now) {
            Some(due) => block("waiting", format!("the step waits until {}{}", at(due), moved(e, due)), Some(due)),
            None => block("due", "it is due: it goes out as soon as a worker takes it".into(), None),
        },
    }
}

/// What a parked run waits for, by its name where it has one.
fn held(e: &Enrollment, reason: ParkReason, context: &Context<'_>) -> String {
    let step = context.sequence.steps.get(e.step as usize);
    let field = step.and_then(|s| s.wait.before.as_deref().or(s.wait.after.as_deref()));
    match (reason, field) {
        (ParkReason::TargetDateMissing, Some(field)) => {
            format!("the step waits for a date, and `{field}` is missing or unreadable; it goes on once it is set")
        }
        _ => reason.explain().to_owned(),
    }
}

/// Why the due is later than the wait alone would make it.
fn moved(e: &Enrollment, due: Timestamp) -> String {
    let record = e.records.iter().rev().find(|r| r.planned_at == Some(due));
    let mut why: Vec<&str> = Vec::new();
    for reason in record.iter().flat_map(|r| &r.adjustments).map(|a| adjustment(a.code)) {
        if !why.contains(&reason) {
            why.push(reason);
        }
    }
    if why.is_empty() { String::new() } else { format!(" (moved: {})", why.join(", ")) }
}

/// What would keep the step from going out at `then`, were nothing else in its way.
fn obstacles(e: &Enrollment, context: &Context<'_>, zone: Zone, now: Timestamp, then: Timestamp) -> Vec<Blocking> {
    let mut all = Vec::new();
    let mut add = |code, detail: String, until| all.push(Blocking { code, detail, until });
    let skipped = |reason: StepReason| format!("the step will be skipped: {}", reason.explain());
    if !context.settings.enabled {
        add(ParkReason::ModuleDisabled.as_str(), ParkReason::ModuleDisabled.explain().to_owned(), None);
    }
    let Some(step) = context.sequence.steps.get(e.step as usize) else { return all };
    if context.is_capped(e) {
        add(StepReason::RegionCap.as_str(), skipped(StepReason::RegionCap), None);
        return all;
    }
    let Choice { picked, passed } = context.choose(e, step, then);
    let each = if passed.len() > 1 { format!(" ({})", not_by(&passed)) } else { String::new() };
    match picked {
        Ok(composed) => {
            // Of the next few seconds: it means nothing to a step that is not due.
            let is_due = e.state == State::Waiting && e.due.is_some_and(|due| due <= now);
            if let Some(at) = context.pair_room(e, composed.sender, now).filter(|_| is_due) {
                let follows = on_the_wall(at, zone);
                let detail =
                    format!("pair limit: another message to this person has just left; this one follows at {follows}");
                add("pair_limit", detail, Some(at));
            }
        }
        Err(Not::Skip(reason)) => add(reason.as_str(), format!("{}{each}", skipped(reason)), None),
        Err(Not::Fail(reason)) => {
            add(reason.as_str(), format!("the step will fail: {}{each}", reason.explain()), None);
        }
        Err(Not::Park(reason)) => add(reason.as_str(), format!("{}{each}", reason.explain()), None),
    }
    all
}

/// `Thu 5 Mar 2026, 09:00:07 (America/Sao_Paulo)`; whole minutes without seconds.
fn on_the_wall(at: Timestamp, zone: Zone) -> String {
    let form = if at.0 % 60 == 0 { "%a %-d %b %Y, %H:%M" } else { "%a %-d %b %Y, %H:%M:%S" };
    format!("{} ({})", at.to_chrono().with_timezone(&zone).format(form), zone.name())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::super::settle::lapse;
    use super::super::world::{START, World};
    use super::super::{Outcome, ParkReason};
    use super::*;

    /// 12:00 UTC is 09:00 there.
    fn world() -> World {
        let mut world = World::new();
        world.settings.timezone = "America/Sao_Paulo".into();
        world
    }

    #[track_caller]
    fn check(world: &World, e: &Enrollment, now: Timestamp, expected: &[(&str, &str, Option<Timestamp>)]) {
        let told = world.explain(e, now);
        let told: Vec<_> = told.iter().map(|b| (b.code, b.detail.as_str(), b.until)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_step_that_waits_says_until_when_and_why() {
        let mut world = world();
        let mut e = world.enrolled();
        check(&world, &e, START, &[("due", "it is due: it goes out as soon as a worker takes it", None)]);
        let due = START.plus_days(3);
        e.due = Some(due);
        let words = "the step waits until Thu 19 Nov 2026, 09:00 (America/Sao_Paulo)";
        check(&world, &e, START, &[("waiting", words, Some(due))]);
        world.settings.use_contact_timezone = true;
        world.person.contact.profile.timezone = Some("Asia/Tokyo".into());
        e.due = Some(due.plus_seconds(7));
        let words = "the step waits until Thu 19 Nov 2026, 21:00:07 (Asia/Tokyo)";
        check(&world, &e, START, &[("waiting", words, Some(due.plus_seconds(7)))]);
    }

    #[test]
    fn a_step_that_was_moved_names_each_reason_once() {
        let mut world = world();
        world.settings.quiet_hours = serde_json::from_value(json!([{"from": "08:00", "to": "18:00"}])).unwrap();
        world.calendar = world.settings.calendar(None);
        let e = world.enrolled();
        let due = START.plus_hours(9);
        let words = "the step waits until Mon 16 Nov 2026, 18:00 (America/Sao_Paulo) (moved: quiet hours)";
        check(&world, &e, START, &[("waiting", words, Some(due))]);
    }

    #[test]
    fn what_people_did_and_what_holds_it() {
        let mut world = world();
        let e = world.enrolled();
        let paused = e.paused(START).unwrap();
        check(&world, &paused, START, &[("paused", "it is paused: resume it to go on", None)]);
        let replied = e.finished(Outcome::Replied, None, START).unwrap();
        check(&world, &replied, START, &[("finished", "stopped: the contact replied", None)]);
        let mut parked = e.clone();
        parked.state = State::Parked(ParkReason::SenderMissing);
        let held = ("sender_missing", "held: no sender serves this step's channel", None);
        world.sender.channel = crate::message::Channel::Sms;
        check(&world, &parked, START, &[held]);
        let mut world = self::world();
        world.sequence.steps[0].wait =
            serde_json::from_value(json!({"value": 1, "unit": "days", "before": "target.due_date"})).unwrap();
        parked.state = State::Parked(ParkReason::TargetDateMissing);
        let words = "held: the step waits for a date, and `target.due_date` is missing or unreadable; it goes on once it is set";
        check(&world, &parked, START, &[("target_date_missing", words, None)]);
    }

    #[test]
    fn what_will_keep_it_when_its_time_comes_is_told_now() {
        let mut world = world();
        world.sequence.steps[0].fallback_template = None;
        let mut e = world.enrolled();
        let (sender, due) = (world.sender.id, START.plus_days(2));
        // Open today, closed when the step leaves.
        world.person.contact.last_inbound.insert(sender, START);
        check(&world, &e, START, &[("due", "it is due: it goes out as soon as a worker takes it", None)]);
        e.due = Some(due);
        let waits = "the step waits until Wed 18 Nov 2026, 09:00 (America/Sao_Paulo)";
        let fails = "the step will fail: the 24 h window was closed and the step has no template";
        let closed = ("outside_window_no_template", fails, None);
        check(&world, &e, START, &[("waiting", waits, Some(due)), closed]);
        world.person.contact.suppressed.insert(world.sender.channel);
        let opted_out = "the step will be skipped: the contact opted out of this channel";
        check(&world, &e, due, &[("suppressed", opted_out, None)]);
        world.settings.enabled = false;
        let off = "the module is switched off for this account";
        check(&world, &e, due, &[("module_disabled", off, None), ("suppressed", opted_out, None)]);
    }

    #[test]
    fn a_send_in_flight() {
        let world = world();
        let e = world.enrolled();
        let planned = world.planned(&e, START);
        let sending = e.claimed(planned.lease("token".into(), START, 120));
        check(&world, &sending, START, &[("in_flight", "the message is being sent right now", None)]);
        let later = START.plus_minutes(5);
        let unknown = lapse(&sending, true, &world.planning(), later);
        let until = unknown.lease.as_ref().unwrap().resolve_at;
        let words = "the provider did not answer: it is not sent twice, its report is awaited";
        check(&world, &unknown, later, &[("unknown", words, until)]);
    }
}
