//! The handle: what the local runner and tests hold.

use std::io;

use axum::Router;
use domain::message::ProviderKind;
use domain::time::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::request::Request;
use super::routes::{self, KIND};
use super::twilio_error::TwilioError;
use super::webhook;
use crate::local::InboundBody;
use crate::sms::{OptOuts, is_number};
use crate::stand_in::{Accepted, Desk, SenderAccess, StandIn, WebhookDelivery};

/// Twilio in this process. Clones are the same stand-in.
#[derive(Clone)]
pub struct TwilioStandIn {
    pub(super) desk: Desk,
    opt_outs: OptOuts,
}

impl TwilioStandIn {
    /// Takes up the opt-outs that the desk kept.
    ///
    /// # Errors
    /// When they cannot be understood.
    pub fn new(desk: Desk) -> io::Result<Self> {
        Ok(Self { opt_outs: OptOuts::new(desk.clone(), KIND)?, desk })
    }

    /// Takes a well-formed send and gives the message's id. It is in the journal when this returns.
    ///
    /// # Errors
    /// 21610 for somebody who has told this sender to stop.
    pub(super) fn accept(
        &self,
        access: &SenderAccess,
        request: &Request,
        body: Value,
        report: bool,
    ) -> Result<String, TwilioError> {
        if self.opt_outs.contains(request.from.text(), &request.to) {
            return Err(TwilioError(21_610));
        }
        let unavailable = |_: io::Error| TwilioError(20_503);
        let id = message_id(self.desk.number().map_err(unavailable)?, self.desk.now());
        let accepted = Accepted {
            id: id.clone(),
            to: request.to.clone(),
            body,
            text: request.text.clone(),
            reference: request.callback.as_deref().and_then(webhook::reference).map(str::to_owned),
        };
        let at = self.desk.accept(access, accepted).map_err(unavailable)?;
        if let Some(callback) = request.callback.as_deref().filter(|_| report) {
            self.desk.report(at, |status, _| Some(webhook::status(access, request, callback, &id, status)));
        }
        Ok(id)
    }
}

impl StandIn for TwilioStandIn {
    fn provider(&self) -> ProviderKind {
        KIND
    }

    fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// `STOP` and its like also put the person on the sender's opt-out list.
    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        if !is_number(&inbound.from) {
            return Err("from must be a number like +5511987654321".into());
        }
        if !inbound.details.is_null() {
            return Err("an SMS has no details".into());
        }
        let to = sender.config("messaging_service_sid").or_else(|| sender.config("from")).unwrap_or_default();
        let failed = |error: io::Error| error.to_string();
        let id = message_id(self.desk.number().map_err(failed)?, self.desk.now());
        self.opt_outs.note(to, &inbound.from, &inbound.text).map_err(failed)?;
        Ok(vec![webhook::inbound(sender, &inbound.from, &id, &inbound.text)])
    }
}

/// An id that looks like Twilio's and differs for every message, without randomness.
fn message_id(count: u64, at: Timestamp) -> String {
    let hash = Sha256::digest(format!("twilio {count} {}", at.0).as_bytes());
    hash[..16].iter().fold(String::from("SM"), |id, byte| format!("{id}{byte:02x}"))
}
