//! Stand-ins for what Ritmo talks to, so that it can be run and tested without it.
//!
//! The stand-ins of providers ([`whatsapp`], [`ses`], [`twilio`] …) speak their originals' real HTTP on
//! loopback and refuse what those refuse; [`stand_in`] is what they share; [`local`] holds the bodies of the
//! local runner's `_local` routes and the record of accepted messages. The routes themselves, the clock and
//! the delivery of webhooks belong to the local runner and reach a stand-in as callbacks.
//! [`whatsapp`], [`twilio`], [`chatwoot`] and [`mercadopago`] speak their originals' real HTTP on loopback and refuse what those
//! refuse; [`stand_in`] is what the stand-ins of message providers share; [`local`] holds the bodies of
//! the local runner's `_local` routes and the record of accepted messages. The routes themselves, the
//! clock and the delivery of webhooks belong to the local runner and reach a stand-in as callbacks.
//!
//! Nothing here uses the adapters of `channels`: a stand-in that shared code with what it tests
//! would agree with its mistakes.

pub mod aws_sms;
pub mod chatwoot;
pub mod contract;
pub mod exhaustive;
pub mod http_sender;
mod laws;
pub mod local;
pub mod memory;
pub mod mercadopago;
pub mod ses;
pub mod sim;
pub mod sinch;
pub mod sinch_sms;
mod sms;
pub mod sns;
pub mod ssm;
pub mod stand_in;
pub mod twilio;
pub mod whatsapp;
