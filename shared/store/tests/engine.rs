//! The engine's verbs on the real store: what a sweep reads, and a reply among workers that claim.

#![allow(clippy::unwrap_used)]
#![allow(unreachable_pub)]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::enrollment::{Enrollment, Outcome, State};
use domain::ids::{ContactId, EnrollmentId};
use domain::time::Timestamp;
use engine::ports::Store as _;
use engine::sweep::{GRACE_SECONDS, Swept};
use futures::future::join_all;
use serde_json::Value;
use store::DynamoStore;
use testkit::memory::{Shop, due_shard};

const NOW: Timestamp = Timestamp(1_773_059_400);

/// Requests by operation and how they read, and the entries that queries looked at.
#[derive(Debug, Clone, Default)]
struct Reads(Arc<Mutex<BTreeMap<String, i32>>>);

impl Reads {
    fn add(&self, what: impl Into<String>, n: i32) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += n;
    }

    fn take(&self) -> Vec<(String, i32)> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().collect()
    }
}

impl Intercept for Reads {
    fn name(&self) -> &'static str {
        "Reads"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let operation = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default())?;
        let strong = if body["ConsistentRead"] == true { ", strong" } else { "" };
        let index = body["IndexName"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
        self.add(format!("{}{index}{strong}", operation.unwrap_or_default()), 1);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let output = context.output_or_error().ok();
        if let Some(query) = output.and_then(|output| output.downcast_ref::<QueryOutput>()) {
            self.add("entries looked at", query.scanned_count());
        }
        Ok(())
    }
}

async fn shop() -> (Client, Reads, Shop<DynamoStore>) {
    let client = common::client(common::database().await);
    store::table::create_table(&client, common::TABLE).await.unwrap();
    let reads = Reads::default();
    let counted = Client::from_conf(client.config().to_builder().interceptor(reads.clone()).build());
    let shop = Shop::open(DynamoStore::new(counted, common::TABLE, &common::SECRET), NOW).await;
    (client, reads, shop)
}

/// An enrollment of a contact of its own, due at an instant.
fn waiting(like: &Enrollment, contact: u32, wake: Timestamp) -> Enrollment {
    let mut raw = [0xff; 12];
    raw[..4].copy_from_slice(&contact.to_be_bytes());
    let id = EnrollmentId { contact: ContactId::from_bytes(raw), ..like.id };
    Enrollment { id, due: Some(wake), wake: Some(wake), ..like.clone() }
}

async fn insert(shop: &Shop<DynamoStore>, all: &[Enrollment]) {
    for some in all.chunks(64) {
        for inserted in join_all(some.iter().map(|e| shop.engine.store.insert_enrollment(shop.tenant, e))).await {
            inserted.unwrap();
        }
    }
}

/// The same with 100,000 waiting is counted on the fake, in `engine`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sweep_reads_what_is_overdue_and_not_what_waits() {
    for waits in [50, 1_000] {
        let (_, reads, shop) = shop().await;
        let like = shop.enroll(1).await;
        drop(shop.engine.timers.fire(Timestamp(i64::MAX)));
        let now = NOW.plus_hours(1);
        let second = |n: u32| i64::from(n);
        let soon = |n| waiting(&like, n, now.plus_seconds(1 - GRACE_SECONDS + second(n)));
        let mut all: Vec<Enrollment> = (0..waits).map(soon).collect();
        all.extend((0..9).map(|n| waiting(&like, waits + n, NOW.plus_seconds(second(n)))));
        insert(&shop, &all).await;
        drop(reads.take());
        shop.now(now);
        assert_eq!(shop.engine.sweep().await, Ok(Swept { found: 10, repaired: 10, oldest: 3_600 }));
        let expected = [("GetItem, strong", 10), ("Query GSI2", 128), ("UpdateItem", 10), ("entries looked at", 10)];
        assert_eq!(reads.take(), expected.map(|(what, n)| (what.to_owned(), n)), "with {waits} waiting");
        assert_eq!(shop.engine.timers.waiting().len(), 10);
    }
}

/// It stays the earliest of its shard for ever, and must not take the net away from the rest.
#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_run_that_cannot_be_read_keeps_the_sweep_from_no_other() {
    let (client, _, shop) = shop().await;
    let like = shop.enroll(1).await;
    drop(shop.engine.timers.fire(Timestamp(i64::MAX)));
    let shard = due_shard(like.id.contact);
    let broken = (0..).map(|n| waiting(&like, n, NOW.plus_seconds(-1))).find(|e| due_shard(e.id.contact) == shard);
    let broken = broken.unwrap();
    insert(&shop, std::slice::from_ref(&broken)).await;
    let items = client.scan().table_name(common::TABLE).send().await.unwrap().items.unwrap();
    let earliest = broken.wake.unwrap().0.to_string();
    let is_broken =
        |item: &&HashMap<String, AttributeValue>| item.get("wake") == Some(&AttributeValue::N(earliest.clone()));
    let mut item = items.iter().find(is_broken).unwrap().clone();
    item.insert("st".into(), AttributeValue::S("of a later version".into()));
    client.put_item().table_name(common::TABLE).set_item(Some(item)).send().await.unwrap();
    shop.now(NOW.plus_hours(1));
    assert_eq!(shop.engine.sweep().await, Ok(Swept { found: 2, repaired: 1, oldest: 3_600 }));
    let repaired: Vec<EnrollmentId> = shop.engine.timers.waiting().iter().map(|timer| timer.due.enrollment).collect();
    assert_eq!(repaired, [like.id]);
}

/// The reply comes while workers claim, her send ever further back in their queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_claimed_after_the_answer_to_a_reply() {
    const PEOPLE: u32 = 16;
    const WORKERS: usize = 4;
    for place in 0..12 {
        let (_, _, shop) = shop().await;
        let shop = Arc::new(shop);
        for n in 0..PEOPLE {
            shop.enroll(n).await;
        }
        for timer in shop.engine.timers.fire(NOW) {
            shop.engine.step(&timer.due).await.unwrap();
        }
        let mut planned = std::mem::take(&mut *shop.engine.queues.sends.lock().unwrap());
        let hers = planned.remove(0);
        let ana = hers.enrollment;
        let number = u32::from_be_bytes(ana.contact.as_bytes()[..4].try_into().unwrap());
        // Three times, as a queue delivers.
        for _ in 0..3 {
            planned.insert(place, hers.clone());
        }
        let planned = Arc::new(planned);
        let work = (0..WORKERS).map(|worker| {
            let (shop, planned) = (shop.clone(), planned.clone());
            tokio::spawn(async move {
                for planned in planned.iter().skip(worker).step_by(WORKERS) {
                    shop.engine.send(planned).await.unwrap();
                }
            })
        });
        let work = join_all(work.collect::<Vec<_>>());
        let reply = async {
            shop.engine.apply(shop.sender, shop.message(number)).await.unwrap();
            shop.stored(ana).await
        };
        let (work, answered) = futures::join!(work, reply);
        work.into_iter().for_each(Result::unwrap);
        assert_eq!(answered.state, State::Finished(Outcome::Replied));
        // What had been claimed by then goes out, or has; nothing else does.
        let claimed = answered.lease.is_some() || answered.records.iter().any(|r| !r.attempts.is_empty());
        let calls = shop.engine.channels.sent();
        let to = |id| calls.iter().filter(|call| call.reference.enrollment == id).count();
        assert_eq!(to(ana), usize::from(claimed), "{place}");
        for other in planned.iter().filter(|p| p.enrollment != ana) {
            assert_eq!(to(other.enrollment), 1, "{place}");
        }
        let end = shop.stored(ana).await;
        assert_eq!((end.state, &end.lease, end.wake), (State::Finished(Outcome::Replied), &None, None));
    }
}
