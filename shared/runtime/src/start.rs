//! From nothing to an engine: once for each sandbox, before its first event.

use std::sync::Arc;
use std::time::Duration;

use aws::{SchedulerTimers, SqsQueues, SsmSecrets};
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use channels::Providers;
use domain::ids::TenantId;
use domain::message::ProviderKind;
use engine::accounts::secret_hash;
use engine::ports::{Random, Store as _};
use engine::{Config, Engine, Tokens};
use store::DynamoStore;

use crate::{Addresses, LambdaPorts, OsRandom, ProviderAdapter, Settings, SettingsError, SystemClock};

/// Longer than the send function's time-out (60 s): past it nobody is still going to call.
pub const LEASE_SECONDS: i64 = 90;

const CREDENTIALS_SECONDS: i64 = 600;
const CREDENTIALS_JITTER: i64 = 120;

const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// One try of one call to the queues and Scheduler; the store sets its own limits.
const TRY_TIMEOUT: Duration = Duration::from_secs(4);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;

/// Who starts: decides what may be remembered between events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads settings and senders anew for every request.
    Api,
    /// Works with settings and senders up to 30 s old.
    Worker,
}

/// How long this process uses credentials that it has read: ten minutes, less up to two. Sandboxes that began
/// in one burst do not ask Parameter Store in one burst again.
pub fn credentials_seconds(random: &impl Random) -> i64 {
    CREDENTIALS_SECONDS - i64::from(random.seed()[0]) * CREDENTIALS_JITTER / 255
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the HTTP client for providers cannot be made")]
    Http,
}

/// Reads the environment, starts logging, makes every client, and opens the table's connection
/// while a start-up is still free of charge.
///
/// # Errors
/// What is missing in the configuration, by name.
pub async fn start(kind: Kind) -> Result<Arc<Engine<LambdaPorts>>, StartError> {
    crate::init_logs();
    let settings = Settings::from_env()?;
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(TRY_TIMEOUT)
                .operation_timeout(CALL_TIMEOUT)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
        .load()
        .await;
    let store = DynamoStore::new(store::client(&sdk), settings.table, &settings.secret);
    // An ARN names the account that it is of.
    let account = settings.schedules.queue_arn.split(':').nth(4).unwrap_or_default().to_owned();
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    let timers = SchedulerTimers::new(
        aws_sdk_scheduler::Client::new(&sdk),
        sqs.clone(),
        settings.queues.step.clone(),
        settings.schedules,
    );
    let mut providers = Providers::new(&sdk).map_err(|_| StartError::Http)?.with_account(account);
    if let Some(origin) = settings.whatsapp_origin {
        providers = providers.with_origin(ProviderKind::WhatsappCloud, origin);
    }
    let engine: Engine<LambdaPorts> = Engine {
        timers,
        queues: SqsQueues::new(sqs, settings.queues),
        clock: SystemClock,
        random: OsRandom,
        secrets: SsmSecrets::new(aws_sdk_ssm::Client::new(&sdk), settings.parameters),
        channels: ProviderAdapter::new(providers, Addresses::Public),
        config: Config {
            lease_seconds: LEASE_SECONDS,
            cache_settings: kind == Kind::Worker,
            credentials_seconds: credentials_seconds(&OsRandom),
            operator_key_hash: settings.operator_key.as_deref().map(secret_hash),
            tokens: Tokens::new(&settings.secret, &settings.public_url),
        },
        cache: Default::default(),
        store,
    };
    // A read of nothing: name, TLS and credentials are there when the first event comes.
    if let Err(error) = engine.store.account(TenantId::from_bytes([0; 9])).await {
        tracing::warn!(%error, "the table did not answer at start-up");
    }
    Ok(Arc::new(engine))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn seed(&self) -> [u8; 32] {
            [self.0; 32]
        }
    }

    #[test]
    fn credentials_are_used_for_eight_to_ten_minutes() {
        assert_eq!([0, 85, 255].map(|byte| credentials_seconds(&Fixed(byte))), [600, 560, 480]);
    }
}
