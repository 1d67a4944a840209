//! The sweep: whatever was lost is made up for, whoever is still at work is left alone, and it costs
//! by what is overdue, never by what waits.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use domain::enrollment::{AttemptResult, Enrollment, Outcome, State, StepStatus};
use domain::ids::{AttemptRef, ContactId, EnrollmentId};
use domain::message::{AttemptText, DeliveryStatus, InboundEvent, SendOutcome, StatusUpdate};
use domain::time::Timestamp;
use engine::control::Action;
use engine::ports::DUE_SHARDS;
use engine::queue::StepDue;
use engine::sweep::{GRACE_SECONDS, Swept};
use testkit::memory::{Answer, MemoryStore, Shop, due_shard};

/// 2026-03-09T12:30:00Z, a Monday.
const NOW: Timestamp = Timestamp(1_773_059_400);
/// How long a send's outcome may stay unknown.
const RESOLVE_SECONDS: i64 = 15 * 60;
const LEASE_SECONDS: i64 = 90;

async fn shop() -> Shop<MemoryStore> {
    Shop::open(MemoryStore::default(), NOW).await
}

/// Every timer that would have fired is lost.
fn lose_timers(shop: &Shop<MemoryStore>) {
    drop(shop.engine.timers.fire(Timestamp(i64::MAX)));
}

/// What it found and repaired; for how long that had been overdue is looked at by a test of its own.
async fn sweep_at(shop: &Shop<MemoryStore>, at: Timestamp) -> Swept {
    shop.now(at);
    Swept { oldest: 0, ..shop.engine.sweep().await.unwrap() }
}

fn swept(found: u32, repaired: u32) -> Swept {
    Swept { found, repaired, oldest: 0 }
}

const NOTHING: Swept = Swept { found: 0, repaired: 0, oldest: 0 };
const PASSED_OVER: Swept = Swept { found: 1, repaired: 0, oldest: 0 };
const REPAIRED: Swept = Swept { found: 1, repaired: 1, oldest: 0 };

/// The step messages that are there now, worked on.
async fn step(shop: &Shop<MemoryStore>) -> usize {
    let fired = shop.engine.timers.fire(shop.engine.now());
    for timer in &fired {
        shop.engine.step(&timer.due).await.unwrap();
    }
    fired.len()
}

/// The planned sends that are there now, worked on.
async fn send(shop: &Shop<MemoryStore>) -> usize {
    let planned = std::mem::take(&mut *shop.engine.queues.sends.lock().unwrap());
    for planned in &planned {
        shop.engine.send(planned).await.unwrap();
    }
    planned.len()
}

/// The worker dies between claim and settle: it has called the provider, or was about to.
async fn die_while_sending(shop: &Shop<MemoryStore>) {
    shop.engine.channels.answer(Answer::Never);
    assert_eq!(step(shop).await, 1);
    let planned = shop.engine.queues.sends.lock().unwrap().pop().unwrap();
    let (engine, called) = (shop.engine.clone(), shop.engine.channels.clone());
    let worker = tokio::spawn(async move { engine.send(&planned).await });
    called.called().await;
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
}

fn calls(shop: &Shop<MemoryStore>) -> usize {
    shop.engine.channels.sent().len()
}

fn first(e: &Enrollment) -> (StepStatus, Vec<AttemptResult>) {
    let record = &e.records[0];
    (record.status, record.attempts.iter().map(|a| a.result.clone()).collect())
}

#[tokio::test]
async fn a_lost_timer_is_made_up_for() {
    let shop = shop().await;
    let e = shop.enroll(1).await;
    lose_timers(&shop);
    assert_eq!(sweep_at(&shop, NOW.plus_seconds(GRACE_SECONDS - 1)).await, NOTHING, "it may still come");
    assert_eq!(sweep_at(&shop, NOW.plus_seconds(GRACE_SECONDS)).await, REPAIRED);
    assert_eq!((step(&shop).await, send(&shop).await), (1, 1));
    assert_eq!(calls(&shop), 1);
    assert_eq!(first(&shop.stored(e.id).await).0, StepStatus::Sent);
    // So is the next one's, days later.
    lose_timers(&shop);
    let wake = shop.stored(e.id).await.wake.unwrap();
    assert_eq!(sweep_at(&shop, wake.plus_seconds(GRACE_SECONDS)).await, REPAIRED);
    assert_eq!((step(&shop).await, send(&shop).await), (1, 1));
    assert_eq!(shop.stored(e.id).await.state, State::Finished(Outcome::Completed));
}

#[tokio::test]
async fn a_lost_send_is_planned_again_and_goes_out_once() {
    let shop = shop().await;
    let e = shop.enroll(1).await;
    assert_eq!(step(&shop).await, 1);
    let late = shop.engine.queues.sends.lock().unwrap().pop().unwrap();
    assert_eq!(sweep_at(&shop, NOW.plus_seconds(GRACE_SECONDS)).await, REPAIRED);
    assert_eq!((step(&shop).await, send(&shop).await), (1, 1));
    // It was only late.
    shop.engine.send(&late).await.unwrap();
    assert_eq!(calls(&shop), 1);
    assert_eq!(first(&shop.stored(e.id).await).1, [AttemptResult::Accepted(DeliveryStatus::Sent)]);
}

#[tokio::test]
async fn a_live_lease_is_passed_over_and_an_expired_one_counts_as_sent_after_its_time() {
    let shop = shop().await;
    let e = shop.enroll(1).await;
    let late = NOW.plus_seconds(GRACE_SECONDS + 60);
    shop.now(late);
    die_while_sending(&shop).await;
    lose_timers(&shop);
    let before = shop.stored(e.id).await;
    assert_eq!(before.state, State::Sending);
    assert_eq!(sweep_at(&shop, late.plus_seconds(LEASE_SECONDS - 1)).await, PASSED_OVER);
    assert_eq!(shop.stored(e.id).await, before, "and not pushed back");
    assert_eq!(shop.engine.timers.waiting(), []);
    // Expired: nobody is going to call, and nobody knows whether it was called.
    assert_eq!(sweep_at(&shop, late.plus_seconds(LEASE_SECONDS)).await, REPAIRED);
    assert_eq!((step(&shop).await, send(&shop).await), (1, 0));
    let resolve_at = late.plus_seconds(RESOLVE_SECONDS);
    let unknown = shop.stored(e.id).await;
    assert_eq!((unknown.state, unknown.wake), (State::Sending, Some(resolve_at)));
    assert_eq!(unknown.lease.as_ref().unwrap().resolve_at, Some(resolve_at));
    // That timer is lost as well.
    lose_timers(&shop);
    assert_eq!(sweep_at(&shop, resolve_at.plus_seconds(GRACE_SECONDS - 1)).await, NOTHING);
    assert_eq!(sweep_at(&shop, resolve_at.plus_seconds(GRACE_SECONDS)).await, REPAIRED);
    assert_eq!((step(&shop).await, send(&shop).await), (1, 0));
    let resolved = shop.stored(e.id).await;
    assert_eq!(first(&resolved), (StepStatus::Sent, vec![AttemptResult::Unknown]));
    assert_eq!((resolved.state, resolved.step, &resolved.lease), (State::Waiting, 1, &None));
    assert_eq!(resolved.records[0].sent_at, Some(late), "when it was claimed");
    assert_eq!(calls(&shop), 1, "never again");
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_the_providers_report() {
    for expired in [false, true] {
        let shop = shop().await;
        let e = shop.enroll(1).await;
        if expired {
            die_while_sending(&shop).await;
            lose_timers(&shop);
            assert_eq!(sweep_at(&shop, NOW.plus_seconds(GRACE_SECONDS)).await, REPAIRED);
            assert_eq!(step(&shop).await, 1);
        } else {
            shop.engine.channels.answer(Answer::Outcome(SendOutcome::Ambiguous));
            assert_eq!((step(&shop).await, send(&shop).await), (1, 1));
        }
        lose_timers(&shop);
        let lease = shop.stored(e.id).await.lease.unwrap();
        let resolve_at = lease.resolve_at.unwrap();
        assert_eq!(resolve_at, NOW.plus_seconds(RESOLVE_SECONDS));
        let report = InboundEvent::Status(StatusUpdate {
            reference: Some(AttemptText(AttemptRef { enrollment: e.id, generation: lease.generation })),
            provider_message_id: "wamid.1".into(),
            status: DeliveryStatus::Delivered,
            at: NOW.plus_seconds(5),
            refusal: None,
        });
        shop.engine.apply(shop.sender, vec![report]).await.unwrap();
        let settled = shop.stored(e.id).await;
        assert_eq!(first(&settled), (StepStatus::Delivered, vec![AttemptResult::Accepted(DeliveryStatus::Delivered)]));
        assert_eq!((settled.state, settled.step, &settled.lease), (State::Waiting, 1, &None));
        assert_eq!(sweep_at(&shop, resolve_at.plus_seconds(GRACE_SECONDS)).await, NOTHING, "nothing is left of it");
        assert_eq!(calls(&shop), 1);
    }
}

#[tokio::test]
async fn a_finished_run_whose_send_died_is_resolved_too() {
    let shop = shop().await;
    let e = shop.enroll(1).await;
    die_while_sending(&shop).await;
    shop.engine.apply(shop.sender, shop.message(1)).await.unwrap();
    let ended = shop.stored(e.id).await;
    assert_eq!(ended.state, State::Finished(Outcome::Replied));
    assert!(ended.lease.is_some() && ended.wake.is_some());
    lose_timers(&shop);
    assert_eq!(sweep_at(&shop, NOW.plus_seconds(GRACE_SECONDS)).await, REPAIRED);
    assert_eq!(step(&shop).await, 1);
    lose_timers(&shop);
    assert_eq!(sweep_at(&shop, NOW.plus_seconds(RESOLVE_SECONDS + GRACE_SECONDS)).await, REPAIRED);
    assert_eq!(step(&shop).await, 1);
    let resolved = shop.stored(e.id).await;
    assert_eq!((resolved.state, &resolved.lease, resolved.wake), (State::Finished(Outcome::Replied), &None, None));
    assert_eq!(first(&resolved), (StepStatus::Sent, vec![AttemptResult::Unknown]));
    assert_eq!(sweep_at(&shop, NOW.plus_days(30)).await, NOTHING, "it has left the index");
    assert_eq!(calls(&shop), 1);
}

/// Sweeps once a minute, each step message lost again; seconds between the repairs.
async fn gaps(shop: &Shop<MemoryStore>, repairs: usize) -> Vec<i64> {
    let mut at = Vec::new();
    while at.len() < repairs {
        let now = shop.engine.now().plus_seconds(60);
        let swept = sweep_at(shop, now).await;
        if swept.repaired == 1 {
            at.push(now);
        }
        lose_timers(shop);
    }
    at.windows(2).map(|pair| pair[1].seconds_since(pair[0])).collect()
}

#[tokio::test]
async fn what_stays_overdue_is_tried_ever_more_rarely_until_its_plan_changes() {
    let shop = shop().await;
    let e = shop.enroll(1).await;
    lose_timers(&shop);
    // Pushed back by 2, 4, 8 and then 15 minutes, and given the grace again.
    let expected = [240, 360, 600, 1_020, 1_020, 1_020];
    assert_eq!(gaps(&shop, 7).await, expected);
    assert_eq!(shop.stored(e.id).await.swept, 7);
    // A new plan begins anew.
    shop.engine.control(shop.tenant, e.id, &Action::SendNow).await.unwrap();
    assert_eq!(shop.stored(e.id).await.swept, 0);
    lose_timers(&shop);
    assert_eq!(gaps(&shop, 3).await, expected[..2]);
}

#[tokio::test]
async fn overdue_counts_from_the_due_whatever_was_pushed_back() {
    let shop = shop().await;
    shop.enroll(1).await;
    for minutes in [60, 70] {
        lose_timers(&shop);
        shop.now(NOW.plus_minutes(minutes));
        assert_eq!(shop.engine.sweep().await, Ok(Swept { oldest: minutes * 60, ..REPAIRED }));
    }
}

/// An enrollment of a contact of its own, `wake` at an instant, written without a verb.
fn waiting(like: &Enrollment, contact: u64, wake: Timestamp) -> Enrollment {
    let mut raw = [0xff; 12];
    raw[..8].copy_from_slice(&contact.to_be_bytes());
    let id = EnrollmentId { contact: ContactId::from_bytes(raw), ..like.id };
    Enrollment { id, due: Some(wake), wake: Some(wake), ..like.clone() }
}

fn insert(shop: &Shop<MemoryStore>, e: &Enrollment) {
    shop.engine.store.tables().insert_enrollment(shop.tenant, e).unwrap();
}

#[tokio::test]
async fn reads_grow_with_what_is_overdue_and_not_with_what_waits() {
    for waits in [1_000, 100_000] {
        let shop = shop().await;
        let like = shop.enroll(1).await;
        lose_timers(&shop);
        let now = NOW.plus_hours(1);
        for n in 0..waits {
            // From the very second that is not overdue yet on.
            insert(&shop, &waiting(&like, n, now.plus_seconds(1 - GRACE_SECONDS + n as i64)));
        }
        for n in 0..9 {
            insert(&shop, &waiting(&like, waits + n, NOW.plus_minutes(n as i64)));
        }
        drop(shop.engine.store.calls());
        // The ninth and the one that was enrolled: ten.
        assert_eq!(sweep_at(&shop, now).await, swept(10, 10));
        let calls = shop.engine.store.calls();
        let expected = BTreeMap::from([("due", u32::from(DUE_SHARDS)), ("enrollment", 10), ("push_back", 10)]);
        assert_eq!(calls, expected, "with {waits} waiting");
        let queued = shop.engine.timers.waiting();
        assert_eq!(queued.len(), 10);
        assert!(queued.iter().all(|timer| timer.at == now && !timer.scheduled), "{queued:?}");
        // A minute later they are pushed back, and sixty more have come due: those only.
        let next = sweep_at(&shop, now.plus_minutes(1)).await;
        assert_eq!(next, swept(60, 60));
        assert_eq!(shop.engine.store.calls()["enrollment"], 60);
    }
}

#[tokio::test]
async fn ten_thousand_overdue_are_all_reached_earliest_first() {
    let shop = shop().await;
    let like = shop.enroll(1).await;
    lose_timers(&shop);
    // The worst case: all of them in one shard, of which a sweep takes 200.
    let shard = due_shard(like.id.contact);
    let of_shard = |n: &u64| due_shard(waiting(&like, *n, NOW).id.contact) == shard;
    for (order, n) in (0_u64..).filter(of_shard).take(9_999).enumerate() {
        // Written in another order than they are due.
        let seconds = (order as i64 * 7_919) % 9_999;
        insert(&shop, &waiting(&like, n, NOW.plus_seconds(1 + seconds)));
    }
    let start = NOW.plus_hours(4);
    let mut reached: BTreeSet<EnrollmentId> = BTreeSet::new();
    let mut latest = Timestamp(0);
    for tick in 0..50 {
        assert_eq!(sweep_at(&shop, start.plus_minutes(tick)).await, swept(200, 200), "tick {tick}");
        let fired = shop.engine.timers.fire(Timestamp(i64::MAX));
        let mut dues = Vec::new();
        for StepDue { enrollment, .. } in fired.into_iter().map(|timer| timer.due) {
            assert!(reached.insert(enrollment), "twice before all were reached: {enrollment} in tick {tick}");
            dues.push(shop.stored(enrollment).await.due.unwrap());
        }
        assert!(dues.iter().all(|due| *due > latest), "tick {tick} took a later one before");
        latest = dues.into_iter().max().unwrap();
    }
    assert_eq!(reached.len(), 10_000);
}
