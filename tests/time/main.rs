//! docs/TIME.md, from outside: against a second implementation.
#![allow(clippy::unwrap_used)]

mod table;
