//! Crowds against a sender's limits: nobody leaves over them, and nobody is left.
//!
//! `cargo test --release -p engine --test limits -- --nocapture` takes 50,000 people, a debug build fewer.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;

use domain::account::{Account, Settings};
use domain::enrollment::{Outcome, PlannedSend, State};
use domain::sender::{RampUp, SenderLimits};
use domain::time::{NaiveDate, Timestamp, Zone, civil_day, day_begins};
use engine::model::Version;
use engine::ports::Store as _;
use testkit::memory::{MemoryStore, Shop, whatsapp_sender};

/// 2026-11-16, a Monday.
fn day(n: usize) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 16).unwrap().iter_days().nth(n).unwrap()
}

const PER_SECOND: u32 = 80;
const PEOPLE: u32 = if cfg!(debug_assertions) { 6_000 } else { 50_000 };
/// For how long the hours are open where they close before the last slot.
const MINUTES: u32 = if cfg!(debug_assertions) { 1 } else { 5 };

struct Crowd {
    shop: Shop<MemoryStore>,
    /// Planned, and not yet to be claimed.
    buffered: Vec<PlannedSend>,
}

impl Crowd {
    /// So many people, enrolled at 08:00 in a sequence of one step, which is due as soon as the quiet hours
    /// allow.
    async fn enrolled(people: u32, limits: SenderLimits, quiet_hours: &str) -> Self {
        let now = day_begins(Zone::UTC, day(0)).plus_hours(8);
        let shop = Shop::open(MemoryStore::default(), now).await;
        let settings =
            Settings { enabled: true, quiet_hours: serde_json::from_str(quiet_hours).unwrap(), ..Settings::default() };
        let account = Account { id: shop.tenant, rev: 2, created_at: now, settings };
        shop.engine.store.save_account(&account).await.unwrap();
        let mut sender = whatsapp_sender(shop.sender, limits, now);
        sender.rev = 2;
        shop.engine.store.save_sender(shop.tenant, &sender).await.unwrap();
        let mut sequence = shop.engine.store.sequence(shop.tenant, shop.sequence).await.unwrap().unwrap();
        sequence.draft.steps.truncate(1);
        (sequence.revision, sequence.published) = (2, 2);
        let version = Version {
            sequence_id: shop.sequence,
            number: 2,
            published_at: now,
            published_by: "ana@example.com".into(),
            sequence: sequence.draft.clone(),
            templates: Default::default(),
        };
        shop.engine.store.publish(shop.tenant, &sequence, &version).await.unwrap();
        for n in 0..people {
            shop.enroll(n).await;
        }
        shop.engine.store.calls();
        Self { shop, buffered: Vec::new() }
    }

    /// Lets time pass, second by second wherever something is due, until nothing is before `until`.
    async fn run(&mut self, until: Timestamp) {
        let engine = &self.shop.engine;
        loop {
            let timers = engine.timers.waiting().into_iter().map(|t| t.at);
            let slots = self.buffered.iter().filter_map(|planned| planned.not_before);
            let Some(now) = timers.chain(slots).min().filter(|at| *at < until) else { return };
            let now = now.max(engine.now());
            engine.clock.set(now);
            for timer in engine.timers.fire(now) {
                engine.step(&timer.due).await.unwrap();
            }
            self.buffered.append(&mut engine.queues.sends.lock().unwrap());
            let (ready, later) =
                std::mem::take(&mut self.buffered).into_iter().partition(|p| p.not_before.is_none_or(|at| at <= now));
            self.buffered = later;
            let ready: Vec<PlannedSend> = ready;
            for planned in &ready {
                engine.send(planned).await.unwrap();
            }
        }
    }

    /// When each first step left.
    fn left(&self) -> Vec<Timestamp> {
        let tables = self.shop.engine.store.tables();
        let first = |e: &domain::enrollment::Enrollment| e.records.first().and_then(|r| r.sent_at);
        tables.all_enrollments().filter_map(|(_, e)| first(e)).collect()
    }

    fn by_day(&self) -> BTreeMap<NaiveDate, u32> {
        let mut days = BTreeMap::new();
        self.left().into_iter().for_each(|at| *days.entry(civil_day(Zone::UTC, at)).or_default() += 1);
        days
    }

    fn by_second(&self) -> BTreeMap<Timestamp, u32> {
        let mut seconds = BTreeMap::new();
        self.left().into_iter().for_each(|at| *seconds.entry(at).or_default() += 1);
        seconds
    }

    /// What it cost, by verb, for each message.
    fn tell(&self, what: &str, people: u32) {
        let calls = self.shop.engine.store.calls();
        let each = |verb: &str| f64::from(calls.get(verb).copied().unwrap_or(0)) / f64::from(people);
        let verbs = ["reserve", "take_day", "claim", "put_message", "commit"];
        let writes: Vec<String> = verbs.map(|verb| format!("{verb} {:.2}", each(verb))).to_vec();
        eprintln!("{what}, {people} people: a message has {}", writes.join(", "));
    }
}

fn rate() -> SenderLimits {
    SenderLimits { per_second: Some(PER_SECOND), ..SenderLimits::default() }
}

#[tokio::test]
async fn all_who_are_due_at_nine_leave_by_the_rate() {
    let mut crowd = Crowd::enrolled(PEOPLE, rate(), r#"[{"from": "20:00", "to": "09:00"}]"#).await;
    let nine = day_begins(Zone::UTC, day(0)).plus_hours(9);
    crowd.run(nine.plus_hours(4)).await;
    let seconds = i64::from(PEOPLE / PER_SECOND);
    let expected = (0..seconds).map(|n| (nine.plus_seconds(n), PER_SECOND)).collect();
    assert_eq!(crowd.by_second(), expected);
    // One slot each: the next free one is behind the last.
    let free = crowd.shop.engine.store.tables().free_slot(crowd.shop.sender);
    assert_eq!(free, Some(nine.plus_seconds(seconds).0 * 1_000_000));
    assert_eq!(crowd.shop.engine.channels.sent().len(), PEOPLE as usize);
    crowd.tell("80 a second", PEOPLE);
}

#[tokio::test]
async fn when_the_hours_close_before_the_last_slot_the_rest_leaves_the_day_after() {
    let quiet = format!(r#"[{{"from": "09:{MINUTES:02}", "to": "09:00"}}]"#);
    let mut crowd = Crowd::enrolled(PEOPLE, rate(), &quiet).await;
    crowd.run(day_begins(Zone::UTC, day(3)).plus_hours(8)).await;
    // Of the last second only its beginning is certain to be allowed.
    let seconds = 60 * MINUTES - 1;
    let of_a_day = PER_SECOND * seconds + 1;
    assert!(PEOPLE > of_a_day, "one day is not enough");
    let mut expected = BTreeMap::new();
    for n in 0..PEOPLE {
        let (days, nth) = (n / of_a_day, n % of_a_day);
        let nine = day_begins(Zone::UTC, day(days as usize)).plus_hours(9);
        *expected.entry(nine.plus_seconds((nth / PER_SECOND).into())).or_default() += 1;
    }
    assert_eq!(crowd.by_second(), expected);
    assert_eq!(crowd.shop.engine.channels.sent().len(), PEOPLE as usize);
    crowd.tell("80 a second, closed early", PEOPLE);
}

#[tokio::test]
async fn a_new_number_grows_into_its_crowd() {
    let limits = SenderLimits { ramp_up: Some(RampUp { start_per_day: 50, growth: 1.5 }), ..SenderLimits::default() };
    let mut crowd = Crowd::enrolled(1_000, limits, r#"[{"from": "20:00", "to": "09:00"}]"#).await;
    crowd.run(day_begins(Zone::UTC, day(8))).await;
    let expected: BTreeMap<_, _> = (0..).map(day).zip([50, 75, 112, 168, 253, 342]).collect();
    assert_eq!(crowd.by_day(), expected);
    let (sender, tables) = (crowd.shop.sender, crowd.shop.engine.store.tables());
    // The second steps, three days later, come out of the same days.
    drop(tables);
    let taken = |n| crowd.shop.engine.store.tables().taken(sender, day(n));
    assert_eq!([0, 1, 2].map(taken), [50, 75, 112]);
    crowd.tell("50 a day, and half as many more each day", 1_000);
}

#[tokio::test]
async fn a_limit_for_a_day_holds_beside_a_rate() {
    let limits = SenderLimits { per_day: Some(40), per_minute: Some(30), ..SenderLimits::default() };
    let mut crowd = Crowd::enrolled(100, limits, r#"[{"from": "20:00", "to": "09:00"}]"#).await;
    crowd.run(day_begins(Zone::UTC, day(3))).await;
    assert_eq!(crowd.by_day(), (0..).map(day).zip([40, 40, 20]).collect());
    for (at, count) in crowd.by_second() {
        assert_eq!(count, 1, "{at}");
    }
    let taken = |n| crowd.shop.engine.store.tables().taken(crowd.shop.sender, day(n));
    assert_eq!([0, 1, 2, 3].map(taken), [40, 40, 20, 0]);
}

#[tokio::test]
async fn whoever_ends_leaves_their_place_to_others() {
    let limits = SenderLimits { per_day: Some(10), ..SenderLimits::default() };
    let mut crowd = Crowd::enrolled(30, limits, "[]").await;
    let now = crowd.shop.engine.now();
    crowd.run(now.plus_seconds(1)).await;
    let held: Vec<_> = {
        let tables = crowd.shop.engine.store.tables();
        let tomorrow = tables.all_enrollments().filter(|(_, e)| e.day.is_some_and(|slot| slot.day == day(1)));
        tomorrow.map(|(_, e)| e.id).collect()
    };
    assert_eq!(held.len(), 10);
    let taken = |crowd: &Crowd, n| crowd.shop.engine.store.tables().taken(crowd.shop.sender, day(n));
    for id in &held[..4] {
        let exit = engine::control::Action::Exit { reason: None };
        let ended = crowd.shop.engine.control(crowd.shop.tenant, *id, &exit).await.unwrap();
        assert_eq!(ended.state, State::Finished(Outcome::Removed));
        // Asked again, nothing goes back twice.
        crowd.shop.engine.control(crowd.shop.tenant, *id, &exit).await.unwrap();
    }
    assert_eq!((taken(&crowd, 1), taken(&crowd, 2)), (6, 10));
    // That a day is full is remembered for a few seconds.
    crowd.shop.now(now.plus_seconds(20));
    for n in 30..34 {
        crowd.shop.enroll(n).await;
    }
    crowd.run(now.plus_minutes(1)).await;
    assert_eq!((taken(&crowd, 1), taken(&crowd, 2)), (10, 10));
    crowd.run(day_begins(Zone::UTC, day(3))).await;
    assert_eq!(crowd.by_day(), (0..3).map(|n| (day(n), 10)).collect());
}
