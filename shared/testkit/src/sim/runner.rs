//! The scheduler: one event at a time, it decides who goes on and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use domain::message::{DeliveryStatus, InboundEvent};
use engine::queue::decode;
use engine::{Config, Engine};

use super::faults::Fault;
use super::hub::{Grant, HandlerId, Hub, State};
use super::model::{LEASE_SECONDS, Model, Told, ToldKind};
use super::people::{Answer, Api, Ask, ask};
use super::ports::{SimChannels, SimClock, SimPorts, SimQueues, SimRandom, SimSecrets, SimStore, SimTimers};
use super::queues::Queue;
use super::rng::Rng;
use super::scenario::{START, Scenario};
use super::trace::Trace;
use super::{Report, Setup};

/// Functions live this long at most.
const TIMEOUT_SECONDS: i64 = 60;
const API_TIMEOUT_SECONDS: i64 = 29;
/// Handlers at once.
const MAX_IN_FLIGHT: usize = 5;
const SWEEP_EVERY_SECONDS: i64 = 60;
/// The sweep's own grace, and a little for clocks.
const OVERDUE_SECONDS: i64 = 130;
/// Events after which a run that has been left in peace must have settled.
const MAX_CALM_EVENTS: u64 = 30_000;

/// What a handler works on.
#[derive(Debug)]
pub enum Work {
    Message(u64),
    Webhook(u64),
    Ask(Box<Pending>),
    Sweep,
}

/// A request, with how often it was tried.
#[derive(Debug, Clone)]
pub struct Pending {
    pub ask: Ask,
    pub tries: u32,
    pub at: i64,
    /// Its idempotency key's.
    pub seed: u64,
    /// For a pause: what the model wants back.
    pub pause: Option<u64>,
}

type Running = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send>>;

struct Handler {
    work: Work,
    future: Running,
    deadline: i64,
    worker: usize,
}

/// Whether somebody has called: the futures inside a handler may want another turn.
#[derive(Default)]
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub struct Runner {
    pub(super) hub: Hub,
    pub(super) scenario: Arc<Scenario>,
    pub(super) rng: Rng,
    seed: u64,
    engines: Vec<Api>,
    handlers: BTreeMap<HandlerId, Handler>,
    next_handler: HandlerId,
    pub(super) asks: Vec<Pending>,
    last_sweep: i64,
    pub(super) made: u64,
}

/// Runs one seed.
pub fn run(setup: &Setup) -> Report {
    let mut scenario = Scenario::new(setup.seed);
    scenario.timeouts = setup.timeouts;
    let scenario = Arc::new(scenario);
    let model = Model::new(scenario.clone());
    let mut state = State::new(setup.seed, &setup.without, START, model, Trace::new(setup.trace));
    state.tables.guards = setup.store_guards;
    scenario.prepare(&mut state.tables);
    let sender = scenario.sender.to_string();
    state.secrets.insert((scenario.tenant, sender), serde_json::Value::Null);
    let hub = Hub::new(state);
    let mut runner = Runner {
        engines: Vec::new(),
        hub,
        rng: Rng::stream(setup.seed, 4),
        seed: setup.seed,
        scenario,
        handlers: BTreeMap::new(),
        next_handler: 0,
        asks: Vec::new(),
        last_sweep: START,
        made: 0,
    };
    runner.engines = (0..3).map(|worker| runner.engine(worker)).collect();
    runner.first_asks();
    runner.go(setup.events);
    runner.report(setup)
}

impl Runner {
    fn engine(&self, worker: usize) -> Api {
        let hub = || self.hub.clone();
        Arc::new(Engine::<SimPorts> {
            store: SimStore(hub()),
            timers: SimTimers(hub()),
            queues: SimQueues(hub()),
            clock: SimClock { hub: hub(), skew: self.scenario.skews[worker] },
            random: SimRandom(hub()),
            secrets: SimSecrets(hub()),
            channels: SimChannels(hub()),
            // The last one is the API's, which remembers nothing.
            config: Config { lease_seconds: LEASE_SECONDS, cache_settings: worker < 2, operator_key_hash: None },
            cache: Default::default(),
        })
    }

    fn go(&mut self, events: u64) {
        while self.hub.state().event < events && self.unbroken() {
            self.next_event();
            self.turn();
        }
        {
            let mut state = self.hub.state();
            state.faults.calm = true;
            let line = (state.event, state.now);
            state.trace.line(line.0, line.1, format_args!("-- no more faults --"));
        }
        let last = self.hub.state().event + MAX_CALM_EVENTS;
        while self.unbroken() {
            self.next_event();
            if !self.calm_turn() {
                let mut state = self.hub.state();
                let State { model, tables, provider, .. } = &mut *state;
                model.settled(tables, &provider.calls);
                return;
            }
            if self.hub.state().event > last {
                self.hub.state().model.broken("4", "the run never comes to rest");
            }
        }
    }

    fn next_event(&mut self) {
        let mut state = self.hub.state();
        state.event += 1;
        let event = state.event;
        state.faults.event(event);
        self.rng = Rng::stream(self.seed, (event << 8) | 4);
    }

    fn unbroken(&self) -> bool {
        self.hub.state().model.violation.is_none()
    }

    /// One decision while things go wrong.
    fn turn(&mut self) {
        let choice = self.rng.below(100);
        if self.handlers.is_empty() {
            match choice {
                0..70 if self.start_any() => {}
                0..80 => self.people(),
                _ => drop(self.jump(true)),
            }
            return;
        }
        match choice {
            0..20 if self.handlers.len() < MAX_IN_FLIGHT && self.start_any() => {}
            20..26 => self.people(),
            26..36 if self.hub.hit(Fault::Delay) => self.pass(1, 12),
            36..38 if self.hub.hit(Fault::LongDelay) => self.pass(20, 150),
            38 if self.hub.hit(Fault::Redrives) => self.redrive(),
            39 if self.hub.hit(Fault::ProcessRestarts) => self.restart(),
            _ => self.advance_any(),
        }
    }

    /// One decision when all goes well; `false` when nothing is left to do.
    fn calm_turn(&mut self) -> bool {
        if !self.handlers.is_empty() {
            self.advance_any();
        } else if !self.start_any() {
            if self.hub.state().broker.dead() > 0 {
                self.redrive();
            } else {
                return self.jump(false);
            }
        }
        true
    }

    fn redrive(&mut self) {
        let mut state = self.hub.state();
        let now = state.now;
        state.broker.redrive(now);
    }

    fn restart(&mut self) {
        let worker = self.rng.below(2);
        self.engines[worker] = self.engine(worker);
    }

    /// Time passes while handlers work; some reach their time-out.
    fn pass(&mut self, from: i64, to: i64) {
        let seconds = self.hub.state().faults.between(from, to);
        self.hub.state().now += seconds;
        self.line(format_args!("   +{seconds} s"));
        self.kill_late();
    }

    fn kill_late(&mut self) {
        let now = self.hub.state().now;
        let late: Vec<_> = self.handlers.iter().filter(|(_, h)| h.deadline <= now).map(|(id, _)| *id).collect();
        if self.scenario.timeouts {
            late.into_iter().for_each(|id| self.kill(id, "timed out"));
        }
    }

    /// To the next instant at which something happens by itself; `false` when nothing ever will.
    fn jump(&mut self, may_stop_before: bool) -> bool {
        let (now, next) = {
            let state = self.hub.state();
            let sweep = state.tables.earliest_due().map(|d| (d.wake.0 + OVERDUE_SECONDS).max(self.last_sweep + 60));
            let times = [state.broker.next_visible(), state.provider.next_ready(), sweep];
            let asks = self.asks.iter().map(|a| a.at);
            (state.now, times.into_iter().flatten().chain(asks).min())
        };
        let Some(next) = next else { return false };
        let mut to = next.max(now + 1);
        if may_stop_before && to - now > 60 && self.rng.chance(300) {
            to = self.rng.between(now + 1, to);
        }
        self.hub.state().now = to;
        self.line(format_args!("   time goes on"));
        self.kill_late();
        true
    }

    /// Starts one of the handlers that could start; `false` when there is none.
    fn start_any(&mut self) -> bool {
        let (now, mut ready) = {
            let state = self.hub.state();
            let messages = state.broker.visible(state.now).into_iter().map(Start::Message);
            let webhooks = state.provider.ready(state.now).into_iter().map(Start::Webhook);
            (state.now, messages.chain(webhooks).collect::<Vec<_>>())
        };
        ready.extend((0..self.asks.len()).filter(|i| self.asks[*i].at <= now).map(Start::Ask));
        let overdue = self.hub.state().tables.earliest_due().is_some_and(|d| d.wake.0 + OVERDUE_SECONDS <= now);
        let sweeping = self.handlers.values().any(|h| matches!(h.work, Work::Sweep));
        if overdue && !sweeping && now >= self.last_sweep + SWEEP_EVERY_SECONDS {
            ready.push(Start::Sweep);
        }
        if ready.is_empty() {
            return false;
        }
        let start = ready.swap_remove(self.rng.below(ready.len()));
        self.start(start);
        true
    }

    fn start(&mut self, start: Start) {
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
                    engine.apply(sender, vec![event]).await.map(|()| Answer::Done).map_err(|e| e.to_string())
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
        self.handlers.insert(id, Handler { work, future, deadline: now + timeout, worker });
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
        pending.pause = None;
        if let Ask::Control(id, engine::control::Action::Pause) = &pending.ask {
            pending.pause = state.model.pausing(*id);
        }
        let State { tables, model, .. } = &mut *state;
        let ids: Vec<_> = tables.all_enrollments().map(|(_, e)| e.id).collect();
        ids.into_iter().filter(|id| pending.ask.may_unpause(*id)).for_each(|id| model.unpausing(id));
    }

    /// Lets one waiting port call of one handler go on, perhaps badly.
    fn advance_any(&mut self) {
        let calls: Vec<(u64, HandlerId, &'static str)> =
            self.hub.state().calls.iter().map(|(id, c)| (*id, c.handler, c.op)).collect();
        if calls.is_empty() {
            return;
        }
        let (call, handler, op) = calls[self.rng.below(calls.len())];
        // A second turn at the same call, the provider and its answer have no fault but a crash.
        let bare = matches!(op, "again" | "provider" | "provider_answer");
        let grant = {
            let mut state = self.hub.state();
            let faults = &mut state.faults;
            if faults.hit(Fault::CrashBefore) {
                drop(state);
                return self.kill(handler, "dies before");
            }
            if faults.hit(Fault::CrashAfter) {
                drop(state);
                self.line(format_args!("#{handler} {op}, and dies after it"));
                self.hub.grant(call, Grant::Run);
                self.poll(handler, false);
                return self.kill(handler, "dies after");
            }
            if bare {
                Grant::Run
            } else if faults.hit(Fault::Throttle) {
                Grant::Throttle
            } else if faults.hit(Fault::LostAnswer) {
                Grant::LoseAnswer
            } else if faults.hit(Fault::SdkRetry) {
                Grant::Retry
            } else {
                Grant::Run
            }
        };
        if op == "claim" && matches!(grant, Grant::Throttle | Grant::LoseAnswer) {
            self.hub.state().model.claim_unanswered(handler);
        }
        match grant {
            Grant::Run => self.line(format_args!("#{handler} {op}")),
            other => self.line(format_args!("#{handler} {op}: {other:?}")),
        }
        self.hub.grant(call, grant);
        self.poll(handler, true);
    }

    /// Gives a handler its turn. `heard`: whether anybody hears of its end.
    fn poll(&mut self, id: HandlerId, heard: bool) {
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
        let State { tables, model, now, event, trace, .. } = &mut *state;
        let Some(writes) = tables.watched.as_mut().map(std::mem::take) else { return };
        for write in writes {
            let e = &write.after;
            let text = format_args!(
                "      {:?} {} rev {} gen {} step {} {:?} due {:?} wake {:?} {:?}",
                write.verb, e.id, e.rev, e.generation, e.step, e.state, e.due, e.wake, e.intents
            );
            trace.line(*event, *now, text);
            model.written(&write, id, *now, tables);
        }
    }

    fn kill(&mut self, id: HandlerId, how: &str) {
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

    fn ended(&mut self, id: HandlerId, handler: Handler, answer: Result<Answer, String>) {
        match handler.work {
            Work::Sweep => {}
            Work::Message(message) => {
                let mut state = self.hub.state();
                let retry_at = state.now + self.rng.between(1, 60);
                let lost = answer.is_ok() && state.faults.hit(Fault::DeleteLost);
                state.broker.done(message, id, answer.is_ok() && !lost, retry_at);
            }
            Work::Webhook(webhook) if answer.is_ok() => self.webhook_taken(webhook),
            Work::Webhook(webhook) => self.webhook_again(webhook),
            Work::Ask(pending) => match answer {
                Ok(answer) => self.answered(&pending, &answer),
                Err(_) => self.ask_again(*pending),
            },
        }
    }

    fn webhook_again(&mut self, webhook: u64) {
        let mut state = self.hub.state();
        let at = state.now + self.rng.between(5, 300);
        if let Some(webhook) = state.provider.webhooks.get_mut(&webhook) {
            webhook.working = None;
            webhook.at = at;
        }
    }

    fn webhook_taken(&mut self, webhook: u64) {
        let mut state = self.hub.state();
        let State { provider, model, .. } = &mut *state;
        let scenario = &self.scenario;
        let Some(taken) = provider.webhooks.remove(&webhook) else { return };
        match taken.event {
            InboundEvent::Status(update) => {
                if let Some(call) = taken.call {
                    let call = &mut provider.calls[call];
                    call.acknowledged = call.acknowledged.max(Some(update.status));
                }
            }
            InboundEvent::Message(message) => {
                let Some(contact) = scenario.who(&message.from) else { return };
                let told = |kind| Told { id: message.id.clone(), kind, at: message.at.0, about_target: false };
                model.told(contact, told(ToldKind::Reply));
                if message.text.as_deref() == Some("STOP") {
                    model.told(contact, told(ToldKind::Unsubscribed));
                }
            }
            InboundEvent::OptOut { from, at, id } => {
                let Some(contact) = scenario.who(&from) else { return };
                model.told(contact, Told { id, kind: ToldKind::Unsubscribed, at: at.0, about_target: false });
            }
            InboundEvent::NumberChanged { .. } => {}
        }
    }

    fn unpausing_over(&mut self, pending: &Pending) {
        let mut state = self.hub.state();
        let State { tables, model, .. } = &mut *state;
        let ids: Vec<_> = tables.all_enrollments().map(|(_, e)| e.id).collect();
        ids.into_iter().filter(|id| pending.ask.may_unpause(*id)).for_each(|id| model.unpausing_over(id));
    }

    fn ask_again(&mut self, pending: Pending) {
        self.unpausing_over(&pending);
        // What is half done of these is the caller's to finish: nothing was acknowledged.
        let insists = matches!(pending.ask, Ask::Enable(_) | Ask::RestoreSender | Ask::MoveDate { .. });
        let gives_up = !insists && self.hub.hit(Fault::ClientGivesUp);
        if !gives_up {
            let at = self.hub.state().now + self.rng.between(1, 60);
            self.asks.push(Pending { tries: pending.tries + 1, at, ..pending });
        }
    }

    fn answered(&mut self, pending: &Pending, answer: &Answer) {
        self.unpausing_over(pending);
        let mut state = self.hub.state();
        let model = &mut state.model;
        if let Answer::No(_) = answer {
            return;
        }
        match &pending.ask {
            Ask::Control(id, engine::control::Action::Pause) => model.paused(*id, pending.pause),
            Ask::Control(id, engine::control::Action::Exit { .. }) => model.ended(*id),
            _ => {}
        }
        if let Answer::Run(e) = answer
            && e.state.is_finished()
        {
            model.ended(e.id);
        }
        if let Some((contact, told)) = pending.ask.told() {
            model.told(contact, told);
        }
    }

    pub(super) fn line(&self, text: std::fmt::Arguments<'_>) {
        let mut state = self.hub.state();
        let (event, now) = (state.event, state.now);
        state.trace.line(event, now, text);
    }

    fn report(self, setup: &Setup) -> Report {
        // Futures hold the hub: they go first.
        drop(self.handlers);
        let state = self.hub.state();
        Report {
            seed: setup.seed,
            events: state.event,
            hash: state.trace.hash(),
            violation: state.model.violation.clone(),
            counts: state.faults.counts.clone(),
            injected: state.faults.injected.clone(),
            calls: state.provider.calls.len() as u64,
            trace: state.trace.lines().to_vec(),
        }
    }
}

enum Start {
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
            engine.step(&due).await.map(|()| Answer::Done).map_err(text)
        }),
        Queue::Send => Box::pin(async move {
            let planned = decode(&body).map_err(|e| e.to_string())?;
            engine.send(&planned).await.map(|()| Answer::Done).map_err(text)
        }),
        Queue::Enroll => Box::pin(async move {
            let work = decode(&body).map_err(|e| e.to_string())?;
            engine.work(&work).await.map(|()| Answer::Done).map_err(text)
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
        InboundEvent::NumberChanged { .. } => "number changed".to_owned(),
    }
}

/// Kinds of injection that a run has not met are as interesting as those that it has.
pub fn unmet(counts: &BTreeMap<Fault, u64>) -> BTreeSet<Fault> {
    Fault::ALL.iter().copied().filter(|kind| counts.get(kind).is_none_or(|n| *n == 0)).collect()
}
