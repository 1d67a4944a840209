//! Accounts, keys, senders and attributes.

use domain::account::{Account, ApiKey, Role, Settings};
use domain::content::{Attribute, VariableType};
use domain::ids::{ApiKeyId, SenderId};
use domain::message::{Channel, ProviderKind};
use domain::sender::{Sender, SenderLimits};
use domain::sequence::TargetKind;
use engine::ports::{Inserted, Saved, Store};
use futures::future::join_all;
use serde_json::json;

use super::{NOW, RACERS, World};

fn account(w: &World, name: &str) -> Account {
    let settings = Settings { name: name.into(), spread_minutes: 7, ..Settings::default() };
    Account { id: w.tenant, rev: 1, created_at: NOW, settings }
}

pub async fn an_account_is_created_once_and_saved_over_its_revision(store: &impl Store) {
    let w = World::new();
    let first = account(&w, "first");
    assert_eq!(store.account(w.tenant).await, Ok(None));
    let mut second = first.clone();
    second.rev = 2;
    second.settings.enabled = true;
    assert_eq!(store.save_account(&second).await, Ok(Saved::No(None)), "nothing rises from the dead");
    assert_eq!(store.create_account(&first).await, Ok(Inserted::Yes));
    assert_eq!(store.create_account(&first).await, Ok(Inserted::Yes), "a lost answer");
    let rival = store.create_account(&account(&w, "rival")).await;
    assert_eq!(rival, Ok(Inserted::Exists(first.clone())));
    let rivals: Vec<Account> = (0..RACERS)
        .map(|n| {
            let mut a = second.clone();
            a.settings.name = format!("name {n}");
            a
        })
        .collect();
    let results = join_all(rivals.iter().map(|a| store.save_account(a))).await;
    let won: Vec<usize> = (0..RACERS).filter(|n| results[*n] == Ok(Saved::Yes)).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let winner = &rivals[won[0]];
    for (_, result) in results.into_iter().enumerate().filter(|(n, _)| *n != won[0]) {
        assert_eq!(result, Ok(Saved::No(Some(winner.clone()))));
    }
    assert_eq!(store.save_account(winner).await, Ok(Saved::Yes), "a lost answer");
    assert_eq!(store.account(w.tenant).await, Ok(Some(winner.clone())));
}

pub async fn a_key_works_until_it_is_deleted(store: &impl Store) {
    let mut w = World::new();
    let key = ApiKey {
        id: ApiKeyId::new(&mut w.ids),
        tenant: w.tenant,
        name: "n8n".into(),
        role: Role::Agent,
        user: None,
        created_at: NOW,
    };
    let hash = format!("{:?}", w.tenant);
    assert_eq!(store.key_by_hash(&hash).await, Ok(None));
    for _ in 0..2 {
        assert_eq!(store.put_key(&key, &hash).await, Ok(()));
    }
    assert_eq!(store.key_by_hash(&hash).await, Ok(Some(key.clone())));
    assert_eq!(store.keys(w.tenant).await, Ok(vec![key.clone()]));
    let other = World::new();
    assert_eq!(store.delete_key(other.tenant, key.id).await, Ok(false), "another account's");
    assert_eq!(store.delete_key(w.tenant, key.id).await, Ok(true));
    assert_eq!(store.delete_key(w.tenant, key.id).await, Ok(false));
    assert_eq!(store.key_by_hash(&hash).await, Ok(None));
    assert_eq!(store.keys(w.tenant).await, Ok(vec![]));
}

fn sender(w: &mut World, name: &str) -> Sender {
    Sender {
        id: SenderId::of(w.tenant, &mut w.ids),
        rev: 1,
        created_at: NOW,
        name: name.into(),
        channel: Channel::Whatsapp,
        provider: ProviderKind::WhatsappCloud,
        config: json!({"phone_number_id": "1", "rate": 1.5}),
        limits: SenderLimits::default(),
        suspended: None,
        templates: None,
    }
}

pub async fn senders_are_listed_and_saved_over_their_revision(store: &impl Store) {
    let mut w = World::new();
    let (one, two) = (sender(&mut w, "one"), sender(&mut w, "two"));
    for sender in [&one, &two] {
        assert_eq!(store.save_sender(w.tenant, sender).await, Ok(Saved::Yes));
    }
    assert_eq!(store.sender(one.id).await, Ok(Some(one.clone())));
    let mut all = store.senders(w.tenant).await.unwrap();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(all, [one.clone(), two.clone()]);
    let mut later = one.clone();
    later.rev = 2;
    later.name = "later".into();
    assert_eq!(store.save_sender(w.tenant, &later).await, Ok(Saved::Yes));
    assert_eq!(store.save_sender(w.tenant, &later).await, Ok(Saved::Yes), "a lost answer");
    let mut rival = later.clone();
    rival.name = "rival".into();
    assert_eq!(store.save_sender(w.tenant, &rival).await, Ok(Saved::No(Some(later))));
    assert!(store.save_sender(World::new().tenant, &two).await.is_err(), "its id says whose it is");
    assert_eq!(store.delete_sender(one.id).await, Ok(true));
    assert_eq!(store.delete_sender(one.id).await, Ok(false));
    assert_eq!(store.sender(one.id).await, Ok(None));
    let mut ghost = rival;
    ghost.rev = 3;
    assert_eq!(store.save_sender(w.tenant, &ghost).await, Ok(Saved::No(None)), "nothing rises from the dead");
    assert_eq!(store.senders(w.tenant).await, Ok(vec![two]));
}

pub async fn an_attribute_is_declared_once_for_each_kind(store: &impl Store) {
    let w = World::new();
    let plan = |type_, of| Attribute { name: "plan".into(), type_, of };
    let text = plan(VariableType::Text, TargetKind::Contact);
    let number = plan(VariableType::Number, TargetKind::Contact);
    let deal = plan(VariableType::Date, TargetKind::Deal);
    for attribute in [&text, &number, &deal] {
        assert_eq!(store.save_attribute(w.tenant, attribute).await, Ok(()));
    }
    assert_eq!(store.declare_attribute(w.tenant, &text).await, Ok(Inserted::Exists(number.clone())));
    assert_eq!(store.declare_attribute(w.tenant, &number).await, Ok(Inserted::Yes), "a lost answer");
    assert_eq!(store.attributes(w.tenant).await, Ok(vec![number, deal]));
    let elsewhere = World::new().tenant;
    assert_eq!(store.declare_attribute(elsewhere, &text).await, Ok(Inserted::Yes));
    assert_eq!(store.attributes(elsewhere).await, Ok(vec![text]));
    assert_eq!(store.attributes(World::new().tenant).await, Ok(vec![]));
}
