//! People, and who may be found by what.

use std::collections::BTreeMap;
use std::slice::from_ref;

use domain::contact::{Contact, Conversation, Profile, Target};
use domain::ids::SenderId;
use domain::message::Identity;
use domain::sequence::TargetKind;
use domain::signal::Signal;
use engine::ports::{ContactSaved, Saved, Store};
use futures::future::join_all;
use serde_json::json;

use super::{NOW, RACERS, World};

const PHONE: &str = "+5511987654321";

fn with_phone() -> Profile {
    Profile { phone: Some(PHONE.into()), ..Profile::default() }
}

pub async fn a_contact_is_found_by_its_identities(store: &impl Store) {
    let mut w = World::new();
    let profile = Profile {
        first_name: Some("Ana".into()),
        email: Some("ana@example.com".into()),
        attributes: BTreeMap::from([
            ("whole".into(), json!(1.0)),
            ("huge".into(), json!(1e300)),
            ("nested".into(), json!({"a": [null, "", {"b": true}]})),
        ]),
        ..with_phone()
    };
    let contact = w.contact(profile);
    let all = contact.identities();
    assert_eq!(store.save_contact(w.tenant, &contact, &all, &[]).await, Ok(ContactSaved::Yes));
    assert_eq!(store.contact(w.tenant, contact.id).await, Ok(Some(contact.clone())));
    for identity in &all {
        assert_eq!(store.find_contact(w.tenant, identity).await, Ok(Some(contact.id)), "{identity:?}");
    }
    assert_eq!(store.find_contact(w.tenant, &Identity::WaId("5511987654321".into())).await, Ok(None));
    let other = World::new();
    assert_eq!(store.find_contact(other.tenant, &all[0]).await, Ok(None), "another account");
    assert_eq!(store.contact(other.tenant, contact.id).await, Ok(None), "another account");
}

pub async fn one_of_two_contacts_gets_the_phone(store: &impl Store) {
    let mut w = World::new();
    let phone = Identity::Phone(PHONE.into());
    let rivals: Vec<Contact> = (0..RACERS).map(|_| w.contact(with_phone())).collect();
    let gained = [phone.clone()];
    let results = join_all(rivals.iter().map(|c| store.save_contact(w.tenant, c, &gained, &[]))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(ContactSaved::Yes)).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let winner = &rivals[won[0]];
    for (n, result) in results.into_iter().enumerate().filter(|(n, _)| *n != won[0]) {
        assert_eq!(result, Ok(ContactSaved::Taken(vec![(phone.clone(), winner.id)])));
        assert_eq!(store.contact(w.tenant, rivals[n].id).await, Ok(None), "nothing of the loser is written");
    }
    assert_eq!(store.find_contact(w.tenant, &phone).await, Ok(Some(winner.id)));
    assert_eq!(store.save_contact(w.tenant, winner, &gained, &[]).await, Ok(ContactSaved::Yes), "a lost answer");
}

pub async fn every_identity_that_is_taken_is_named(store: &impl Store) {
    let mut w = World::new();
    let (phone, email) = (Identity::Phone(PHONE.into()), Identity::Email("b@example.com".into()));
    let free = Identity::External("free".into());
    let one = w.contact(with_phone());
    let two = w.contact(Profile { email: Some("b@example.com".into()), ..Profile::default() });
    store.save_contact(w.tenant, &one, from_ref(&phone), &[]).await.unwrap();
    store.save_contact(w.tenant, &two, from_ref(&email), &[]).await.unwrap();
    let third = w.contact(Profile::default());
    let wanted = [free.clone(), phone.clone(), email.clone(), phone.clone()];
    let saved = store.save_contact(w.tenant, &third, &wanted, &[]).await.unwrap();
    let ContactSaved::Taken(mut taken) = saved else { panic!("{saved:?}") };
    taken.sort();
    assert_eq!(taken, [(phone, one.id), (email, two.id)]);
    assert_eq!(store.find_contact(w.tenant, &free).await, Ok(None), "all or nothing");
}

pub async fn a_contact_is_written_over_the_revision_before(store: &impl Store) {
    let mut w = World::new();
    let contact = w.contact(with_phone());
    let phone = Identity::Phone(PHONE.into());
    store.save_contact(w.tenant, &contact, from_ref(&phone), &[]).await.unwrap();
    let change = |n: usize| {
        let mut c = contact.clone();
        c.rev = 2;
        c.profile.first_name = Some(format!("name {n}"));
        c
    };
    let rivals: Vec<Contact> = (0..RACERS).map(change).collect();
    // Half of them gain an identity too, so that single writes race with transactions.
    let gain = |n: usize| if n.is_multiple_of(2) { vec![Identity::External(format!("id {n}"))] } else { vec![] };
    let results = join_all(rivals.iter().enumerate().map(|(n, c)| async move {
        loop {
            match store.save_contact(w.tenant, c, &gain(n), &[]).await {
                Err(engine::PortError::Throttled(_)) => {}
                other => return other,
            }
        }
    }))
    .await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(ContactSaved::Yes)).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|r| **r == Ok(ContactSaved::Stale)).count(), RACERS - 1, "{results:?}");
    let winner = &rivals[won[0]];
    assert_eq!(store.contact(w.tenant, contact.id).await, Ok(Some(winner.clone())));
    for n in 0..RACERS {
        let found = store.find_contact(w.tenant, &Identity::External(format!("id {n}"))).await;
        assert_eq!(found, Ok((n == won[0] && n.is_multiple_of(2)).then_some(contact.id)), "identity {n}");
    }
    let again = store.save_contact(w.tenant, winner, &gain(won[0]), &[]).await;
    assert_eq!(again, Ok(ContactSaved::Yes), "a lost answer");
    assert_eq!(store.save_contact(w.tenant, &contact, &[phone], &[]).await, Ok(ContactSaved::Stale), "created twice");
}

pub async fn an_identity_moves(store: &impl Store) {
    let mut w = World::new();
    let phone = Identity::Phone(PHONE.into());
    let mut from = w.contact(with_phone());
    let mut to = w.contact(Profile::default());
    store.save_contact(w.tenant, &from, from_ref(&phone), &[]).await.unwrap();
    store.save_contact(w.tenant, &to, &[], &[]).await.unwrap();
    from.rev = 2;
    from.profile.phone = None;
    let moved = [phone.clone()];
    assert_eq!(store.save_contact(w.tenant, &from, &[], &moved).await, Ok(ContactSaved::Yes));
    assert_eq!(store.find_contact(w.tenant, &phone).await, Ok(None));
    to.rev = 2;
    to.profile.phone = Some(PHONE.into());
    assert_eq!(store.save_contact(w.tenant, &to, &moved, &[]).await, Ok(ContactSaved::Yes));
    // Giving up what belongs to somebody else by now leaves it with them.
    from.rev = 3;
    let gains = [Identity::External("x".into())];
    let lost = [phone.clone(), Identity::External("never had".into())];
    assert_eq!(store.save_contact(w.tenant, &from, &gains, &lost).await, Ok(ContactSaved::Yes));
    assert_eq!(store.find_contact(w.tenant, &phone).await, Ok(Some(to.id)));
    assert_eq!(store.find_contact(w.tenant, &gains[0]).await, Ok(Some(from.id)));
}

/// As many as one transaction writes, each once however often it is named.
pub async fn a_contact_has_so_many_identities(store: &impl Store) {
    let mut w = World::new();
    let contact = w.contact(Profile::default());
    let mut gained: Vec<Identity> = (0..99).map(|n| Identity::External(format!("{n}"))).collect();
    gained.push(gained[0].clone());
    let lost = [gained[1].clone()];
    assert_eq!(store.save_contact(w.tenant, &contact, &gained, &lost).await, Ok(ContactSaved::Yes));
    assert_eq!(store.find_contact(w.tenant, &gained[1]).await, Ok(Some(contact.id)), "gained and lost is gained");
    let mut later = contact.clone();
    later.rev = 2;
    let more: Vec<Identity> = (0..100).map(|n| Identity::Email(format!("{n}@example.com"))).collect();
    let refused = store.save_contact(w.tenant, &later, &more, &[]).await;
    assert_eq!(refused, Err(engine::PortError::Poison("a contact with too many identities".into())));
    assert_eq!(store.contact(w.tenant, contact.id).await, Ok(Some(contact)), "nothing is written");
}

pub async fn conversations_and_targets_belong_to_a_person(store: &impl Store) {
    let mut w = World::new();
    let contact = w.contact(Profile::default());
    store.save_contact(w.tenant, &contact, &[], &[]).await.unwrap();
    let mut conversation = Conversation::new("42#a");
    conversation.rev = 1;
    conversation.marks.add(&Signal {
        id: "evt".into(),
        kind: "message.received".into(),
        at: NOW,
        target: None,
        conversation: None,
        data: serde_json::Map::new(),
        decimal_mark: None,
    });
    let target = |kind, id: &str| Target {
        kind,
        id: id.into(),
        rev: 1,
        attributes: BTreeMap::from([("amount".into(), json!("129,90"))]),
        changed_at: None,
        marks: Default::default(),
    };
    let targets = [target(TargetKind::Charge, "1"), target(TargetKind::Deal, "1")];
    assert_eq!(store.save_conversation(w.tenant, contact.id, &conversation).await, Ok(Saved::Yes));
    for target in &targets {
        assert_eq!(store.save_target(w.tenant, contact.id, target).await, Ok(Saved::Yes));
    }
    let person = store.person(w.tenant, contact.id).await.unwrap().unwrap();
    assert_eq!(person.conversations, [conversation.clone()]);
    let mut found = person.targets;
    found.sort_by_key(|t| t.kind.as_str());
    assert_eq!(found, targets);

    // Each is written over its revision before, and knows its own write again.
    let mut later = conversation.clone();
    later.rev = 2;
    later.assignee = None;
    later.status = domain::contact::ConversationStatus::Resolved;
    assert_eq!(store.save_conversation(w.tenant, contact.id, &later).await, Ok(Saved::Yes));
    assert_eq!(store.save_conversation(w.tenant, contact.id, &later).await, Ok(Saved::Yes), "a lost answer");
    let stale = store.save_conversation(w.tenant, contact.id, &conversation).await;
    assert_eq!(stale, Ok(Saved::No(Some(later.clone()))));
    // By its name it is found from the moment on that its sender is known.
    let sender = SenderId::of(w.tenant, &mut w.ids);
    let name = Conversation::named(sender, "42#a");
    assert_eq!(store.owners(w.tenant, &name).await, Ok(vec![]));
    later.rev = 3;
    later.sender_id = Some(sender);
    assert_eq!(store.save_conversation(w.tenant, contact.id, &later).await, Ok(Saved::Yes));
    assert_eq!(store.owners(w.tenant, &name).await, Ok(vec![contact.id]));
    let other = Conversation::named(SenderId::of(w.tenant, &mut w.ids), "42#a");
    assert_eq!(store.owners(w.tenant, &other).await, Ok(vec![]), "another sender's of that number");
    let mut early = targets[0].clone();
    early.rev = 5;
    let stale = store.save_target(w.tenant, contact.id, &early).await;
    assert_eq!(stale, Ok(Saved::No(Some(targets[0].clone()))));
    early.id = "unknown".into();
    assert_eq!(store.save_target(w.tenant, contact.id, &early).await, Ok(Saved::No(None)));
}
