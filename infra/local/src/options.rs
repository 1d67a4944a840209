//! How the local runner is started.

use std::path::PathBuf;

use domain::time::Timestamp;

/// What [`crate::Local::start`] is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// On loopback; 0 takes a free one.
    pub port: u16,
    pub data: Data,
    pub clock: ClockKind,
    /// The manual clock's first instant; counts only when nothing is kept yet. Left out: the present.
    pub start_at: Option<Timestamp>,
    /// The admin key to use instead of a random one.
    pub dev_key: Option<String>,
}

impl Options {
    /// In memory, on a free port, with the manual clock at `start_at`: what tests want.
    pub fn manual(start_at: Timestamp) -> Self {
        Self { port: 0, data: Data::Memory, clock: ClockKind::Manual, start_at: Some(start_at), dev_key: None }
    }
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: gone when the process ends.
    Memory,
    /// In a directory that survives restarts and `kill -9`.
    Dir(PathBuf),
}

impl std::str::FromStr for Data {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "memory" { Self::Memory } else { Self::Dir(text.into()) })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ClockKind {
    Real,
    /// Moves only through `POST /_local/clock`.
    Manual,
}
