//! A stand-in for AWS End User Messaging SMS: `SendTextMessage` of its API, its refusals with its bodies, its
//! opt-out list, and what it publishes of a message and of a reply, through an SNS topic. Facts are from
//! AWS's user guide and its API model.

mod aws_error;
mod events;
mod request;
mod routes;
mod stand_in;

pub use stand_in::AwsSmsStandIn;
