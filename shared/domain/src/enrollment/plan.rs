//! A timer fired: what now? The one place that decides whether a message goes out. What it says, and by
//! which channel and sender, is [`super::choice`]'s.

use super::choice::{Choice, Others, PassedOver};
use super::compose::{Composed, Not};
use super::day::DayWish;
use super::pair;
use super::rate::{Hours, Reservation, paced};
use super::schedule::Planning;
use super::settle::{lapse, resolve};
use super::types::{Enrollment, HappeningCode, ParkReason, PlannedSend, State, StepReason, StepStatus};
use crate::account::Settings;
use crate::contact::Person;
use crate::content::Templates;
use crate::conversation::Heard;
use crate::guard;
use crate::ids::{SenderId, TenantId};
use crate::message::{Links, Recipient};
use crate::region::most_steps;
use crate::sender::Sender;
use crate::sequence::{Sequence, Step, StepChannel};
use crate::time::{Due, Timestamp, Unit, allowed_until, civil_day, day_begins, next_allowed, next_day_change};

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
    pub links: &'a Links,
}

impl Context<'_> {
    /// Whether as many of the run's steps have gone out as the sequence's cap for the contact's country
    /// allows (API.md, `caps`).
    pub(super) fn is_capped(&self, e: &Enrollment) -> bool {
        let most = most_steps(&self.sequence.caps, &self.person.contact);
        guard!(RegionCap, !e.is_test() && most.is_some_and(|most| e.gone_out() >= most as usize))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Another generation's timer, or nothing to do: see to the current one's timer.
    Stale,
    /// Too early, or a live lease: come back at this instant under the same generation.
    NotBefore(Timestamp),
    Send(Box<PlannedSend>),
    /// It may go out, if its sender has a message of the day left for it.
    Day(Box<DayWish>),
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
                let has_statuses = context.sender(lease.sender).is_none_or(Sender::has_statuses);
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
                // Another day's message is of no use then.
                next.day = next.day.filter(|slot| slot.day == civil_day(settings.zone(), at));
            });
        }
        When::Reschedule => return change(e, |next| next.schedule(&planning, now)),
    }
    if context.is_capped(e) {
        return change(e, |next| {
            next.pass_over(&step.key, StepStatus::Skipped, StepReason::RegionCap, now);
            next.schedule(&planning, now);
        });
    }
    let Choice { picked, passed } = context.choose(e, step, now);
    let told = |next: &mut Enrollment, passed| {
        if step.channel == StepChannel::Automatic {
            next.record(&step.key).passed = passed;
        }
    };
    match picked {
        Ok(composed) => context.send(e, step, composed, passed, &planning, now),
        Err(Not::Skip(reason)) => change(e, |next| {
            told(next, passed);
            next.pass_over(&step.key, StepStatus::Skipped, reason, now);
            next.schedule(&planning, now);
        }),
        Err(Not::Fail(reason)) => change(e, |next| {
            told(next, passed);
            next.fail(&step.key, step.on_failure, reason, &planning, now);
        }),
        Err(Not::Park(reason)) => change(e, |next| next.park(reason, None, now)),
    }
}

impl Context<'_> {
    /// A step that may go out as far as its own rules are concerned: now the limits (TIME.md section 4).
    fn send(
        &self,
        e: &Enrollment,
        step: &Step,
        composed: Composed,
        passed: Vec<PassedOver>,
        planning: &Planning<'_>,
        now: Timestamp,
    ) -> Plan {
        // A test is beside every limit but WhatsApp's own.
        let sender = self.sender(composed.sender).filter(|_| !e.is_test());
        let (calendar, window) = (planning.calendar, step.window.as_ref());
        let next_allowed = |from| next_allowed(calendar, window, is_business(step), from);
        let (zone, limits) = (self.settings.zone(), e.contact_limits(self.settings));
        let today = civil_day(zone, now);
        let room = self.person.contact.has_room_from(limits, e.id, &step.key, today);
        if guard!(ContactLimit, room > today) {
            return change(e, |next| match next_allowed(day_begins(zone, room)) {
                Some(at) => next.wait_for(at, HappeningCode::ContactLimited, now),
                None => next.park(ParkReason::NeverAllowed, None, now),
            });
        }
        if let Some(at) = self.pair_room(e, composed.sender, now) {
            return Plan::NotBefore(at);
        }
        let of_day = sender.map(|s| &s.limits).filter(|limits| limits.count_days());
        if let Some(limits) = of_day {
            let held = e.day.filter(|slot| slot.day >= today);
            match held {
                None => {
                    let asked = (composed.sender, limits);
                    return Plan::Day(Box::new(DayWish::new(e, asked, zone, next_allowed, now)));
                }
                Some(slot) if slot.sender == composed.sender && slot.day == today => {}
                // Another sender's, or for a later day: it goes back, and this one asks anew.
                Some(_) => return change(e, |next| next.day = None),
            }
        }
        let mut allowed = allowed_until(calendar, window, is_business(step), now).end().filter(|_| !e.is_test());
        let day_ends = next_day_change(zone, now);
        // What counts for a day goes out on that day.
        if guard!(DayEnds, of_day.is_some() || !limits.is_empty()) {
            allowed = Some(allowed.map_or(day_ends, |end| end.min(day_ends)));
        }
        let mut not_after = now.plus_seconds(MAX_BUFFERED_SECONDS);
        if let Some(end) = allowed {
            not_after = not_after.min(end.plus_seconds(-1));
        }
        if let Some(closes) = composed.window_closes {
            not_after = not_after.min(closes);
        }
        let heard = match &composed.to {
            Recipient::Conversation(id) => Some(Heard::of(self.person, id, e, &step.key)),
            _ => None,
        };
        let planned = PlannedSend {
            tenant: self.tenant,
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
            day: of_day.map(|_| today),
            others: Others { passed, left: composed.left },
            not_after,
            contact_zone: self.person.contact.profile.timezone.clone(),
            target_dates: planning.target_dates.clone(),
            heard,
        };
        let Some(spacing) = sender.and_then(|s| s.limits.spacing()) else {
            return Plan::Send(Box::new(planned));
        };
        paced(e, planned, spacing, Hours { allowed, reopens: allowed.and_then(next_allowed), day_ends }, now)
    }

    /// When the message may follow the person's last one from this sender, if not now.
    pub(super) fn pair_room(&self, e: &Enrollment, sender: SenderId, now: Timestamp) -> Option<Timestamp> {
        let apart = self.sender(sender)?.pair_seconds()?;
        pair::room(e, self.person, sender, apart, now)
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
    if !guard!(AllowedHours, !e.is_test()) {
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
