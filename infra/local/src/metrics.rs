//! The functions' metrics, as the lines that CloudWatch would take out of their logs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use runtime::Metrics;
use serde_json::Value;

/// The latest are kept.
const LINES: usize = 10_000;

#[derive(Debug, Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<VecDeque<Value>>>);

impl Kept {
    pub(crate) fn add(&self, metrics: &Metrics) {
        let Some(line) = metrics.line(None) else { return };
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
