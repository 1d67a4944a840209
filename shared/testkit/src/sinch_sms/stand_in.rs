//! The handle: what the local runner and tests hold.

use std::io;

use axum::Router;
use domain::message::{DeliveryStatus, ProviderKind};
use domain::time::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::request::Batch;
use super::routes::{self, KIND};
use super::webhook;
use crate::local::InboundBody;
use crate::stand_in::{Accepted, Desk, SenderAccess, StandIn, WebhookDelivery};

/// Sinch's SMS API in this process. Clones are the same stand-in.
#[derive(Clone)]
pub struct SinchSmsStandIn {
    pub(super) desk: Desk,
}

impl SinchSmsStandIn {
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// Takes a well-formed batch and gives its id. `aborted`: by the code that is reported of it. It is in
    /// the journal when this returns.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn accept(
        &self,
        access: &SenderAccess,
        batch: &Batch,
        body: Value,
        aborted: Option<i64>,
        report: bool,
    ) -> io::Result<String> {
        let id = made_of("batch", self.desk.number()?, self.desk.now());
        let accepted = Accepted {
            id: id.clone(),
            to: batch.to.clone(),
            body,
            text: batch.text.clone(),
            reference: batch.reference.clone(),
        };
        let at = self.desk.accept(access, accepted)?;
        // 405: a parameter without a value.
        let aborted = aborted.or_else(|| batch.has_parameter().then_some(405));
        match aborted {
            _ if !report || !batch.reports => {}
            Some(code) => {
                let at = at.plus_seconds(1);
                self.desk.schedule(at, webhook::report(access, batch, &id, ("Aborted", code), at));
            }
            None => self.desk.report(at, |status, at| {
                let told = match status {
                    DeliveryStatus::Sent => ("Dispatched", 401),
                    DeliveryStatus::Delivered => ("Delivered", 0),
                    DeliveryStatus::Failed => ("Failed", 34),
                    // Nobody knows whether an SMS was read.
                    DeliveryStatus::Read => return None,
                };
                Some(webhook::report(access, batch, &id, told, at))
            }),
        }
        Ok(id)
    }
}

impl StandIn for SinchSmsStandIn {
    fn provider(&self) -> ProviderKind {
        KIND
    }

    fn router(&self) -> Router {
        routes::router(self.clone())
    }

    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        let from: String = inbound.from.chars().filter(char::is_ascii_digit).collect();
        if !(7..=15).contains(&from.len()) {
            return Err("from must be a number like +5511987654321".into());
        }
        if !inbound.details.is_null() {
            return Err("an SMS has no details".into());
        }
        let at = self.desk.now();
        let number = self.desk.number().map_err(|error| error.to_string())?;
        Ok(vec![webhook::inbound(sender, &from, &made_of("inbound", number, at), at, &inbound.text)])
    }
}

/// Looks like one of Sinch's ids and differs for every number, without randomness.
fn made_of(what: &str, count: u64, at: Timestamp) -> String {
    let hash = Sha256::digest(format!("sinch_sms {what} {count} {}", at.0).as_bytes());
    hash[..12].iter().fold(String::from("01"), |id, byte| format!("{id}{byte:02X}"))
}
