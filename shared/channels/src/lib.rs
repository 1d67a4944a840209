//! Channel providers: how a rendered message leaves and how a provider's webhook comes in.
//!
//! Each provider is a module that builds its exact request ([`whatsapp_cloud::body`]), performs it
//! and says what is known afterwards, verifies webhooks on their raw bytes, and turns them into
//! [`domain::message::InboundEvent`]s. [`Providers`] and the functions beside it choose the module
//! by [`domain::message::ProviderKind`].
//!
//! What must not live here: decisions about when or whether to send, storage, retries (an adapter
//! calls its provider once), and logs of message bodies, texts, addresses or secrets.

mod aws;
pub mod aws_sms;
mod call;
pub mod chatwoot;
mod fields;
mod foreign;
pub mod http_sender;
mod identity;
mod inbound;
pub mod payments;
mod providers;
pub mod ses;
mod signatures;
pub mod sinch;
pub mod sinch_sms;
mod sms;
mod sns;
mod standard_webhooks;
pub mod twilio;
mod webhook;
pub mod whatsapp_cloud;

pub use fields::{FieldError, FieldErrors};
pub use inbound::{normalise, verify, verify_subscription};
pub use providers::{Providers, check_config, check_credentials};
pub use sns::Unavailable;
pub use webhook::{Denied, Malformed, Webhook};
