//! One-shot timers: a delayed queue message, or a schedule that deletes itself.

use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target,
};
use domain::time::Timestamp;
use engine::PortError;
use engine::ports::{PortResult, Timers};
use engine::queue::{StepDue, encode};

use crate::error::port_error;

/// What SQS takes at most as a message's own delay.
pub(crate) const MAX_DELAY_SECONDS: i64 = 900;

/// Scheduler tries again for this long; then the timer goes to its dead-letter queue, and the sweep
/// has long made another.
const RETRY_SECONDS: i32 = 3_600;
const RETRIES: i32 = 30;

/// Where schedules live and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleTarget {
    pub group: String,
    /// The step queue.
    pub queue_arn: String,
    /// What Scheduler becomes to send to the queue.
    pub role_arn: String,
    pub dead_letter_arn: String,
}

#[derive(Debug, Clone)]
pub struct SchedulerTimers {
    scheduler: aws_sdk_scheduler::Client,
    sqs: aws_sdk_sqs::Client,
    step_queue_url: String,
    target: ScheduleTarget,
}

impl SchedulerTimers {
    pub fn new(
        scheduler: aws_sdk_scheduler::Client,
        sqs: aws_sdk_sqs::Client,
        step_queue_url: String,
        target: ScheduleTarget,
    ) -> Self {
        Self { scheduler, sqs, step_queue_url, target }
    }

    /// Up to 15 minutes. The clock's seconds are cut off, so whole seconds from there end after `at`,
    /// never before it.
    async fn soon(&self, due: &StepDue, delay: i64) -> PortResult<()> {
        let delay = i32::try_from(delay.clamp(0, MAX_DELAY_SECONDS)).unwrap_or(0);
        self.sqs
            .send_message()
            .queue_url(&self.step_queue_url)
            .message_body(encode(due))
            .set_delay_seconds((delay > 0).then_some(delay))
            .send()
            .await
            .map(drop)
            .map_err(|error| port_error("SendMessage", &error))
    }

    /// One schedule for one generation: whoever comes second finds the name taken, and is done.
    async fn later(&self, due: &StepDue, at: Timestamp) -> PortResult<()> {
        let created = self
            .scheduler
            .create_schedule()
            .name(due.name())
            .group_name(&self.target.group)
            .schedule_expression(format!("at({})", at.to_chrono().format("%Y-%m-%dT%H:%M:%S")))
            .schedule_expression_timezone("UTC")
            .action_after_completion(ActionAfterCompletion::Delete)
            .flexible_time_window(built(FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build())?)
            .target(self.target(due)?)
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(CreateScheduleError::is_conflict_exception) => Ok(()),
            Err(error) => Err(port_error("CreateSchedule", &error)),
        }
    }

    fn target(&self, due: &StepDue) -> PortResult<Target> {
        let retry = RetryPolicy::builder().maximum_event_age_in_seconds(RETRY_SECONDS).maximum_retry_attempts(RETRIES);
        built(
            Target::builder()
                .arn(&self.target.queue_arn)
                .role_arn(&self.target.role_arn)
                .input(encode(due))
                .retry_policy(retry.build())
                .dead_letter_config(DeadLetterConfig::builder().arn(&self.target.dead_letter_arn).build())
                .build(),
        )
    }
}

/// The builders refuse what lacks a required field; all are set above.
fn built<T>(result: Result<T, aws_sdk_scheduler::error::BuildError>) -> PortResult<T> {
    result.map_err(|_| PortError::Poison("CreateSchedule: incomplete request".into()))
}

impl Timers for SchedulerTimers {
    async fn arm(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        let ahead = at.seconds_since(now);
        if ahead <= MAX_DELAY_SECONDS { self.soon(due, ahead).await } else { self.later(due, at).await }
    }

    /// Never a schedule: its name is taken by the one that fired early, or still is.
    async fn arm_again(&self, due: &StepDue, at: Timestamp, now: Timestamp) -> PortResult<()> {
        self.soon(due, at.seconds_since(now)).await
    }
}
