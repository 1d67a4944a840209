#![allow(clippy::unwrap_used)]

mod adjustments;
mod dates;
mod examples;
mod hours;
mod late;
mod properties;
mod support;
mod waits;
