//! The handle: what the local runner and tests hold.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use domain::message::{Channel, DeliveryStatus};
use domain::time::Timestamp;
use futures::future::BoxFuture;

use super::journal::{Entry, Journal};
use super::request::{To, recipient_key};
use super::template_list::TemplateList;
use super::webhook::{self, WebhookDelivery};
use super::{accept, routes};
use crate::local::{AcceptedMessage, Failure, Fault, TemplatesBody};

/// What the stand-in must know of a sender: its credentials are accepted, its secret signs.
#[derive(Clone, PartialEq, Eq)]
pub struct SenderAccess {
    pub sender_id: String,
    pub phone_number_id: String,
    pub waba_id: String,
    pub access_token: String,
    pub app_secret: String,
}

impl std::fmt::Debug for SenderAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderAccess").field("sender_id", &self.sender_id).finish_non_exhaustive()
    }
}

/// By what a sender is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderKey {
    PhoneNumberId(String),
    WabaId(String),
    SenderId(String),
}

/// The time now.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Senders that were not registered by hand.
pub type Lookup = Arc<dyn Fn(SenderKey) -> BoxFuture<'static, Option<SenderAccess>> + Send + Sync>;
/// Takes a webhook to be delivered at an instant.
pub type Schedule = Arc<dyn Fn(Timestamp, WebhookDelivery) + Send + Sync>;

/// What the stand-in needs from whoever runs it.
#[derive(Clone)]
pub struct Hooks {
    pub clock: Clock,
    pub lookup: Lookup,
    pub schedule: Schedule,
}

/// No sender is registered or found under this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownSender;

impl std::fmt::Display for UnknownSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unknown sender")
    }
}

impl std::error::Error for UnknownSender {}

/// WhatsApp's Cloud API in this process. Clones are the same stand-in.
#[derive(Clone)]
pub struct WhatsappStandIn {
    pub(super) hooks: Hooks,
    state: Arc<Mutex<State>>,
}

/// A fault with what is left of it.
#[derive(Debug)]
struct PlannedFault {
    fail: Vec<Failure>,
    next: usize,
    left: u32,
    to: Option<String>,
}

pub(super) struct State {
    senders: Vec<SenderAccess>,
    pub(super) accepted: Vec<AcceptedMessage>,
    /// Business number and person → when the person last wrote.
    pub(super) windows: HashMap<(String, String), Timestamp>,
    pub(super) templates: TemplateList,
    faults: VecDeque<PlannedFault>,
    pub(super) auto: Vec<DeliveryStatus>,
    pub(super) journal: Journal,
    /// Counts what gets an id, over restarts too, so that no id comes twice.
    pub(super) ids: u64,
    requests: u64,
}

impl WhatsappStandIn {
    /// A stand-in that keeps nothing over a restart.
    pub fn new(hooks: Hooks) -> Self {
        let state = State {
            senders: Vec::new(),
            accepted: Vec::new(),
            windows: HashMap::new(),
            templates: TemplateList::default(),
            faults: VecDeque::new(),
            auto: vec![DeliveryStatus::Sent, DeliveryStatus::Delivered],
            journal: Journal::default(),
            ids: 0,
            requests: 0,
        };
        Self { hooks, state: Arc::new(Mutex::new(state)) }
    }

    /// Keeps accepted messages, windows and templates in a file, and takes up what is in it. `None`
    /// keeps nothing.
    ///
    /// # Errors
    /// When the file cannot be opened, read or understood.
    pub fn with_log(self, path: Option<&Path>) -> io::Result<Self> {
        if let Some(path) = path {
            let (journal, entries) = Journal::open(path)?;
            let mut state = self.state();
            for entry in entries {
                state.replay(entry);
            }
            state.journal = journal;
        }
        Ok(self)
    }

    /// `POST /{version}/{phone_number_id}/messages` and `GET /{version}/{waba_id}/message_templates`,
    /// to be served at the origin that senders have as `base_url`.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Makes a sender known; one with the same id is replaced.
    pub fn register(&self, access: SenderAccess) {
        let mut state = self.state();
        state.senders.retain(|known| known.sender_id != access.sender_id);
        state.senders.push(access);
    }

    /// What was accepted, in order; by recipient in any way to write it.
    pub fn messages(&self, channel: Option<Channel>, to: Option<&str>) -> Vec<AcceptedMessage> {
        let to = to.map(recipient_key);
        let fits = |message: &&AcceptedMessage| {
            channel.is_none_or(|channel| message.channel == channel) && to.as_ref().is_none_or(|to| message.to == *to)
        };
        self.state().accepted.iter().filter(fits).cloned().collect()
    }

    /// Sends received so far, refused and cut-off ones included.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// Plans a fault. Several wait in line; a request takes the first that fits it.
    ///
    /// # Errors
    /// A sentence for the caller, of [`Fault::check`].
    pub fn add_fault(&self, fault: Fault) -> Result<(), String> {
        fault.check()?;
        let left = fault.count.unwrap_or_else(|| u32::try_from(fault.fail.len()).unwrap_or(u32::MAX));
        let to = fault.to.as_deref().map(recipient_key);
        self.state().faults.push_back(PlannedFault { fail: fault.fail, next: 0, left, to });
        Ok(())
    }

    /// What is reported of messages accepted from now on.
    pub fn set_statuses(&self, auto: Vec<DeliveryStatus>) {
        self.state().auto = auto;
    }

    /// Replaces the template list, learned templates included. A name in it exists only in its
    /// listed languages; names that are not in it are still approved at first use.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn set_templates(&self, body: TemplatesBody) -> io::Result<()> {
        let mut state = self.state();
        let entry = Entry::Templates(body.templates);
        state.journal.append(&entry)?;
        state.replay(entry);
        Ok(())
    }

    /// A person writes to a sender: opens the pair's 24 h window now and gives the webhook to
    /// deliver. `from` is a phone in any form (its digits become the wa_id as they are) or a user id
    /// (`US.…`).
    ///
    /// # Errors
    /// [`UnknownSender`].
    pub async fn inbound(&self, from: &str, text: &str, sender_id: &str) -> Result<WebhookDelivery, UnknownSender> {
        let access = self.sender(SenderKey::SenderId(sender_id.into())).await.ok_or(UnknownSender)?;
        let from = if from.contains('.') {
            To::UserId(from.trim().into())
        } else {
            To::Phone(from.chars().filter(char::is_ascii_digit).collect())
        };
        let at = (self.hooks.clock)();
        let id = {
            let mut state = self.state();
            let entry = Entry::Inbound { phone_number_id: access.phone_number_id.clone(), from: from.key(), at };
            // A window that is lost over a restart only costs a refusal; the message itself counts.
            let _ = state.journal.append(&entry);
            state.replay(entry);
            accept::message_id(&access.phone_number_id, state.ids, at)
        };
        Ok(webhook::inbound(&access, &from, &id, at, text))
    }

    pub(super) async fn sender(&self, key: SenderKey) -> Option<SenderAccess> {
        let registered = self.state().senders.iter().find(|access| fits(access, &key)).cloned();
        match registered {
            Some(access) => Some(access),
            None => (self.hooks.lookup)(key).await,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before the lock is given back, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fits(access: &SenderAccess, key: &SenderKey) -> bool {
    match key {
        SenderKey::PhoneNumberId(id) => access.phone_number_id == *id,
        SenderKey::WabaId(id) => access.waba_id == *id,
        SenderKey::SenderId(id) => access.sender_id == *id,
    }
}

impl State {
    /// Counts a request and takes the failure planned for it.
    pub(super) fn next_failure(&mut self, to: Option<&str>) -> Option<Failure> {
        let to = to.map(recipient_key);
        let index = self.faults.iter().position(|fault| fault.left > 0 && (fault.to.is_none() || fault.to == to))?;
        let fault = &mut self.faults[index];
        let failure = fault.fail[fault.next % fault.fail.len()];
        fault.next += 1;
        fault.left -= 1;
        self.faults.retain(|fault| fault.left > 0);
        Some(failure)
    }

    pub(super) fn count_request(&mut self) {
        self.requests += 1;
    }

    /// Applies what the journal says, at start and as it is written.
    pub(super) fn replay(&mut self, entry: Entry) {
        match entry {
            Entry::Accepted(message) => {
                self.ids += 1;
                self.accepted.push(*message);
            }
            Entry::Inbound { phone_number_id, from, at } => {
                self.ids += 1;
                self.windows.insert((phone_number_id, from), at);
            }
            Entry::Learned { waba_id, name, language, shape } => {
                self.templates.learn(&waba_id, &name, &language, shape);
            }
            Entry::Templates(templates) => self.templates.set(templates),
        }
    }
}
