//! Queues and timers that do what SQS and Scheduler may do: at least once, in any order, late.

use std::collections::BTreeMap;

use engine::queue::StepDue;

use super::faults::{Fault, Faults};
use super::hub::HandlerId;
use crate::memory::MAX_DELAY_SECONDS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Queue {
    Step,
    Send,
    Enroll,
    Inbound,
}

/// After so many failures a message goes to the dead-letter list.
const MAX_RECEIVES: u32 = 5;
/// A message in work is hidden this long: longer than any function's time-out.
const VISIBILITY_SECONDS: i64 = 90;

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub queue: Queue,
    pub body: String,
    pub visible_at: i64,
    pub receives: u32,
    /// Of a schedule that has not fired yet.
    schedule: Option<String>,
}

/// All queues. Messages are numbered in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Broker {
    messages: BTreeMap<u64, Message>,
    /// Who works on a message now.
    working: BTreeMap<u64, HandlerId>,
    dead: Vec<Message>,
    next: u64,
}

impl Broker {
    fn push(&mut self, queue: Queue, body: String, visible_at: i64, schedule: Option<String>) {
        self.messages.insert(self.next, Message { queue, body, visible_at, receives: 0, schedule });
        self.next += 1;
    }

    /// Puts a message on a queue: perhaps twice, perhaps late.
    pub(super) fn send(&mut self, queue: Queue, body: String, now: i64, faults: &mut Faults) {
        let copies = 1 + u32::from(faults.hit(Fault::MessageTwice));
        for _ in 0..copies {
            let late = if faults.hit(Fault::MessageLate) { faults.between(1, 900) } else { 0 };
            // At times a queue is hours behind.
            let late = if late > 850 { late * 25 } else { late };
            self.push(queue, body.clone(), now + late, None);
        }
    }

    /// A timer: a delayed message, or beyond 15 minutes a schedule, of which there is one by a name.
    ///
    /// `delay`: as the caller's clock sees it; a schedule's `at` is absolute.
    pub(super) fn arm(&mut self, due: &StepDue, at: i64, delay: i64, now: i64, again: bool, faults: &mut Faults) {
        let body = engine::queue::encode(due);
        let delayed = again || delay <= MAX_DELAY_SECONDS;
        let name = (!delayed).then(|| due.name());
        if name.is_some() && self.messages.values().any(|m| m.schedule == name) {
            return;
        }
        if faults.hit(Fault::TimerNever) {
            return;
        }
        let mut at = if delayed { now + delay.clamp(0, MAX_DELAY_SECONDS) } else { at };
        if faults.hit(Fault::TimerLate) {
            at += faults.between(1, 1800);
        }
        if faults.hit(Fault::TimerEarly) {
            at -= faults.between(1, 30);
        }
        if faults.hit(Fault::TimerTwice) {
            let again = at + faults.between(0, 120);
            self.push(Queue::Step, body.clone(), again, None);
        }
        self.push(Queue::Step, body, at, name);
    }

    /// Messages that a function could get now.
    pub(super) fn visible(&self, now: i64) -> Vec<u64> {
        self.messages.iter().filter(|(_, m)| m.visible_at <= now).map(|(id, _)| *id).collect()
    }

    pub(super) fn next_visible(&self) -> Option<i64> {
        self.messages.values().map(|m| m.visible_at).min()
    }

    pub(super) fn dead(&self) -> usize {
        self.dead.len()
    }

    /// Hands a message to a handler; it is hidden meanwhile.
    pub(super) fn receive(&mut self, id: u64, handler: HandlerId, now: i64) -> Option<Message> {
        let message = self.messages.get_mut(&id)?;
        message.visible_at = now + VISIBILITY_SECONDS;
        message.receives += 1;
        message.schedule = None;
        self.working.insert(id, handler);
        Some(message.clone())
    }

    /// The handler is done with it, or has failed: then it comes again, or goes to the dead letters.
    pub(super) fn done(&mut self, id: u64, handler: HandlerId, ok: bool, retry_at: i64) {
        if self.working.get(&id) != Some(&handler) {
            return;
        }
        self.working.remove(&id);
        let Some(message) = self.messages.get_mut(&id) else { return };
        if ok {
            self.messages.remove(&id);
        } else if message.receives >= MAX_RECEIVES {
            self.dead.extend(self.messages.remove(&id));
        } else {
            message.visible_at = retry_at;
        }
    }

    /// An operator sends the dead letters once more.
    pub(super) fn redrive(&mut self, now: i64) {
        for message in std::mem::take(&mut self.dead) {
            self.push(message.queue, message.body, now, None);
        }
    }
}
