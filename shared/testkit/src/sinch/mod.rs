//! A stand-in for Sinch's Conversation API: its tokens, the one route that the adapter calls, Sinch's
//! refusals with Sinch's bodies, WhatsApp's 24 h window and template parameters (which Sinch reports later,
//! having taken the message), delivery reports and incoming messages signed as Sinch signs them. Facts are
//! from Sinch's SDKs and its pages on WhatsApp.

mod request;
mod routes;
mod sinch_error;
mod stand_in;
mod webhook;

pub use stand_in::SinchStandIn;
