//! What stands in the way of a sequence (API.md, Sequences): every problem at once, each with the
//! JSON pointer of its field and a sentence for people.
//!
//! - [`shape`]: rules that even a draft obeys; the API answers 422 with them.
//! - [`check`]: those, and everything that publishing asks for: senders, templates, variables,
//!   hours in which something can be sent.
//! - [`diff`]: what is different between two versions; [`impact`]: what a move does to those under way.
//!
//! Nothing here reads a clock or a table: what the account has comes in as [`Facts`].

mod content;
pub mod diff;
pub mod impact;
mod liquid;
mod message_templates;
mod rich;
mod rules;
mod shape;
mod templates;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
mod texts;
mod unavailable;

use serde::Serialize;

use crate::account::Settings;
use crate::content::Templates;
use crate::sender::Sender;
use crate::sequence::{Sequence, TargetKind};
use crate::time::Timestamp;

pub use message_templates::message_template;
pub use shape::{MAX_NAME, MAX_STEPS, REGIONS, shape};

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// JSON pointer into the sequence: `/steps/1/window`.
    pub pointer: String,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

impl Problem {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }

    /// The same problem of a sequence that stands inside another document.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}

/// `POST /v1/sequences/{id}/validate`: problems refuse a publish, warnings do not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct Report {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

/// What a sequence is judged against.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub settings: &'a Settings,
    /// With the templates last read from their providers.
    pub senders: &'a [Sender],
    /// The declared attributes: what they are of, and their name.
    pub attributes: &'a [(TargetKind, String)],
    /// The account's message templates, of which the sequence may use some.
    pub templates: &'a Templates,
    /// From when on hours and holidays are looked at.
    pub now: Timestamp,
}

/// Every problem and warning of a sequence that is to be published.
pub fn check(sequence: &Sequence, facts: &Facts<'_>) -> Report {
    let mut findings = Findings { problems: shape(sequence), warnings: Vec::new() };
    for (index, step) in sequence.steps.iter().enumerate() {
        let at = format!("/steps/{index}");
        unavailable::step(step, &at, &mut findings);
        rules::step(sequence, step, &at, facts, &mut findings);
    }
    unavailable::sequence(sequence, &mut findings);
    shape::stored(sequence, facts.templates, &mut findings);
    Report { problems: findings.problems, warnings: findings.warnings }
}

/// What has been found so far.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Findings {
    fn problem(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.problems.push(Problem::new(pointer, code, detail));
    }

    fn warn(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.warnings.push(Problem::new(pointer, code, detail));
    }
}

/// A name as one part of a JSON pointer (RFC 6901).
fn part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
