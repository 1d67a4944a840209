//! A timer fired: what now? The one place that decides whether a message goes out. What it says, and by
//! which channel and sender, is [`super::compose`]'s.

use super::compose::Not;
use super::rate::{Reservation, paced};
use super::schedule::Planning;
use super::settle::{lapse, resolve};
use super::types::{Enrollment, ParkReason, PlannedSend, State, StepStatus};
use crate::account::Settings;
use crate::contact::Person;
use crate::content::Templates;
use crate::guard;
use crate::ids::TenantId;
use crate::sender::Sender;
use crate::sequence::{Sequence, Step};
use crate::time::{Due, Timestamp, Unit, allowed_until, next_allowed};

/// A send that waits longer than this in the queue is planned again.
const MAX_BUFFERED_SECONDS: i64 = 3600;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub tenant: TenantId,
    pub person: &'a Person,
    pub sequence: &'a Sequence,
    /// The version that the run is to move to, if it is.
    pub moves_to: Option<&'a Sequence>,
    pub settings: &'a Settings,
    pub senders: &'a [Sender],
    /// The message templates that the sequence uses.
    pub templates: &'a Templates,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Another generation's timer, or nothing to do: see to the current one's timer.
    Stale,
    /// Too early, or a live lease: come back at this instant under the same generation.
    NotBefore(Timestamp),
    Send(Box<PlannedSend>),
    /// It may go out, as soon as its sender's rate has a slot for it.
    Reserve(Box<Reservation>),
    /// Write this, then arm its timer.
    Change(Box<Enrollment>),
}

/// Decides for the enrollment's current step. Pure: the same input gives the same plan, so a
/// message that comes twice plans the same send and one claim wins.
pub fn plan(e: &Enrollment, generation: u32, context: &Context<'_>, now: Timestamp) -> Plan {
    if e.generation != generation {
        return Plan::Stale;
    }
    let settings = context.settings;
    let calendar = settings.calendar(context.person.contact.profile.timezone.as_deref());
    let dates = context.target_dates(e);
    let planning = Planning { sequence: context.sequence, calendar: &calendar, target_dates: &dates };

    if let Some(lease) = &e.lease {
        return match lease.resolve_at {
            Some(at) if now < at => Plan::NotBefore(at),
            Some(_) => Plan::Change(Box::new(resolve(e, &planning, now))),
            None if now < lease.expires_at => Plan::NotBefore(lease.expires_at),
            None => {
                let has_statuses = context.sender(lease.sender).is_none_or(|s| s.provider.has_statuses());
                Plan::Change(Box::new(lapse(e, has_statuses, &planning, now)))
            }
        };
    }
    if e.state != State::Waiting {
        return Plan::Stale;
    }
    if guard!(MigrateInPlan, true)
        && let (Some(to), Some(sequence)) = (e.migrate_to, context.moves_to)
    {
        let there = Context { sequence, ..*context };
        let dates = there.target_dates(e);
        let planning = Planning { sequence, calendar: &calendar, target_dates: &dates };
        let moved = e.migrated(to, context.sequence, &planning, now);
        return moved.map_or(Plan::Stale, |next| Plan::Change(Box::new(next)));
    }
    if guard!(MarksInPlan, true)
        && let Some((outcome, _)) = context.person.ended_by_mark(e, &context.sequence.exit)
    {
        return change(e, |next| next.end(outcome, None, now));
    }
    let Some(step) = planning.step(e.step) else {
        return match e.closes_at(context.sequence).filter(|at| now < *at) {
            Some(at) => Plan::NotBefore(at),
            None => change(e, |next| next.schedule(&planning, now)),
        };
    };
    if !settings.enabled {
        return change(e, |next| next.park(ParkReason::ModuleDisabled, None, now));
    }
    if let Some(due) = e.due.filter(|due| now < *due) {
        return Plan::NotBefore(due);
    }
    // A step that was opened again, and whose first message has arrived after all.
    if e.has_possibly_sent(&step.key) {
        return change(e, |next| next.schedule(&planning, now));
    }
    match when(e, step, &planning, now) {
        When::Now => {}
        When::At(at, caught_up) => {
            return change(e, |next| {
                next.due = Some(at);
                next.wake = Some(at);
                next.caught_up |= caught_up;
            });
        }
        When::Reschedule => return change(e, |next| next.schedule(&planning, now)),
    }
    match context.compose(e, step, now) {
        Ok(composed) => {
            let allowed = allowed_until(&calendar, step.window.as_ref(), is_business(step), now).end();
            let mut not_after = now.plus_seconds(MAX_BUFFERED_SECONDS);
            if let Some(end) = allowed {
                not_after = not_after.min(end.plus_seconds(-1));
            }
            if let Some(closes) = composed.window_closes {
                not_after = not_after.min(closes);
            }
            let planned = PlannedSend {
                tenant: context.tenant,
                enrollment: e.id,
                generation: e.generation,
                step: e.step,
                version: e.version,
                sender: composed.sender,
                channel: composed.channel,
                form: composed.form,
                to: composed.to,
                message: composed.message,
                not_before: None,
                not_after,
                contact_zone: context.person.contact.profile.timezone.clone(),
                target_dates: dates.clone(),
            };
            let Some(spacing) = context.sender(composed.sender).and_then(|s| s.limits.spacing()) else {
                return Plan::Send(Box::new(planned));
            };
            let reopens = allowed.map(|end| next_allowed(&calendar, step.window.as_ref(), is_business(step), end));
            paced(e, planned, spacing, allowed, reopens.flatten(), now)
        }
        Err(Not::Skip(reason)) => change(e, |next| {
            next.pass_over(&step.key, StepStatus::Skipped, reason, now);
            next.schedule(&planning, now);
        }),
        Err(Not::Fail(reason)) => change(e, |next| next.fail(&step.key, step.on_failure, reason, &planning, now)),
        Err(Not::Park(reason)) => change(e, |next| next.park(reason, None, now)),
    }
}

pub(super) fn change(e: &Enrollment, apply: impl FnOnce(&mut Enrollment)) -> Plan {
    let mut next = e.clone();
    apply(&mut next);
    next.rev += 1;
    next.next_generation();
    Plan::Change(Box::new(next))
}

fn is_business(step: &Step) -> bool {
    step.wait.unit == Unit::BusinessDays
}

enum When {
    Now,
    At(Timestamp, bool),
    /// Passed, too late, or impossible: scheduling decides which and goes on.
    Reschedule,
}

fn when(e: &Enrollment, step: &Step, planning: &Planning<'_>, now: Timestamp) -> When {
    if !guard!(AllowedHours, true) {
        return When::Now;
    }
    if e.send_now {
        return match next_allowed(planning.calendar, step.window.as_ref(), is_business(step), now) {
            Some(at) if at <= now => When::Now,
            Some(at) => When::At(at, true),
            None => When::Reschedule,
        };
    }
    match planning.due(e, step, now) {
        Due::At(planned) if planned.at <= now => When::Now,
        Due::At(planned) => When::At(planned.at, planned.caught_up),
        _ => When::Reschedule,
    }
}

/// What would keep the current step from going out if it were due now: (code, words).
pub fn why_not(e: &Enrollment, context: &Context<'_>, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    if !context.settings.enabled {
        all.push((ParkReason::ModuleDisabled.as_str(), ParkReason::ModuleDisabled.explain().to_owned()));
    }
    let Some(step) = context.sequence.steps.get(e.step as usize) else { return all };
    match context.compose(e, step, now) {
        Ok(_) => {}
        Err(Not::Skip(reason)) => {
            all.push((reason.as_str(), format!("the step will be skipped: {}", reason.explain())))
        }
        Err(Not::Fail(reason)) => all.push((reason.as_str(), format!("the step will fail: {}", reason.explain()))),
        Err(Not::Park(reason)) => all.push((reason.as_str(), reason.explain().to_owned())),
    }
    all
}
