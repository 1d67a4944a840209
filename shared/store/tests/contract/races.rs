//! Two writers of one enrollment: whoever is second learns of the first, in every order.

use domain::enrollment::{Enrollment, Outcome, State};
use domain::ids::EnrollmentId;
use domain::time::Timestamp;
use engine::ports::{Claim, DueEntry, Inserted, Saved, Store};

use super::enrollments::claimed;
use super::{NOW, World, enrollment, next};

/// Who goes first in a race.
#[derive(Clone, Copy)]
enum Order {
    First,
    Second,
    AtOnce,
    AtOnceTheOtherWay,
}

/// Each order for sure, and both at once so often.
fn orders() -> impl Iterator<Item = Order> {
    let at_once = [Order::AtOnce, Order::AtOnceTheOtherWay].into_iter().cycle().take(30);
    [Order::First, Order::Second].into_iter().chain(at_once)
}

/// Runs two calls in an order.
async fn race<A, B>(order: Order, first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, B) {
    match order {
        Order::First => {
            let a = first.await;
            (a, second.await)
        }
        Order::Second => {
            let b = second.await;
            (first.await, b)
        }
        Order::AtOnce => futures::join!(first, second),
        Order::AtOnceTheOtherWay => {
            let (b, a) = futures::join!(second, first);
            (a, b)
        }
    }
}

/// A reply and a claim at the same moment: one of them sees the other.
pub async fn a_claim_and_a_finish_know_of_each_other(store: &impl Store) {
    let mut w = World::new();
    for order in orders() {
        let e = w.enrollment();
        store.insert_enrollment(w.tenant, &e).await.unwrap();
        let lease = w.lease("token", 2);
        let finished = next(&e, |n| {
            n.state = State::Finished(Outcome::Replied);
            n.due = None;
            n.wake = None;
        });
        let claim = store.claim(w.tenant, e.id, 1, 0, &lease);
        let (claim, finish) = race(order, claim, store.commit(w.tenant, &finished, None)).await;
        let standing = match claim.unwrap() {
            Claim::Claimed(now) => {
                assert!(!matches!(order, Order::Second), "claimed after the end");
                assert_eq!(finish, Ok(Saved::No(Some((*now).clone()))));
                *now
            }
            Claim::Refused(now) => {
                assert!(!matches!(order, Order::First), "refused before the end");
                assert_eq!(finish, Ok(Saved::Yes));
                assert_eq!(now, Some(Box::new(finished.clone())));
                finished
            }
        };
        assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(Some(standing)));
    }
}

/// Two requests to enroll one contact, and each is told which run there is.
pub async fn two_enrollments_know_of_each_other(store: &impl Store) {
    let mut w = World::new();
    for order in orders() {
        let id = w.enrollment_id();
        let by = |entry: u64| {
            let mut e = enrollment(id);
            e.body.entered.id = entry;
            e
        };
        let (mine, theirs) = (by(1), by(2));
        let (one, other) =
            race(order, store.insert_enrollment(w.tenant, &mine), store.insert_enrollment(w.tenant, &theirs)).await;
        let standing = store.enrollment(w.tenant, id).await.unwrap().unwrap();
        let expected =
            |e: &Enrollment| Ok(if *e == standing { Inserted::Yes } else { Inserted::Exists(standing.clone()) });
        assert_eq!((one, other), (expected(&mine), expected(&theirs)));
        assert!(standing == mine || standing == theirs);
    }
}

/// A worker comes back after its lease: another has taken its send for unknown meanwhile. One of the
/// two writes, the other is told what stands there, which carries no lease of its own any more.
pub async fn a_late_settlement_and_a_resolution_know_of_each_other(store: &impl Store) {
    let mut w = World::new();
    for order in orders() {
        let e = w.enrollment();
        store.insert_enrollment(w.tenant, &e).await.unwrap();
        let sending = claimed(store.claim(w.tenant, e.id, 1, 0, &w.lease("late", 2)).await.unwrap()).unwrap();
        let done = |by: &str| {
            next(&sending, |n| {
                (n.state, n.step, n.lease) = (State::Waiting, 1, None);
                n.wake = Some(NOW.plus_days(3));
                n.body.entered.by = by.into();
            })
        };
        let (settled, resolved) = (done("the late worker"), done("the sweep"));
        let (settle, resolve) =
            race(order, store.commit(w.tenant, &settled, None), store.commit(w.tenant, &resolved, None)).await;
        let standing = store.enrollment(w.tenant, e.id).await.unwrap().unwrap();
        let expected = |e: &Enrollment| Ok(if *e == standing { Saved::Yes } else { Saved::No(Some(standing.clone())) });
        assert_eq!((settle, resolve), (expected(&settled), expected(&resolved)));
        assert!(standing == settled || standing == resolved);
        assert_eq!(standing.lease, None);
    }
}

/// The sweep pushes back what is being written: the write always stands, and the index follows it.
pub async fn a_commit_and_a_push_back_know_of_each_other(store: &impl Store) {
    let mut w = World::new();
    for order in orders() {
        let e = w.enrollment();
        store.insert_enrollment(w.tenant, &e).await.unwrap();
        let entry = DueEntry { wake: e.wake.unwrap(), tenant: w.tenant, enrollment: e.id };
        let planned = next(&e, |n| n.wake = Some(NOW.plus_hours(3)));
        let push = store.push_back(entry, 1, NOW.plus_minutes(5), 1);
        let (commit, push) = race(order, store.commit(w.tenant, &planned, None), push).await;
        assert_eq!(commit, Ok(Saved::Yes));
        match order {
            Order::First => assert_eq!(push, Ok(false)),
            Order::Second => assert_eq!(push, Ok(true)),
            Order::AtOnce | Order::AtOnceTheOtherWay => assert!(push.is_ok(), "{push:?}"),
        }
        assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(Some(planned.clone())));
        let entries = [DueEntry { wake: NOW.plus_hours(3), ..entry }];
        assert_eq!(due_of(store, e.id, NOW.plus_days(1)).await, entries);
    }
}

/// A claim and a push-back leave each other alone: the claim wins, and its entry stays in the index.
pub async fn a_claim_and_a_push_back_know_of_each_other(store: &impl Store) {
    let mut w = World::new();
    for order in orders() {
        let e = w.enrollment();
        store.insert_enrollment(w.tenant, &e).await.unwrap();
        let entry = DueEntry { wake: e.wake.unwrap(), tenant: w.tenant, enrollment: e.id };
        let later = NOW.plus_minutes(5);
        let lease = w.lease("token", 2);
        let claim = store.claim(w.tenant, e.id, 1, 0, &lease);
        let (claim, push) = race(order, claim, store.push_back(entry, 1, later, 1)).await;
        let now = claimed(claim.unwrap()).expect("nobody else claims");
        let wake = if push.unwrap() { later } else { entry.wake };
        assert_eq!((now.wake, now.swept, now.generation), (Some(wake), 0, 2));
        assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(Some(now)));
        assert_eq!(due_of(store, e.id, NOW.plus_days(1)).await, [DueEntry { wake, ..entry }]);
    }
}

/// The entries of one enrollment, by its shard alone.
async fn due_of(store: &impl Store, id: EnrollmentId, until: Timestamp) -> Vec<DueEntry> {
    let entries = store.due(testkit::memory::due_shard(id.contact), until, 100).await.unwrap();
    entries.into_iter().filter(|entry| entry.enrollment == id).collect()
}
