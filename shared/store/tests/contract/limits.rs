//! A sender's rate: no slot is given twice.

use std::collections::BTreeSet;

use domain::ids::SenderId;
use engine::ports::Store;
use futures::future::join_all;

use super::{NOW, RACERS, World};

const SPACING: i64 = 400_000;
const NOW_MICROS: i64 = NOW.0 * 1_000_000;

pub async fn slots_are_evenly_spaced_from_now_on(store: &impl Store) {
    let mut w = World::new();
    let (one, other) = (SenderId::of(w.tenant, &mut w.ids), SenderId::of(w.tenant, &mut w.ids));
    let latest = NOW.plus_days(1);
    for n in 0..4 {
        assert_eq!(store.reserve(one, SPACING, NOW, latest).await, Ok(Some(NOW_MICROS + n * SPACING)));
    }
    assert_eq!(store.reserve(other, SPACING, NOW, latest).await, Ok(Some(NOW_MICROS)), "each has its own");
    // A clock that is behind, and an hour in which nothing went out: neither sets the time back or
    // saves slots up.
    let behind = store.reserve(one, SPACING, NOW.plus_seconds(-60), latest).await;
    assert_eq!(behind, Ok(Some(NOW_MICROS + 4 * SPACING)));
    let later = NOW.plus_hours(1);
    assert_eq!(store.reserve(one, SPACING, later, latest).await, Ok(Some(later.0 * 1_000_000)));
    assert_eq!(store.reserve(one, SPACING, later, latest).await, Ok(Some(later.0 * 1_000_000 + SPACING)));
    // Another rate counts from the next slot on.
    let slower = store.reserve(one, 10 * SPACING, later, latest).await;
    assert_eq!(slower, Ok(Some(later.0 * 1_000_000 + 2 * SPACING)));
}

pub async fn none_is_taken_after_the_latest(store: &impl Store) {
    let mut w = World::new();
    let sender = SenderId::of(w.tenant, &mut w.ids);
    let last = NOW.plus_seconds(1);
    for n in 0..3 {
        assert_eq!(store.reserve(sender, SPACING, NOW, last).await, Ok(Some(NOW_MICROS + n * SPACING)));
    }
    for _ in 0..3 {
        assert_eq!(store.reserve(sender, SPACING, NOW, last).await, Ok(None));
    }
    let free = store.reserve(sender, SPACING, NOW, NOW.plus_seconds(2)).await;
    assert_eq!(free, Ok(Some(NOW_MICROS + 3 * SPACING)), "those who got none took none");
    assert_eq!(store.reserve(sender, SPACING, NOW, NOW.plus_seconds(-1)).await, Ok(None));
}

pub async fn reservers_at_once_get_slots_of_their_own(store: &impl Store) {
    let mut w = World::new();
    let latest = NOW.plus_days(1);
    // The first slot ever, the first after a quiet hour, and those behind it.
    let sender = SenderId::of(w.tenant, &mut w.ids);
    for hour in [0, 1, 1, 2] {
        let now = NOW.plus_hours(hour);
        let all = join_all((0..RACERS).map(|_| store.reserve(sender, SPACING, now, latest))).await;
        let slots: BTreeSet<i64> = all.into_iter().map(|slot| slot.unwrap().unwrap()).collect();
        assert_eq!(slots.len(), RACERS);
        let steps: BTreeSet<i64> = slots.iter().zip(slots.iter().skip(1)).map(|(a, b)| b - a).collect();
        assert_eq!(steps, BTreeSet::from([SPACING]));
    }
}
