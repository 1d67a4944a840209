//! A stand-in for Twilio's Programmable Messaging: the one route that the adapter calls, Twilio's refusals
//! with Twilio's bodies, its opt-out list, status callbacks and incoming messages signed as Twilio signs
//! them. Facts are from Twilio's API reference and its own libraries.

mod request;
mod routes;
mod stand_in;
mod twilio_error;
mod webhook;

pub use stand_in::TwilioStandIn;
