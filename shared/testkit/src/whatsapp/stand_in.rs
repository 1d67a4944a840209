//! The handle: what the local runner and tests hold.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use domain::message::ProviderKind;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::To;
use super::template_list::{Shape, TemplateList};
use super::{accept, relay, routes, webhook};
use crate::local::{InboundBody, TemplateEntry, TemplatesBody};
use crate::stand_in::{Desk, SenderAccess, StandIn, WebhookDelivery};

/// WhatsApp's Cloud API in this process. Clones are the same stand-in.
#[derive(Clone)]
pub struct WhatsappStandIn {
    pub(super) desk: Desk,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    /// Business number and person → when the person last wrote.
    pub(super) windows: HashMap<(String, String), Timestamp>,
    pub(super) templates: TemplateList,
}

/// What must outlive a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    /// The person wrote: opens or restarts the window of this pair.
    Inbound {
        phone_number_id: String,
        from: String,
        at: Timestamp,
    },
    Learned {
        waba_id: String,
        name: String,
        language: String,
        shape: Shape,
    },
    Templates(Vec<TemplateEntry>),
}

impl WhatsappStandIn {
    /// Takes up the windows and templates that the desk kept.
    ///
    /// # Errors
    /// When they cannot be understood.
    pub fn new(desk: Desk) -> io::Result<Self> {
        let mut state = State::default();
        for kept in desk.take_kept(ProviderKind::WhatsappCloud)? {
            state.replay(kept);
        }
        Ok(Self { desk, state: Arc::new(Mutex::new(state)) })
    }

    /// Replaces the template list, learned templates included. A name in it exists only in its
    /// listed languages; names that are not in it are still approved at first use.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn set_templates(&self, body: TemplatesBody) -> io::Result<()> {
        self.remember(Kept::Templates(body.templates))
    }

    fn remember(&self, kept: Kept) -> io::Result<()> {
        let mut state = self.state();
        self.desk.keep(ProviderKind::WhatsappCloud, &kept)?;
        state.replay(kept);
        Ok(())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before the lock is given back, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StandIn for WhatsappStandIn {
    fn provider(&self) -> ProviderKind {
        ProviderKind::WhatsappCloud
    }

    /// `POST /{version}/{phone_number_id}/messages` and `…/marketing_messages`, and `GET /{version}/{waba_id}/message_templates`.
    fn router(&self) -> Router {
        routes::router(self.clone()).merge(relay::router(self.clone()))
    }

    /// Opens the pair's 24 h window now. `from` is a phone in any form (its digits become the wa_id as
    /// they are) or a user id (`US.…`).
    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        let from = if inbound.from.contains('.') {
            To::UserId(inbound.from.trim().into())
        } else {
            To::Phone(inbound.from.chars().filter(char::is_ascii_digit).collect())
        };
        let at = self.desk.now();
        let number_id = sender.config("phone_number_id").unwrap_or_default();
        let failed = |error: io::Error| error.to_string();
        let id = accept::message_id(number_id, self.desk.number().map_err(failed)?, at);
        let opened = Kept::Inbound { phone_number_id: number_id.into(), from: from.key(), at };
        self.remember(opened).map_err(failed)?;
        Ok(vec![webhook::inbound(sender, &from, &id, at, &inbound.text)])
    }
}

impl State {
    /// Applies what is kept, at start and as it is written.
    pub(super) fn replay(&mut self, kept: Kept) {
        match kept {
            Kept::Inbound { phone_number_id, from, at } => drop(self.windows.insert((phone_number_id, from), at)),
            Kept::Learned { waba_id, name, language, shape } => {
                self.templates.learn(&waba_id, &name, &language, shape);
            }
            Kept::Templates(templates) => self.templates.set(templates),
        }
    }
}
