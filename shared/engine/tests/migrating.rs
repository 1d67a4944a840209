//! A publish that moves the running enrollments: who is moved, when, and what a crash changes.
#![allow(clippy::unwrap_used)]

use std::pin::pin;

use domain::account::Role;
use domain::enrollment::test_send::{TestWish, is_test_version, test_version};
use domain::enrollment::{Enrollment, Lease, MessageForm, Outcome, Planning, State};
use domain::ids::{ApiKeyId, EnrollmentId};
use domain::message::{Channel, SendOutcome};
use domain::sequence::Sequence;
use domain::time::{Calendar, Timestamp};
use engine::control::Action;
use engine::enroll::EnrollRequest;
use engine::jobs::bulk_source;
use engine::model::{Caller, Job};
use engine::ports::Store as _;
use engine::queue::EnrollWork;
use engine::sequences::{Published, Running};
use serde_json::json;
use testkit::memory::{MemoryStore, Shop};
use tokio::task::yield_now;

/// 2026-03-09T12:30:00Z, a Monday.
const NOW: Timestamp = Timestamp(1_773_059_400);

type World = Shop<MemoryStore>;

fn caller(shop: &World) -> Caller {
    let key = ApiKeyId::from_bytes([1; 9]);
    Caller { tenant: shop.tenant, role: Role::Admin, owner: "ana@example.com".into(), key }
}

/// The draft with a step put in between the two that there are.
async fn edit(shop: &World) -> Sequence {
    let stored = shop.engine.get_sequence(shop.tenant, shop.sequence).await.unwrap();
    let mut draft = serde_json::to_value(&stored.draft).unwrap();
    let mut new = draft["steps"][0].clone();
    new["key"] = json!("novo");
    new["wait"]["value"] = json!(1);
    draft["steps"].as_array_mut().unwrap().insert(1, new);
    let draft: Sequence = serde_json::from_value(draft).unwrap();
    let saved =
        shop.engine.update_sequence(&caller(shop), shop.sequence, stored.revision, draft.clone(), None).await.unwrap();
    assert_eq!(saved.draft, draft);
    draft
}

async fn publish(shop: &World) -> Published {
    let (caller, mut ids) = (caller(shop), shop.engine.ids());
    shop.engine.publish(&caller, shop.sequence, Running::Migrate, None, &mut ids).await.unwrap()
}

/// What is on the queue and may be worked on now.
fn queued(shop: &World) -> Vec<EnrollWork> {
    let mut queue = shop.engine.queues.enrolls.lock().unwrap();
    let due = |work: &EnrollWork| work.not_before.is_none_or(|at| at <= shop.engine.now());
    let (now, later) = std::mem::take(&mut *queue).into_iter().partition(due);
    *queue = later;
    now
}

async fn work_off(shop: &World) {
    loop {
        let works = queued(shop);
        if works.is_empty() {
            return;
        }
        for work in works {
            shop.engine.work(&work).await.unwrap();
        }
    }
}

async fn job(shop: &World, published: &Published) -> Job {
    shop.engine.job(shop.tenant, published.job.unwrap()).await.unwrap()
}

async fn claim(shop: &World, e: &Enrollment) -> Enrollment {
    let lease = Lease {
        token: "t".into(),
        generation: e.generation + 1,
        claimed_at: NOW,
        expires_at: NOW.plus_seconds(90),
        sender: shop.sender,
        channel: Channel::Whatsapp,
        form: MessageForm::Text,
        day: None,
        others: Default::default(),
        conversation: None,
        resolve_at: None,
        reported: None,
    };
    shop.engine.store.claim(shop.tenant, e.id, e.generation, e.step, &lease).await.unwrap();
    shop.stored(e.id).await
}

/// One waiting, paused, parked, in flight, finished; and a test.
async fn people(shop: &World) -> Vec<EnrollmentId> {
    let mut runs = Vec::new();
    for n in 1..=5 {
        runs.push(shop.enroll(n).await);
    }
    shop.engine.control(shop.tenant, runs[1].id, &Action::Pause).await.unwrap();
    let mut account = shop.engine.store.account(shop.tenant).await.unwrap().unwrap();
    for enabled in [false, true] {
        account.rev += 1;
        account.settings.enabled = enabled;
        shop.engine.store.save_account(&account).await.unwrap();
        shop.engine.forget(shop.tenant);
        if !enabled {
            for timer in shop.engine.timers.fire(NOW).iter().filter(|t| t.due.enrollment == runs[2].id) {
                shop.engine.step(&timer.due).await.unwrap();
            }
        }
    }
    shop.engine.forget(shop.tenant);
    assert!(matches!(shop.stored(runs[2].id).await.state, State::Parked(_)));
    claim(shop, &runs[3]).await;
    let exit = Action::Exit { reason: None };
    shop.engine.control(shop.tenant, runs[4].id, &exit).await.unwrap();

    let contact = shop.customer(6).await;
    let person = shop.engine.store.person(shop.tenant, contact).await.unwrap().unwrap();
    let draft = shop.engine.get_sequence(shop.tenant, shop.sequence).await.unwrap().draft;
    let (calendar, dates) = (Calendar::default(), Default::default());
    let planning = Planning { sequence: &draft, calendar: &calendar, target_dates: &dates };
    let id = EnrollmentId { contact, sequence: shop.sequence, scope: [5; 8], run: 1 };
    let wish =
        TestWish { id, entry: 1, version: test_version(&draft, &Default::default(), 0), step: None, by: "ana".into() };
    let test = wish.begin(&person, &planning, NOW);
    shop.engine.store.insert_enrollment(shop.tenant, &test).await.unwrap();
    runs.push(test);
    runs.iter().map(|e| e.id).collect()
}

async fn versions(shop: &World, people: &[EnrollmentId]) -> Vec<(u32, Option<u32>)> {
    let mut all = Vec::new();
    for id in people {
        let e = shop.stored(*id).await;
        let version = if is_test_version(e.version) { 0 } else { e.version };
        all.push((version, e.migrate_to));
    }
    all
}

const MOVED: [(u32, Option<u32>); 6] = [(2, None), (2, None), (2, None), (1, Some(2)), (1, None), (0, None)];

#[tokio::test]
async fn everybody_under_way_is_moved_and_counted_once() {
    let shop = Shop::open(MemoryStore::default(), NOW).await;
    let people = people(&shop).await;
    edit(&shop).await;
    let published = publish(&shop).await;
    assert_eq!((published.version, job(&shop, &published).await.is_done()), (2, false));
    assert!(versions(&shop, &people).await.iter().all(|(version, _)| *version != 2), "the publish itself moves nobody");
    work_off(&shop).await;
    assert_eq!(versions(&shop, &people).await, MOVED);
    let done = job(&shop, &published).await;
    assert!(done.is_done());
    assert_eq!((done.counts.created, done.counts.repeated, done.counts.failed), (4, 0, 0));
    // Its place is kept, and so is a pause.
    let paused = shop.stored(people[1]).await;
    assert_eq!((paused.state, paused.step, paused.wake), (State::Paused, 0, None));
    // The one in flight moves when its send is settled.
    let sending = shop.stored(people[3]).await;
    let draft = shop.engine.get_sequence(shop.tenant, shop.sequence).await.unwrap().draft;
    let (calendar, dates) = (Calendar::default(), Default::default());
    let planning = Planning { sequence: &draft, calendar: &calendar, target_dates: &dates };
    let accepted = SendOutcome::Accepted { provider_message_id: "m".into(), recipient_id: None };
    let settled = domain::enrollment::settle::settle(&sending, "t", &accepted, true, &planning, NOW).unwrap();
    shop.engine.store.commit(shop.tenant, &settled, None).await.unwrap();
    let due = engine::queue::StepDue { tenant: shop.tenant, enrollment: settled.id, generation: settled.generation };
    shop.engine.step(&due).await.unwrap();
    let moved = shop.stored(people[3]).await;
    assert_eq!((moved.version, moved.step), (2, 1), "behind what was sent");
}

/// The job's worker dies in its `nth` message, after so many polls, each of which makes the next calls;
/// `mute`: before what it put on the queue since its last call of the store. Whether it did.
async fn with_a_crash(nth: usize, polls: usize, mute: bool) -> bool {
    let shop = Shop::open(MemoryStore::default(), NOW).await;
    let people = people(&shop).await;
    edit(&shop).await;
    let published = publish(&shop).await;
    let (mut number, mut died) = (0, false);
    loop {
        let works = queued(&shop);
        if works.is_empty() {
            break;
        }
        for work in works {
            if number == nth {
                let mut first = pin!(shop.engine.work(&work));
                let (queue, mut before) = (&shop.engine.queues.enrolls, 0);
                died = true;
                for _ in 0..polls {
                    before = queue.lock().unwrap().len();
                    if futures::poll!(first.as_mut()).is_ready() {
                        died = false;
                        break;
                    }
                    yield_now().await;
                }
                if died && mute {
                    queue.lock().unwrap().truncate(before);
                }
            }
            number += 1;
            // The queue brings it again, and twice.
            shop.engine.work(&work).await.unwrap();
            shop.engine.work(&work).await.unwrap();
        }
    }
    assert_eq!(versions(&shop, &people).await, MOVED, "died in {nth} at {polls}");
    let done = job(&shop, &published).await;
    let counts = (done.counts.created, done.counts.repeated, done.counts.failed);
    assert_eq!((counts, done.is_done()), ((4, 0, 0), true), "died in {nth} at {polls}, {mute}");
    died
}

#[tokio::test]
async fn a_crash_at_any_point_moves_and_counts_everybody_once() {
    for nth in 0..6 {
        let mut polls = 1;
        while with_a_crash(nth, polls, false).await && with_a_crash(nth, polls, true).await {
            polls += 1;
        }
        assert!(polls > 3, "{nth}: {polls}");
    }
}

#[tokio::test]
async fn a_run_that_was_being_written_at_the_publish_is_moved_by_the_second_look() {
    let shop = Shop::open(MemoryStore::default(), NOW).await;
    let contact = shop.customer(1).await;
    let request = EnrollRequest {
        entry: 1,
        sequence: shop.sequence,
        contact,
        conversation: None,
        target: None,
        start_at: None,
        source: bulk_source(),
        by: "ana@example.com".into(),
        since: NOW,
        trigger: None,
    };
    edit(&shop).await;
    shop.engine.store.calls();
    let mut enrolling = pin!(shop.engine.enroll(shop.tenant, &request));
    while !shop.engine.store.calls().contains_key("person") {
        assert!(futures::poll!(enrolling.as_mut()).is_pending());
        yield_now().await;
    }
    publish(&shop).await;
    work_off(&shop).await;
    let begun = enrolling.await.unwrap().enrollment;
    assert_eq!(begun.version, 1);
    shop.now(NOW.plus_seconds(119));
    work_off(&shop).await;
    assert_eq!(shop.stored(begun.id).await.version, 1, "too early to be sure");
    shop.now(NOW.plus_seconds(120));
    work_off(&shop).await;
    assert_eq!(shop.stored(begun.id).await.version, 2);
}

#[tokio::test]
async fn who_was_moved_by_hand_since_stays_there() {
    let shop = Shop::open(MemoryStore::default(), NOW).await;
    let (ana, bia, carla) = (shop.enroll(1).await.id, shop.enroll(2).await.id, shop.enroll(3).await);
    claim(&shop, &carla).await;
    edit(&shop).await;
    let first = publish(&shop).await;
    work_off(&shop).await;
    shop.now(NOW.plus_seconds(30));
    shop.engine.control(shop.tenant, ana, &Action::Migrate { version: 1 }).await.unwrap();
    // Another publish in between: nobody is taken back by the first one's second look.
    shop.engine.publish(&caller(&shop), shop.sequence, Running::Pinned, None, &mut shop.engine.ids()).await.unwrap();
    shop.engine.control(shop.tenant, bia, &Action::Migrate { version: 3 }).await.unwrap();
    shop.engine.control(shop.tenant, carla.id, &Action::Migrate { version: 3 }).await.unwrap();
    let dora = shop.enroll(4).await.id;
    shop.now(NOW.plus_seconds(300));
    work_off(&shop).await;
    assert_eq!(versions(&shop, &[ana, bia, carla.id, dora]).await, [(1, None), (3, None), (1, Some(3)), (3, None)]);
    assert_eq!(job(&shop, &first).await.counts.created, 3);
    // A later publish moves both, wherever they are.
    let third = publish(&shop).await;
    work_off(&shop).await;
    assert_eq!(versions(&shop, &[ana, bia, carla.id, dora]).await, [(4, None), (4, None), (1, Some(4)), (4, None)]);
    assert_eq!(job(&shop, &third).await.counts.created, 4);
}

#[tokio::test]
async fn pages_follow_each_other_and_new_runs_are_none_of_theirs() {
    const MANY: u32 = 450;
    let shop = Shop::open(MemoryStore::default(), NOW).await;
    let mut people = Vec::new();
    for n in 1..=MANY {
        people.push(shop.enroll(n).await.id);
    }
    edit(&shop).await;
    let published = publish(&shop).await;
    // Somebody ends and somebody begins while it is at work.
    for _ in 0..2 {
        for work in queued(&shop) {
            shop.engine.work(&work).await.unwrap();
        }
    }
    let began = shop.enroll(MANY + 1).await;
    assert_eq!(began.version, 2);
    let left = people
        .iter()
        .find(|id| shop.engine.store.tables().all_enrollments().any(|(_, e)| e.id == **id && e.version == 1));
    let left = *left.unwrap();
    shop.engine.control(shop.tenant, left, &Action::Exit { reason: None }).await.unwrap();
    work_off(&shop).await;
    let done = job(&shop, &published).await;
    assert_eq!((done.total, done.counts.failed, done.is_done()), (done.counts.created + done.counts.repeated, 0, true));
    assert_eq!(done.counts.created, MANY - 1);
    assert_eq!(shop.stored(left).await.outcome(), Some(Outcome::Removed));
    assert_eq!(done.parts, 5 + 3, "three pages of those waiting with their rows, a page of each other list");
}
