//! A contact's run through a sequence, as a state machine whose every decision is a pure function
//! that takes the stored state and returns the next one.
//!
//! - [`enroll`](enroll::enroll): may this contact begin?
//! - [`plan`](plan::plan): a timer fired; what now?
//! - [`choice`]: by which channel and sender does the step go, and why not by the others?
//! - [`compose`]: what does it say there?
//! - [`settle`](settle::settle), [`status`](status::status): what a send came to.
//! - [`control`]: pause, resume, skip, send now, finish.
//! - [`migrate`]: on to another version.
//! - [`schedule`]: when the next step is due.
//! - [`day`], [`rate`]: when its sender's limits let it go; [`pair`]: how near to another message to the same
//!   person.
//! - [`test_send`]: a draft sent to the account's own contact.
//! - [`view`]: steps and timeline for people.
//! - [`explain`](explain::explain): why has it not sent?
//!
//! **Invariant:** every change bumps `rev`; everything that changes what happens next also bumps
//! `generation`. While `Sending`, only settling and resolving change state, step, lease or token:
//! the others leave an [`Intent`], a move to another version leaves `migrate_to`.

pub mod choice;
pub(crate) mod compose;
pub mod control;
pub mod day;
pub mod enroll;
pub mod explain;
pub mod migrate;
mod pair;
pub mod plan;
pub mod rate;
mod schedule;
pub mod settle;
pub mod status;
pub mod test_send;
mod thread;
mod types;
pub mod view;

pub use schedule::{Planning, target_dates};
pub use types::{
    Attempt, AttemptResult, Body, DaySlot, Enrollment, Entered, Happening, HappeningCode, Intent, Lease, MessageForm,
    Outcome, ParkReason, PlannedSend, Reserved, Source, SourceType, State, StepReason, StepRecord, StepStatus,
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod channels;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod closing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod found;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod laws;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod limits;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod moves;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod world;
