//! What a payment source tells, on fakes of every port: races, repeats, and a queue for what fails.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use domain::contact::{Profile, TargetRef};
use domain::enrollment::{Outcome, State};
use domain::ids::{ContactId, Ids, SourceId};
use domain::message::{Reaction, Refusal};
use domain::payment::{ChargeChange, ChargeEvent, Payer, PaymentNotice, PaymentProvider, PaymentSource};
use domain::sequence::Sequence;
use domain::time::Timestamp;
use engine::contacts::TargetChange;
use engine::model::StoredSequence;
use engine::payments::{NewSource, SourceChange, Told};
use engine::ports::{Secrets as _, Store as _};
use engine::queue::{InboundWork, decode, encode};
use serde_json::{Map, json};
use testkit::memory::{MemoryStore, Shop};

const NOW: Timestamp = Timestamp(1_773_059_400);

struct Payments {
    shop: Shop<MemoryStore>,
    source: PaymentSource,
}

impl Payments {
    async fn open(provider: PaymentProvider) -> Self {
        let shop = Shop::open(MemoryStore::default(), NOW).await;
        let new = NewSource {
            name: "Loja".into(),
            provider,
            config: json!({}),
            credentials: json!({"secret": "s", "access_token": "one"}),
        };
        let source = shop.engine.create_source(shop.tenant, new, &mut Ids::from_seed([9; 32])).await.unwrap();
        let this = Self { shop, source };
        this.goal("charge.paid").await;
        this
    }

    /// The shop's sequence, with this goal, and begun by an overdue charge.
    async fn goal(&self, event: &str) {
        let (store, tenant, id) = (&self.shop.engine.store, self.shop.tenant, self.shop.sequence);
        let mut stored: StoredSequence = store.sequence(tenant, id).await.unwrap().unwrap();
        let mut version = store.version(tenant, id, 1).await.unwrap().unwrap();
        let mut draft = serde_json::to_value(&stored.draft).unwrap();
        draft["target"] = json!("charge");
        draft["exit"]["goals"] = json!([{"event": event}]);
        draft["entry"]["triggers"] = json!([{"event": "charge.overdue"}]);
        let sequence: Sequence = serde_json::from_value(draft).unwrap();
        (stored.draft, stored.published, stored.revision) = (sequence.clone(), 2, 2);
        (version.sequence, version.number) = (sequence, 2);
        store.publish(tenant, &stored, &version).await.unwrap();
    }

    async fn charge(&self, contact: ContactId, id: &str) -> TargetRef {
        let target = ChargeEvent::target(id);
        let change = TargetChange::Merge(BTreeMap::new());
        self.shop.engine.put_target(self.shop.tenant, contact, &target, &change).await.unwrap();
        target
    }

    async fn tell(&self, event: &ChargeEvent) -> Told {
        let notice = PaymentNotice::Charge(Box::new(event.clone()));
        self.shop.engine.told(&self.source, notice).await.unwrap()
    }

    async fn states(&self, contact: ContactId) -> Vec<State> {
        let person = self.shop.engine.store.person(self.shop.tenant, contact).await.unwrap().unwrap();
        person.enrollments.iter().map(|e| e.state).collect()
    }

    async fn unmatched(&self) -> usize {
        let engine = &self.shop.engine;
        engine.unmatched(self.shop.tenant, self.source.id, None, 50).await.unwrap().data.len()
    }
}

fn event(key: &str, change: ChargeChange, known_as: &[&str]) -> ChargeEvent {
    ChargeEvent {
        key: key.into(),
        name: key.into(),
        change,
        at: Some(NOW),
        known_as: known_as.iter().map(|id| (*id).to_owned()).collect(),
        kept_as: known_as.last().map(|id| (*id).to_owned()),
        payer: Payer::default(),
        data: Map::new(),
        attributes: BTreeMap::from([("amount".into(), json!("129.90"))]),
    }
}

const GOAL: State = State::Finished(Outcome::Goal);

/// Everybody who has the charge: its run ends; those of other charges go on.
#[tokio::test]
async fn a_payment_counts_for_everybody_who_has_the_charge() {
    let p = Payments::open(PaymentProvider::Asaas).await;
    let (ana, bia, caio) = (p.shop.customer(1).await, p.shop.customer(2).await, p.shop.customer(3).await);
    for (contact, id) in [(ana, "pay_1"), (bia, "pedido-1"), (caio, "pay_2")] {
        p.charge(contact, id).await;
        assert_eq!(p.tell(&event(&format!("late-{id}"), ChargeChange::Overdue, &[id])).await, Told::Applied);
        assert_eq!(p.states(contact).await, [State::Waiting]);
    }
    p.shop.now(NOW.plus_minutes(5));
    p.tell(&event("paid", ChargeChange::Paid, &["pay_1", "pedido-1"])).await;
    assert_eq!([p.states(ana).await, p.states(bia).await].concat(), [GOAL, GOAL], "by either name");
    assert_eq!(p.states(caio).await, [State::Waiting]);
    assert_eq!(p.unmatched().await, 0);
}

/// A payment and the charge's target are written at the same moment, in every order that a fair
/// scheduler finds: either the payment finds the charge, or it is kept as matching nobody and the
/// provider's next word of it counts. Never does it get lost between the two.
#[tokio::test]
async fn a_payment_that_meets_its_charge_being_written_is_never_lost() {
    for delay in 0..12 {
        let p = Payments::open(PaymentProvider::Asaas).await;
        let ana = p.shop.customer(1).await;
        let write = async {
            for _ in 0..delay {
                tokio::task::yield_now().await;
            }
            p.charge(ana, "pay_1").await;
            p.shop.now(NOW.plus_seconds(60));
            p.tell(&event("late", ChargeChange::Overdue, &["pay_1"])).await
        };
        let paid = event("paid", ChargeChange::Paid, &["pay_1"]);
        tokio::join!(p.tell(&paid), write);
        let found = p.unmatched().await == 0;
        if !found {
            assert_eq!(p.states(ana).await, [State::Waiting], "delay {delay}");
            p.tell(&paid).await;
        }
        // The run began with an overdue notice of NOW, and was paid after it.
        assert_eq!(p.states(ana).await, [GOAL], "delay {delay}, found {found}");
    }
}

#[tokio::test]
async fn an_enrollment_that_is_written_meanwhile_finds_the_payments_mark() {
    for delay in 0..12 {
        let p = Payments::open(PaymentProvider::Asaas).await;
        let ana = p.shop.customer(1).await;
        p.charge(ana, "pay_1").await;
        p.shop.now(NOW.plus_seconds(60));
        let overdue = async {
            for _ in 0..delay {
                tokio::task::yield_now().await;
            }
            p.tell(&event("late", ChargeChange::Overdue, &["pay_1"])).await
        };
        let paid = event("paid", ChargeChange::Paid, &["pay_1"]);
        tokio::join!(p.tell(&paid), overdue);
        p.shop.now(NOW.plus_seconds(61));
        for timer in p.shop.engine.timers.fire(NOW.plus_days(9)) {
            p.shop.engine.step(&timer.due).await.unwrap();
        }
        assert_eq!(p.states(ana).await, [GOAL], "delay {delay}");
        assert_eq!(p.shop.engine.queues.sends.lock().unwrap().len(), 0, "delay {delay}");
    }
}

#[tokio::test]
async fn told_again_it_counts_from_when_it_was_first_told() {
    let p = Payments::open(PaymentProvider::Stripe).await;
    let ana = p.shop.customer(1).await;
    p.charge(ana, "in_1").await;
    let paid = event("stripe:charge.paid:in_1", ChargeChange::Paid, &["in_1"]);
    p.tell(&paid).await;
    p.shop.now(NOW.plus_days(2));
    // Owed again, by another invoice under the merchant's same name.
    let again = ChargeEvent { at: Some(NOW.plus_days(2)), ..event("late", ChargeChange::Overdue, &["in_1"]) };
    p.tell(&again).await;
    p.shop.now(NOW.plus_days(3));
    p.tell(&paid).await;
    assert_eq!(p.states(ana).await, [State::Waiting], "a resent payment of before is none of now");
    p.tell(&ChargeEvent { key: "another".into(), ..paid }).await;
    assert_eq!(p.states(ana).await, [GOAL]);
}

#[tokio::test]
async fn a_charge_nobody_knew_is_kept_with_its_payer() {
    let p = Payments::open(PaymentProvider::Stripe).await;
    let (engine, tenant) = (&p.shop.engine, p.shop.tenant);
    let profile = Profile { email: Some("ana@example.com".into()), ..Profile::default() };
    let (ana, _) = engine.upsert_contact(tenant, profile, &mut engine.ids()).await.unwrap();
    let payer = Payer { email: Some("Ana@Example.com".into()), phone: None };
    let overdue = ChargeEvent { payer: payer.clone(), ..event("late", ChargeChange::Overdue, &["pedido-1", "in_1"]) };
    p.tell(&overdue).await;
    p.tell(&overdue).await;
    let person = engine.store.person(tenant, ana.id).await.unwrap().unwrap();
    let target = person.target(&ChargeEvent::target("in_1")).unwrap();
    assert_eq!(target.attributes["amount"], "129.90");
    assert_eq!((person.targets.len(), person.enrollments.len()), (1, 1));
    // From now on it is found by its id, whoever pays.
    p.shop.now(NOW.plus_seconds(1));
    p.tell(&event("paid", ChargeChange::Paid, &["in_1"])).await;
    assert_eq!(p.states(ana.id).await, [GOAL]);
    let stranger = Payer { email: Some("bia@example.com".into()), phone: Some("11987654321".into()) };
    p.tell(&ChargeEvent { payer: stranger, ..event("x", ChargeChange::Paid, &["in_2"]) }).await;
    let page = engine.unmatched(tenant, p.source.id, None, 5).await.unwrap();
    assert_eq!(page.data[0].event.as_ref().unwrap().payer, Payer::default(), "who paid is not kept");
}

fn refusal(reaction: Reaction) -> Refusal {
    Refusal { reaction, code: "http_503".into(), retry_after: None }
}

#[tokio::test]
async fn what_cannot_be_read_back_now_is_queued_and_applied_once() {
    let p = Payments::open(PaymentProvider::Mercadopago).await;
    let (engine, channels) = (&p.shop.engine, &p.shop.engine.channels);
    let ana = p.shop.customer(1).await;
    p.charge(ana, "1").await;
    p.tell(&event("late", ChargeChange::Overdue, &["1"])).await;
    p.shop.now(NOW.plus_minutes(1));
    let notice = PaymentNotice::ReadBack { payment: "1".into() };
    for reaction in [Reaction::Transient, Reaction::Throttled] {
        channels.payment(Err(refusal(reaction)));
        assert_eq!(engine.told(&p.source, notice.clone()).await, Ok(Told::Queued));
    }
    let queued = std::mem::take(&mut *engine.queues.inbounds.lock().unwrap());
    assert_eq!(queued.len(), 2);
    // As it travels.
    let work: InboundWork = decode(&encode(&queued[0])).unwrap();
    assert_eq!(work, InboundWork::Payment { tenant: p.shop.tenant, source: p.source.id, notice: notice.clone() });
    channels.payment(Err(refusal(Reaction::Transient)));
    assert!(engine.apply_queued(&work).await.is_err(), "the queue brings it again");
    for _ in 0..2 {
        channels.payment(Ok(Some(event("paid", ChargeChange::Paid, &["1"]))));
        assert_eq!(engine.apply_queued(&work).await, Ok(()));
        assert_eq!(p.states(ana).await, [GOAL]);
    }
    // Deleted meanwhile.
    engine.delete_source(p.shop.tenant, p.source.id).await.unwrap();
    assert_eq!(engine.apply_queued(&work).await, Ok(()));
}

#[tokio::test]
async fn a_token_that_was_replaced_is_tried_before_its_owner_is_blamed() {
    let p = Payments::open(PaymentProvider::Mercadopago).await;
    let (engine, tenant) = (&p.shop.engine, p.shop.tenant);
    let notice = PaymentNotice::ReadBack { payment: "1".into() };
    engine.channels.payment(Err(refusal(Reaction::Sender)));
    assert!(engine.told(&p.source, notice.clone()).await.is_err());
    assert_eq!(engine.queues.inbounds.lock().unwrap().len(), 0, "trying it again helps nobody");
    // Another process replaces the token: this one holds the old one for 30 s.
    let name = p.source.id.to_string();
    engine.secrets.put_secret(tenant, &name, &json!({"secret": "s", "access_token": "two"})).await.unwrap();
    engine.channels.payment(Err(refusal(Reaction::Sender)));
    engine.channels.payment(Ok(Some(event("paid", ChargeChange::Paid, &["1"]))));
    assert_eq!(engine.told(&p.source, notice).await, Ok(Told::Applied));
    assert_eq!(p.unmatched().await, 1);
}

#[tokio::test]
async fn two_changes_of_a_source_both_hold() {
    let p = Payments::open(PaymentProvider::Stripe).await;
    let (engine, tenant, id) = (&p.shop.engine, p.shop.tenant, p.source.id);
    let named = SourceChange { name: Some("Matriz".into()), ..SourceChange::default() };
    let moved = SourceChange { config: Some(json!({"base_url": "https://x.example.com"})), ..SourceChange::default() };
    let (one, two) = tokio::join!(engine.update_source(tenant, id, &named), engine.update_source(tenant, id, &moved));
    assert!(one.is_ok() && two.is_ok());
    let source = engine.source_of(tenant, id).await.unwrap();
    assert_eq!((source.name.as_str(), source.rev), ("Matriz", 3));
    assert_eq!(source.config["base_url"], "https://x.example.com");
    let stranger = SourceId::of(domain::ids::TenantId::from_bytes([7; 9]), &mut engine.ids());
    assert!(engine.source_of(tenant, stranger).await.is_err());
}
