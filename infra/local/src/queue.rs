//! Everything that is to happen, in one order: queue messages, timers, the stand-ins' webhooks and
//! sweeps, by (instant, order of arrival).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::time::Timestamp;
use serde::Serialize;
use tokio::task::AbortHandle;

use crate::stand_ins::PendingWebhook;

/// Records worked on at the same time: how many sends a crash can interrupt.
pub(crate) const IN_FLIGHT: usize = 16;
/// A message that failed is delivered again after so many seconds of clock time …
pub(crate) const VISIBILITY_SECONDS: i64 = 30;
/// … and after so many deliveries it is a dead letter.
pub(crate) const MAX_RECEIVES: u32 = 5;
/// How many due items are looked through to fill a batch.
const LOOK_AHEAD: usize = 64;

/// The queues between the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Queue {
    Enroll,
    Step,
    Send,
    Inbound,
}

impl Queue {
    /// Whether the sweep brings back what is lost here. The other queues' messages stand nowhere else.
    pub(crate) fn is_swept(self) -> bool {
        matches!(self, Self::Step | Self::Send)
    }

    fn batch(self) -> usize {
        match self {
            // A part is up to 200 KB of rows.
            Self::Enroll => 1,
            Self::Step | Self::Send | Self::Inbound => 10,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) queue: Queue,
    pub(crate) body: String,
    /// When it was there to be taken for the first time.
    pub(crate) sent: Timestamp,
    /// Deliveries so far.
    pub(crate) receives: u32,
    /// Of a timer that Scheduler would hold: while it waits, another of this name is the same.
    pub(crate) timer: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    Message(Message),
    Webhook(PendingWebhook),
    Sweep,
}

/// A message that failed too often.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DeadLetter {
    pub(crate) at: String,
    pub(crate) queue: Queue,
    pub(crate) message_id: String,
    pub(crate) receives: u32,
    pub(crate) body: String,
}

/// What is taken at once: messages of one queue, or one thing else.
#[derive(Debug)]
pub(crate) enum Batch {
    Messages(Queue, Vec<Message>),
    Webhook(PendingWebhook),
    Sweep,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Messages(_, messages) => messages.len(),
            Self::Webhook(_) | Self::Sweep => 1,
        }
    }
}

/// The runner's state, under one lock.
#[derive(Debug, Default)]
pub(crate) struct State {
    items: BTreeMap<(Timestamp, u64), Work>,
    arrived: u64,
    timers: HashMap<String, Timestamp>,
    sweeps: BTreeSet<Timestamp>,
    /// Records in the handlers' hands.
    pub(crate) in_flight: usize,
    /// Whatever else must end before time may move: requests to the API and to the stand-ins.
    pub(crate) calls: usize,
    /// Counts crashes: what was taken before one belongs to nobody after it.
    pub(crate) epoch: u64,
    tasks: u64,
    running: HashMap<u64, Option<AbortHandle>>,
    /// Tasks that a crash has ended and that are not gone yet.
    ending: HashSet<u64>,
    pub(crate) dead: Vec<DeadLetter>,
    /// Seconds to the next sweep while something overdue is passed over.
    pub(crate) sweep_backoff: i64,
}

impl State {
    pub(crate) fn push(&mut self, at: Timestamp, work: Work) {
        self.arrived += 1;
        self.items.insert((at, self.arrived), work);
    }

    /// A new message. `timer` names what Scheduler would hold; a second one of that name is dropped.
    pub(crate) fn push_new(&mut self, at: Timestamp, queue: Queue, body: String, timer: Option<String>) {
        if let Some(name) = &timer {
            if self.timers.contains_key(name) {
                return;
            }
            self.timers.insert(name.clone(), at);
        }
        let id = format!("local-{}", self.arrived + 1);
        self.push(at, Work::Message(Message { id, queue, body, sent: at, receives: 0, timer }));
    }

    /// One sweep for one instant is enough.
    pub(crate) fn push_sweep(&mut self, at: Timestamp) {
        if self.sweeps.insert(at) {
            self.push(at, Work::Sweep);
        }
    }

    pub(crate) fn first_at(&self) -> Option<Timestamp> {
        self.items.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn is_quiet(&self, now: Timestamp) -> bool {
        self.in_flight == 0 && self.calls == 0 && self.first_at().is_none_or(|at| at > now)
    }

    /// Takes the earliest item that is due, with others of its queue, as far as hands are free.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Batch> {
        let free = IN_FLIGHT.saturating_sub(self.in_flight);
        let (&key, _) = self.items.first_key_value().filter(|((at, _), _)| free > 0 && *at <= now)?;
        let batch = match self.items.remove(&key)? {
            Work::Webhook(webhook) => Batch::Webhook(webhook),
            Work::Sweep => {
                self.sweeps.remove(&key.0);
                Batch::Sweep
            }
            Work::Message(first) => {
                let queue = first.queue;
                let same = |work: &Work| matches!(work, Work::Message(message) if message.queue == queue);
                let others: Vec<_> = self
                    .items
                    .range(..=(now, u64::MAX))
                    .take(LOOK_AHEAD)
                    .filter(|(_, work)| same(work))
                    .map(|(key, _)| *key)
                    .take(queue.batch().min(free) - 1)
                    .collect();
                let mut messages = vec![first];
                messages.extend(others.iter().filter_map(|key| match self.items.remove(key) {
                    Some(Work::Message(message)) => Some(message),
                    _ => None,
                }));
                for message in &mut messages {
                    message.receives += 1;
                    if let Some(name) = message.timer.take() {
                        self.timers.remove(&name);
                    }
                }
                Batch::Messages(queue, messages)
            }
        };
        self.in_flight += batch.len();
        Some(batch)
    }

    /// A delivery that failed: again after the visibility, or a dead letter (`true`).
    pub(crate) fn give_back(&mut self, message: Message, now: Timestamp) -> bool {
        if message.receives < MAX_RECEIVES {
            self.push(now.plus_seconds(VISIBILITY_SECONDS), Work::Message(message));
            return false;
        }
        self.dead.push(DeadLetter {
            at: now.to_string(),
            queue: message.queue,
            message_id: message.id,
            receives: message.receives,
            body: message.body,
        });
        true
    }

    /// Gives every dead letter back to its queue, as new; how many there were.
    pub(crate) fn redrive(&mut self, now: Timestamp) -> usize {
        let dead = std::mem::take(&mut self.dead);
        let moved = dead.len();
        for DeadLetter { queue, message_id: id, body, .. } in dead {
            self.push(now, Work::Message(Message { id, queue, body, sent: now, receives: 0, timer: None }));
        }
        moved
    }

    /// Forgets every timer, step and planned send, and ends what runs, as a crash would. What stays:
    /// what stand-ins still have to report, which is theirs; parts of jobs and inbound events, which a
    /// crash does not take from SQS and which nothing else would bring back; and sends in flight,
    /// because nobody could tell one that was claimed from one that was sent (a killed process shows
    /// those as unknown).
    pub(crate) fn crash(&mut self) {
        self.epoch += 1;
        self.items.retain(|_, work| match work {
            Work::Webhook(_) => true,
            Work::Message(message) => !message.queue.is_swept(),
            Work::Sweep => false,
        });
        self.timers.clear();
        self.sweeps.clear();
        for (task, handle) in self.running.drain() {
            self.ending.insert(task);
            if let Some(handle) = handle {
                handle.abort();
            }
        }
    }

    /// A number for what is about to run, and whether a crash ends it.
    pub(crate) fn begin(&mut self, can_end: bool) -> u64 {
        self.tasks += 1;
        if can_end {
            self.running.insert(self.tasks, None);
        }
        self.tasks
    }

    /// How to end it; at once if the crash came first.
    pub(crate) fn began(&mut self, task: u64, handle: AbortHandle) {
        match self.running.get_mut(&task) {
            Some(slot) => *slot = Some(handle),
            None => handle.abort(),
        }
    }

    pub(crate) fn end(&mut self, task: u64, size: usize) {
        self.in_flight -= size;
        self.running.remove(&task);
        self.ending.remove(&task);
    }

    /// Whether everything that a crash has ended is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.ending.is_empty()
    }
}
