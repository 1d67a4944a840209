use super::{Adjustment, AdjustmentCode, Timestamp};

/// A plan is stored with its adjustments; hours that open only inside quiet hours could otherwise
/// fill it with hundreds.
const MAX_ADJUSTMENTS: usize = 24;

/// The moves that lead to an instant. Each begins where the one before ended; moves with the same
/// reason in a row are one.
#[derive(Debug, Default)]
pub(super) struct Trail(Vec<Adjustment>);

impl Trail {
    pub(super) fn push(&mut self, code: AdjustmentCode, from: Timestamp, to: Timestamp) {
        if from == to {
            return;
        }
        let full = self.0.len() >= MAX_ADJUSTMENTS;
        match self.0.last_mut() {
            Some(last) if full || last.code == code => last.to = to,
            _ => self.0.push(Adjustment { code, from, to }),
        }
    }

    pub(super) fn into_adjustments(self) -> Vec<Adjustment> {
        self.0
    }
}
