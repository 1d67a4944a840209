//! What was deployed, and clients of AWS to look at it.

use std::sync::LazyLock;
use std::time::Duration;

use aws_config::BehaviorVersion;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use store::DynamoStore;

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start with tests/aws/run"))
}

/// A file that `run` keeps of the stack.
pub(crate) fn file(name: &str) -> String {
    let path = format!("{}/{name}", variable("RITMO_AWS"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What `stack.py` has read: `resources` by their name in the template, and `roles`.
pub(crate) static DEPLOYED: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&file("stack.json")).unwrap());

/// What AWS calls a resource of the template: of a queue its URL, of most others a name.
pub(crate) fn resource(name: &str) -> &'static str {
    DEPLOYED["resources"][name].as_str().unwrap_or_else(|| panic!("{name} was not deployed"))
}

pub(crate) fn queue_arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{}", resource(queue).rsplit('/').next().unwrap())
}

/// The HTTP API. Its own host name would need a resolver that knows `*.localhost`.
pub(crate) fn api() -> String {
    format!("{}/_aws/execute-api/{}/$default", variable("AWS_ENDPOINT_URL"), resource("HttpApi"))
}

#[derive(Clone)]
pub(crate) struct Stack {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) scheduler: aws_sdk_scheduler::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    /// The table, by the functions' own adapter.
    pub(crate) store: DynamoStore,
}

impl Stack {
    pub(crate) async fn open() -> Self {
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let secret: [u8; 32] = STANDARD.decode(variable("RITMO_SECRET")).unwrap().try_into().unwrap();
        Self {
            sqs: aws_sdk_sqs::Client::new(&sdk),
            scheduler: aws_sdk_scheduler::Client::new(&sdk),
            ssm: aws_sdk_ssm::Client::new(&sdk),
            store: DynamoStore::new(store::client(&sdk), resource("Table"), &secret),
        }
    }

    pub(crate) async fn attribute(&self, queue: &str, name: &str) -> String {
        let name = aws_sdk_sqs::types::QueueAttributeName::from(name);
        let asked = self.sqs.get_queue_attributes().queue_url(resource(queue)).attribute_names(name.clone());
        asked.send().await.unwrap().attributes.unwrap()[&name].clone()
    }

    /// Messages on a queue that can be, or are being, worked on.
    pub(crate) async fn on_queue(&self, queue: &str) -> u32 {
        let mut sum = 0;
        for name in ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] {
            sum += self.attribute(queue, name).await.parse::<u32>().unwrap();
        }
        sum
    }
}

/// Looks again until there is something, and gives up after so many seconds.
pub(crate) async fn wait_for<T>(what: &str, seconds: u64, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(Duration::from_secs(seconds), async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: not within {seconds} s"))
}
