//! A stand-in for a company's own gateway, such as one for WhatsApp Web, as docs/channels.md asks for one:
//! it takes signed `message.send` at any path, knows a repeat by its `webhook-id`, and signs what it says.

mod signature;
mod stand_in;

pub use signature::sign;
pub use stand_in::GatewayStandIn;
