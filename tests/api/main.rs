//! What the issue promises, driven over HTTP on the manual clock: real handlers, real AWS SDK
//! adapters on an embedded DynamoDB, provider stand-ins that speak the providers' HTTP.
#![allow(clippy::unwrap_used)]

mod buffered;
mod chatwoot;
mod content;
mod control;
mod credentials;
mod emails;
mod enrolling;
mod errors;
mod events;
mod failures;
mod gateway;
mod limits;
mod payments;
mod senders;
mod sending;
mod sms;
mod testing;
mod times;
mod tones;
mod versions;
mod webhooks;
mod world;
mod written;
