//! docs/TIME.md, from outside: against a second implementation, and in the running program.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod chance;
mod held;
mod preview;
mod table;
#[path = "../api/world.rs"]
#[expect(dead_code, reason = "some of its hands are needed there alone")]
mod world;
mod year;
