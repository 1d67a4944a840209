//! What may happen next, and what it leads to.

use std::sync::Arc;

use domain::enrollment::State;
use domain::message::{DeliveryStatus, Reaction};

use super::handlers::{Answer, Ask, Handler, Went, Work, begin, go_on};
use super::model::told;
use super::ports::Grant;
use super::world::{Fate, Letter, Queue, World};
use super::{Bounds, Path, Scene};
use crate::sim::Violation;

/// Handlers of queues at once.
const WORKERS: usize = 2;
/// Later than any planned send may wait.
const LATE_SECONDS: i64 = 3700;
/// Whatever happens, a run has come to rest by then: the latest date and a day of tries; or, with one
/// message a day, two for its steps and some for what is wasted.
const REST_BY: i64 = super::plays::START + 10 * 86_400;

/// A state, and how it came about.
#[derive(Clone)]
pub(super) struct Node {
    world: World,
    /// Sorted, so that it does not matter who began first.
    handlers: Vec<Handler>,
    /// Requests and webhooks that failed, which whoever made them may repeat.
    again: Vec<Work>,
    /// Deviations that are left.
    pub left: u8,
    path: Option<Arc<Path>>,
}

/// One thing that may happen.
#[derive(Debug, Clone)]
enum Move {
    Begin(Work),
    /// A letter is delivered, and will be once more.
    BeginTwice(Letter),
    Again(usize),
    Go(usize, Grant),
    /// The call has its effect, and the handler dies.
    Die(usize, Grant),
    /// Nobody has anything to do until then.
    Wait(i64),
}

impl Move {
    fn kind(&self) -> &'static str {
        match self {
            Self::Begin(Work::Letter(_)) => "deliver",
            Self::Begin(Work::Sweep) => "sweep",
            Self::Begin(Work::Report { status: DeliveryStatus::Failed, .. }) => "late failure",
            Self::Begin(Work::Report { .. }) => "late delivery",
            Self::Begin(Work::Ask { ask, .. }) => match ask {
                Ask::Enroll => "enroll",
                Ask::Reply => "reply",
                Ask::Pause => "pause",
                Ask::ResumeKeep | Ask::ResumeRestart => "resume",
                Ask::Skip => "skip",
                Ask::SendNow => "send now",
                Ask::Exit => "exit",
                Ask::Migrate(_) => "migrate",
                Ask::Move(_) => "move the date",
            },
            Self::BeginTwice(_) => "duplicate",
            Self::Again(_) => "repeat",
            Self::Go(_, Grant::Run) => "call",
            Self::Go(_, Grant::Throttle) => "throttle",
            Self::Go(_, Grant::LoseAnswer) => "lost answer",
            Self::Go(_, Grant::Again) => "SDK retry",
            Self::Go(_, Grant::NoTimer) => "lost timer",
            Self::Go(_, Grant::Provider(Fate::Accepted)) => "accepted",
            Self::Go(_, Grant::Provider(Fate::Refused(_))) => "refused",
            Self::Go(_, Grant::Provider(Fate::Silent(_))) => "no answer",
            Self::Die(..) => "crash",
            Self::Wait(_) => "time",
        }
    }
}

/// Calls that nobody else can tell from having been made a little earlier or later.
fn is_private(op: &str) -> bool {
    matches!(op, "arm" | "arm_again" | "queue_send" | "queue_inbound" | "provider" | "answer")
}

fn is_write(op: &str) -> bool {
    matches!(
        op,
        "insert_enrollment"
            | "claim"
            | "commit"
            | "push_back"
            | "save_contact"
            | "save_target"
            | "reserve"
            | "take_day"
            | "first_day"
    )
}

impl Node {
    pub(super) fn root(bounds: &Bounds) -> Self {
        let world = bounds.scene.world(bounds.store_guards);
        let work = Work::Ask { ask: Ask::Enroll, times: 0, since: None };
        let node = Self { world, handlers: Vec::new(), again: Vec::new(), left: bounds.deviations, path: None };
        node.begin(work)
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.world.model.violation.clone()
    }

    pub(super) fn digest(&mut self) -> u64 {
        self.world.digest(&(&self.handlers, &self.again))
    }

    /// The moves that led here, first to last.
    pub(super) fn story(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut at = self.path.as_ref();
        while let Some(path) = at {
            lines.push(path.told.clone());
            at = path.before.as_ref();
        }
        lines.reverse();
        lines
    }

    /// Nothing happens by itself any more.
    pub(super) fn is_at_rest(&self) -> bool {
        self.handlers.is_empty()
            && self.world.mail.is_empty()
            && self.world.next_instant().is_none()
            && !self.world.is_overdue()
    }

    /// Everything that may happen next; what costs nothing comes last, and is explored first.
    pub(super) fn next(&self, scene: &Scene) -> Vec<(&'static str, Self)> {
        let mut all: Vec<(&'static str, Self)> = Vec::new();
        for (step, cost) in self.moves(scene) {
            if cost > self.left {
                continue;
            }
            let mut after = self.clone();
            after.left -= cost;
            after.path = Some(Arc::new(Path { told: self.tell(&step), before: self.path.clone() }));
            let kind = step.kind();
            let mut after = after.make(step);
            if after.is_at_rest() {
                let World { model, tables, calls, .. } = &mut after.world;
                model.settled(tables, calls);
            }
            all.push((kind, after));
        }
        all.sort_by_key(|(_, after)| after.left);
        all
    }

    fn moves(&self, scene: &Scene) -> Vec<(Move, u8)> {
        let mut moves = Vec::new();
        if let Some(index) = self.handlers.iter().position(|h| is_private(h.op)) {
            self.calls(index, &mut moves);
            return moves;
        }
        (0..self.handlers.len()).for_each(|index| self.calls(index, &mut moves));
        let working = self.handlers.iter().filter(|h| matches!(h.work, Work::Letter(_))).count();
        let world = &self.world;
        if working < WORKERS {
            for letter in world.visible() {
                moves.push((Move::Begin(Work::Letter(letter.clone())), 0));
                moves.push((Move::BeginTwice(letter.clone()), 1));
            }
        }
        moves.extend((0..self.again.len()).map(|index| (Move::Again(index), 0)));
        let sweeping = self.handlers.iter().any(|h| h.work == Work::Sweep);
        if world.is_overdue() && !sweeping {
            moves.push((Move::Begin(Work::Sweep), 0));
        }
        for (call, seen) in world.calls.iter().enumerate().filter(|(_, c)| c.fate.accepted()) {
            let telling = |status| {
                let under_way =
                    |w: &Work| matches!(w, Work::Report { call: c, status: s } if *c == call && *s == status);
                self.handlers.iter().any(|h| under_way(&h.work)) || self.again.iter().any(under_way)
            };
            if !seen.delivered && !telling(DeliveryStatus::Delivered) {
                moves.push((Move::Begin(Work::Report { call, status: DeliveryStatus::Delivered }), 1));
            }
            if !seen.told_failed && !seen.delivered {
                moves.push((Move::Begin(Work::Report { call, status: DeliveryStatus::Failed }), 1));
            }
        }
        for ask in scene.asks {
            moves.push((Move::Begin(Work::Ask { ask: *ask, times: 0, since: None }), 1));
        }
        if self.handlers.is_empty() && !world.is_overdue() {
            let waiting = world.visible().next().is_some();
            match world.next_instant() {
                Some(at) => moves.push((Move::Wait(at), u8::from(waiting))),
                None if waiting => moves.push((Move::Wait(world.now + LATE_SECONDS), 1)),
                None => {}
            }
        }
        moves
    }

    /// What may become of the call at which a handler waits.
    fn calls(&self, index: usize, moves: &mut Vec<(Move, u8)>) {
        let op = self.handlers[index].op;
        if op == "provider" {
            moves.push((Move::Go(index, Grant::Provider(Fate::Accepted)), 0));
            for fate in [
                Fate::Refused(Reaction::Transient),
                Fate::Refused(Reaction::OutsideWindow),
                Fate::Silent(true),
                Fate::Silent(false),
            ] {
                moves.push((Move::Go(index, Grant::Provider(fate)), 1));
            }
            moves.push((Move::Die(index, Grant::Provider(Fate::Accepted)), 1));
            return;
        }
        moves.push((Move::Go(index, Grant::Run), 0));
        let faults: &[Grant] = match op {
            "arm" | "arm_again" => &[Grant::NoTimer, Grant::Throttle],
            "queue_send" | "queue_inbound" => &[Grant::Throttle, Grant::LoseAnswer],
            op if is_write(op) => &[Grant::Throttle, Grant::LoseAnswer, Grant::Again],
            _ => &[],
        };
        moves.extend(faults.iter().map(|grant| (Move::Go(index, *grant), 1)));
        if is_write(op) || op == "queue_send" {
            moves.push((Move::Die(index, Grant::Run), 1));
        }
    }

    fn make(mut self, step: Move) -> Self {
        match step {
            Move::Begin(work) => {
                if let Work::Letter(letter) = &work {
                    self.world.take(letter);
                }
                self.begin(work)
            }
            // The copy that stays is another one: whoever works on it draws another token.
            Move::BeginTwice(letter) => {
                self.world.take(&letter);
                self.world.post(letter.queue, letter.body.to_string(), self.world.now);
                self.begin(Work::Letter(letter))
            }
            Move::Again(index) => {
                let work = self.again.remove(index);
                self.begin(work)
            }
            Move::Go(index, grant) => {
                let handler = self.handlers.remove(index);
                if handler.op == "claim" && matches!(grant, Grant::Throttle | Grant::LoseAnswer) {
                    self.world.model.claim_unanswered(handler.label);
                }
                let (world, went) = go_on(self.world, &handler, grant);
                self.world = world;
                self.goes_on(handler.work, handler.label, went)
            }
            Move::Die(index, grant) => {
                let handler = self.handlers.remove(index);
                let (world, _) = go_on(self.world, &handler, grant);
                self.world = world;
                self.watch(handler.label);
                self.world.model.died(handler.label);
                self.failed(handler.work);
                self
            }
            Move::Wait(to) => {
                self.world.now = to;
                if to > REST_BY {
                    self.world.model.broken("4", "the run never comes to rest");
                }
                self
            }
        }
    }

    fn begin(mut self, mut work: Work) -> Self {
        let model = &mut self.world.model;
        match &mut work {
            Work::Ask { ask: Ask::Pause, since, .. } => *since = model.pausing(),
            Work::Ask { ask: Ask::ResumeKeep | Ask::ResumeRestart, .. } => model.unpausing(),
            Work::Ask { ask: Ask::SendNow, .. } => {
                model.unpausing();
                model.hurried();
            }
            Work::Ask { ask: Ask::Migrate(version), .. } => model.migrating(*version),
            Work::Ask { ask: Ask::Move(_), since, .. } => *since = model.moving(),
            Work::Ask { ask: Ask::Reply, .. } => model.wrote = self.world.now,
            Work::Report { call, status } => told(&mut self.world.calls[*call], *status, false),
            Work::Sweep => self.world.last_sweep = self.world.now,
            _ => {}
        }
        let (world, label, went) = begin(self.world, work.clone());
        self.world = world;
        self.goes_on(work, label, went)
    }

    fn goes_on(mut self, work: Work, label: u64, went: Went) -> Self {
        self.watch(label);
        match went {
            Went::Waits(handler) => {
                self.handlers.push(handler);
                self.handlers.sort_by_key(|h| h.label);
            }
            Went::Ended(Ok(answer)) => self.answered(&work, &answer),
            Went::Ended(Err(_)) => self.failed(work),
        }
        self
    }

    /// The model sees every write.
    fn watch(&mut self, label: u64) {
        let World { tables, model, now, calls, .. } = &mut self.world;
        let Some(writes) = tables.watched.as_mut().map(std::mem::take) else { return };
        writes.iter().for_each(|write| model.written(write, label, *now, calls, tables));
    }

    fn answered(&mut self, work: &Work, answer: &Answer) {
        let World { model, calls, .. } = &mut self.world;
        match work {
            Work::Report { call, status } => told(&mut calls[*call], *status, true),
            Work::Ask { ask, since, .. } => {
                if let Answer::Run(e) = answer
                    && e.state.is_finished()
                {
                    model.ended();
                }
                match (ask, answer) {
                    (_, Answer::No) => {}
                    (Ask::Reply, _) => model.replied(),
                    (Ask::Exit, _) => model.ended(),
                    (Ask::Pause, _) => model.paused(*since),
                    (Ask::Move(hours), _) => model.moved(super::plays::START + hours * 3600, *since),
                    (Ask::Skip, Answer::Run(e)) if e.state != State::Sending => model.skipped(e),
                    _ => {}
                }
            }
            Work::Letter(_) | Work::Sweep => {}
        }
        self.over(work);
    }

    /// A letter comes again, and so does a webhook; a client may repeat its request.
    fn failed(&mut self, work: Work) {
        self.over(&work);
        match work {
            Work::Letter(letter) => self.world.post(letter.queue, letter.body.to_string(), self.world.now),
            Work::Ask { ask, times, .. } => self.again.push(Work::Ask { ask, times: times + 1, since: None }),
            Work::Report { .. } => self.again.push(work),
            Work::Sweep => {}
        }
    }

    /// A request is over, one way or the other.
    fn over(&mut self, work: &Work) {
        match work {
            Work::Ask { ask: Ask::ResumeKeep | Ask::ResumeRestart | Ask::SendNow, .. } => {
                self.world.model.unpausing_over();
            }
            Work::Ask { ask: Ask::Move(_), .. } => self.world.model.moving_over(),
            _ => {}
        }
    }

    fn tell(&self, step: &Move) -> String {
        let name = |index: &usize| {
            let handler = &self.handlers[*index];
            let work = match &handler.work {
                Work::Letter(letter) if letter.queue == Queue::Step => "step".to_owned(),
                Work::Letter(letter) => format!("{:?} {}", letter.queue, letter.copy).to_lowercase(),
                other => format!("{other:?}"),
            };
            format!("{work} ({:04x}): {}", handler.label & 0xffff, handler.op)
        };
        let told = match step {
            Move::Begin(Work::Letter(letter)) => format!("{:?} message {}: {}", letter.queue, letter.copy, letter.body),
            Move::Begin(work) => format!("{work:?}"),
            Move::BeginTwice(letter) => format!("{:?} message, delivered twice: {}", letter.queue, letter.body),
            Move::Again(index) => format!("again: {:?}", self.again[*index]),
            Move::Go(index, grant) => format!("{} {grant:?}", name(index)),
            Move::Die(index, grant) => format!("{} {grant:?}, and dies", name(index)),
            Move::Wait(to) => format!("+{} s", to - self.world.now),
        };
        let run = self.world.tables.all_enrollments().last().map(|(_, e)| {
            format!("  [{:?} step {} gen {} rev {} {:?}]", e.state, e.step, e.generation, e.rev, e.intents)
        });
        format!("{told}{}", run.unwrap_or_default())
    }
}
