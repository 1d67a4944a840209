//! Stand-ins for what Ritmo talks to, so that it can be run and tested without it.
//!
//! [`whatsapp`], [`ses`], [`twilio`] and [`mercadopago`] speak their originals' real HTTP on loopback and refuse what those
//! [`whatsapp`], [`twilio`], [`aws_sms`] and [`mercadopago`] speak their originals' real HTTP on loopback and refuse what those
//! refuse; [`stand_in`] is what the stand-ins of message providers share; [`local`] holds the bodies of
//! the local runner's `_local` routes and the record of accepted messages. The routes themselves, the
//! clock and the delivery of webhooks belong to the local runner and reach a stand-in as callbacks.
//!
//! Nothing here uses the adapters of `channels`: a stand-in that shared code with what it tests
//! would agree with its mistakes.

pub mod aws_sms;
pub mod exhaustive;
mod laws;
pub mod local;
pub mod memory;
pub mod mercadopago;
pub mod ses;
pub mod sim;
mod sms;
pub mod sns;
pub mod stand_in;
pub mod twilio;
pub mod whatsapp;
