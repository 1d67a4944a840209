//! Planned faults, in the order in which they were planned.

use std::collections::VecDeque;

use domain::message::ProviderKind;

use super::recipient::recipient_key;
use crate::local::{Failure, Fault};

#[derive(Debug, Default)]
pub(super) struct Faults(VecDeque<Planned>);

/// A fault with what is left of it.
#[derive(Debug)]
struct Planned {
    provider: ProviderKind,
    fail: Vec<Failure>,
    next: usize,
    left: u32,
    to: Option<String>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        let left = fault.count.unwrap_or_else(|| u32::try_from(fault.fail.len()).unwrap_or(u32::MAX));
        let to = fault.to.as_deref().map(recipient_key);
        self.0.push_back(Planned { provider: fault.provider, fail: fault.fail, next: 0, left, to });
    }

    /// Takes the failure planned for a request.
    pub(super) fn take(&mut self, provider: ProviderKind, to: Option<&str>) -> Option<Failure> {
        let to = to.map(recipient_key);
        let fits =
            |fault: &Planned| fault.provider == provider && fault.left > 0 && (fault.to.is_none() || fault.to == to);
        let index = self.0.iter().position(fits)?;
        let fault = &mut self.0[index];
        let failure = fault.fail[fault.next % fault.fail.len()].clone();
        fault.next += 1;
        fault.left -= 1;
        self.0.retain(|fault| fault.left > 0);
        Some(failure)
    }
}
