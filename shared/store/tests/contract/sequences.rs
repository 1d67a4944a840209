//! Sequences and their versions.

use domain::content::Templates;
use domain::enrollment::test_send::test_version;
use domain::ids::SequenceId;
use domain::sequence::Sequence;
use engine::model::{StoredSequence, Version};
use engine::ports::{Inserted, Saved, Store};
use futures::future::join_all;
use serde_json::json;

use super::{NOW, RACERS, World};

fn sequence(w: &mut World, name: &str) -> StoredSequence {
    let draft: Sequence = serde_json::from_value(json!({"name": name, "target": "contact", "steps": []})).unwrap();
    StoredSequence {
        id: SequenceId::new(&mut w.ids),
        revision: 1,
        owner: "ana@example.com".into(),
        archived: false,
        published: 0,
        created_at: NOW,
        updated_at: NOW,
        draft,
    }
}

fn version(of: &StoredSequence, number: u32) -> Version {
    Version {
        sequence_id: of.id,
        number,
        published_at: NOW,
        published_by: of.owner.clone(),
        sequence: of.draft.clone(),
        templates: Default::default(),
    }
}

pub async fn a_draft_is_saved_over_its_revision(store: &impl Store) {
    let mut w = World::new();
    let one = sequence(&mut w, "one");
    assert_eq!(store.sequence(w.tenant, one.id).await, Ok(None));
    assert_eq!(store.save_sequence(w.tenant, &one).await, Ok(Saved::Yes));
    let rivals: Vec<StoredSequence> =
        (0..RACERS).map(|n| StoredSequence { revision: 2, owner: format!("owner {n}"), ..one.clone() }).collect();
    let results = join_all(rivals.iter().map(|s| store.save_sequence(w.tenant, s))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(Saved::Yes)).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let winner = &rivals[won[0]];
    for (_, result) in results.into_iter().enumerate().filter(|(n, _)| *n != won[0]) {
        assert_eq!(result, Ok(Saved::No(Some(winner.clone()))));
    }
    assert_eq!(store.save_sequence(w.tenant, winner).await, Ok(Saved::Yes), "a lost answer");
    let two = sequence(&mut w, "two");
    store.save_sequence(w.tenant, &two).await.unwrap();
    let mut all = store.sequences(w.tenant).await.unwrap();
    all.sort_by(|a, b| a.draft.name.cmp(&b.draft.name));
    assert_eq!(all, [winner.clone(), two.clone()]);
    assert_eq!(store.sequences(World::new().tenant).await, Ok(vec![]));
    assert_eq!(store.delete_sequence(w.tenant, two.id).await, Ok(true));
    assert_eq!(store.delete_sequence(w.tenant, two.id).await, Ok(false));
    assert_eq!(store.sequence(w.tenant, two.id).await, Ok(None));
}

pub async fn what_tests_run_on_is_written_once_and_not_listed(store: &impl Store) {
    let mut w = World::new();
    let draft = sequence(&mut w, "one");
    store.save_sequence(w.tenant, &draft).await.unwrap();
    let published = StoredSequence { revision: 2, published: 1, ..draft.clone() };
    let first = version(&draft, 1);
    store.publish(w.tenant, &published, &first).await.unwrap();
    let snapshot = version(&draft, test_version(&draft.draft, &Templates::new(), 0));
    let later = Version { published_by: "rival".into(), ..snapshot.clone() };
    assert_eq!(store.put_test_version(w.tenant, &snapshot).await, Ok(Inserted::Yes));
    assert_eq!(store.put_test_version(w.tenant, &snapshot).await, Ok(Inserted::Yes), "a lost answer");
    assert_eq!(store.put_test_version(w.tenant, &later).await, Ok(Inserted::Exists(snapshot.clone())));
    assert_eq!(store.version(w.tenant, draft.id, snapshot.number).await, Ok(Some(snapshot)));
    assert_eq!(store.versions(w.tenant, draft.id).await, Ok(vec![first]));
    assert_eq!(store.version(World::new().tenant, draft.id, later.number).await, Ok(None));
}

pub async fn publishing_writes_both_or_nothing(store: &impl Store) {
    let mut w = World::new();
    let draft = sequence(&mut w, "one");
    store.save_sequence(w.tenant, &draft).await.unwrap();
    let published = StoredSequence { revision: 2, published: 1, ..draft.clone() };
    let first = version(&draft, 1);
    assert_eq!(store.publish(w.tenant, &published, &first).await, Ok(Saved::Yes));
    assert_eq!(store.publish(w.tenant, &published, &first).await, Ok(Saved::Yes), "a lost answer");
    assert_eq!(store.sequence(w.tenant, draft.id).await, Ok(Some(published.clone())));
    assert_eq!(store.version(w.tenant, draft.id, 1).await, Ok(Some(first.clone())));
    // Overtaken: neither is written.
    let stale = StoredSequence { owner: "rival".into(), ..published.clone() };
    let other = version(&draft, 2);
    assert_eq!(store.publish(w.tenant, &stale, &other).await, Ok(Saved::No(Some(published.clone()))));
    assert_eq!(store.version(w.tenant, draft.id, 2).await, Ok(None));
    // A version never changes.
    let again = StoredSequence { revision: 3, ..published.clone() };
    let changed = Version { published_by: "rival".into(), ..first.clone() };
    assert_eq!(store.publish(w.tenant, &again, &changed).await, Ok(Saved::No(Some(published.clone()))));
    assert_eq!(store.version(w.tenant, draft.id, 1).await, Ok(Some(first.clone())));
    let (ten, second) = (version(&draft, 10), version(&draft, 2));
    let at = |revision| StoredSequence { revision, ..published.clone() };
    assert_eq!(store.publish(w.tenant, &at(3), &ten).await, Ok(Saved::Yes));
    assert_eq!(store.publish(w.tenant, &at(4), &second).await, Ok(Saved::Yes));
    assert_eq!(store.versions(w.tenant, draft.id).await, Ok(vec![first, second, ten]));
}
