//! A stand-in for WhatsApp's Cloud API: the routes that the adapter calls, Meta's refusals with
//! Meta's bodies, the 24 h window, a template list, status and inbound webhooks signed as Meta signs
//! them. Facts are from Meta's Cloud API reference.
//!
//! A sender that AWS relays for is served here too, by AWS's route, and told through SNS.
//!
//! [`WhatsappStandIn`] is the handle: a [`StandIn`](crate::stand_in::StandIn) on the desk of its process.

mod accept;
mod free_form;
mod meta_error;
mod relay;
mod request;
mod routes;
mod stand_in;
mod template_list;
mod webhook;

pub use stand_in::WhatsappStandIn;
pub use webhook::sign;
