//! The handle: what the local runner and tests hold.

use std::io;

use axum::Router;
use domain::message::ProviderKind;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::aws_error::AwsError;
use super::events;
use super::request::Request;
use super::routes::{self, KIND};
use crate::local::InboundBody;
use crate::sms::{OptOuts, is_number};
use crate::sns;
use crate::stand_in::{Accepted, Desk, SenderAccess, StandIn, WebhookDelivery};

/// What SNS heads a message with that nobody gave a subject.
const SUBJECT: &str = "AWS Notification Message";

/// AWS End User Messaging SMS in this process. Clones are the same stand-in.
#[derive(Clone)]
pub struct AwsSmsStandIn {
    pub(super) desk: Desk,
    opt_outs: OptOuts,
}

impl AwsSmsStandIn {
    /// Takes up the opt-outs that the desk kept.
    ///
    /// # Errors
    /// When they cannot be understood.
    pub fn new(desk: Desk) -> io::Result<Self> {
        Ok(Self { opt_outs: OptOuts::new(desk.clone(), KIND)?, desk })
    }

    /// Takes a well-formed send and gives the message's id. It is in the journal when this returns. Events
    /// are published for sends with a configuration set alone.
    ///
    /// # Errors
    /// A conflict for somebody who has told this identity to stop.
    pub(super) fn accept(
        &self,
        access: &SenderAccess,
        request: &Request,
        body: Value,
        report: bool,
    ) -> Result<String, AwsError> {
        if self.opt_outs.contains(&request.identity, &request.to) {
            return Err(AwsError::conflict("DESTINATION_PHONE_NUMBER_OPTED_OUT"));
        }
        let unavailable = |_: io::Error| AwsError::of("InternalServerException");
        let id = self.id().map_err(unavailable)?;
        let accepted = Accepted {
            id: id.clone(),
            to: request.to.clone(),
            body,
            text: request.text.clone(),
            reference: request.context.get("reference").and_then(Value::as_str).map(str::to_owned),
        };
        let requested = self.desk.accept(access, accepted).map_err(unavailable)?;
        if report && request.configuration_set.is_some() {
            self.desk.report(requested, |status, at| {
                let event = events::status(request, &id, requested, status, at)?;
                Some(sns::notification(access, SUBJECT, &event, at))
            });
        }
        Ok(id)
    }

    /// An id that looks like AWS's and differs for every message, without randomness.
    fn id(&self) -> io::Result<String> {
        let hash = Sha256::digest(format!("aws_sms {} {}", self.desk.number()?, self.desk.now().0).as_bytes());
        let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
    }
}

impl StandIn for AwsSmsStandIn {
    fn provider(&self) -> ProviderKind {
        KIND
    }

    fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// `STOP` and its like also put the person on the identity's opt-out list.
    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        if !is_number(&inbound.from) {
            return Err("from must be a number like +5511987654321".into());
        }
        if !inbound.details.is_null() {
            return Err("an SMS has no details".into());
        }
        let identity = sender.config("origination_identity").unwrap_or_default();
        let failed = |error: io::Error| error.to_string();
        let id = self.id().map_err(failed)?;
        self.opt_outs.note(identity, &inbound.from, &inbound.text).map_err(failed)?;
        let reply = events::reply(identity, &inbound.from, &id, &inbound.text);
        Ok(vec![sns::notification(sender, SUBJECT, &reply, self.desk.now())])
    }
}
