//! A reply that was acknowledged, while hundreds of sends of its account stand in the queue: not one
//! later claim for that enrollment.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::enrollment::{Outcome, PlannedSend, State};
use domain::ids::EnrollmentId;
use domain::message::{DeliveryStatus, InboundEvent, StatusUpdate};
use domain::time::Timestamp;
use engine::queue::{InboundWork, MAX_BYTES, encode};
use futures::future::join_all;
use testkit::memory::{MemoryStore, Shop, Verb};

const NOW: Timestamp = Timestamp(1_773_059_400);
/// Who replies.
const ANA: u32 = 250;
const PEOPLE: u32 = 500;
const WORKERS: usize = 8;

struct Queue {
    shop: Shop<MemoryStore>,
    ana: EnrollmentId,
    /// Sends as they were planned, some of them several times, as a queue delivers.
    planned: Vec<PlannedSend>,
}

/// So many people's first sends, planned and buffered.
async fn buffered(people: u32) -> Queue {
    let shop = Shop::open(MemoryStore::default(), NOW).await;
    let mut ana = None;
    for n in 0..people {
        let e = shop.enroll(n).await;
        if n == ANA.min(people / 2) {
            ana = Some(e.id);
        }
    }
    let ana = ana.unwrap();
    shop.now(NOW.plus_seconds(1));
    for timer in shop.engine.timers.fire(NOW.plus_seconds(1)) {
        shop.engine.step(&timer.due).await.unwrap();
    }
    let mut planned = std::mem::take(&mut *shop.engine.queues.sends.lock().unwrap());
    assert_eq!(planned.len(), people as usize);
    // Ana's comes five times, wide apart; every tenth of the others' twice.
    let hers = planned.iter().find(|p| p.enrollment == ana).unwrap().clone();
    let others = planned.iter().filter(|p| p.enrollment != ana).step_by(10).cloned().collect::<Vec<_>>();
    for part in 0..4 {
        planned.insert(planned.len() * part / 4, hers.clone());
    }
    planned.extend(others);
    shop.engine.store.tables().watched = Some(Vec::new());
    Queue { shop, ana, planned }
}

impl Queue {
    /// How many claims of Ana's enrollment were written, from the `from`th write on.
    fn claims(&self, from: usize) -> usize {
        let tables = self.shop.engine.store.tables();
        let writes = tables.watched.as_ref().unwrap()[from..].iter();
        writes.filter(|w| w.verb == Verb::Claim && w.after.id == self.ana).count()
    }

    fn writes(&self) -> usize {
        self.shop.engine.store.tables().watched.as_ref().unwrap().len()
    }

    /// Provider calls by enrollment.
    fn calls(&self) -> BTreeMap<EnrollmentId, u32> {
        let mut calls = BTreeMap::new();
        for outbound in self.shop.engine.channels.sent() {
            *calls.entry(outbound.reference.enrollment).or_default() += 1;
        }
        calls
    }

    fn reply(&self, people: u32) -> Vec<InboundEvent> {
        self.shop.message(ANA.min(people / 2))
    }

    async fn work(&self) {
        // Workers take messages in turn and stand in each other's way at every port call.
        join_all((0..WORKERS).map(|worker| async move {
            for planned in self.planned.iter().skip(worker).step_by(WORKERS) {
                self.shop.engine.send(planned).await.unwrap();
            }
        }))
        .await;
    }

    async fn check_the_end(&self, people: u32, sent_to_ana: u32) {
        let calls = self.calls();
        assert_eq!(calls.get(&self.ana).copied().unwrap_or(0), sent_to_ana);
        let others: Vec<u32> = calls.iter().filter(|(id, _)| **id != self.ana).map(|(_, n)| *n).collect();
        assert_eq!(others, vec![1; people as usize - 1], "everybody else's went out once each");
        let end = self.shop.stored(self.ana).await;
        assert_eq!((end.state, &end.lease, end.wake), (State::Finished(Outcome::Replied), &None, None));
    }
}

#[tokio::test]
async fn nothing_is_claimed_after_the_answer_however_much_is_buffered() {
    let queue = buffered(PEOPLE).await;
    assert_eq!(queue.planned.len(), 554);
    queue.shop.engine.apply(queue.shop.sender, queue.reply(PEOPLE)).await.unwrap();
    let answered = queue.writes();
    queue.work().await;
    assert_eq!(queue.claims(answered), 0);
    queue.check_the_end(PEOPLE, 0).await;
}

/// Lets the others go on so often.
async fn pause(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// The reply comes while workers claim, a little later each time: before, between and after all that
/// her send does.
#[tokio::test]
async fn nothing_is_claimed_after_the_answer_while_workers_claim() {
    const FEW: u32 = 24;
    let (mut before, mut after) = (0, 0);
    for later in 0..100 {
        let queue = buffered(FEW).await;
        let work = async {
            pause(20).await;
            queue.work().await;
        };
        let reply = async {
            pause(later).await;
            queue.shop.engine.apply(queue.shop.sender, queue.reply(FEW)).await.unwrap();
            queue.writes()
        };
        let ((), answered) = futures::join!(work, reply);
        assert_eq!(queue.claims(answered), 0, "{later}");
        // What was claimed before is in flight: it goes out, once, and is recorded.
        let claimed = queue.claims(0);
        assert!(claimed <= 1, "{later}");
        queue.check_the_end(FEW, claimed as u32).await;
        let records = queue.shop.stored(queue.ana).await.body.records;
        assert_eq!(records.iter().map(|r| r.attempts.len()).sum::<usize>(), claimed, "{later}");
        before += usize::from(claimed == 0);
        after += claimed;
    }
    assert!(before > 0 && after > 0, "the reply was first {before} times, her send {after} times");
}

/// A body with more reports than a queue's message holds is queued in several, and none is lost.
#[tokio::test]
async fn a_body_larger_than_a_message_is_queued_in_several() {
    let shop = Arc::new(Shop::open(MemoryStore::default(), NOW).await);
    let report = |n: usize| {
        InboundEvent::Status(StatusUpdate {
            reference: None,
            provider_message_id: format!("wamid.{n:0>300}"),
            status: DeliveryStatus::Delivered,
            at: NOW,
            refusal: None,
        })
    };
    let reports: Vec<InboundEvent> = (0..9_050).map(report).collect();
    shop.engine.apply(shop.sender, reports.clone()).await.unwrap();
    let queued = shop.engine.queues.inbounds.lock().unwrap().clone();
    assert!(queued.len() > 1 && queued.iter().all(|work| encode(work).len() <= MAX_BYTES), "{}", queued.len());
    let events = |work| match work {
        InboundWork::Events { events, .. } => events,
        InboundWork::Payment { .. } => panic!("nobody paid"),
    };
    let events: Vec<InboundEvent> = queued.into_iter().flat_map(events).collect();
    assert_eq!(events, reports[50..], "in their order, but for the first fifty, which are applied at once");
}
