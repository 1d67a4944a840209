//! What a sequence may ask for one day and this version cannot do. A published sequence that
//! quietly did less than it says would be worse than one that is refused.

use super::Findings;
use crate::sequence::{ComposeMode, Sequence, Step};

const CODE: &str = "not_available";

pub(super) fn step(step: &Step, at: &str, found: &mut Findings) {
    if step.compose.mode != ComposeMode::Static {
        let detail = "composing by AI is not available in this version; use static";
        found.problem(format!("{at}/compose/mode"), CODE, detail);
    }
}

pub(super) fn sequence(sequence: &Sequence, found: &mut Findings) {
    for (i, trigger) in sequence.entry.triggers.iter().enumerate() {
        if trigger.inactivity.is_some() {
            let detail = "enrolling by inactivity is not available in this version; use an event";
            found.problem(format!("/entry/triggers/{i}/inactivity"), CODE, detail);
        }
        if trigger.ai.is_some() {
            let detail = "enrolling by AI evaluation is not available in this version; use an event";
            found.problem(format!("/entry/triggers/{i}/ai"), CODE, detail);
        }
    }
}
