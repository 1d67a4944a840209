//! What providers tell us: verify on raw bytes, normalise, apply. Decisions are the engine's
//! (`engine::inbound`), wire formats are `channels`'.
//!
//! The effect is visible before the answer: whatever may end an enrollment is answered 2xx only
//! once it is applied.

mod http;
mod lambda;
mod payments;
mod queue;
mod unsubscribe;

pub use http::{MAX_BODY, problem, router};
pub use lambda::handle_event;
pub use payments::MAX_PAYMENT_BODY;
pub use queue::handle_queue;
