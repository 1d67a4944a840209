//! The SDK repeats a request whose answer it never got. The first one's effect must not look like
//! somebody else's: a lost answer is not a lost race.

#![allow(clippy::unwrap_used)]
#![allow(unreachable_pub)]

mod common;
#[allow(dead_code, reason = "only its worlds are needed")]
mod contract;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contract::{NOW, World, next};
use domain::account::{Account, Settings};
use domain::contact::Profile;
use domain::enrollment::{DaySlot, State};
use domain::message::Identity;
use domain::time::{Zone, civil_day};
use engine::ports::{Begun, Claim, ContactSaved, DueEntry, Inserted, Saved, Store as _};
use store::DynamoStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Passes requests on and, as often as it was told, swallows the answer and cuts the connection.
#[derive(Clone, Default)]
struct Thief {
    to_steal: Arc<AtomicUsize>,
    stolen: Arc<AtomicUsize>,
}

impl Thief {
    async fn between(database: SocketAddr) -> (Self, SocketAddr) {
        let thief = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let working = thief.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(working.clone().serve(client, database));
            }
        });
        (thief, address)
    }

    async fn serve(self, mut client: TcpStream, database: SocketAddr) {
        let Ok(mut upstream) = TcpStream::connect(database).await else { return };
        while let Some(request) = message(&mut client).await {
            upstream.write_all(&request).await.unwrap();
            let Some(answer) = message(&mut upstream).await else { return };
            let steal = self.to_steal.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if steal.is_ok() {
                self.stolen.fetch_add(1, Ordering::SeqCst);
                return;
            }
            client.write_all(&answer).await.unwrap();
        }
    }

    /// The next answer is lost, after its effect.
    fn steal(&self) {
        self.to_steal.store(1, Ordering::SeqCst);
        self.stolen.store(0, Ordering::SeqCst);
    }

    fn has_stolen(&self) -> bool {
        self.stolen.load(Ordering::SeqCst) == 1
    }
}

/// One HTTP message with a `content-length`; `None` at the end of the connection.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some(head) = text.find("\r\n\r\n") {
            let length =
                text[..head].lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= head + 4 + length.unwrap_or(0_usize) {
                return Some(bytes);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn robbed() -> (Thief, DynamoStore) {
    let database = common::database().await;
    store::table::create_table(&common::client(database), common::TABLE).await.unwrap();
    let (thief, address) = Thief::between(database).await;
    (thief, common::store_at(address))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_an_enrollments_writes() {
    let (thief, store) = robbed().await;
    let mut w = World::new();
    let e = w.enrollment();
    thief.steal();
    assert_eq!(store.insert_enrollment(w.tenant, &e).await, Ok(Inserted::Yes));
    assert!(thief.has_stolen());
    let lease = w.lease("token", 2);
    thief.steal();
    let sending = e.claimed(lease.clone());
    let claim = store.claim(w.tenant, e.id, 1, 0, &lease).await;
    assert_eq!(claim, Ok(Claim::Claimed(Box::new(sending.clone()))));
    assert!(thief.has_stolen());
    let settled = next(&sending, |n| (n.state, n.lease) = (State::Waiting, None));
    thief.steal();
    assert_eq!(store.commit(w.tenant, &settled, None).await, Ok(Saved::Yes));
    assert!(thief.has_stolen());
    let entry = DueEntry { wake: settled.wake.unwrap(), tenant: w.tenant, enrollment: e.id };
    thief.steal();
    assert_eq!(store.push_back(entry, settled.generation, NOW.plus_hours(1), 1).await, Ok(true));
    assert!(thief.has_stolen());
    assert_eq!(store.enrollment(w.tenant, e.id).await.unwrap().unwrap().rev, settled.rev, "each effect once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_other_conditional_writes() {
    let (thief, store) = robbed().await;
    let mut w = World::new();
    let contact = w.contact(Profile::default());
    let mut later = contact.clone();
    later.rev = 2;
    let gained = [Identity::Phone("+5511987654321".into())];
    thief.steal();
    assert_eq!(store.save_contact(w.tenant, &contact, &[], &[]).await, Ok(ContactSaved::Yes));
    assert!(thief.has_stolen());
    thief.steal();
    assert_eq!(store.save_contact(w.tenant, &later, &gained, &[]).await, Ok(ContactSaved::Yes), "a transaction");
    assert!(thief.has_stolen());

    let account = Account { id: w.tenant, rev: 1, created_at: NOW, settings: Settings::default() };
    thief.steal();
    assert_eq!(store.create_account(&account).await, Ok(Inserted::Yes));
    assert!(thief.has_stolen());
    let account = Account { rev: 2, ..account };
    thief.steal();
    assert_eq!(store.save_account(&account).await, Ok(Saved::Yes));
    assert!(thief.has_stolen());

    let key = w.tenant.to_string();
    thief.steal();
    assert_eq!(store.begin(&key, "hash", [1; 32], NOW).await, Ok(Begun::Run { seed: [1; 32] }));
    assert!(thief.has_stolen());
    thief.steal();
    let lapsed = NOW.plus_seconds(30);
    assert_eq!(store.begin(&key, "hash", [2; 32], lapsed).await, Ok(Begun::Run { seed: [1; 32] }));
    assert!(thief.has_stolen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_whose_answer_is_lost_is_given_to_nobody_else() {
    let (thief, store) = robbed().await;
    let mut w = World::new();
    let sender = domain::ids::SenderId::of(w.tenant, &mut w.ids);
    let (spacing, latest) = (1_000_000, NOW.plus_days(1));
    // What is lost first is that no slot is ahead; then a slot, which is wasted.
    for expected in [0, 2, 4] {
        thief.steal();
        let slot = store.reserve(sender, spacing, NOW, latest).await;
        assert!(thief.has_stolen());
        assert_eq!(slot, Ok(Some(NOW.0 * 1_000_000 + expected * spacing)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_of_a_day_is_given_back_once_though_the_answer_is_lost() {
    let (thief, store) = robbed().await;
    let mut w = World::new();
    let sender = domain::ids::SenderId::of(w.tenant, &mut w.ids);
    let slot = DaySlot { sender, day: civil_day(Zone::UTC, NOW) };
    for _ in 0..3 {
        assert_eq!(store.take_day(slot, 3).await, Ok(true));
    }
    let e = w.enrollment();
    store.insert_enrollment(w.tenant, &e).await.unwrap();
    let paused = next(&e, |e| e.state = State::Paused);
    thief.steal();
    assert_eq!(store.commit(w.tenant, &paused, Some(slot)).await, Ok(Saved::Yes));
    assert!(thief.has_stolen());
    assert_eq!(store.take_day(slot, 3).await, Ok(true));
    assert_eq!(store.take_day(slot, 3).await, Ok(false));
    // Taking one is no such write: what is lost is wasted.
    thief.steal();
    assert_eq!(store.take_day(slot, 5).await, Ok(true));
    assert!(thief.has_stolen());
    assert_eq!(store.take_day(slot, 5).await, Ok(false));
}
