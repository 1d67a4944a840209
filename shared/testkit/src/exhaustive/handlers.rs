//! What is worked on, and how it goes on by one call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use domain::contact::TargetRef;
use domain::enrollment::control::ResumeMode;
use domain::enrollment::{Enrollment, Source, SourceType};
use domain::ids::EnrollmentId;
use domain::message::{DeliveryStatus, Identity, InboundEvent, InboundKind, InboundMessage};
use domain::sequence::TargetKind;
use domain::time::Timestamp;
use engine::accounts::Invalid;
use engine::contacts::TargetChange;
use engine::control::Action;
use engine::enroll::EnrollRequest;
use engine::payments::Told;
use engine::queue::decode;
use engine::{Config, Engine, PortError, Refused};
use serde_json::{Value, json};

use super::plays::{PHONE, START};
use super::ports::{Grant, Log, Play, PlayPorts};
use super::world::{Letter, Queue, World, digest};

/// Longer than any function lives: time passes only while nobody works.
const LEASE_SECONDS: i64 = 90;

/// What people and their systems do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    Enroll,
    Reply,
    Pause,
    ResumeKeep,
    ResumeRestart,
    Skip,
    SendNow,
    Exit,
    Migrate(u32),
    /// The target's date: hours from the beginning.
    Move(i64),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    Letter(Letter),
    /// `times`: how often it was tried. `since`: what the model wants back of a pause or a moved date.
    Ask {
        ask: Ask,
        times: u8,
        since: Option<u8>,
    },
    Report {
        call: usize,
        status: DeliveryStatus,
    },
    Sweep,
}

#[derive(Debug, Clone)]
pub(super) enum Answer {
    Done,
    Run(Box<Enrollment>),
    /// Refused for good: there is nothing to repeat.
    No,
}

/// A handler that waits at a call.
#[derive(Clone)]
pub(super) struct Handler {
    pub work: Work,
    pub label: u64,
    log: Log,
    heard: u64,
    pub op: &'static str,
}

impl std::fmt::Debug for Handler {
    /// What it will do follows from its work and from what it has heard.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x} {:x} {}", self.label, self.heard, self.op)
    }
}

pub(super) enum Went {
    Waits(Handler),
    Ended(Result<Answer, String>),
}

/// Begins work: runs up to the first call.
pub(super) fn begin(world: World, work: Work) -> (World, u64, Went) {
    let label = digest(&work);
    let (world, went) = run(world, &Handler { work, label, log: Vec::new(), heard: 0, op: "" }, None);
    (world, label, went)
}

/// Lets a handler make the call at which it waits, and run up to the next one.
pub(super) fn go_on(world: World, handler: &Handler, grant: Grant) -> (World, Went) {
    run(world, handler, Some(grant))
}

/// Whether somebody has called: futures inside a handler may want another turn.
#[derive(Default)]
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn run(world: World, handler: &Handler, grant: Option<Grant>) -> (World, Went) {
    let enrollment = world.enrollment_id();
    let play = Play::new(world, handler.label, handler.log.clone(), handler.heard, grant);
    let mut future = future(&play, &handler.work, enrollment);
    let called = Arc::new(Called::default());
    let waker = Waker::from(called.clone());
    let ended = loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => break Some(answer),
            Poll::Pending if called.0.swap(false, Ordering::Relaxed) => {}
            Poll::Pending => break None,
        }
    };
    drop(future);
    let stage = play.end().expect("the handler that held the other end is gone");
    let went = match ended {
        Some(answer) => Went::Ended(answer),
        None => Went::Waits(Handler {
            work: handler.work.clone(),
            label: handler.label,
            log: stage.log,
            heard: stage.heard,
            op: stage.waiting.expect("a handler waits at a call"),
        }),
    };
    (stage.world, went)
}

type Running = Pin<Box<dyn Future<Output = Result<Answer, String>>>>;

fn future(play: &Play, work: &Work, enrollment: Option<EnrollmentId>) -> Running {
    let engine = Engine::<PlayPorts> {
        store: play.clone(),
        timers: play.clone(),
        queues: play.clone(),
        clock: play.clone(),
        random: play.clone(),
        secrets: play.clone(),
        channels: play.clone(),
        config: Config {
            lease_seconds: LEASE_SECONDS,
            cache_settings: false,
            credentials_seconds: 30,
            operator_key_hash: None,
            tokens: engine::Tokens::new(&[7; 32], "https://ritmo.test"),
        },
        cache: play.stage().world.cache.clone(),
    };
    let text = |e: engine::PortError| e.to_string();
    match work {
        Work::Letter(letter) => {
            let (queue, body) = (letter.queue, letter.body.clone());
            Box::pin(async move {
                let bad = |e: serde_json::Error| e.to_string();
                match queue {
                    Queue::Step => engine.step(&decode(&body).map_err(bad)?).await.map(drop),
                    Queue::Send => engine.send(&decode(&body).map_err(bad)?).await.map(drop),
                    Queue::Inbound => engine.apply_queued(&decode(&body).map_err(bad)?).await,
                }
                .map_err(text)?;
                Ok(Answer::Done)
            })
        }
        Work::Sweep => Box::pin(async move { engine.sweep().await.map(|_| Answer::Done).map_err(text) }),
        Work::Report { call, status } => {
            let (sender, event) = {
                let stage = play.stage();
                (stage.world.sender, stage.world.report(*call, *status))
            };
            Box::pin(
                async move { applied(engine.apply(sender, vec![event]).await).map(|()| Answer::Done).map_err(text) },
            )
        }
        Work::Ask { ask, .. } => {
            let ask = *ask;
            Box::pin(async move { answer(self::ask(&engine, ask, enrollment).await) })
        }
    }
}

fn answer(done: Result<Answer, Refused>) -> Result<Answer, String> {
    match done {
        Ok(answer) => Ok(answer),
        Err(Refused::Rule { .. } | Refused::Unknown { .. }) => Ok(Answer::No),
        Err(other) => Err(other.to_string()),
    }
}

async fn ask(engine: &Engine<PlayPorts>, ask: Ask, enrollment: Option<EnrollmentId>) -> Result<Answer, Refused> {
    let (tenant, contact, sender, sequence, now) = {
        let world = &engine.store.stage().world;
        (world.tenant, world.contact, world.sender, world.sequence, Timestamp(world.now))
    };
    let action = match ask {
        Ask::Enroll => {
            let request = EnrollRequest {
                entry: 1,
                sequence,
                contact,
                conversation: None,
                target: Some(target()),
                start_at: None,
                source: Source { type_: SourceType::Manual, name: None },
                by: "ana@example.com".into(),
                // A second ago: whatever happens from now on counts.
                since: Timestamp(START - 1),
                trigger: None,
            };
            return engine.enroll(tenant, &request).await.map(|done| Answer::Run(Box::new(done.enrollment)));
        }
        Ask::Reply => {
            let message = InboundMessage {
                id: "reply".into(),
                from: vec![Identity::WaId(PHONE.into())],
                at: now,
                kind: InboundKind::Text,
                text: Some("bom dia".into()),
                in_reply_to: None,
                name: None,
            };
            applied(engine.apply(sender, vec![InboundEvent::Message(message)]).await)?;
            return Ok(Answer::Done);
        }
        Ask::Move(hours) => {
            let date = json!(Timestamp(START).plus_hours(hours).to_string());
            let change = TargetChange::Merge([("starts_at".to_owned(), date)].into());
            return match engine.put_target(tenant, contact, &target(), &change).await {
                Ok(_) => Ok(Answer::Done),
                Err(Invalid::Refused(refused)) => Err(refused),
                Err(Invalid::Faults(faults)) => panic!("a play asks for nonsense: {faults:?}"),
            };
        }
        Ask::Pause => Action::Pause,
        Ask::ResumeKeep => Action::Resume(ResumeMode::KeepSchedule),
        Ask::ResumeRestart => Action::Resume(ResumeMode::RestartWait),
        Ask::Skip => Action::Skip,
        Ask::SendNow => Action::SendNow,
        Ask::Exit => Action::Exit { reason: None },
        Ask::Migrate(version) => Action::Migrate { version },
    };
    let Some(id) = enrollment else { return Ok(Answer::No) };
    engine.control(tenant, id, &action).await.map(|e| Answer::Run(Box::new(e)))
}

pub(super) fn target() -> TargetRef {
    TargetRef { kind: TargetKind::Appointment, id: "visit".into() }
}

/// The target's date, as the API takes it.
pub(super) fn date(hours: i64) -> Value {
    json!(Timestamp(START).plus_hours(hours).to_string())
}

/// What is queued is not applied yet: the provider is answered 5xx, and comes again.
fn applied(told: Result<Told, PortError>) -> Result<(), PortError> {
    match told? {
        Told::Applied => Ok(()),
        Told::Queued => Err(PortError::Transient("queued".into())),
    }
}
