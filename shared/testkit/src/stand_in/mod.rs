//! What the stand-ins of all providers have in common.
//!
//! [`Desk`] is the one handle of the process: it keeps what was accepted, plans faults, counts and
//! schedules. A provider's stand-in ([`StandIn`]) is a module of its own that speaks the provider's HTTP,
//! refuses what that refuses, writes and signs its webhooks, and leaves everything else to the desk.

mod desk;
mod faults;
mod journal;
mod recipient;
mod sender;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use domain::message::ProviderKind;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;

pub use desk::{Accepted, Desk};
pub use recipient::recipient_key;
pub use sender::{SenderAccess, SenderKey};

use crate::local::InboundBody;

/// A provider's stand-in, as whoever runs all of them sees it.
pub trait StandIn: Send + Sync {
    fn provider(&self) -> ProviderKind;

    /// The provider's HTTP, to be served at an origin of its own.
    fn router(&self) -> Router;

    /// A person writes to a sender of this provider: the webhooks to deliver, in order.
    ///
    /// # Errors
    /// A sentence for the caller, where the person or the details are none that the provider knows.
    fn inbound(&self, sender: &SenderAccess, inbound: &InboundBody) -> Result<Vec<WebhookDelivery>, String>;
}

/// One signed `POST` to be made. Whoever makes it repeats it until it is answered 2xx, as providers do,
/// but for those that come once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDelivery {
    pub sender_id: String,
    /// Path below the API's origin, with its query: `/webhooks/whatsapp_cloud/{sender_id}`.
    pub url_path: String,
    pub headers: Vec<(String, String)>,
    /// The exact text that is signed.
    pub body: String,
}

impl WebhookDelivery {
    /// Chatwoot's are never repeated.
    pub fn comes_once(&self) -> bool {
        self.url_path.starts_with("/webhooks/chatwoot/")
    }
}

/// The time now.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Senders that were not registered by hand.
pub type Lookup = Arc<dyn Fn(SenderKey) -> BoxFuture<'static, Option<SenderAccess>> + Send + Sync>;
/// Takes a webhook to be delivered at an instant.
pub type Schedule = Arc<dyn Fn(Timestamp, WebhookDelivery) + Send + Sync>;

/// What the stand-ins need from whoever runs them.
#[derive(Clone)]
pub struct Hooks {
    pub clock: Clock,
    pub lookup: Lookup,
    pub schedule: Schedule,
}

/// Ends the connection without a byte of an answer: the head is still in the server's buffer when
/// the body fails, and the connection is dropped with it.
pub fn cut() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionAborted)) });
    Body::from_stream(broken).into_response()
}
