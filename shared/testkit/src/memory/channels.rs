//! A provider that takes everything, or what it is told to do instead.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use domain::conversation::Look;
use domain::message::{Outbound, ProviderKind, Refusal, SendOutcome};
use domain::payment::{ChargeEvent, PaymentProvider, PaymentSource};
use domain::sender::{KnownTemplate, Sender};
use engine::ports::Channels;
use serde_json::Value;
use tokio::sync::Notify;

use super::store::lock;

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Outcome(SendOutcome),
    /// None: whoever called waits for ever.
    Never,
}

type ReadBack = Result<Option<ChargeEvent>, Refusal>;

/// The channels port in memory. Clones share what was sent.
#[derive(Debug, Clone, Default)]
pub struct MemoryChannels {
    sent: Arc<Mutex<Vec<Outbound>>>,
    used: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    called: Arc<Notify>,
    payments: Arc<Mutex<VecDeque<ReadBack>>>,
    looks: Arc<Mutex<VecDeque<Result<Look, Refusal>>>>,
}

impl MemoryChannels {
    /// Every call, in order.
    pub fn sent(&self) -> Vec<Outbound> {
        lock(&self.sent).clone()
    }

    /// The credentials of every call, in order.
    pub fn used(&self) -> Vec<Value> {
        lock(&self.used).clone()
    }

    /// What becomes of the next call that nothing was said about.
    pub fn answer(&self, answer: Answer) {
        lock(&self.answers).push_back(answer);
    }

    /// What the next payment that is read back is.
    pub fn payment(&self, answer: ReadBack) {
        lock(&self.payments).push_back(answer);
    }

    /// What the next look at a conversation shows.
    pub fn shows(&self, look: Result<Look, Refusal>) {
        lock(&self.looks).push_back(look);
    }

    /// Returns when the provider is called.
    pub async fn called(&self) {
        self.called.notified().await;
    }
}

impl Channels for MemoryChannels {
    async fn send(&self, _sender: &Sender, credentials: &Value, outbound: &Outbound) -> SendOutcome {
        tokio::task::yield_now().await;
        lock(&self.used).push(credentials.clone());
        let number = {
            let mut sent = lock(&self.sent);
            sent.push(outbound.clone());
            sent.len()
        };
        self.called.notify_one();
        let answer = lock(&self.answers).pop_front();
        match answer {
            None => SendOutcome::Accepted { provider_message_id: format!("wamid.{number}"), recipient_id: None },
            Some(Answer::Outcome(outcome)) => outcome,
            Some(Answer::Never) => std::future::pending().await,
        }
    }

    async fn look(&self, _: &Sender, _: &Value, _: &str) -> Result<Look, Refusal> {
        tokio::task::yield_now().await;
        lock(&self.looks).pop_front().unwrap_or(Ok(Look::QUIET))
    }

    async fn templates(&self, _sender: &Sender, _credentials: &Value) -> Result<Vec<KnownTemplate>, Refusal> {
        Ok(Vec::new())
    }

    async fn read_back(&self, _: &PaymentSource, _: &Value, _: &str) -> ReadBack {
        tokio::task::yield_now().await;
        lock(&self.payments).pop_front().unwrap_or(Ok(None))
    }

    fn check_source(&self, _: PaymentProvider, _: &Value, _: Option<&Value>) -> Vec<(String, String, String)> {
        Vec::new()
    }

    fn check(&self, _: ProviderKind, _: &Value, _: Option<&Value>) -> Vec<(String, String, String)> {
        Vec::new()
    }
}
