//! docs/TIME.md, from outside: against a second implementation, and in the running program.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod chance;
mod preview;
mod table;
