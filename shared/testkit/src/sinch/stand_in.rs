//! The handle: what the local runner and tests hold.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use domain::message::{Channel, DeliveryStatus, ProviderKind};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::request::{Content, Request, Template};
use super::routes::{self, KIND};
use super::sinch_error::SinchError;
use super::webhook;
use crate::local::InboundBody;
use crate::stand_in::{Accepted, Desk, SenderAccess, StandIn, WebhookDelivery, recipient_key};

/// WhatsApp's customer service window.
const WINDOW_HOURS: i64 = 24;
/// A token's life in seconds.
pub(super) const TOKEN_SECONDS: i64 = 3_600;

/// Sinch's Conversation API in this process. Clones are the same stand-in.
#[derive(Clone)]
pub struct SinchStandIn {
    pub(super) desk: Desk,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// App and person → when the person last wrote by WhatsApp.
    windows: HashMap<(String, String), Timestamp>,
    /// App, name and language → the keys of the first use.
    templates: HashMap<(String, String, String), BTreeSet<String>>,
    /// Token → key, secret and end.
    tokens: HashMap<String, (String, String, Timestamp)>,
}

/// What must outlive a restart. Tokens need not: a client fetches another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Inbound { app_id: String, from: String, at: Timestamp },
    Learned { app_id: String, name: String, language: String, keys: BTreeSet<String> },
}

impl SinchStandIn {
    /// Takes up the windows and templates that the desk kept.
    ///
    /// # Errors
    /// When they cannot be understood.
    pub fn new(desk: Desk) -> io::Result<Self> {
        let mut state = State::default();
        for kept in desk.take_kept(KIND)? {
            state.replay(kept);
        }
        Ok(Self { desk, state: Arc::new(Mutex::new(state)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before the lock is given back, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, kept: Kept) -> io::Result<()> {
        let mut state = self.state();
        self.desk.keep(KIND, &kept)?;
        state.replay(kept);
        Ok(())
    }

    /// A new token for a key and its secret. Whose they are shows the app that is sent from: its routes
    /// know no other way from a key to a project.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn give_token(&self, key: &str, secret: &str) -> io::Result<String> {
        let now = self.desk.now();
        let token = made_of("token", self.desk.number()?, now);
        let mut state = self.state();
        state.tokens.retain(|_, (_, _, until)| *until > now);
        state.tokens.insert(token.clone(), (key.to_owned(), secret.to_owned(), now.plus_seconds(TOKEN_SECONDS)));
        Ok(token)
    }

    /// Throws every token away, as when a key is withdrawn.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Whether it is a live token of this sender's key.
    pub(super) fn takes(&self, token: &str, access: &SenderAccess) -> bool {
        let state = self.state();
        let Some((key, secret, until)) = state.tokens.get(token) else { return false };
        *until > self.desk.now()
            && access.credential("key_id") == Some(key)
            && access.credential("key_secret") == Some(secret)
    }

    /// Takes a well-formed send and gives the message's id; what WhatsApp refuses of it is reported, as a
    /// fault's `reason` is. It is in the journal when this returns.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn accept(
        &self,
        access: &SenderAccess,
        request: &Request,
        body: Value,
        reason: Option<String>,
        report: bool,
    ) -> Result<String, SinchError> {
        let unavailable = |_: io::Error| SinchError::unavailable();
        let number = self.desk.number().map_err(unavailable)?;
        let id = format!("01{}", made_of("message", number, self.desk.now()));
        let app = access.config("app_id").unwrap_or_default();
        let reason = match (&request.content, request.channel) {
            _ if reason.is_some() => reason,
            (Content::Template(_), Channel::Sms) => Some("UNSUPPORTED_OPERATION".to_owned()),
            (Content::Template(template), _) => self.judge(app, template).map_err(unavailable)?.map(str::to_owned),
            (Content::Free { .. }, Channel::Whatsapp) => {
                let wrote = self.state().windows.get(&(app.to_owned(), recipient_key(&request.identity))).copied();
                let open = wrote.is_some_and(|wrote| self.desk.now() < wrote.plus_hours(WINDOW_HOURS));
                (!open).then(|| "OUTSIDE_ALLOWED_SENDING_WINDOW".to_owned())
            }
            (Content::Free { .. }, _) => None,
        };
        let accepted = Accepted {
            id: id.clone(),
            to: request.identity.clone(),
            body,
            text: match &request.content {
                Content::Free { text } => text.clone(),
                Content::Template(template) => template.shown(),
            },
            reference: request.metadata.clone(),
        };
        let at = self.desk.accept(access, accepted).map_err(unavailable)?;
        match reason {
            _ if !report => {}
            Some(code) => {
                let at = at.plus_seconds(1);
                let failed = ("FAILED", Some(code.as_str()));
                self.desk.schedule(at, webhook::report(access, request, &id, failed, at));
            }
            None => self.desk.report(at, |status, at| {
                let told = told(status, request.channel)?;
                Some(webhook::report(access, request, &id, told, at))
            }),
        }
        Ok(id)
    }

    /// What Sinch reports of a template. The first use that is well-formed gives it its parameters.
    fn judge(&self, app: &str, template: &Template) -> io::Result<Option<&'static str>> {
        if let Some(reason) = template.reason() {
            return Ok(Some(reason));
        }
        let keys: BTreeSet<String> = template.keys().into_iter().map(str::to_owned).collect();
        let key = (app.to_owned(), template.name.clone(), template.language.clone());
        let known = self.state().templates.get(&key).cloned();
        match known {
            Some(known) => Ok((known != keys).then_some("TEMPLATE_INSUFFICIENT_PARAMETERS")),
            None => {
                let (app_id, name, language) = key;
                self.remember(Kept::Learned { app_id, name, language, keys }).map(|()| None)
            }
        }
    }
}

/// Sinch's word for a status; an SMS is never reported as read.
fn told(status: DeliveryStatus, channel: Channel) -> Option<(&'static str, Option<&'static str>)> {
    match status {
        DeliveryStatus::Sent => Some(("QUEUED_ON_CHANNEL", None)),
        DeliveryStatus::Delivered => Some(("DELIVERED", None)),
        DeliveryStatus::Read => (channel == Channel::Whatsapp).then_some(("READ", None)),
        DeliveryStatus::Failed => Some(("FAILED", Some("RECIPIENT_NOT_REACHABLE"))),
    }
}

impl StandIn for SinchStandIn {
    fn provider(&self) -> ProviderKind {
        KIND
    }

    fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Opens the person's 24 h window of the app now. With `details` `{"postback_data", "message_id"?}` it is
    /// a tap on a button.
    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        let from: String = inbound.from.chars().filter(char::is_ascii_digit).collect();
        if !(7..=15).contains(&from.len()) {
            return Err("from must be a number like +5511987654321".into());
        }
        let mut said = match (&inbound.details, inbound.details.get("postback_data").and_then(Value::as_str)) {
            (Value::Null, _) => json!({"text_message": {"text": inbound.text}}),
            (details, Some(data)) => {
                let answered = details.get("message_id").and_then(Value::as_str).unwrap_or_default();
                json!({"choice_response_message": {"message_id": answered, "postback_data": data}})
            }
            _ => return Err("details of a tap are {\"postback_data\", \"message_id\"?}".into()),
        };
        said["reply_to"] = Value::Null;
        let at = self.desk.now();
        let failed = |error: io::Error| error.to_string();
        let id = format!("01{}", made_of("inbound", self.desk.number().map_err(failed)?, at));
        if sender.channel == Channel::Whatsapp {
            let app_id = sender.config("app_id").unwrap_or_default().to_owned();
            self.remember(Kept::Inbound { app_id, from: recipient_key(&from), at }).map_err(failed)?;
        }
        Ok(vec![webhook::inbound(sender, &from, &id, at, said)])
    }
}

impl State {
    fn replay(&mut self, kept: Kept) {
        match kept {
            Kept::Inbound { app_id, from, at } => drop(self.windows.insert((app_id, from), at)),
            Kept::Learned { app_id, name, language, keys } => {
                self.templates.insert((app_id, name, language), keys);
            }
        }
    }
}

impl Template {
    /// The stand-in knows no template's words: its name and parameters stand for them.
    fn shown(&self) -> String {
        let values: Vec<&str> = self.parameters.iter().map(|(_, value)| value.as_str()).collect();
        format!("{} ({}): {}", self.name, self.language, values.join(" | "))
    }
}

/// Looks like one of Sinch's and differs for every number, without randomness.
fn made_of(what: &str, count: u64, at: Timestamp) -> String {
    let hash = Sha256::digest(format!("sinch {what} {count} {}", at.0).as_bytes());
    hash[..12].iter().fold(String::new(), |id, byte| format!("{id}{byte:02X}"))
}
