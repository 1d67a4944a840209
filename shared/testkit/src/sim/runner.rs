//! The scheduler: one event at a time, it decides who goes on and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{Config, Engine};

use super::faults::{Fault, Faults};
use super::handlers::{Handler, Pending, Start, Work};
use super::hub::{Grant, HandlerId, Hub, State};
use super::model::{LEASE_SECONDS, Model};
use super::people::Api;
use super::ports::{SimChannels, SimClock, SimPorts, SimQueues, SimRandom, SimSecrets, SimStore, SimTimers};
use super::rng::Rng;
use super::scenario::{START, Scenario};
use super::trace::Trace;
use super::{Report, Setup};

/// An index that is behind shows what stood there up to so many events ago.
const INDEX_BEHIND_EVENTS: u64 = 40;
/// Handlers at once.
const MAX_IN_FLIGHT: usize = 5;
const SWEEP_EVERY_SECONDS: i64 = 60;
/// The sweep's own grace, and a little for clocks.
const OVERDUE_SECONDS: i64 = 130;
/// Events after which a run that has been left in peace must have settled.
const MAX_CALM_EVENTS: u64 = 30_000;

pub(super) struct Runner {
    pub(super) hub: Hub,
    pub(super) scenario: Arc<Scenario>,
    pub(super) rng: Rng,
    pub(super) seed: u64,
    pub(super) engines: Vec<Api>,
    pub(super) handlers: BTreeMap<HandlerId, Handler>,
    pub(super) next_handler: HandlerId,
    pub(super) asks: Vec<Pending>,
    pub(super) last_sweep: i64,
    pub(super) made: u64,
}

/// Runs one seed.
pub fn run(setup: &Setup) -> Report {
    let mut scenario = Scenario::new(setup.seed);
    scenario.timeouts = setup.timeouts;
    let scenario = Arc::new(scenario);
    let model = Model::new(scenario.clone());
    let faults = Faults::new(setup.seed, &setup.without, !setup.timeouts);
    let mut state = State::new(setup.seed, faults, START, model, Trace::new(setup.trace));
    state.tables.guards = setup.store_guards;
    scenario.prepare(&mut state.tables);
    for sender in scenario.senders() {
        state.secrets.insert((scenario.tenant, sender.to_string()), serde_json::Value::Null);
    }
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
    pub(super) fn engine(&self, worker: usize) -> Api {
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
            config: Config {
                lease_seconds: LEASE_SECONDS,
                cache_settings: worker < 2,
                credentials_seconds: 30,
                operator_key_hash: None,
                tokens: engine::Tokens::new(&[7; 32], "https://ritmo.test"),
            },
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
        if event.is_multiple_of(INDEX_BEHIND_EVENTS) {
            state.before = state.tables.clone();
        }
        state.faults.event(event);
        self.rng = Rng::stream(self.seed, (event << 8) | 4);
    }

    /// Whose enrollment is being written.
    pub(super) fn enrolling(&self) -> Option<domain::ids::ContactId> {
        self.handlers.values().find_map(|h| match &h.work {
            Work::Ask(pending) => pending.ask.enrolls(),
            _ => None,
        })
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
        // Whoever outlives its lease has to be left alone for as long.
        if !self.scenario.timeouts && self.handlers.values().all(|h| h.slow) && choice < 60 {
            if !self.start_any() && !self.is_calling() {
                self.jump(true);
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
        if !self.scenario.timeouts && self.is_calling() {
            return;
        }
        let seconds = self.hub.state().faults.between(from, to);
        self.hub.state().now += seconds;
        self.line(format_args!("   +{seconds} s"));
        self.kill_late();
    }

    /// Between its last look at the lease and its call a worker does nothing that takes time.
    fn is_calling(&self) -> bool {
        self.hub.state().calls.values().any(|c| c.op == "provider")
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

    /// Lets one waiting port call of one handler go on, perhaps badly.
    fn advance_any(&mut self) {
        let calls: Vec<(u64, HandlerId, &'static str)> =
            self.hub.state().calls.iter().map(|(id, c)| (*id, c.handler, c.op)).collect();
        if calls.is_empty() {
            return;
        }
        // Slow ones get a turn in twenty, as long as there are others.
        let is_slow = |id: &HandlerId| self.handlers.get(id).is_some_and(|h| h.slow);
        let quick: Vec<_> = calls.iter().filter(|(_, handler, _)| !is_slow(handler)).copied().collect();
        let from = if quick.is_empty() || self.rng.chance(50) { &calls } else { &quick };
        let (call, handler, op) = *self.rng.pick(from);
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

/// Kinds of injection that a run has not met are as interesting as those that it has.
pub fn unmet(counts: &BTreeMap<Fault, u64>) -> BTreeSet<Fault> {
    Fault::ALL.iter().copied().filter(|kind| counts.get(kind).is_none_or(|n| *n == 0)).collect()
}
