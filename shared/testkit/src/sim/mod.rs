//! The deterministic simulator: the real engine over ports at which anything may go wrong, on a
//! virtual clock, checked after every event against what was promised (docs/simulator.md).
//!
//! Everything follows from the seed: the scenario, who goes on when, and what goes wrong. Nothing
//! here may read a real clock, real randomness, or the order of a hash map.

mod answers;
mod calendar;
mod faults;
mod handlers;
mod hub;
mod injections;
mod model;
mod people;
mod ports;
mod provider;
mod queues;
mod rng;
mod runner;
mod scenario;
mod shrink;
mod trace;

use std::collections::{BTreeMap, BTreeSet};

use crate::memory::StoreGuards;

pub use faults::Fault;
pub use model::Violation;
pub(crate) use provider::{Fate, named};
pub use runner::{run, unmet};
pub use shrink::{Shrunk, command, numbers, shrink};

/// What is run.
#[derive(Debug, Clone)]
pub struct Setup {
    pub seed: u64,
    /// Events before faults stop and the run is left to settle.
    pub events: u64,
    /// Keep the story.
    pub trace: bool,
    /// Injections that are left out, by number.
    pub without: BTreeSet<u32>,
    pub store_guards: StoreGuards,
    /// Functions are killed at their time-out, as they are in production.
    pub timeouts: bool,
}

impl Setup {
    pub fn new(seed: u64, events: u64) -> Self {
        Self {
            seed,
            events,
            trace: false,
            without: BTreeSet::new(),
            store_guards: StoreGuards::default(),
            timeouts: true,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub seed: u64,
    /// Events in all, those of settling included.
    pub events: u64,
    /// Of the whole story: the same seed gives the same.
    pub hash: u64,
    pub violation: Option<Violation>,
    pub counts: BTreeMap<Fault, u64>,
    pub injected: Vec<(u32, Fault)>,
    /// How often the provider was called.
    pub calls: u64,
    pub trace: Vec<String>,
}
