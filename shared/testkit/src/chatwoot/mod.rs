//! A stand-in for Chatwoot: conversations over its real HTTP, refused as it refuses, and account webhooks
//! that are signed as it signs them and sent once.
//!
//! What goes wrong on the way to the person is, as in Chatwoot, accepted first and reported later: free text
//! outside WhatsApp's window, a template with a blank value, and a planned `error_code`. A planned 504 is a
//! gateway that gave up: the message is there all the same.

mod desk;
mod routes;
mod state;
mod webhook;

pub use desk::ChatwootStandIn;
