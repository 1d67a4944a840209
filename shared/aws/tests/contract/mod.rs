//! What any [`Timers`] and [`Queues`] must do, whatever is behind them, seen from where messages
//! arrive. Each function takes what the ports are made of and is told the true time by it.

use domain::enrollment::{MessageForm, PlannedSend};
use domain::ids::{ContactId, EnrollmentId, Ids, JobId, SenderId, SequenceId, TenantId};
use domain::message::{Channel, Identity, InboundEvent, InboundKind, InboundMessage, Message, Recipient};
use domain::time::Timestamp;
use engine::PortError;
use engine::ports::{Queues, Timers};
use engine::queue::{EnrollWork, InboundWork, MAX_BYTES, StepDue, encode};

/// 2026-03-09T12:30:00Z.
pub const NOW: Timestamp = Timestamp(1_773_059_400);

/// The two ports, and what comes of what they are asked.
pub trait Delivered {
    fn timers(&self) -> &impl Timers;
    fn queues(&self) -> &impl Queues;
    /// The true time. A worker's clock shows whole seconds of it.
    fn at_millis(&self, millis: i64);
    /// Every step message that will arrive, in no order.
    fn steps(&self) -> Vec<Arrival>;
    fn sends(&self) -> Vec<PlannedSend>;
    fn enrolls(&self) -> Vec<EnrollWork>;
    fn inbounds(&self) -> Vec<InboundWork>;
}

#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Milliseconds since the epoch.
    pub at: i64,
    /// A one-shot schedule, else a delayed message.
    pub scheduled: bool,
    pub due: StepDue,
}

fn ids() -> Ids {
    Ids::from_seed([1; 32])
}

fn due(generation: u32) -> StepDue {
    let mut ids = ids();
    let enrollment = EnrollmentId {
        contact: ContactId::new(&mut ids),
        sequence: SequenceId::new(&mut ids),
        scope: ids.bytes(),
        run: u32::MAX,
    };
    StepDue { tenant: TenantId::new(&mut ids), enrollment, generation }
}

/// Seconds ahead, on either side of every border: long past, now, 15 minutes, the end of an hour,
/// of a month and of a leap year's February.
const AHEAD: [i64; 12] = [-86_400, -1, 0, 1, 59, 899, 900, 901, 1_800, 86_400, 22 * 86_400, 2 * 366 * 86_400];

pub async fn a_timer_never_fires_before_its_instant(of: &impl Delivered) {
    for (generation, ahead) in (1..).zip(AHEAD) {
        for millis in [0, 1, 999] {
            let (at, before) = (NOW.plus_seconds(ahead), of.steps().len());
            of.at_millis(NOW.0 * 1_000 + millis);
            // A schedule is one for its generation: each has its own.
            let due = due(generation * 1_000 + millis as u32);
            assert_eq!(of.timers().arm(&due, at, NOW).await, Ok(()), "{ahead}");
            let arrived: Vec<Arrival> = of.steps().into_iter().filter(|a| a.due == due).collect();
            let [one] = arrived.as_slice() else { panic!("{ahead}: {arrived:?}") };
            assert_eq!(of.steps().len(), before + 1);
            assert!(one.at >= at.0 * 1_000, "{ahead}: too early, {one:?}");
            assert!(one.at >= NOW.0 * 1_000, "{ahead}: in the past, {one:?}");
            assert!(one.at < at.max(NOW).0 * 1_000 + 1_000, "{ahead}: a second late, {one:?}");
            assert_eq!(one.scheduled, ahead > 900, "{ahead}");
        }
    }
}

pub async fn a_generation_has_one_schedule(of: &impl Delivered) {
    let at = NOW.plus_days(3);
    of.at_millis(NOW.0 * 1_000);
    let (first, second) = (due(1), due(2));
    let (one, other) = futures::join!(of.timers().arm(&first, at, NOW), of.timers().arm(&first, at, NOW));
    assert_eq!((one, other), (Ok(()), Ok(())));
    of.at_millis(NOW.0 * 1_000 + 60_000);
    assert_eq!(of.timers().arm(&first, at, NOW.plus_minutes(1)).await, Ok(()), "later, when it is found again");
    assert_eq!(of.timers().arm(&second, at, NOW).await, Ok(()));
    let mut generations: Vec<u32> = of.steps().iter().map(|a| a.due.generation).collect();
    generations.sort_unstable();
    assert_eq!(generations, [1, 2]);
}

/// Below 15 minutes it is a message: the repeat is another one, which finds its work done.
pub async fn a_short_timer_set_twice_comes_at_its_instant_only(of: &impl Delivered) {
    of.at_millis(NOW.0 * 1_000 + 500);
    let at = NOW.plus_minutes(5);
    for _ in 0..2 {
        assert_eq!(of.timers().arm(&due(1), at, NOW).await, Ok(()));
    }
    let arrived = of.steps();
    assert!((1..=2).contains(&arrived.len()), "{arrived:?}");
    assert!(arrived.iter().all(|a| a.due == due(1) && (0..1_000).contains(&(a.at - at.0 * 1_000))), "{arrived:?}");
}

/// A timer that fired early is set again by a message, never by the schedule whose name it had:
/// in time where 15 minutes reach so far, else early once more.
pub async fn an_early_timer_is_set_again_by_a_message(of: &impl Delivered) {
    of.at_millis(NOW.0 * 1_000);
    let far = NOW.plus_days(3);
    of.timers().arm(&due(1), far, NOW).await.unwrap();
    for (generation, ahead, expected) in [(1, 3 * 86_400, 900), (2, 901, 900), (3, 900, 900), (4, 7, 7), (5, -1, 0)] {
        let due = due(generation);
        assert_eq!(of.timers().arm_again(&due, NOW.plus_seconds(ahead), NOW).await, Ok(()));
        let arrived: Vec<Arrival> = of.steps().into_iter().filter(|a| a.due == due && !a.scheduled).collect();
        assert_eq!(arrived, [Arrival { at: (NOW.0 + expected) * 1_000, scheduled: false, due }], "{ahead}");
    }
    assert_eq!(of.steps().iter().filter(|a| a.scheduled).count(), 1, "the schedule stands as it was");
}

/// Texts that people and their systems have: all that JSON, XML or UTF-8 could stumble on.
const TEXTS: [&str; 5] = [
    "Olá Ana! Sua fatura de R$ 129,90 está aqui 🎉",
    "",
    "\"quoted\" \\ back\u{8}space\n\ttab\r\u{0}\u{1}\u{1f}\u{7f}",
    "<![CDATA[ ]]> & &amp; \u{2028}\u{2029}\u{feff}\u{fffd}",
    "not characters: \u{fffe}\u{ffff}\u{1fffe}\u{10ffff}",
];

fn planned(text: &str) -> PlannedSend {
    let mut ids = ids();
    let tenant = TenantId::new(&mut ids);
    PlannedSend {
        not_before: None,
        day: None,
        others: Default::default(),
        tenant,
        enrollment: due(1).enrollment,
        generation: u32::MAX,
        step: 3,
        version: 7,
        sender: SenderId::of(tenant, &mut ids),
        channel: Channel::Whatsapp,
        form: MessageForm::Text,
        to: Recipient::Phone("5511987654321".into()),
        message: Message::Text { text: text.into() },
        not_after: NOW,
        contact_zone: Some("America/Sao_Paulo".into()),
        target_dates: [("due_date".to_owned(), text.to_owned())].into(),
        heard: None,
    }
}

fn inbound(texts: &[&str]) -> InboundWork {
    let mut ids = ids();
    let tenant = TenantId::new(&mut ids);
    let event = |text: &&str| {
        InboundEvent::Message(InboundMessage {
            id: "wamid.1".into(),
            from: vec![Identity::WaId("5511987654321".into())],
            at: NOW,
            kind: InboundKind::Text,
            text: Some((*text).to_owned()),
            in_reply_to: None,
            name: Some((*text).to_owned()),
        })
    };
    InboundWork::Events { tenant, sender: SenderId::of(tenant, &mut ids), events: texts.iter().map(event).collect() }
}

pub async fn what_is_queued_arrives_as_it_was(of: &impl Delivered) {
    of.at_millis(NOW.0 * 1_000);
    let sends: Vec<PlannedSend> = TEXTS.iter().map(|text| planned(text)).collect();
    for send in &sends {
        assert_eq!(of.queues().send(send, NOW).await, Ok(()), "{:?}", send.message);
    }
    assert_eq!(of.sends(), sends);
    let work = |part| EnrollWork { tenant: due(1).tenant, job: JobId::from_bytes([7; 9]), part, not_before: None };
    let enrolls = [work(0), work(u32::MAX), work(0)];
    for work in &enrolls {
        assert_eq!(of.queues().enroll(work, NOW).await, Ok(()));
    }
    assert_eq!(of.enrolls(), enrolls, "the same work twice is two messages");
    let inbounds = [inbound(&TEXTS), inbound(&[])];
    for work in &inbounds {
        assert_eq!(of.queues().inbound(work).await, Ok(()));
    }
    assert_eq!(of.inbounds(), inbounds);
    assert_eq!(of.steps(), [], "each on its own queue");
}

/// A queue takes a message of so many bytes and no more: what is too large is refused for good.
pub async fn a_message_has_a_largest_size(of: &impl Delivered) {
    let empty = encode(&inbound(&[""])).len();
    // The text stands there twice.
    let of_size = |bytes: usize| {
        let mut work = inbound(&[&"x".repeat((bytes - empty) / 2)]);
        if (bytes - empty) % 2 == 1
            && let InboundWork::Events { events, .. } = &mut work
            && let Some(InboundEvent::Message(message)) = events.first_mut()
        {
            message.id.push('x');
        }
        work
    };
    let (fits, too_large) = (of_size(MAX_BYTES), of_size(MAX_BYTES + 1));
    assert_eq!((encode(&fits).len(), encode(&too_large).len()), (MAX_BYTES, MAX_BYTES + 1));
    assert_eq!(of.queues().inbound(&fits).await, Ok(()));
    let refused = of.queues().inbound(&too_large).await;
    assert!(matches!(refused, Err(PortError::Poison(_))), "{refused:?}");
    assert_eq!(of.inbounds(), [fits]);
}
