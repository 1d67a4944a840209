//! WhatsApp through Meta's Cloud API. Facts are from Meta's Cloud API reference unless a comment
//! names another source.
//!
//! There is no idempotency key on a send, so an answer that never came stays unknown until a
//! status webhook echoes our reference (`biz_opaque_callback_data`).

mod body;
mod classify;
mod config;
mod content;
mod normalise;
mod relay;
mod send;
mod templates;
mod verify;

pub use body::body;
pub use classify::classify;
pub use config::{Config, Credentials, DEFAULT_API_VERSION, DEFAULT_ORIGIN, Marketing};
pub use normalise::{MAX_EVENTS, normalise};
pub(crate) use relay::relay;
pub use send::send;
pub use templates::templates;
pub use verify::{SIGNATURE_HEADER, verify_signature, verify_subscription};
