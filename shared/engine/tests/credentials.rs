//! Credentials that another process replaced, while this one still holds the old ones.
#![allow(clippy::unwrap_used)]

use domain::enrollment::State;
use domain::message::{Reaction, Refusal, SendOutcome};
use domain::time::Timestamp;
use engine::PortError;
use engine::ports::{Secrets as _, Store as _};
use engine::send::{CallResult, Sent};
use serde_json::{Value, json};
use testkit::memory::{Answer, MemoryStore, Shop};

const NOW: Timestamp = Timestamp(1_773_059_400);

async fn shop() -> Shop<MemoryStore> {
    let shop = Shop::open(MemoryStore::default(), NOW).await;
    replace(&shop, "one").await;
    shop
}

/// Behind this process's back.
async fn replace(shop: &Shop<MemoryStore>, token: &str) {
    let stored = json!({"access_token": token, "previous": [{"access_token": "zero", "until": NOW.plus_hours(1).0}]});
    shop.engine.secrets.put_secret(shop.tenant, &shop.sender.to_string(), &stored).await.unwrap();
}

fn expired(shop: &Shop<MemoryStore>) {
    let refusal = Refusal { reaction: Reaction::Sender, code: "190".into(), retry_after: None };
    shop.engine.channels.answer(Answer::Outcome(SendOutcome::Refused(refusal)));
}

/// The `n`th customer's first step, as far as it goes at this instant.
async fn send(shop: &Shop<MemoryStore>, n: u32, at: Timestamp) -> CallResult {
    shop.now(at);
    shop.enroll(n).await;
    sent(shop, at).await
}

async fn sent(shop: &Shop<MemoryStore>, at: Timestamp) -> CallResult {
    shop.now(at);
    for timer in shop.engine.timers.fire(at) {
        shop.engine.step(&timer.due).await.unwrap();
    }
    let planned = std::mem::take(&mut *shop.engine.queues.sends.lock().unwrap());
    assert_eq!(planned.len(), 1);
    match shop.engine.send(&planned[0]).await.unwrap() {
        Sent::Called { result, .. } => result,
        other => panic!("{other:?}"),
    }
}

fn used(shop: &Shop<MemoryStore>) -> Vec<Value> {
    shop.engine.channels.used()
}

async fn is_suspended(shop: &Shop<MemoryStore>) -> bool {
    shop.engine.store.sender(shop.sender).await.unwrap().unwrap().suspended.is_some()
}

#[tokio::test]
async fn they_are_read_again_before_their_sender_is_blamed() {
    let shop = shop().await;
    assert_eq!(send(&shop, 1, NOW).await, CallResult::Accepted);
    replace(&shop, "two").await;
    let later = NOW.plus_seconds(60);
    expired(&shop);
    assert_eq!(send(&shop, 2, later).await, CallResult::Retried);
    assert!(!is_suspended(&shop).await);
    // By itself, a minute later, with the new ones.
    assert_eq!(sent(&shop, later.plus_seconds(120)).await, CallResult::Accepted);
    let (one, two) = (json!({"access_token": "one"}), json!({"access_token": "two"}));
    assert_eq!(used(&shop), [one.clone(), one, two], "and never with those before them");
}

#[tokio::test]
async fn those_that_are_the_stored_ones_are_blamed_at_once() {
    let shop = shop().await;
    expired(&shop);
    assert_eq!(send(&shop, 1, NOW).await, CallResult::SenderSuspended);
    assert!(is_suspended(&shop).await);
}

#[tokio::test]
async fn whoever_cannot_read_them_blames_nobody() {
    let shop = shop().await;
    expired(&shop);
    assert_eq!(
        shop.engine.credentials(shop.tenant, &shop.sender.to_string()).await.unwrap().as_deref(),
        Some(&json!({"access_token": "one"}))
    );
    shop.engine.secrets.fail(PortError::Throttled("GetParameter".into()));
    assert_eq!(send(&shop, 1, NOW).await, CallResult::Retried);
    assert!(!is_suspended(&shop).await);
    // Before the claim, too: the message comes again.
    shop.engine.forget(shop.tenant);
    let later = NOW.plus_seconds(120);
    shop.now(later);
    for timer in shop.engine.timers.fire(later) {
        shop.engine.step(&timer.due).await.unwrap();
    }
    let planned = std::mem::take(&mut *shop.engine.queues.sends.lock().unwrap());
    shop.engine.secrets.fail(PortError::Throttled("GetParameter".into()));
    assert_eq!(shop.engine.send(&planned[0]).await, Err(PortError::Throttled("GetParameter".into())));
    assert_eq!(used(&shop).len(), 1);
    let standing = shop.stored(planned[0].enrollment).await;
    assert_eq!(standing.state, State::Waiting, "nobody is parked");
}

#[tokio::test]
async fn they_are_kept_for_ten_minutes() {
    let shop = shop().await;
    for (n, seconds) in [0, 1, 599].into_iter().enumerate() {
        send(&shop, u32::try_from(n).unwrap(), NOW.plus_seconds(seconds)).await;
    }
    assert_eq!(shop.engine.secrets.reads(), 1);
    send(&shop, 9, NOW.plus_seconds(600)).await;
    assert_eq!(shop.engine.secrets.reads(), 2);
}
