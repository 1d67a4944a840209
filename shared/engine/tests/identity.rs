//! What providers call people: a number that changes, ids that are told together, and what is refused
//! for good.
#![allow(clippy::unwrap_used)]

use domain::contact::{Contact, Profile};
use domain::enrollment::{Enrollment, Outcome, State};
use domain::ids::ContactId;
use domain::message::{
    AttemptText, Channel, DeliveryStatus, Identity, InboundEvent, Reaction, Recipient, Refusal, SendOutcome,
    StatusUpdate,
};
use domain::time::Timestamp;
use engine::ports::Store as _;
use testkit::memory::{Answer, MemoryStore, Shop};

const NOW: Timestamp = Timestamp(1_773_059_400);
const NEW: &str = "5511980777777";
const BSUID: &str = "BR.1349";

struct World(Shop<MemoryStore>);

impl World {
    async fn new() -> Self {
        Self(Shop::open(MemoryStore::default(), NOW).await)
    }

    async fn contact(&self, id: ContactId) -> Contact {
        self.0.engine.store.contact(self.0.tenant, id).await.unwrap().unwrap()
    }

    /// Somebody of whom callers say this, and whom a provider was seen to call so.
    async fn somebody(&self, n: u8, profile: Profile, seen: &[Identity]) -> ContactId {
        let mut contact = Contact::new(ContactId::from_bytes([n; 12]), profile, NOW);
        contact.rev = 1;
        contact.remember(seen);
        let identities = contact.identities();
        self.0.engine.store.save_contact(self.0.tenant, &contact, &identities, &[]).await.unwrap();
        contact.id
    }

    async fn owner(&self, identity: &Identity) -> Option<ContactId> {
        self.0.engine.store.find_contact(self.0.tenant, identity).await.unwrap()
    }

    async fn moves(&self, n: u32) {
        let from = vec![Identity::WaId(Shop::<MemoryStore>::phone(n))];
        let to = Identity::WaId(NEW.into());
        let event = InboundEvent::NumberChanged { from, to, at: NOW, id: "wamid.moved".into() };
        // A provider repeats itself.
        self.0.engine.apply(self.0.sender, vec![event.clone(), event]).await.unwrap();
    }

    async fn writes(&self, from: &[Identity]) {
        let InboundEvent::Message(mut message) = self.0.message(1).remove(0) else { panic!("a message") };
        message.from = from.to_vec();
        message.at = NOW.plus_seconds(5);
        self.0.now(NOW.plus_seconds(6));
        self.0.engine.apply(self.0.sender, vec![InboundEvent::Message(message)]).await.unwrap();
    }

    /// Plans and sends what is due.
    async fn work(&self) {
        for timer in self.0.engine.timers.fire(NOW.plus_seconds(1)) {
            self.0.engine.step(&timer.due).await.unwrap();
        }
        let planned = std::mem::take(&mut *self.0.engine.queues.sends.lock().unwrap());
        for planned in planned {
            self.0.engine.send(&planned).await.unwrap();
        }
    }

    async fn stored(&self, e: &Enrollment) -> Enrollment {
        self.0.stored(e.id).await
    }
}

fn old() -> String {
    Shop::<MemoryStore>::phone(1)
}

#[tokio::test]
async fn a_number_moves_with_its_person() {
    let world = World::new().await;
    let run = world.0.enroll(1).await;
    world.moves(1).await;
    let contact = world.contact(run.id.contact).await;
    assert_eq!(contact.wa_ids, [NEW]);
    assert_eq!(contact.profile.phone.as_deref(), Some("+5511980777777"));
    // Whoever gets the old number is somebody else.
    for gone in [Identity::WaId(old()), Identity::Phone(format!("+{}", old()))] {
        assert_eq!(world.owner(&gone).await, None, "{gone:?}");
    }
    assert_eq!(world.owner(&Identity::WaId(NEW.into())).await, Some(contact.id));
    world.work().await;
    assert_eq!(world.0.engine.channels.sent()[0].to, Recipient::Phone(NEW.into()));
}

#[tokio::test]
async fn an_opt_out_moves_along() {
    let world = World::new().await;
    let run = world.0.enroll(1).await;
    let event = InboundEvent::OptOut { from: vec![Identity::WaId(old())], at: NOW.plus_seconds(1), id: "stop".into() };
    world.0.now(NOW.plus_seconds(2));
    world.0.engine.apply(world.0.sender, vec![event]).await.unwrap();
    assert_eq!(world.stored(&run).await.outcome(), Some(Outcome::Unsubscribed));
    world.moves(1).await;
    let contact = world.contact(run.id.contact).await;
    assert_eq!(contact.suppressed, [Channel::Whatsapp].into(), "an opt-out of WhatsApp is none of SMS");
    let listed = |phone: String| async move {
        let store = &world.0.engine.store;
        store.suppression(world.0.tenant, Channel::Whatsapp, &phone).await.unwrap().map(|entry| entry.reason)
    };
    assert_eq!(listed(format!("+{NEW}")).await.as_deref(), Some("opt_out"));
}

#[tokio::test]
async fn a_person_takes_back_what_the_person_has_said() {
    let check = |reason: &'static str, by_word: bool, after: i64, suppressed: bool| async move {
        let world = World::new().await;
        let run = world.0.enroll(1).await;
        let from = || vec![Identity::WaId(old())];
        world.0.now(NOW.plus_seconds(60));
        if by_word {
            let event = InboundEvent::OptOut { from: from(), at: NOW.plus_seconds(30), id: "stop".into() };
            world.0.engine.apply(world.0.sender, vec![event]).await.unwrap();
        } else {
            let scope = engine::contacts::SuppressionScope::One(Channel::Whatsapp);
            world.0.engine.suppress(world.0.tenant, scope, &format!("+{}", old()), reason).await.unwrap();
        }
        let event = InboundEvent::OptIn { from: from(), at: NOW.plus_seconds(30 + after) };
        world.0.engine.apply(world.0.sender, vec![event]).await.unwrap();
        let contact = world.contact(run.id.contact).await;
        assert_eq!(contact.suppressed.contains(&Channel::Whatsapp), suppressed, "{reason}, {after} s later");
        let listed = world.0.engine.store.suppressions(world.0.tenant).await.unwrap();
        assert_eq!(!listed.is_empty(), suppressed, "{reason}, {after} s later");
    };
    check("by word", true, 60, false).await;
    // Told late: the opt-out is the last word.
    check("by word", true, -10, true).await;
    check("bounce", false, 60, true).await;
    check("asked us by phone", false, 60, true).await;
}

#[tokio::test]
async fn a_number_on_the_list_stays_on_it_whoever_gets_it() {
    let world = World::new().await;
    let run = world.0.enroll(1).await;
    let scope = engine::contacts::SuppressionScope::All;
    world.0.engine.suppress(world.0.tenant, scope, &format!("+{NEW}"), "by hand").await.unwrap();
    world.moves(1).await;
    let suppressed = world.contact(run.id.contact).await.suppressed;
    assert_eq!(suppressed, [Channel::Whatsapp, Channel::Sms].into());
}

#[tokio::test]
async fn a_number_of_somebody_under_way_stays_with_them() {
    let world = World::new().await;
    let run = world.0.enroll(1).await;
    let seen = Identity::WaId(NEW.into());
    // Only seen with it, and without a run: it goes to the one whom the provider names.
    let idle = world
        .somebody(8, Profile { external_id: Some("crm-8".into()), ..Profile::default() }, std::slice::from_ref(&seen))
        .await;
    world.moves(1).await;
    assert_eq!(world.owner(&seen).await, Some(run.id.contact));
    assert_eq!(world.contact(idle).await.wa_ids, Vec::<String>::new());

    // Said of them by somebody: it stays theirs, and nothing is half done.
    let world = World::new().await;
    let run = world.0.enroll(1).await;
    let said = Profile { whatsapp_id: Some(NEW.into()), ..Profile::default() };
    let other = world.somebody(9, said, &[]).await;
    world.moves(1).await;
    assert_eq!(world.owner(&seen).await, Some(other));
    let contact = world.contact(run.id.contact).await;
    assert_eq!((contact.wa_ids, contact.profile.phone), (vec![old()], Some(format!("+{}", old()))));
}

#[tokio::test]
async fn a_phone_that_another_contact_has_is_left_to_it() {
    let world = World::new().await;
    let run = world.0.enroll(1).await;
    let said = Profile { phone: Some(format!("+{NEW}")), ..Profile::default() };
    let other = world.somebody(9, said, &[]).await;
    world.moves(1).await;
    let contact = world.contact(run.id.contact).await;
    assert_eq!((contact.wa_ids, contact.profile.phone), (vec![NEW.to_owned()], Some(format!("+{}", old()))));
    assert_eq!(world.owner(&Identity::Phone(format!("+{NEW}"))).await, Some(other));
}

#[tokio::test]
async fn ids_that_a_provider_tells_together_become_one_contacts() {
    let world = World::new().await;
    let run = world.0.enroll(1).await;
    let bsuid = Identity::Bsuid(BSUID.into());
    let known = Profile { external_id: Some("crm-7".into()), ..Profile::default() };
    let other = world.somebody(7, known, std::slice::from_ref(&bsuid)).await;
    world.writes(&[Identity::WaId(old()), bsuid.clone()]).await;
    assert_eq!(world.owner(&bsuid).await, Some(run.id.contact));
    assert_eq!(world.contact(other).await.bsuids, Vec::<String>::new());
    assert_eq!(world.stored(&run).await.outcome(), Some(Outcome::Replied));
}

#[tokio::test]
async fn a_reply_ends_the_runs_of_everybody_whom_it_names() {
    let world = World::new().await;
    let (one, two) = (world.0.enroll(1).await, world.0.enroll(2).await);
    let both = [Identity::WaId(old()), Identity::WaId(Shop::<MemoryStore>::phone(2))];
    world.writes(&both).await;
    for run in [one, two] {
        assert_eq!(world.stored(&run).await.outcome(), Some(Outcome::Replied));
    }
    assert_eq!(world.owner(&both[1]).await, Some(contact_of(2)), "each keeps its own");
}

fn contact_of(n: u32) -> ContactId {
    let mut raw = [0; 12];
    raw[..4].copy_from_slice(&n.to_be_bytes());
    ContactId::from_bytes(raw)
}

#[tokio::test]
async fn an_opt_out_at_the_provider_suppresses_at_once_and_later() {
    for later in [false, true] {
        let world = World::new().await;
        let run = world.0.enroll(1).await;
        let refusal = Refusal { reaction: Reaction::OptedOut, code: "131050".into(), retry_after: None };
        if !later {
            world.0.engine.channels.answer(Answer::Outcome(SendOutcome::Refused(refusal.clone())));
        }
        world.0.now(NOW.plus_seconds(1));
        world.work().await;
        if later {
            let reference = world.0.engine.channels.sent()[0].reference;
            let update = StatusUpdate {
                reference: Some(AttemptText(reference)),
                provider_message_id: "m".into(),
                status: DeliveryStatus::Failed,
                at: NOW.plus_seconds(5),
                refusal: Some(refusal),
            };
            world.0.engine.apply(world.0.sender, vec![InboundEvent::Status(update)]).await.unwrap();
        }
        let contact = world.contact(run.id.contact).await;
        assert_eq!(contact.suppressed, [Channel::Whatsapp].into(), "later: {later}");
        let stored = world.stored(&run).await;
        assert_eq!((stored.state, stored.lease), (State::Finished(Outcome::Unsubscribed), None), "later: {later}");
    }
}

#[tokio::test]
async fn a_hard_bounce_suppresses_the_address_by_email_alone() {
    let world = World::new().await;
    let run = world.0.enroll(1).await;
    let edit = |profile: &Profile| Ok(Profile { email: Some("ana@example.com".into()), ..profile.clone() });
    world.0.engine.patch_contact(world.0.tenant, run.id.contact, &edit).await.unwrap();
    let refusal = Refusal { reaction: Reaction::Bounced, code: "Permanent.NoEmail".into(), retry_after: None };
    world.0.engine.channels.answer(Answer::Outcome(SendOutcome::Refused(refusal)));
    world.0.now(NOW.plus_seconds(1));
    world.work().await;
    assert_eq!(world.contact(run.id.contact).await.suppressed, [Channel::Email].into());
    let listed = world.0.engine.store.suppression(world.0.tenant, Channel::Email, "ana@example.com").await.unwrap();
    assert_eq!(listed.map(|entry| entry.reason).as_deref(), Some("bounce"));
}
