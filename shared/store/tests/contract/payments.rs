//! Payment sources, what matched nobody, and who has a target of some name.

use std::collections::BTreeMap;

use domain::contact::{Profile, Target, TargetRef};
use domain::ids::{ContactId, SourceId};
use domain::payment::{PaymentProvider, PaymentSource};
use domain::sequence::TargetKind;
use domain::signal::Marks;
use engine::PortError;
use engine::model::{Unmatched, UnmatchedReason};
use engine::ports::{ContactSaved, Saved, Store};
use futures::future::join_all;
use serde_json::json;

use super::{NOW, RACERS, World};

fn source(w: &mut World) -> PaymentSource {
    PaymentSource {
        id: SourceId::of(w.tenant, &mut w.ids),
        rev: 1,
        created_at: NOW,
        name: "Loja".into(),
        provider: PaymentProvider::Asaas,
        config: json!({}),
    }
}

pub async fn sources_are_listed_and_saved_over_their_revision(store: &impl Store) {
    let mut w = World::new();
    let (one, two) = (source(&mut w), source(&mut w));
    for source in [&one, &one, &two] {
        assert_eq!(store.save_source(w.tenant, source).await, Ok(Saved::Yes), "also a repeat");
    }
    assert_eq!(store.source(one.id).await, Ok(Some(one.clone())));
    let mut all = store.sources(w.tenant).await.unwrap();
    all.sort_by_key(|s| s.id != one.id);
    assert_eq!(all, [one.clone(), two.clone()]);
    let renamed = |rev, name: &str| PaymentSource { rev, name: name.into(), ..one.clone() };
    assert_eq!(store.save_source(w.tenant, &renamed(2, "Matriz")).await, Ok(Saved::Yes));
    let lost = store.save_source(w.tenant, &renamed(2, "Filial")).await;
    assert_eq!(lost, Ok(Saved::No(Some(renamed(2, "Matriz")))), "somebody was faster");
    let other = World::new();
    assert!(matches!(store.save_source(other.tenant, &one).await, Err(PortError::Poison(_))));
    assert_eq!(store.sources(other.tenant).await, Ok(vec![]));
    assert_eq!(store.delete_source(one.id).await, Ok(true));
    assert_eq!(store.delete_source(one.id).await, Ok(false));
    assert_eq!(store.source(one.id).await, Ok(None));
    assert_eq!(store.save_source(w.tenant, &renamed(3, "Matriz")).await, Ok(Saved::No(None)), "nothing rises");
}

pub async fn what_matched_nobody_is_one_entry_until_it_expires(store: &impl Store) {
    let mut w = World::new();
    let (id, other) = (source(&mut w).id, source(&mut w).id);
    let entry = |key: &str, minutes| Unmatched {
        source: id,
        reason: UnmatchedReason::NoMatch,
        key: key.into(),
        at: NOW.plus_minutes(minutes),
        received_at: NOW.plus_minutes(minutes),
        event: None,
    };
    let (first, second, third) = (entry("a", 0), entry("b", 1), entry("c", 2));
    for entry in [&second, &first, &third, &second] {
        assert_eq!(store.put_unmatched(entry).await, Ok(()));
    }
    let page = store.unmatched(id, NOW, None, 2).await.unwrap();
    assert_eq!(page.data, [third.clone(), second.clone()], "newest first, each once");
    let cursor = page.next_cursor.unwrap();
    assert_eq!(store.unmatched(id, NOW, Some(&cursor), 2).await.unwrap().data, [first]);
    assert!(store.unmatched(other, NOW, Some(&cursor), 2).await.is_err(), "another list's cursor");
    assert_eq!(store.unmatched(other, NOW, None, 2).await.unwrap().data, []);
    // Whether or not it has been deleted by then.
    let later = second.expires_at();
    assert_eq!(store.unmatched(id, later, None, 5).await.unwrap().data, [third]);
}

fn target(id: &str) -> Target {
    Target {
        kind: TargetKind::Charge,
        id: id.into(),
        rev: 1,
        attributes: BTreeMap::new(),
        changed_at: Default::default(),
        marks: Marks::default(),
    }
}

fn named(id: &str) -> TargetRef {
    TargetRef { kind: TargetKind::Charge, id: id.into() }
}

pub async fn everybody_with_a_target_is_found_by_its_name(store: &impl Store) {
    let mut w = World::new();
    let (ana, bia) = (w.contact(Profile::default()), w.contact(Profile::default()));
    for contact in [&ana, &bia] {
        assert_eq!(store.save_contact(w.tenant, contact, &[], &[]).await, Ok(ContactSaved::Yes));
    }
    let owners = async |id: &str| -> Vec<ContactId> {
        let mut found = store.owners(w.tenant, &named(id)).await.unwrap();
        found.sort();
        found
    };
    assert_eq!(owners("pay_1").await, []);
    for (contact, id) in [(&ana, "pay_1"), (&bia, "pay_1"), (&ana, "pay_2"), (&ana, "pay_1")] {
        assert_eq!(store.save_target(w.tenant, contact.id, &target(id)).await, Ok(Saved::Yes));
    }
    let mut both = [ana.id, bia.id];
    both.sort();
    assert_eq!(owners("pay_1").await, both);
    assert_eq!(owners("pay_2").await, [ana.id]);
    let deal = TargetRef { kind: TargetKind::Deal, ..named("pay_1") };
    assert_eq!(store.owners(w.tenant, &deal).await, Ok(vec![]), "a deal of the same name");
    assert_eq!(store.owners(World::new().tenant, &named("pay_1")).await, Ok(vec![]), "another account's");
    // A change that finds no target makes nobody its owner.
    let lost = Target { rev: 4, ..target("pay_3") };
    assert_eq!(store.save_target(w.tenant, ana.id, &lost).await, Ok(Saved::No(None)));
    assert_eq!(owners("pay_3").await, []);
}

/// Whoever has read a target finds its owner, however many write it at once: a payment that comes after
/// the target was seen anywhere cannot miss it.
pub async fn a_target_is_never_seen_before_its_owner_is_found(store: &impl Store) {
    let mut w = World::new();
    let contact = w.contact(Profile::default());
    assert_eq!(store.save_contact(w.tenant, &contact, &[], &[]).await, Ok(ContactSaved::Yes));
    for n in 0..10 {
        let id = format!("pay_{n}");
        let writes = (0..RACERS).map(|racer| {
            let mut target = target(&id);
            target.attributes.insert("racer".into(), json!(racer));
            async move { store.save_target(w.tenant, contact.id, &target).await.unwrap() }
        });
        let look = async {
            loop {
                let person = store.person(w.tenant, contact.id).await.unwrap().unwrap();
                if person.target(&named(&id)).is_some() {
                    return store.owners(w.tenant, &named(&id)).await.unwrap();
                }
            }
        };
        let (saved, found) = futures::join!(join_all(writes), look);
        assert_eq!(saved.iter().filter(|saved| **saved == Saved::Yes).count(), 1, "one of them made it");
        assert_eq!(found, [contact.id]);
    }
}
