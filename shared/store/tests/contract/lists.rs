//! Pages: every entry once, cursors good for their list only.

use std::collections::BTreeSet;

use domain::contact::Profile;
use domain::enrollment::{Outcome, ParkReason, State};
use domain::ids::{ContactId, EnrollmentId, MessageId, SenderId, SequenceId, TenantId};
use domain::message::Channel;
use engine::PortError;
use engine::model::{Direction, Page, StoredMessage, StoredSequence};
use engine::ports::{EnrollmentFilter, PortResult, Store};
use serde_json::json;

use super::{NOW, World};

/// All pages of a list, and how many there were.
async fn walk<T, F: Future<Output = PortResult<Page<T>>>>(page: impl Fn(Option<String>) -> F) -> (Vec<T>, usize) {
    let (mut all, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let found = page(cursor).await.unwrap();
        all.extend(found.data);
        pages += 1;
        assert!(pages < 100, "a list that never ends");
        cursor = found.next_cursor;
        if cursor.is_none() {
            return (all, pages);
        }
    }
}

pub async fn contacts_come_once_each_newest_first(store: &impl Store) {
    let mut w = World::new();
    let mut expected = Vec::new();
    for n in 0..7 {
        let mut contact = w.contact(Profile { first_name: Some(format!("{n}")), ..Profile::default() });
        contact.created_at = NOW.plus_seconds(n);
        store.save_contact(w.tenant, &contact, &[], &[]).await.unwrap();
        expected.insert(0, contact);
    }
    let page = |cursor: Option<String>| async move { store.contacts(w.tenant, cursor.as_deref(), 3).await };
    let (all, pages) = walk(page).await;
    assert_eq!(all, expected);
    assert_eq!(pages, 3);
    assert_eq!(store.contacts(World::new().tenant, None, 3).await.unwrap().data, []);
}

async fn sequence(store: &impl Store, w: &mut World) -> SequenceId {
    let id = SequenceId::new(&mut w.ids);
    let stored = StoredSequence {
        id,
        revision: 1,
        owner: "ana@example.com".into(),
        archived: false,
        published: 1,
        created_at: NOW,
        updated_at: NOW,
        draft: serde_json::from_value(json!({"name": "s", "target": "contact", "steps": []})).unwrap(),
    };
    store.save_sequence(w.tenant, &stored).await.unwrap();
    id
}

const STATES: [State; 6] = [
    State::Waiting,
    State::Sending,
    State::Paused,
    State::Parked(ParkReason::SenderSuspended),
    State::Parked(ParkReason::ModuleDisabled),
    State::Finished(Outcome::Completed),
];

/// Every state in each of two sequences, twice, all in the same second.
async fn many(store: &impl Store, w: &mut World) -> ([SequenceId; 2], ContactId, Vec<(EnrollmentId, State)>) {
    let sequences = [sequence(store, w).await, sequence(store, w).await];
    let contact = ContactId::new(&mut w.ids);
    let mut all = Vec::new();
    for sequence in sequences {
        for state in STATES {
            for of in [contact, ContactId::new(&mut w.ids)] {
                let mut e = w.enrollment();
                e.id = EnrollmentId { contact: of, sequence, ..e.id };
                e.state = state;
                e.lease = (state == State::Sending).then(|| w.lease("t", 1));
                e.wake = e.wake.filter(|_| matches!(state, State::Waiting | State::Sending));
                store.insert_enrollment(w.tenant, &e).await.unwrap();
                all.push((e.id, state));
            }
        }
    }
    (sequences, contact, all)
}

async fn ids(store: &impl Store, tenant: TenantId, filter: &EnrollmentFilter, limit: u32) -> BTreeSet<EnrollmentId> {
    let page =
        |cursor: Option<String>| async move { store.enrollments(tenant, filter, cursor.as_deref(), limit).await };
    let (all, _) = walk(page).await;
    let found: BTreeSet<EnrollmentId> = all.iter().map(|e| e.id).collect();
    assert_eq!(found.len(), all.len(), "none twice");
    found
}

pub async fn enrollments_are_listed_by_every_filter(store: &impl Store) {
    let mut w = World::new();
    let (sequences, contact, all) = many(store, &mut w).await;
    for sequence in [None, Some(sequences[0]), Some(sequences[1])] {
        for coarse in [None, Some("active"), Some("paused"), Some("parked"), Some("finished")] {
            for contact in [None, Some(contact)] {
                let filter = EnrollmentFilter { sequence, coarse, contact };
                let expected: BTreeSet<EnrollmentId> = all
                    .iter()
                    .filter(|(id, state)| {
                        sequence.is_none_or(|s| s == id.sequence)
                            && coarse.is_none_or(|c| c == state.coarse())
                            && contact.is_none_or(|c| c == id.contact)
                    })
                    .map(|(id, _)| *id)
                    .collect();
                for limit in [1, 3, 100] {
                    let found = ids(store, w.tenant, &filter, limit).await;
                    assert_eq!(found, expected, "{filter:?} by {limit}");
                }
            }
        }
    }
    assert_eq!(ids(store, World::new().tenant, &EnrollmentFilter::default(), 10).await, BTreeSet::new());
}

pub async fn a_cursor_is_refused_elsewhere(store: &impl Store) {
    let mut w = World::new();
    let (sequences, contact, _) = many(store, &mut w).await;
    for _ in 0..3 {
        let one = w.contact(Profile::default());
        store.save_contact(w.tenant, &one, &[], &[]).await.unwrap();
        let message = StoredMessage {
            id: MessageId::new(&mut w.ids),
            contact,
            at: NOW,
            direction: Direction::In,
            channel: Channel::Whatsapp,
            sender: SenderId::of(w.tenant, &mut w.ids),
            message: None,
            text: Some("oi".into()),
            kind: None,
            provider_message_id: None,
            enrollment: None,
            step: None,
        };
        store.put_message(w.tenant, &message).await.unwrap();
    }
    let refused = Err(PortError::Poison("cursor".into()));
    let of_contacts = store.contacts(w.tenant, None, 1).await.unwrap().next_cursor.unwrap();
    let of_messages = store.messages(w.tenant, contact, None, 1).await.unwrap().next_cursor.unwrap();
    let filter = EnrollmentFilter { sequence: Some(sequences[0]), ..EnrollmentFilter::default() };
    let of_runs = store.enrollments(w.tenant, &filter, None, 1).await.unwrap().next_cursor.unwrap();
    for garbage in ["", "x", "AAAA", "😀", &format!("{of_contacts}A"), &of_messages, &of_runs] {
        assert_eq!(store.contacts(w.tenant, Some(garbage), 1).await, refused, "{garbage}");
    }
    let stranger = World::new().tenant;
    assert_eq!(store.contacts(stranger, Some(&of_contacts), 1).await, refused, "another account's");
    assert_eq!(store.messages(w.tenant, ContactId::new(&mut w.ids), Some(&of_messages), 1).await.err(), refused.err());
    for other in [
        EnrollmentFilter::default(),
        EnrollmentFilter { sequence: Some(sequences[1]), ..EnrollmentFilter::default() },
        EnrollmentFilter { contact: Some(contact), ..filter.clone() },
    ] {
        let page = store.enrollments(w.tenant, &other, Some(&of_runs), 1).await;
        assert_eq!(page, Err(PortError::Poison("cursor".into())), "{other:?}");
    }
}
