//! A stand-in for Sinch's SMS API (XMS): the one route that the adapter calls, Sinch's refusals with Sinch's
//! bodies, delivery reports and incoming messages by HTTP basic authentication. Facts are from Sinch's SDKs
//! and its table of delivery codes.

mod request;
mod routes;
mod stand_in;
mod webhook;

pub use stand_in::SinchSmsStandIn;
