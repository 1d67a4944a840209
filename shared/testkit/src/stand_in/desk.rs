//! The handle that all stand-ins of a process share.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use domain::ids::AttemptRef;
use domain::message::{Channel, DeliveryStatus, ProviderKind};
use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::faults::Faults;
use super::journal::{Entry, Journal};
use super::recipient::recipient_key;
use super::{Hooks, SenderAccess, SenderKey, WebhookDelivery};
use crate::local::{AcceptedMessage, Failure, Fault};

/// Statuses come one second apart; all of them within this.
const LAST_STATUS_SECONDS: i64 = 60;
/// The journal is told of numbers in blocks.
const NUMBERS: u64 = 1_000;

/// What was accepted, faults, counts, and the way out for webhooks. Clones are the same desk.
#[derive(Clone)]
pub struct Desk {
    hooks: Hooks,
    state: Arc<Mutex<State>>,
}

/// A request that a stand-in takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The message's id at the provider.
    pub id: String,
    /// The recipient as the request says it.
    pub to: String,
    /// The request's body, as JSON.
    pub body: Value,
    /// What the person reads.
    pub text: String,
    /// The reference that the request carries.
    pub reference: Option<String>,
}

struct State {
    senders: Vec<SenderAccess>,
    accepted: Vec<AcceptedMessage>,
    /// When, to the fraction of a second that the record lacks.
    accepted_at: Vec<SystemTime>,
    faults: Faults,
    auto: Vec<DeliveryStatus>,
    journal: Journal,
    /// What the journal kept for each provider, until its stand-in takes it up.
    kept: HashMap<ProviderKind, Vec<Value>>,
    numbers: u64,
    /// Up to here the journal knows.
    numbers_kept: u64,
    requests: HashMap<ProviderKind, u64>,
}

impl Desk {
    /// A desk that keeps nothing over a restart.
    pub fn new(hooks: Hooks) -> Self {
        let state = State {
            senders: Vec::new(),
            accepted: Vec::new(),
            accepted_at: Vec::new(),
            faults: Faults::default(),
            auto: vec![DeliveryStatus::Sent, DeliveryStatus::Delivered],
            journal: Journal::default(),
            kept: HashMap::new(),
            numbers: 0,
            numbers_kept: 0,
            requests: HashMap::new(),
        };
        Self { hooks, state: Arc::new(Mutex::new(state)) }
    }

    /// Keeps accepted messages and what the stand-ins [`Desk::keep`] in a file, and takes up what is in
    /// it. `None` keeps nothing.
    ///
    /// # Errors
    /// When the file cannot be opened, read or understood.
    pub fn with_journal(self, path: Option<&Path>) -> io::Result<Self> {
        if let Some(path) = path {
            let (journal, entries) = Journal::open(path)?;
            let mut state = self.state();
            for entry in entries {
                match entry {
                    Entry::Accepted(message) => state.accepted.push(*message),
                    Entry::Kept { provider, entry } => state.kept.entry(provider).or_default().push(entry),
                    Entry::Numbers(to) => (state.numbers, state.numbers_kept) = (to, to),
                }
            }
            state.journal = journal;
        }
        Ok(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before the lock is given back, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Timestamp {
        (self.hooks.clock)()
    }

    /// Makes a sender known; one with the same id is replaced.
    pub fn register(&self, access: SenderAccess) {
        let mut state = self.state();
        state.senders.retain(|known| known.sender_id != access.sender_id);
        state.senders.push(access);
    }

    pub async fn sender(&self, key: SenderKey) -> Option<SenderAccess> {
        let registered = self.state().senders.iter().find(|access| access.fits(&key)).cloned();
        match registered {
            Some(access) => Some(access),
            None => (self.hooks.lookup)(key).await,
        }
    }

    /// A number to make ids of, which never comes again, also not after a restart.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn number(&self) -> io::Result<u64> {
        let mut state = self.state();
        if state.numbers == state.numbers_kept {
            let to = state.numbers + NUMBERS;
            state.journal.append(&Entry::Numbers(to))?;
            state.numbers_kept = to;
        }
        state.numbers += 1;
        Ok(state.numbers)
    }

    /// Writes an accepted request down and gives the time at which that was. It is in the journal when
    /// this returns.
    ///
    /// # Errors
    /// When the journal cannot be written: then it was not accepted.
    pub fn accept(&self, sender: &SenderAccess, accepted: Accepted) -> io::Result<Timestamp> {
        let at = self.now();
        let attempt = accepted.reference.as_deref().and_then(AttemptRef::parse);
        let message = AcceptedMessage {
            at,
            channel: sender.channel,
            provider: sender.provider,
            sender_id: sender.sender_id.clone(),
            to: match sender.channel {
                Channel::Conversation => accepted.to,
                _ => recipient_key(&accepted.to),
            },
            body: accepted.body,
            text: accepted.text,
            provider_message_id: accepted.id,
            enrollment_id: attempt.map(|attempt| attempt.enrollment.to_string()),
            step: None,
            reference: accepted.reference,
        };
        let mut state = self.state();
        let entry = Entry::Accepted(Box::new(message));
        state.journal.append(&entry)?;
        if let Entry::Accepted(message) = entry {
            state.accepted.push(*message);
        }
        state.accepted_at.push(SystemTime::now());
        Ok(at)
    }

    /// Schedules what is reported of a message by itself: the statuses for which `webhook` writes one.
    pub fn report(
        &self,
        accepted_at: Timestamp,
        webhook: impl Fn(DeliveryStatus, Timestamp) -> Option<WebhookDelivery>,
    ) {
        let auto = self.state().auto.clone();
        for (seconds, status) in (1..).zip(auto) {
            let at = accepted_at.plus_seconds(LAST_STATUS_SECONDS.min(seconds));
            if let Some(delivery) = webhook(status, at) {
                self.schedule(at, delivery);
            }
        }
    }

    pub fn schedule(&self, at: Timestamp, delivery: WebhookDelivery) {
        (self.hooks.schedule)(at, delivery);
    }

    /// Writes down what a stand-in has to know after a restart.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn keep(&self, provider: ProviderKind, entry: &impl Serialize) -> io::Result<()> {
        let entry = Entry::Kept { provider, entry: serde_json::to_value(entry)? };
        self.state().journal.append(&entry)
    }

    /// What a provider's stand-in kept before the restart, in order; once.
    ///
    /// # Errors
    /// When it cannot be understood.
    pub fn take_kept<T: DeserializeOwned>(&self, provider: ProviderKind) -> io::Result<Vec<T>> {
        let kept = self.state().kept.remove(&provider).unwrap_or_default();
        Ok(kept.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?)
    }

    /// What was accepted, in order; by recipient in any way to write it.
    pub fn messages(&self, channel: Option<Channel>, to: Option<&str>) -> Vec<AcceptedMessage> {
        let to = to.map(recipient_key);
        let fits = |message: &&AcceptedMessage| {
            channel.is_none_or(|channel| message.channel == channel)
                && to.as_ref().is_none_or(|to| recipient_key(&message.to) == *to)
        };
        self.state().accepted.iter().filter(fits).cloned().collect()
    }

    /// When the messages of this process were accepted, in order.
    pub fn accepted_at(&self) -> Vec<SystemTime> {
        self.state().accepted_at.clone()
    }

    /// Sends that a provider received so far, refused and cut-off ones included.
    pub fn requests(&self, provider: ProviderKind) -> u64 {
        self.state().requests.get(&provider).copied().unwrap_or_default()
    }

    pub fn count_request(&self, provider: ProviderKind) {
        *self.state().requests.entry(provider).or_default() += 1;
    }

    /// Plans a fault. Several wait in line; a request takes the first that fits it.
    ///
    /// # Errors
    /// A sentence for the caller, of [`Fault::check`].
    pub fn add_fault(&self, fault: Fault) -> Result<(), String> {
        fault.check()?;
        self.state().faults.add(fault);
        Ok(())
    }

    /// Takes the failure planned for a request to this provider and recipient.
    pub fn next_failure(&self, provider: ProviderKind, to: Option<&str>) -> Option<Failure> {
        self.state().faults.take(provider, to)
    }

    /// What is reported of messages accepted from now on.
    pub fn set_statuses(&self, auto: Vec<DeliveryStatus>) {
        self.state().auto = auto;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn desk() -> Desk {
        Desk::new(Hooks {
            clock: Arc::new(|| Timestamp(0)),
            lookup: Arc::new(|_| Box::pin(async { None })),
            schedule: Arc::new(|_, _| {}),
        })
    }

    #[test]
    fn no_number_comes_twice_over_restarts_and_each_provider_gets_its_own_entries_back() {
        let path = std::env::temp_dir().join(format!("ritmo-desk-{}.jsonl", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let mut seen = std::collections::BTreeSet::new();
        for restart in 0..3_u64 {
            let desk = desk().with_journal(Some(&path)).unwrap();
            for _ in 0..NUMBERS + 1 {
                assert!(seen.insert(desk.number().unwrap()));
            }
            assert_eq!(desk.take_kept::<u64>(ProviderKind::Ses).unwrap(), (0..restart).collect::<Vec<_>>());
            assert_eq!(desk.take_kept::<u64>(ProviderKind::Ses).unwrap(), [0; 0], "once");
            desk.keep(ProviderKind::Ses, &restart).unwrap();
            desk.keep(ProviderKind::Twilio, &"other").unwrap();
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_fault_waits_for_its_provider_and_its_recipient() {
        let desk = desk();
        let fault =
            json!({"provider": "ses", "fail": [{"status": 429}, {"error_code": "X"}], "count": 3, "to": "Ana@x.com"});
        desk.add_fault(serde_json::from_value(fault).unwrap()).unwrap();
        assert_eq!(desk.next_failure(ProviderKind::Twilio, Some("ana@x.com")), None);
        assert_eq!(desk.next_failure(ProviderKind::Ses, Some("bia@x.com")), None);
        assert_eq!(desk.next_failure(ProviderKind::Ses, None), None);
        let failures: Vec<_> = (0..4).map(|_| desk.next_failure(ProviderKind::Ses, Some("ana@X.com"))).collect();
        assert_eq!(failures[0], Some(Failure::Status(429)));
        assert_eq!((&failures[2], &failures[3]), (&failures[0], &None));
    }

    #[test]
    fn messages_are_found_by_recipient_in_any_form() {
        let desk = desk();
        let sender = |channel, provider| SenderAccess {
            sender_id: "snd_1".into(),
            channel,
            provider,
            config: Value::Null,
            credentials: Value::Null,
        };
        let accepted = |to: &str| Accepted {
            id: "1".into(),
            to: to.into(),
            body: Value::Null,
            text: String::new(),
            reference: None,
        };
        desk.accept(&sender(Channel::Sms, ProviderKind::Twilio), accepted("+551692318222")).unwrap();
        desk.accept(&sender(Channel::Email, ProviderKind::Ses), accepted("Ana@x.com")).unwrap();
        desk.accept(&sender(Channel::Conversation, ProviderKind::Chatwoot), accepted("12")).unwrap();
        let to = |channel, to| desk.messages(channel, Some(to)).into_iter().map(|m| m.to).collect::<Vec<_>>();
        assert_eq!(to(None, "5516992318222"), ["+5516992318222"]);
        assert_eq!(to(None, "ANA@x.com"), ["ana@x.com"]);
        assert_eq!(to(Some(Channel::Conversation), "12"), ["12"]);
        assert_eq!(to(Some(Channel::Sms), "12"), [""; 0]);
    }
}
