//! Messages and suppressions.

use domain::ids::{ContactId, MessageId, SenderId};
use domain::message::{Channel, Message};
use engine::model::{Direction, StoredMessage, Suppression, suppression_id};
use engine::ports::Store;

use super::{NOW, World};

pub async fn a_message_written_twice_is_one_record(store: &impl Store) {
    let mut w = World::new();
    let contact = ContactId::new(&mut w.ids);
    let mut message = StoredMessage {
        id: MessageId::new(&mut w.ids),
        contact,
        at: NOW,
        direction: Direction::Out,
        channel: Channel::Whatsapp,
        sender: SenderId::of(w.tenant, &mut w.ids),
        message: Some(Message::Text { text: "Olá".into() }),
        text: None,
        kind: None,
        provider_message_id: None,
        enrollment: None,
        step: Some(0),
    };
    assert_eq!(store.put_message(w.tenant, &message).await, Ok(()));
    message.provider_message_id = Some("wamid.1".into());
    assert_eq!(store.put_message(w.tenant, &message).await, Ok(()));
    let mut earlier = message.clone();
    (earlier.id, earlier.at) = (MessageId::new(&mut w.ids), NOW.plus_days(-1));
    store.put_message(w.tenant, &earlier).await.unwrap();
    let page = store.messages(w.tenant, contact, None, 10).await.unwrap();
    assert_eq!(page.data, [message, earlier], "newest first");
    assert_eq!(page.next_cursor, None);
    assert_eq!(store.messages(World::new().tenant, contact, None, 10).await.unwrap().data, []);
}

pub async fn a_suppression_is_found_by_address_and_deleted_by_id(store: &impl Store) {
    let w = World::new();
    let entry =
        |channel, address: &str| Suppression { channel, address: address.into(), reason: "stop".into(), at: NOW };
    let phone = entry(Channel::Whatsapp, "+5511987654321");
    let email = entry(Channel::Email, "ana@example.com");
    for entry in [&phone, &phone, &email] {
        assert_eq!(store.put_suppression(w.tenant, entry).await, Ok(()));
    }
    let found = store.suppression(w.tenant, Channel::Whatsapp, &phone.address).await;
    assert_eq!(found, Ok(Some(phone.clone())));
    assert_eq!(store.suppression(w.tenant, Channel::Sms, &phone.address).await, Ok(None), "each channel apart");
    let other = World::new();
    assert_eq!(store.suppression(other.tenant, Channel::Whatsapp, &phone.address).await, Ok(None));
    let mut all = store.suppressions(w.tenant).await.unwrap();
    all.sort_by_key(|s| s.channel);
    assert_eq!(all, [phone.clone(), email.clone()]);
    let id = suppression_id(w.tenant, phone.channel, &phone.address);
    assert_ne!(id, suppression_id(other.tenant, phone.channel, &phone.address), "it says nothing in another account");
    assert_eq!(store.delete_suppression(other.tenant, &id).await, Ok(None), "another account's");
    assert_eq!(store.delete_suppression(w.tenant, &id).await, Ok(Some(phone)));
    assert_eq!(store.delete_suppression(w.tenant, &id).await, Ok(None));
    assert_eq!(store.suppressions(w.tenant).await, Ok(vec![email]));
}
