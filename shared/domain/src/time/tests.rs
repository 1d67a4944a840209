#![allow(clippy::unwrap_used)]

mod examples;
