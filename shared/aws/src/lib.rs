//! Timers, queues and credentials on AWS: EventBridge Scheduler, SQS and SSM Parameter Store behind the
//! engine's ports.
//!
//! What must not live here: when a timer is to fire, what a message means, and how often anything
//! is tried. DynamoDB is `store`'s.

mod error;
mod outbox;
mod queues;
mod secrets;
mod timers;

pub use queues::{QueueUrls, SqsQueues};
pub use secrets::SsmSecrets;
pub use timers::{ScheduleTarget, SchedulerTimers};
