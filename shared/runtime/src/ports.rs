//! The ports of a deployment on AWS.

use std::time::{SystemTime, UNIX_EPOCH};

use aws::{SchedulerTimers, SqsQueues, SsmSecrets};
use domain::time::Timestamp;
use engine::Ports;
use engine::ports::{Clock, Random};
use rand::TryRngCore as _;
use store::DynamoStore;

use crate::ProviderAdapter;

/// DynamoDB, Scheduler, SQS, Parameter Store and the providers themselves.
#[derive(Debug, Clone, Copy)]
pub enum LambdaPorts {}

impl Ports for LambdaPorts {
    type Store = DynamoStore;
    type Timers = SchedulerTimers;
    type Queues = SqsQueues;
    type Clock = SystemClock;
    type Random = OsRandom;
    type Secrets = SsmSecrets;
    type Channels = ProviderAdapter;
}

/// The machine's clock; fractions of a second are cut off.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        // Ids and tokens from anything else could be guessed: without it nothing may go on.
        rand::rngs::OsRng.try_fill_bytes(&mut seed).expect("the operating system gives randomness");
        seed
    }
}
