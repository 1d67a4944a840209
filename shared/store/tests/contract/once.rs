//! What counts once.

use engine::model::IdempotencyRecord;
use engine::ports::{Begun, Store};
use futures::future::join_all;

use super::{NOW, RACERS, World};

fn answer(hash: &str) -> IdempotencyRecord {
    IdempotencyRecord {
        body_hash: hash.into(),
        status: 201,
        content_type: "application/json".into(),
        body: br#"{"secret":"rk_1"}"#.to_vec(),
    }
}

fn key(w: &World) -> String {
    format!("{} POST /v1/contacts key-1", w.tenant)
}

pub async fn one_of_many_requests_with_a_key_runs(store: &impl Store) {
    let w = World::new();
    let key = key(&w);
    let seeds: Vec<[u8; 32]> = (0..RACERS as u8).map(|n| [n; 32]).collect();
    let results = join_all(seeds.iter().map(|seed| store.begin(&key, "hash", *seed, NOW))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(Begun::Run { seed: seeds[*n] })).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|r| **r == Ok(Begun::InProgress)).count(), RACERS - 1, "{results:?}");
    let seed = seeds[won[0]];
    assert_eq!(store.begin(&key, "hash", seed, NOW).await, Ok(Begun::Run { seed }), "a lost answer");
    assert_eq!(store.begin(&key, "other", [99; 32], NOW).await, Ok(Begun::Mismatch));
    assert_eq!(store.finish(&key, &answer("hash"), NOW).await, Ok(()));
    assert_eq!(store.begin(&key, "hash", [99; 32], NOW).await, Ok(Begun::Done(answer("hash"))));
    assert_eq!(store.begin(&key, "other", [99; 32], NOW).await, Ok(Begun::Mismatch));
    assert_eq!(store.abandon(&key).await, Ok(()), "too late");
    assert_eq!(store.begin(&key, "hash", [99; 32], NOW).await, Ok(Begun::Done(answer("hash"))));
    let nearly = NOW.plus_hours(24).plus_seconds(-1);
    assert_eq!(store.begin(&key, "hash", [99; 32], nearly).await, Ok(Begun::Done(answer("hash"))));
    let expired = NOW.plus_hours(24);
    assert_eq!(store.begin(&key, "other", [99; 32], expired).await, Ok(Begun::Run { seed: [99; 32] }));
}

/// Again and again: who reads before whom is a matter of luck.
pub async fn a_lapsed_request_is_taken_over_with_its_seed(store: &impl Store) {
    for _ in 0..20 {
        take_over(store).await;
    }
}

async fn take_over(store: &impl Store) {
    let w = World::new();
    let key = key(&w);
    let first = [1; 32];
    assert_eq!(store.begin(&key, "hash", first, NOW).await, Ok(Begun::Run { seed: first }));
    let alive = NOW.plus_seconds(29);
    assert_eq!(store.begin(&key, "hash", [2; 32], alive).await, Ok(Begun::InProgress));
    let lapsed = NOW.plus_seconds(30);
    assert_eq!(store.begin(&key, "other", [2; 32], lapsed).await, Ok(Begun::Mismatch));
    let seeds: Vec<[u8; 32]> = (0..RACERS as u8).map(|n| [n + 10; 32]).collect();
    let results = join_all(seeds.iter().map(|seed| store.begin(&key, "hash", *seed, lapsed))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(Begun::Run { seed: first })).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|r| **r == Ok(Begun::InProgress)).count(), RACERS - 1, "{results:?}");
    let again = store.begin(&key, "hash", seeds[won[0]], lapsed).await;
    assert_eq!(again, Ok(Begun::Run { seed: first }), "a lost answer");
    let alive = lapsed.plus_seconds(29);
    assert_eq!(store.begin(&key, "hash", [3; 32], alive).await, Ok(Begun::InProgress), "a lease of its own");
}

pub async fn a_key_given_back_is_free(store: &impl Store) {
    let w = World::new();
    let key = key(&w);
    assert_eq!(store.abandon(&key).await, Ok(()), "nothing there");
    store.begin(&key, "hash", [1; 32], NOW).await.unwrap();
    assert_eq!(store.abandon(&key).await, Ok(()));
    assert_eq!(store.begin(&key, "other", [2; 32], NOW).await, Ok(Begun::Run { seed: [2; 32] }));
}
