//! Handlers: what they work on, how they begin, go on and die.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use domain::message::{DeliveryStatus, InboundEvent};
use engine::control::Action;
use engine::payments::Told;
use engine::queue::decode;

use super::faults::Fault;
use super::hub::{HandlerId, State};
use super::model::TIMEOUT_SECONDS;
use super::people::{Answer, Api, Ask, ask};
use super::queues::Queue;
use super::runner::Runner;

const API_TIMEOUT_SECONDS: i64 = 29;

/// What a handler works on.
#[derive(Debug)]
pub(super) enum Work {
    Message(u64),
    Webhook(u64),
    Ask(Box<Pending>),
    Sweep,
}

/// A request, with how often it was tried.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub ask: Ask,
    pub tries: u32,
    pub at: i64,
    /// Its idempotency key's.
    pub seed: u64,
    /// For a pause or a move: what the model wants back.
    pub since: Option<u64>,
}

pub(super) type Running = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send>>;

pub(super) struct Handler {
    pub(super) work: Work,
    pub(super) future: Running,
    pub(super) deadline: i64,
    pub(super) worker: usize,
    pub(super) slow: bool,
}

/// Whether somebody has called: the futures inside a handler may want another turn.
#[derive(Default)]
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Runner {
    pub(super) fn start(&mut self, start: Start) {
        let id = self.next_handler + 1;
        let worker = self.rng.below(2);
        let engine = self.engines[worker].clone();
        let now = self.hub.state().now;
        let (work, future, worker, text): (Work, Running, usize, String) = match start {
            Start::Message(message) => {
                let Some(received) = self.hub.state().broker.receive(message, id, now) else { return };
                let text = format!("{:?} message {message}", received.queue);
                (Work::Message(message), consume(engine, received.queue, received.body), worker, text)
            }
            Start::Webhook(webhook) => {
                let Some((sender, event)) = self.begin_webhook(webhook, id) else { return };
                let text = format!("webhook {}", webhook_text(&event));
                let future = async move {
                    match engine.apply(sender, vec![event]).await {
                        Ok(Told::Applied) => Ok(Answer::Done),
                        // The provider is answered 5xx, and comes again.
                        Ok(Told::Queued) => Err("queued".into()),
                        Err(error) => Err(error.to_string()),
                    }
                };
                (Work::Webhook(webhook), Box::pin(future), worker, text)
            }
            Start::Ask(index) => {
                let mut pending = self.asks.swap_remove(index);
                self.begin_ask(&mut pending);
                let text = format!("asked: {:?}", pending.ask);
                let future = ask(self.engines[2].clone(), self.scenario.clone(), pending.ask.clone(), pending.seed);
                (Work::Ask(Box::new(pending)), Box::pin(future), 2, text)
            }
            Start::Sweep => {
                self.last_sweep = now;
                let future = async move { engine.sweep().await.map(|_| Answer::Done).map_err(|e| e.to_string()) };
                (Work::Sweep, Box::pin(future), worker, "sweep".to_owned())
            }
        };
        self.next_handler = id;
        self.line(format_args!("#{id} begins (worker {worker}): {text}"));
        let timeout =
            if matches!(work, Work::Ask(_) | Work::Webhook(_)) { API_TIMEOUT_SECONDS } else { TIMEOUT_SECONDS };
        let slow = self.hub.hit(Fault::SlowHandler);
        self.handlers.insert(id, Handler { work, future, deadline: now + timeout, worker, slow });
        self.poll(id, true);
    }

    fn begin_webhook(&mut self, webhook: u64, id: HandlerId) -> Option<(domain::ids::SenderId, InboundEvent)> {
        let mut state = self.hub.state();
        let State { provider, .. } = &mut *state;
        let told = provider.webhooks.get_mut(&webhook)?;
        told.working = Some(id);
        let (sender, event, call) = (told.sender, told.event.clone(), told.call);
        if let (InboundEvent::Status(update), Some(call)) = (&event, call)
            && update.status == DeliveryStatus::Failed
        {
            provider.calls[call].told_failed = true;
        }
        Some((sender, event))
    }

    fn begin_ask(&mut self, pending: &mut Pending) {
        let mut state = self.hub.state();
        pending.since = match &pending.ask {
            Ask::Control(id, Action::Pause) => state.model.pausing(*id),
            Ask::Control(id, Action::Skip) => {
                state.model.skipping(*id);
                None
            }
            Ask::Control(id, Action::Migrate { version }) => state.model.moving(*id, *version),
            _ => None,
        };
        let State { tables, model, .. } = &mut *state;
        let ids: Vec<_> = tables.all_enrollments().map(|(_, e)| e.id).collect();
        ids.into_iter().filter(|id| pending.ask.may_unpause(*id)).for_each(|id| model.unpausing(id));
    }

    /// Gives a handler its turn. `heard`: whether anybody hears of its end.
    pub(super) fn poll(&mut self, id: HandlerId, heard: bool) {
        let Some(handler) = self.handlers.get_mut(&id) else { return };
        let called = Arc::new(Called::default());
        let waker = Waker::from(called.clone());
        self.hub.state().current = id;
        let ended = loop {
            match handler.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(answer) => break Some(answer),
                Poll::Pending if called.0.swap(false, Ordering::Relaxed) => {}
                Poll::Pending => break None,
            }
        };
        self.watch(id);
        if heard && let Some(answer) = ended {
            let Some(handler) = self.handlers.remove(&id) else { return };
            match &answer {
                Ok(Answer::Run(e)) => self.line(format_args!("#{id} ends: {:?} at step {}", e.state, e.step)),
                Ok(Answer::No(why)) => self.line(format_args!("#{id} ends: no, {why}")),
                Ok(Answer::Done) => self.line(format_args!("#{id} ends")),
                Err(error) => self.line(format_args!("#{id} fails: {error}")),
            }
            self.ended(id, handler, answer);
        }
    }

    /// The model sees every write at once.
    fn watch(&mut self, id: HandlerId) {
        let mut state = self.hub.state();
        let State { tables, model, provider, now, event, trace, .. } = &mut *state;
        for slot in std::mem::take(&mut tables.slots) {
            trace.line(*event, *now, format_args!("      slot {slot}"));
            model.slot(slot);
        }
        if let Some(day) = tables.first_day_of(self.scenario.sender) {
            model.first_day(i64::from(day.to_epoch_days()), *now);
        }
        let Some(writes) = tables.watched.as_mut().map(std::mem::take) else { return };
        for write in writes {
            let e = &write.after;
            let text = format_args!(
                "      {:?} {} rev {} gen {} step {} {:?} due {:?} wake {:?} {:?}",
                write.verb, e.id, e.rev, e.generation, e.step, e.state, e.due, e.wake, e.intents
            );
            trace.line(*event, *now, text);
            model.written(&write, id, (*event, *now), tables);
        }
        model.books_balance(tables, &provider.calls);
    }

    pub(super) fn kill(&mut self, id: HandlerId, how: &str) {
        let Some(handler) = self.handlers.remove(&id) else { return };
        self.line(format_args!("#{id} {how}"));
        let Handler { work, future, worker, .. } = handler;
        drop(future);
        self.hub.state().model.died(id);
        // A new process has an empty cache.
        self.engines[worker] = self.engine(worker);
        match work {
            Work::Message(message) => {
                let mut state = self.hub.state();
                let at = state.now + 60;
                state.broker.done(message, id, false, at);
            }
            Work::Webhook(webhook) => self.webhook_again(webhook),
            Work::Ask(pending) => self.ask_again(*pending),
            Work::Sweep => {}
        }
    }
}

/// What may begin.
pub(super) enum Start {
    Message(u64),
    Webhook(u64),
    Ask(usize),
    Sweep,
}

fn consume(engine: Api, queue: Queue, body: String) -> Running {
    let text = |e: engine::PortError| e.to_string();
    match queue {
        Queue::Step => Box::pin(async move {
            let due = decode(&body).map_err(|e| e.to_string())?;
            engine.step(&due).await.map(|_| Answer::Done).map_err(text)
        }),
        Queue::Send => Box::pin(async move {
            let planned = decode(&body).map_err(|e| e.to_string())?;
            engine.send(&planned).await.map(|_| Answer::Done).map_err(text)
        }),
        Queue::Enroll => Box::pin(async move {
            let work = decode(&body).map_err(|e| e.to_string())?;
            engine.work(&work).await.map(|_| Answer::Done).map_err(text)
        }),
        Queue::Inbound => Box::pin(async move {
            let work = decode(&body).map_err(|e| e.to_string())?;
            engine.apply_queued(&work).await.map(|()| Answer::Done).map_err(text)
        }),
    }
}

fn webhook_text(event: &InboundEvent) -> String {
    match event {
        InboundEvent::Status(s) => format!("{:?} of {:?}", s.status, s.reference.map(|r| r.0.to_string())),
        InboundEvent::Message(m) => format!("message `{}` {:?}", m.id, m.text),
        InboundEvent::OptOut { id, .. } => format!("opt-out `{id}`"),
        InboundEvent::OptIn { .. } => "opt-in".to_owned(),
        InboundEvent::NumberChanged { .. } => "number changed".to_owned(),
        InboundEvent::Conversation(event) => format!("conversation `{}`", event.conversation),
        InboundEvent::Identified { .. } => "identified".to_owned(),
        InboundEvent::Template(told) => format!("template `{}` {:?}", told.name, told.status),
        InboundEvent::Email(answer) => format!("answer `{}`", answer.message.id),
        InboundEvent::Bounced { .. } => "bounce".to_owned(),
    }
}
