//! Timers and queues on AWS: EventBridge Scheduler and SQS behind the engine's ports.
//!
//! What must not live here: when a timer is to fire, what a message means, and how often anything
//! is tried. DynamoDB is `store`'s.

mod error;
mod outbox;
mod queues;
mod timers;

pub use queues::{QueueUrls, SqsQueues};
pub use timers::{ScheduleTarget, SchedulerTimers};
