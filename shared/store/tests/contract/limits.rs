//! A sender's limits: no slot and no message of a day is given twice.

use std::collections::BTreeSet;

use domain::enrollment::{DaySlot, Enrollment};
use domain::ids::SenderId;
use domain::time::{NaiveDate, Zone, civil_day};
use engine::ports::{Inserted, Saved, Store};
use futures::future::join_all;

use super::{NOW, RACERS, World, next};

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
    // A crowd for which the time is too short: as many as there is time for.
    let (crowd, last) = (SenderId::of(w.tenant, &mut w.ids), NOW.plus_seconds(1));
    let all = join_all((0..RACERS).map(|_| store.reserve(crowd, SPACING, NOW, last))).await;
    let mut slots: Vec<_> = all.into_iter().flat_map(|slot| slot.unwrap()).collect();
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2].map(|n| NOW_MICROS + n * SPACING));
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

fn today() -> NaiveDate {
    civil_day(Zone::UTC, NOW)
}

/// How many messages of a day are left, of so many; they are taken.
async fn left(store: &impl Store, slot: DaySlot, allowance: u32) -> u32 {
    let mut left = 0;
    while store.take_day(slot, allowance).await.unwrap() {
        left += 1;
    }
    left
}

pub async fn a_day_has_so_many_messages(store: &impl Store) {
    let mut w = World::new();
    let slot = DaySlot { sender: SenderId::of(w.tenant, &mut w.ids), day: today() };
    assert_eq!(left(store, slot, 3).await, 3);
    assert_eq!(store.take_day(slot, 3).await, Ok(false));
    // Another allowance counts with those that are taken.
    assert_eq!(left(store, slot, 5).await, 2);
    assert_eq!(store.take_day(slot, 1).await, Ok(false));
    let tomorrow = DaySlot { day: today().succ_opt().unwrap(), ..slot };
    let other = DaySlot { sender: SenderId::of(w.tenant, &mut w.ids), ..slot };
    assert_eq!((left(store, tomorrow, 2).await, left(store, other, 1).await), (2, 1), "each has its own");
}

pub async fn takers_at_once_get_no_more_than_the_day_has(store: &impl Store) {
    let mut w = World::new();
    let slot = DaySlot { sender: SenderId::of(w.tenant, &mut w.ids), day: today() };
    let allowance = RACERS as u32 - 3;
    let all = join_all((0..RACERS).map(|_| store.take_day(slot, allowance))).await;
    assert_eq!(all.into_iter().filter(|taken| *taken == Ok(true)).count(), RACERS - 3);
    // Fewer than ask at once, of a day that has been asked for and of one that has not.
    let tomorrow = DaySlot { day: today().succ_opt().unwrap(), ..slot };
    for slot in [slot, tomorrow] {
        let more = store.take_day(slot, RACERS as u32).await;
        assert_eq!(more, Ok(true));
        let all = join_all((0..RACERS).map(|_| store.take_day(slot, RACERS as u32))).await;
        let expected = if slot == tomorrow { RACERS - 1 } else { 2 };
        assert_eq!(all.into_iter().filter(|taken| *taken == Ok(true)).count(), expected);
    }
}

pub async fn the_first_day_stays(store: &impl Store) {
    let mut w = World::new();
    let (one, other) = (SenderId::of(w.tenant, &mut w.ids), SenderId::of(w.tenant, &mut w.ids));
    let tomorrow = today().succ_opt().unwrap();
    let days = [today(), tomorrow];
    let firsts = join_all((0..RACERS).map(|n| store.first_day(one, days[n % 2]))).await;
    let first = firsts[0].clone().unwrap();
    assert!(firsts.iter().all(|day| *day == Ok(first)), "{firsts:?}");
    assert_eq!(store.first_day(one, tomorrow).await, Ok(first));
    assert_eq!(store.first_day(other, tomorrow).await, Ok(tomorrow));
}

/// A run that is stored, and a message of its sender's day, of which there was one.
async fn holding(store: &impl Store, w: &mut World) -> (Enrollment, DaySlot) {
    let slot = DaySlot { sender: SenderId::of(w.tenant, &mut w.ids), day: today() };
    let mut e = w.enrollment();
    e.body.day = Some(slot);
    assert_eq!(store.insert_enrollment(w.tenant, &e).await, Ok(Inserted::Yes));
    assert_eq!(left(store, slot, 1).await, 1);
    (e, slot)
}

pub async fn what_is_written_gives_back_once(store: &impl Store) {
    let mut w = World::new();
    let (e, slot) = holding(store, &mut w).await;
    let paused = next(&e, |e| e.body.day = None);
    assert_eq!(store.commit(w.tenant, &paused, Some(slot)).await, Ok(Saved::Yes));
    // The same once more, whose first answer was lost.
    assert_eq!(store.commit(w.tenant, &paused, Some(slot)).await, Ok(Saved::Yes));
    assert_eq!(left(store, slot, 1).await, 1);
    // What was not written gives nothing back.
    let late = next(&e, |e| e.body.send_now = true);
    assert_eq!(store.commit(w.tenant, &late, Some(slot)).await, Ok(Saved::No(Some(paused.clone()))));
    let never = w.enrollment();
    assert_eq!(store.commit(w.tenant, &never, Some(slot)).await, Ok(Saved::No(None)));
    assert_eq!(left(store, slot, 1).await, 0);
    // A day that nobody counts any more is no reason not to write.
    let gone = DaySlot { day: today().pred_opt().unwrap(), ..slot };
    let after = next(&paused, |e| e.body.send_now = true);
    assert_eq!(store.commit(w.tenant, &after, Some(gone)).await, Ok(Saved::Yes));
    assert_eq!(left(store, gone, 1).await, 1);
    assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(Some(after)));
}

pub async fn of_rivals_one_gives_back(store: &impl Store) {
    let mut w = World::new();
    let (e, slot) = holding(store, &mut w).await;
    let rivals: Vec<_> = (0..RACERS).map(|n| next(&e, |e| e.step = n as u32)).collect();
    let all = join_all(rivals.iter().map(|e| store.commit(w.tenant, e, Some(slot)))).await;
    assert_eq!(all.into_iter().filter(|saved| *saved == Ok(Saved::Yes)).count(), 1);
    assert_eq!(left(store, slot, 1).await, 1);
}
