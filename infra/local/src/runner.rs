//! Hands what is due to the functions' handlers, and moves the manual clock.
//!
//! Invariant: the manual clock moves only while nothing is due and nothing is in flight, and then
//! straight to the next item, so that each runs at its own time and an empty month costs nothing.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::time::Timestamp;
use engine::ports::Clock as _;
use engine::sweep::GRACE_SECONDS;
use serde_json::json;
use tokio::sync::watch;

use crate::clock::LocalClock;
use crate::queue::{Batch, DeadLetter, Message, Queue, State, Work};
use crate::stand_ins::PendingWebhook;

const SWEEP_SECONDS: i64 = 60;
const MAX_SWEEP_BACKOFF_SECONDS: i64 = 900;

/// Who does the work.
pub(crate) trait Handlers: Send + Sync + 'static {
    fn messages(&self, queue: Queue, event: SqsEvent) -> impl Future<Output = SqsBatchResponse> + Send;
    /// When the webhook is to be delivered again, `None` when it was taken (or given up).
    fn webhook(&self, webhook: &mut PendingWebhook) -> impl Future<Output = Option<i64>> + Send;
    /// Whether something overdue was left as it is.
    fn sweep(&self) -> impl Future<Output = bool> + Send;
}

/// What became of a batch.
enum Done {
    Messages(SqsBatchResponse),
    Webhook(Option<(PendingWebhook, i64)>),
    Sweep { left: bool },
}

#[derive(Debug)]
pub(crate) struct Runner {
    clock: LocalClock,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    /// One request moves the clock at a time.
    turn: tokio::sync::Mutex<()>,
}

/// A call that time waits for.
#[derive(Debug)]
pub(crate) struct Call(Arc<Runner>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.change(|state| state.calls -= 1);
    }
}

/// Why the clock did not move.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClockError {
    #[error("the clock is the machine's own; start with --clock manual to move it")]
    Real,
    #[error("the clock does not go back")]
    Back,
    #[error("the clock's file cannot be written")]
    File(#[from] io::Error),
}

impl Runner {
    pub(crate) fn new(clock: LocalClock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            turn: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn clock(&self) -> &LocalClock {
        &self.clock
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Changes are single steps: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.send_replace(());
        result
    }

    pub(crate) fn message(&self, at: Timestamp, queue: Queue, body: String, timer: Option<String>) {
        self.change(|state| state.push_new(at, queue, body, timer));
    }

    pub(crate) fn webhook(&self, webhook: PendingWebhook) {
        self.change(|state| state.push(webhook.at, Work::Webhook(webhook)));
    }

    pub(crate) fn sweep_at(&self, at: Timestamp) {
        self.change(|state| state.push_sweep(at));
    }

    /// Time stands still until the call is dropped.
    pub(crate) fn call(self: &Arc<Self>) -> Call {
        self.change(|state| state.calls += 1);
        Call(self.clone())
    }

    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.state().dead.clone()
    }

    /// How many dead letters are on their queues again.
    pub(crate) fn redrive(&self) -> usize {
        let now = self.clock.now();
        self.change(|state| state.redrive(now))
    }

    /// Runs what becomes due, for as long as it is polled.
    pub(crate) async fn dispatch<H: Handlers>(self: Arc<Self>, handlers: Arc<H>) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            while let Some((batch, epoch, task)) = self.take() {
                self.clone().spawn(handlers.clone(), batch, epoch, task);
            }
            let next = self.state().first_at().and_then(|at| self.clock.until(at));
            // A full set of hands wakes this by its end; the sleep is for the clock alone.
            let full = self.state().in_flight >= crate::queue::IN_FLIGHT;
            match next.filter(|_| !full) {
                Some(wait) => {
                    let _ = tokio::time::timeout(wait, changed.changed()).await;
                }
                None => {
                    let _ = changed.changed().await;
                }
            }
        }
    }

    fn take(&self) -> Option<(Batch, u64, u64)> {
        let now = self.clock.now();
        let mut state = self.state();
        let batch = state.take(now)?;
        let task = state.begin(can_end(&batch));
        Some((batch, state.epoch, task))
    }

    /// The work is a task of its own, so that a crash can end it; another waits for its end, so that
    /// it is counted out whatever happened.
    fn spawn<H: Handlers>(self: Arc<Self>, handlers: Arc<H>, batch: Batch, epoch: u64, task: u64) {
        let (size, can_end) = (batch.len(), can_end(&batch));
        let kept: Vec<Message> = match &batch {
            Batch::Messages(_, messages) => messages.clone(),
            Batch::Webhook(_) | Batch::Sweep => Vec::new(),
        };
        let work = tokio::spawn(async move {
            match batch {
                Batch::Messages(queue, messages) => Done::Messages(handlers.messages(queue, event(&messages)).await),
                Batch::Webhook(mut webhook) => {
                    let again = handlers.webhook(&mut webhook).await;
                    Done::Webhook(again.map(|seconds| (webhook, seconds)))
                }
                Batch::Sweep => Done::Sweep { left: handlers.sweep().await },
            }
        });
        if can_end {
            self.state().began(task, work.abort_handle());
        }
        tokio::spawn(async move {
            let done = work.await;
            self.finish(epoch, task, size, kept, done.ok());
        });
    }

    fn finish(&self, epoch: u64, task: u64, size: usize, kept: Vec<Message>, done: Option<Done>) {
        let now = self.clock.now();
        self.change(|state| {
            state.end(task, size);
            match done {
                Some(Done::Webhook(again)) => {
                    if let Some((webhook, seconds)) = again {
                        state.push(now.plus_seconds(seconds), Work::Webhook(webhook));
                    }
                }
                Some(Done::Sweep { left }) if state.epoch == epoch => self.next_sweep(state, now, left),
                Some(Done::Sweep { .. }) => {}
                Some(Done::Messages(response)) => {
                    let failed = |m: &Message| response.batch_item_failures.iter().any(|f| f.item_identifier == m.id);
                    let is_kept = |m: &Message| state.epoch == epoch || !m.queue.is_swept();
                    let failed: Vec<_> = kept.into_iter().filter(|m| failed(m) && is_kept(m)).collect();
                    self.give_back(state, failed, now);
                }
                // The handler itself panicked: its whole batch comes again.
                None if state.epoch == epoch => self.give_back(state, kept, now),
                // A crash ended it.
                None => {
                    for message in kept.into_iter().filter(|m| !m.queue.is_swept()) {
                        state.push(now, Work::Message(message));
                    }
                }
            }
        });
    }

    fn give_back(&self, state: &mut State, failed: Vec<Message>, now: Timestamp) {
        for message in failed {
            let (id, queue) = (message.id.clone(), message.queue);
            if state.give_back(message, now) {
                tracing::error!(message_id = %id, ?queue, "dead letter");
                if self.clock.is_manual() {
                    state.push_sweep(now.plus_seconds(GRACE_SECONDS));
                }
            }
        }
    }

    /// On the real clock a sweep a minute. On the manual one only while something overdue was passed
    /// over (a live lease), ever more rarely.
    fn next_sweep(&self, state: &mut State, now: Timestamp, left: bool) {
        if !self.clock.is_manual() {
            state.push_sweep(now.plus_seconds(SWEEP_SECONDS));
        } else if left {
            state.sweep_backoff = (state.sweep_backoff * 2).clamp(SWEEP_SECONDS, MAX_SWEEP_BACKOFF_SECONDS);
            state.push_sweep(now.plus_seconds(state.sweep_backoff));
        } else {
            state.sweep_backoff = 0;
        }
    }

    /// Runs everything that is due up to `to`, in order, each at its own time; returns when all is
    /// quiet there.
    ///
    /// # Errors
    /// [`ClockError`]; the clock then stands where it got to.
    pub(crate) async fn advance(&self, to: Timestamp) -> Result<(), ClockError> {
        if !self.clock.is_manual() {
            return Err(ClockError::Real);
        }
        let _turn = self.turn.lock().await;
        if to < self.clock.now() {
            return Err(ClockError::Back);
        }
        loop {
            self.quiet().await;
            // Under the lock no call can begin between the look and the move.
            let state = self.state();
            if !state.is_quiet(self.clock.now()) {
                continue;
            }
            match state.first_at().filter(|at| *at <= to) {
                Some(at) => self.clock.set(at)?,
                None => return Ok(self.clock.set(to)?),
            }
            drop(state);
            self.changed.send_replace(());
        }
    }

    /// Waits until nothing is due and nothing is in flight.
    pub(crate) async fn quiet(&self) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if self.state().is_quiet(self.clock.now()) {
                return;
            }
            let _ = changed.changed().await;
        }
    }

    /// [`State::crash`]; returns when what it ended is gone.
    pub(crate) async fn crash(&self) {
        self.change(State::crash);
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if self.state().has_ended() {
                return;
            }
            let _ = changed.changed().await;
        }
    }
}

/// Whether a crash ends it: see [`State::crash`].
fn can_end(batch: &Batch) -> bool {
    !matches!(batch, Batch::Webhook(_) | Batch::Messages(Queue::Send, _))
}

#[cfg(test)]
mod tests;

/// The messages as Lambda hands them over.
fn event(messages: &[Message]) -> SqsEvent {
    let record = |message: &Message| {
        json!({
            "messageId": message.id,
            "receiptHandle": message.id,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": message.receives.to_string(),
                "SentTimestamp": (message.sent.0 * 1_000).to_string(),
            },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "awsRegion": "local",
        })
    };
    let records: Vec<_> = messages.iter().map(record).collect();
    serde_json::from_value(json!({"Records": records})).expect("these are an SQS event's fields")
}
