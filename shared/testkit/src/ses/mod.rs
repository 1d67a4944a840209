//! Amazon SES v2 in this process: it sends nothing, tells by SNS what becomes of a message whose
//! configuration set has an event destination (here: each), and brings in the answers of people.
//!
//! As at Amazon, mail to `bounce@simulator.amazonses.com` bounces and mail to
//! `complaint@simulator.amazonses.com` is complained about.

mod events;
mod mail;
mod request;
mod routes;

use axum::Router;
use domain::message::ProviderKind;

use crate::local::InboundBody;
use crate::sns;
use crate::stand_in::{Desk, SenderAccess, StandIn, WebhookDelivery};

/// Clones are the same stand-in.
#[derive(Clone)]
pub struct SesStandIn {
    desk: Desk,
}

impl SesStandIn {
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

impl StandIn for SesStandIn {
    fn provider(&self) -> ProviderKind {
        ProviderKind::Ses
    }

    /// `POST /v2/email/outbound-emails`, and the certificate that signs its notifications.
    fn router(&self) -> Router {
        routes::router(self.clone()).merge(sns::routes())
    }

    /// The person answers the last email that this sender has sent them, with the text quoted below. Details:
    /// `subject`, `to` (another address of the inbound domain), `headers` (an object: set, or left out by
    /// null).
    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String> {
        mail::answer(&self.desk, sender, inbound).map(|delivery| vec![delivery])
    }
}
