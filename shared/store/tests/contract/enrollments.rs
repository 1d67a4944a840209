//! Who wins an enrollment.

use domain::contact::Profile;
use domain::enrollment::{Enrollment, Outcome, State};
use domain::ids::{ContactId, EnrollmentId};
use domain::time::Timestamp;
use engine::ports::{Claim, DUE_SHARDS, DueEntry, Inserted, Saved, Store};
use futures::future::join_all;

use super::{NOW, RACERS, World, enrollment, next};

pub(super) fn claimed(claim: Claim) -> Option<Enrollment> {
    match claim {
        Claim::Claimed(e) => Some(*e),
        Claim::Refused(_) => None,
    }
}

pub async fn what_is_written_is_read(store: &impl Store) {
    let mut w = World::new();
    let e = w.enrollment();
    assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(None));
    assert_eq!(store.insert_enrollment(w.tenant, &e).await, Ok(Inserted::Yes));
    assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(Some(e.clone())));
    let other = World::new();
    assert_eq!(store.enrollment(other.tenant, e.id).await, Ok(None), "another account sees nothing");
}

pub async fn one_of_many_inserts_wins(store: &impl Store) {
    let mut w = World::new();
    let id = w.enrollment_id();
    let rivals: Vec<Enrollment> = (0..RACERS)
        .map(|n| {
            let mut e = enrollment(id);
            e.body.entered.by = format!("key {n}");
            e
        })
        .collect();
    let results = join_all(rivals.iter().map(|e| store.insert_enrollment(w.tenant, e))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(Inserted::Yes)).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let winner = &rivals[won[0]];
    for (n, result) in results.into_iter().enumerate().filter(|(n, _)| *n != won[0]) {
        assert_eq!(result, Ok(Inserted::Exists(winner.clone())), "rival {n}");
    }
    // The winner's answer was lost: its repeat is told that it won.
    assert_eq!(store.insert_enrollment(w.tenant, winner).await, Ok(Inserted::Yes));
}

pub async fn one_of_many_claims_wins(store: &impl Store) {
    let mut w = World::new();
    let e = w.enrollment();
    store.insert_enrollment(w.tenant, &e).await.unwrap();
    let leases: Vec<_> = (0..RACERS).map(|n| w.lease(&format!("token {n}"), 2)).collect();
    let results = join_all(leases.iter().map(|lease| store.claim(w.tenant, e.id, 1, 0, lease))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| matches!(results[*n], Ok(Claim::Claimed(_)))).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let winner = &leases[won[0]];
    let expected = e.claimed(winner.clone());
    for (n, result) in results.into_iter().enumerate() {
        let expected = Box::new(expected.clone());
        let expected = if n == won[0] { Claim::Claimed(expected) } else { Claim::Refused(Some(expected)) };
        assert_eq!(result, Ok(expected), "claim {n}");
    }
    // The winner's answer was lost: the same claim again finds its own token.
    let again = store.claim(w.tenant, e.id, 1, 0, winner).await;
    assert_eq!(again, Ok(Claim::Claimed(Box::new(expected.clone()))));
    assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(Some(expected)), "and changed nothing");
}

pub async fn a_claim_needs_its_generation_step_and_state(store: &impl Store) {
    let mut w = World::new();
    let e = w.enrollment();
    store.insert_enrollment(w.tenant, &e).await.unwrap();
    let lease = w.lease("token", 2);
    let refused = Ok(Claim::Refused(Some(Box::new(e.clone()))));
    assert_eq!(store.claim(w.tenant, e.id, 2, 0, &lease).await, refused);
    assert_eq!(store.claim(w.tenant, e.id, 1, 1, &lease).await, refused);
    for state in [State::Paused, State::Finished(Outcome::Replied)] {
        let mut there = w.enrollment();
        there.state = state;
        there.wake = None;
        store.insert_enrollment(w.tenant, &there).await.unwrap();
        let claim = store.claim(w.tenant, there.id, 1, 0, &lease).await;
        assert_eq!(claim, Ok(Claim::Refused(Some(Box::new(there)))));
    }
    assert_eq!(store.claim(w.tenant, w.enrollment_id(), 1, 0, &lease).await, Ok(Claim::Refused(None)));
}

pub async fn a_commit_is_over_the_revision_before(store: &impl Store) {
    let mut w = World::new();
    let e = w.enrollment();
    store.insert_enrollment(w.tenant, &e).await.unwrap();
    let rivals: Vec<Enrollment> =
        (0..RACERS).map(|n| next(&e, |next| next.due = Some(NOW.plus_hours(n as i64 + 1)))).collect();
    let results = join_all(rivals.iter().map(|e| store.commit(w.tenant, e, None))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(Saved::Yes)).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let winner = rivals[won[0]].clone();
    for (_, result) in results.into_iter().enumerate().filter(|(n, _)| *n != won[0]) {
        assert_eq!(result, Ok(Saved::No(Some(winner.clone()))));
    }
    assert_eq!(store.commit(w.tenant, &winner, None).await, Ok(Saved::Yes), "a lost answer");
    // On a revision that is two behind, the loser gets what stands there.
    let later = next(&winner, |n| n.state = State::Paused);
    assert_eq!(store.commit(w.tenant, &later, None).await, Ok(Saved::Yes));
    assert_eq!(store.commit(w.tenant, &winner, None).await, Ok(Saved::No(Some(later.clone()))));
    assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(Some(later)));
}

pub async fn nothing_rises_from_the_dead(store: &impl Store) {
    let mut w = World::new();
    let never = next(&w.enrollment(), |_| {});
    assert_eq!(store.commit(w.tenant, &never, None).await, Ok(Saved::No(None)));
    let entry = DueEntry { wake: NOW, tenant: w.tenant, enrollment: never.id };
    assert_eq!(store.push_back(entry, 1, NOW.plus_hours(1), 1).await, Ok(false));
    assert_eq!(store.enrollment(w.tenant, never.id).await, Ok(None));
}

async fn due(store: &impl Store, id: EnrollmentId, until: Timestamp) -> Vec<DueEntry> {
    let mut found = Vec::new();
    for shard in 0..DUE_SHARDS {
        let entries = store.due(shard, until, 100).await.unwrap();
        found.extend(entries.into_iter().filter(|entry| entry.enrollment == id));
    }
    found
}

pub async fn the_due_index_follows_wake(store: &impl Store) {
    let mut w = World::new();
    let e = w.enrollment();
    store.insert_enrollment(w.tenant, &e).await.unwrap();
    let wake = e.wake.unwrap();
    let entry = DueEntry { wake, tenant: w.tenant, enrollment: e.id };
    assert_eq!(due(store, e.id, wake.plus_seconds(-1)).await, [], "not yet");
    assert_eq!(due(store, e.id, wake).await, [entry]);
    // In flight it stays, so that a send that dies is found; so does a finished one's open send.
    let sending = claimed(store.claim(w.tenant, e.id, 1, 0, &w.lease("t", 2)).await.unwrap()).unwrap();
    assert_eq!(due(store, e.id, wake).await, [entry]);
    let finished = next(&sending, |n| n.state = State::Finished(Outcome::Replied));
    assert_eq!(store.commit(w.tenant, &finished, None).await, Ok(Saved::Yes));
    assert_eq!(due(store, e.id, wake).await, [entry]);
    let settled = next(&finished, |n| {
        n.lease = None;
        n.wake = None;
    });
    assert_eq!(store.commit(w.tenant, &settled, None).await, Ok(Saved::Yes));
    assert_eq!(due(store, e.id, NOW.plus_days(365)).await, []);
}

pub async fn due_is_earliest_first_and_limited(store: &impl Store) {
    let mut w = World::new();
    let contact = ContactId::new(&mut w.ids);
    for minutes in [5, 3, 4, 1, 2] {
        let mut e = w.enrollment();
        e.id.contact = contact;
        e.wake = Some(NOW.plus_minutes(minutes));
        store.insert_enrollment(w.tenant, &e).await.unwrap();
    }
    let mut found = Vec::new();
    for shard in 0..DUE_SHARDS {
        let entries = store.due(shard, NOW.plus_days(1), 3).await.unwrap();
        assert!(entries.len() <= 3);
        found.extend(entries.into_iter().filter(|entry| entry.tenant == w.tenant));
    }
    let wakes: Vec<i64> = found.iter().map(|entry| entry.wake.seconds_since(NOW) / 60).collect();
    assert_eq!(wakes, [1, 2, 3]);
}

pub async fn a_push_back_loses_to_every_new_plan(store: &impl Store) {
    let mut w = World::new();
    let e = w.enrollment();
    store.insert_enrollment(w.tenant, &e).await.unwrap();
    let entry = DueEntry { wake: e.wake.unwrap(), tenant: w.tenant, enrollment: e.id };
    let later = entry.wake.plus_minutes(2);
    assert_eq!(store.push_back(entry, 2, later, 1).await, Ok(false), "another generation");
    assert_eq!(store.push_back(entry, 1, later, 1).await, Ok(true));
    assert_eq!(store.push_back(entry, 1, later, 1).await, Ok(true), "a lost answer");
    assert_eq!(store.push_back(entry, 1, later.plus_minutes(1), 1).await, Ok(false), "another sweep was first");
    let mut pushed = e.clone();
    (pushed.wake, pushed.swept) = (Some(later), 1);
    assert_eq!(store.enrollment(w.tenant, e.id).await, Ok(Some(pushed.clone())), "no new revision");
    assert_eq!(due(store, e.id, NOW.plus_days(1)).await, [DueEntry { wake: later, ..entry }]);
    // A commit that was computed before the push-back goes through; its answer lost, a push-back
    // in between does not make it a loss.
    let paused = next(&e, |n| (n.state, n.wake) = (State::Waiting, Some(NOW.plus_hours(3))));
    assert_eq!(store.commit(w.tenant, &paused, None).await, Ok(Saved::Yes));
    let entry = DueEntry { wake: NOW.plus_hours(3), ..entry };
    assert_eq!(store.push_back(entry, 2, NOW.plus_hours(4), 1).await, Ok(true));
    assert_eq!(store.commit(w.tenant, &paused, None).await, Ok(Saved::Yes));
    // The claim starts the count of push-backs anew.
    let sending = claimed(store.claim(w.tenant, e.id, 2, 0, &w.lease("t", 3)).await.unwrap()).unwrap();
    assert_eq!(sending.swept, 0);
}

pub async fn a_person_is_everything_hot_at_once(store: &impl Store) {
    let mut w = World::new();
    let contact = w.contact(Profile::default());
    assert_eq!(store.person(w.tenant, contact.id).await, Ok(None));
    store.save_contact(w.tenant, &contact, &[], &[]).await.unwrap();
    let mut runs = Vec::new();
    for run in [1, 2, 10] {
        let mut e = w.enrollment();
        e.id = EnrollmentId { contact: contact.id, sequence: w.enrollment_id().sequence, scope: [0; 8], run };
        store.insert_enrollment(w.tenant, &e).await.unwrap();
        runs.push(e);
    }
    let person = store.person(w.tenant, contact.id).await.unwrap().unwrap();
    assert_eq!(person.contact, contact);
    let mut found = person.enrollments;
    found.sort_by_key(|e| e.id.run);
    assert_eq!(found, runs);
}
