//! The contract of timers and queues, kept by the real adapters before a strict stand-in of SQS and
//! Scheduler, and by the fakes in memory.
#![allow(clippy::unwrap_used)]
#![allow(unreachable_pub)]

mod contract;
mod stand_in;

use aws::{QueueUrls, ScheduleTarget, SchedulerTimers, SqsQueues};
use contract::{Arrival, Delivered};
use domain::enrollment::PlannedSend;
use engine::ports::{Queues, Timers};
use engine::queue::{EnrollWork, InboundWork, decode};
use serde::de::DeserializeOwned;
use stand_in::StandIn;
use testkit::memory::{MemoryQueues, MemoryTimers};

struct Aws {
    stand_in: StandIn,
    timers: SchedulerTimers,
    queues: SqsQueues,
}

impl Aws {
    async fn start() -> Self {
        let (stand_in, config) = StandIn::start().await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let target = ScheduleTarget {
            group: stand_in::GROUP.into(),
            queue_arn: stand_in::arn("step"),
            role_arn: "arn:aws:iam::123456789012:role/fire".into(),
            dead_letter_arn: stand_in::arn("step-dead"),
        };
        let url = stand_in::url;
        let timers = SchedulerTimers::new(aws_sdk_scheduler::Client::new(&config), sqs.clone(), url("step"), target);
        let urls = QueueUrls { enroll: url("enroll"), step: url("step"), send: url("send"), inbound: url("inbound") };
        Self { stand_in, timers, queues: SqsQueues::new(sqs, urls) }
    }

    fn bodies<T: DeserializeOwned>(&self, queue: &str) -> Vec<T> {
        self.stand_in.kept(queue).iter().map(|message| decode(&message.body).unwrap()).collect()
    }
}

impl Delivered for Aws {
    fn timers(&self) -> &impl Timers {
        &self.timers
    }

    fn queues(&self) -> &impl Queues {
        &self.queues
    }

    fn at_millis(&self, millis: i64) {
        self.stand_in.at_millis(millis);
    }

    fn steps(&self) -> Vec<Arrival> {
        let kept = self.stand_in.kept("step").into_iter();
        kept.map(|m| Arrival { at: m.at, scheduled: m.scheduled, due: decode(&m.body).unwrap() }).collect()
    }

    fn sends(&self) -> Vec<PlannedSend> {
        self.bodies("send")
    }

    fn enrolls(&self) -> Vec<EnrollWork> {
        self.bodies("enroll")
    }

    fn inbounds(&self) -> Vec<InboundWork> {
        self.bodies("inbound")
    }
}

#[derive(Default)]
struct Memory {
    timers: MemoryTimers,
    queues: MemoryQueues,
}

impl Delivered for Memory {
    fn timers(&self) -> &impl Timers {
        &self.timers
    }

    fn queues(&self) -> &impl Queues {
        &self.queues
    }

    /// The fake counts from the worker's clock, which is told with every call.
    fn at_millis(&self, _millis: i64) {}

    fn steps(&self) -> Vec<Arrival> {
        let waiting = self.timers.waiting().into_iter();
        waiting.map(|t| Arrival { at: t.at.0 * 1_000, scheduled: t.scheduled, due: t.due }).collect()
    }

    fn sends(&self) -> Vec<PlannedSend> {
        self.queues.sends.lock().unwrap().clone()
    }

    fn enrolls(&self) -> Vec<EnrollWork> {
        self.queues.enrolls.lock().unwrap().clone()
    }

    fn inbounds(&self) -> Vec<InboundWork> {
        self.queues.inbounds.lock().unwrap().clone()
    }
}

macro_rules! keep {
    ($($case:ident),+ $(,)?) => {
        mod real {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::contract::$case(&crate::Aws::start().await).await;
            })+
        }
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                crate::contract::$case(&crate::Memory::default()).await;
            })+
        }
    };
}

keep!(
    a_timer_never_fires_before_its_instant,
    a_generation_has_one_schedule,
    a_short_timer_set_twice_comes_at_its_instant_only,
    an_early_timer_is_set_again_by_a_message,
    what_is_queued_arrives_as_it_was,
    a_message_has_a_largest_size,
);
