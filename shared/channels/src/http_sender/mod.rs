//! Whoever takes and gives signed JSON: a company's own gateway, for example one for WhatsApp Web. Both
//! ways are Standard Webhooks of one shape, which docs/channels.md describes for whoever writes a gateway:
//! `{"type":"message.send|message.received|message.status","timestamp":"…Z","data":{…}}`.

mod body;
mod classify;
mod config;
mod normalise;
mod send;

pub use body::body;
pub use classify::classify;
pub use config::{Config, Credentials};
pub use normalise::normalise;
pub use send::send;

use domain::time::Timestamp;

use crate::{Webhook, standard_webhooks};

/// Whether the gateway signed these very bytes near `now`.
pub fn verify(webhook: &Webhook<'_>, credentials: &Credentials, now: Timestamp) -> bool {
    standard_webhooks::verify(webhook, &[&credentials.secret], now)
}
