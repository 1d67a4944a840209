#![allow(clippy::unwrap_used)]
use std::time::Duration;

use engine::ports::Clock as _;
use serde_json::Value;

use super::*;

const START: Timestamp = Timestamp(1_773_059_400);

/// What a message's body tells the handler to do.
#[derive(Default)]
struct Script {
    /// Instant and body of every delivery.
    seen: Mutex<Vec<(i64, String)>>,
    sweeps: Mutex<Vec<i64>>,
    left: Mutex<bool>,
    runner: Mutex<Option<Arc<Runner>>>,
}

impl Handlers for Script {
    async fn messages(&self, _queue: Queue, event: SqsEvent) -> SqsBatchResponse {
        let runner = self.runner.lock().unwrap().clone().unwrap();
        let mut response = SqsBatchResponse::default();
        for record in event.records {
            let (id, body) = (record.message_id.unwrap(), record.body.unwrap());
            let now = runner.clock().now();
            self.seen.lock().unwrap().push((now.0 - START.0, body.clone()));
            match body.split_once(' ') {
                Some(("then", seconds)) => {
                    let at = now.plus_seconds(seconds.parse().unwrap());
                    runner.message(at, Queue::Step, "done".into(), None);
                }
                Some(("slow", _)) => tokio::time::sleep(Duration::from_millis(50)).await,
                Some(("fail", _)) => response.add_failure(id),
                Some(("panic", _)) => panic!("a bug in a handler"),
                _ => {}
            }
        }
        response
    }

    async fn webhook(&self, _webhook: &mut PendingWebhook) -> Option<i64> {
        None
    }

    async fn sweep(&self) -> bool {
        let now = self.runner.lock().unwrap().clone().unwrap().clock().now();
        self.sweeps.lock().unwrap().push(now.0 - START.0);
        *self.left.lock().unwrap()
    }
}

impl Script {
    fn start() -> (Arc<Runner>, Arc<Self>) {
        let runner = Runner::new(LocalClock::manual(Some(START), None).unwrap());
        let script = Arc::new(Self::default());
        *script.runner.lock().unwrap() = Some(runner.clone());
        tokio::spawn(runner.clone().dispatch(script.clone()));
        (runner, script)
    }

    fn seen(&self) -> Vec<(i64, String)> {
        self.seen.lock().unwrap().clone()
    }
}

fn put(runner: &Runner, seconds: i64, body: &str) {
    runner.message(START.plus_seconds(seconds), Queue::Step, body.into(), None);
}

fn list(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    expected.iter().map(|(at, body)| (*at, (*body).into())).collect()
}

#[tokio::test]
async fn each_item_runs_at_its_own_time_and_what_follows_from_it_too() {
    let (runner, script) = Script::start();
    put(&runner, 86_400, "b");
    put(&runner, 3_600, "then 7200");
    put(&runner, 86_400, "c");
    runner.advance(START.plus_days(400)).await.unwrap();
    assert_eq!(script.seen(), list(&[(3_600, "then 7200"), (10_800, "done"), (86_400, "b"), (86_400, "c")]));
    assert_eq!(runner.clock().now(), START.plus_days(400));
    assert!(matches!(runner.advance(START).await, Err(ClockError::Back)));
}

#[tokio::test]
async fn what_is_due_now_runs_without_any_advance() {
    let (runner, script) = Script::start();
    put(&runner, -5, "then 0");
    runner.quiet().await;
    assert_eq!(script.seen(), list(&[(0, "then 0"), (0, "done")]));
}

#[tokio::test]
async fn time_stands_still_while_anything_is_in_flight() {
    let (runner, script) = Script::start();
    put(&runner, 1, "slow 1");
    put(&runner, 2, "after");
    let call = runner.call();
    let other = runner.clone();
    let moved = tokio::spawn(async move { other.advance(START.plus_seconds(10)).await });
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(runner.clock().now(), START);
    drop(call);
    moved.await.unwrap().unwrap();
    assert_eq!(script.seen(), list(&[(1, "slow 1"), (2, "after")]));
}

#[tokio::test]
async fn a_failing_message_comes_again_until_it_is_a_dead_letter() {
    for body in ["fail 1", "panic 1"] {
        let (runner, script) = Script::start();
        put(&runner, 0, body);
        runner.advance(START.plus_seconds(119)).await.unwrap();
        assert_eq!(script.seen().iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 30, 60, 90]);
        assert_eq!(runner.dead_letters(), []);
        runner.advance(START.plus_days(1)).await.unwrap();
        let dead = serde_json::to_value(runner.dead_letters()).unwrap();
        assert_eq!(dead[0]["receives"], 5);
        assert_eq!(dead[0]["body"], body);
        assert_eq!(dead[1], Value::Null);
        // What the message was for is looked after.
        assert_eq!(*script.sweeps.lock().unwrap(), [120 + GRACE_SECONDS]);
    }
}

#[tokio::test]
async fn dead_letters_go_back_once() {
    let (runner, script) = Script::start();
    put(&runner, 0, "fail 1");
    runner.advance(START.plus_days(1)).await.unwrap();
    assert_eq!((script.seen().len(), runner.dead_letters().len()), (5, 1));
    assert_eq!((runner.redrive(), runner.redrive()), (1, 0));
    assert_eq!(runner.dead_letters(), []);
    runner.advance(START.plus_days(2)).await.unwrap();
    assert_eq!((script.seen().len(), runner.dead_letters().len()), (10, 1), "as new: with all its deliveries");
}

#[tokio::test]
async fn a_crash_forgets_timers_and_ends_what_runs() {
    let (runner, script) = Script::start();
    put(&runner, 0, "slow 1");
    runner.message(START, Queue::Enroll, "slow part".into(), None);
    runner.message(START, Queue::Send, "slow send".into(), None);
    put(&runner, 60, "lost");
    runner.message(START.plus_seconds(70), Queue::Inbound, "kept".into(), None);
    runner.sweep_at(START.plus_seconds(60));
    tokio::time::sleep(Duration::from_millis(10)).await;
    runner.crash().await;
    put(&runner, 90, "new");
    runner.advance(START.plus_days(1)).await.unwrap();
    // The part comes again, the send came to its end.
    let first = [(0, "slow 1"), (0, "slow part"), (0, "slow send"), (0, "slow part")];
    assert_eq!(script.seen(), [list(&first), list(&[(70, "kept"), (90, "new")])].concat());
    assert_eq!(*script.sweeps.lock().unwrap(), [0; 0]);
}

#[tokio::test]
async fn a_schedule_is_unique_while_it_waits() {
    let (runner, script) = Script::start();
    for seconds in [3_600, 7_200] {
        runner.message(START.plus_seconds(seconds), Queue::Step, "named".into(), Some("enr-1".into()));
    }
    runner.advance(START.plus_hours(1)).await.unwrap();
    runner.message(START.plus_hours(3), Queue::Step, "again".into(), Some("enr-1".into()));
    runner.advance(START.plus_days(1)).await.unwrap();
    assert_eq!(script.seen(), list(&[(3_600, "named"), (10_800, "again")]));
}

#[tokio::test]
async fn a_sweep_that_passes_something_over_comes_again_ever_more_rarely() {
    let (runner, script) = Script::start();
    *script.left.lock().unwrap() = true;
    runner.sweep_at(START);
    runner.sweep_at(START);
    runner.advance(START.plus_seconds(3_600)).await.unwrap();
    assert_eq!(*script.sweeps.lock().unwrap(), [0, 60, 180, 420, 900, 1_800, 2_700, 3_600]);
}

#[tokio::test]
async fn many_months_of_few_events_are_quick() {
    let (runner, script) = Script::start();
    (1..=1_000).for_each(|day| put(&runner, day * 86_400, "x"));
    let began = std::time::Instant::now();
    runner.advance(START.plus_days(1_000)).await.unwrap();
    assert_eq!(script.seen().len(), 1_000);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
