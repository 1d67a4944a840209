//! A text that a customer wrote, checked once and rendered many times.

use super::ast::Node;
use super::error::{ContentError, ContentErrorCode, RenderError};
use super::eval::{Budget, Form};
use super::limits::{SMS_TEXT, WHATSAPP_TEXT};
use super::uses::{self, VariableUse};
use super::variables::Variables;
use super::{eval, parse};

/// A parsed text of the Liquid subset.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    source: String,
    nodes: Vec<Node>,
    uses: Vec<VariableUse>,
}

/// A text with its names filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    /// The names that were blank where they were shown and had no default, in order, each once.
    pub blank: Vec<String>,
}

/// Whether a rendered text fits a WhatsApp text message.
///
/// # Errors
/// `content_too_long` above [`WHATSAPP_TEXT`] characters.
pub(crate) fn check_whatsapp(text: &str) -> Result<(), ContentError> {
    check_length(text, WHATSAPP_TEXT, "a WhatsApp text")
}

/// Whether a rendered text fits an SMS.
///
/// # Errors
/// `content_too_long` above [`SMS_TEXT`] characters.
pub(crate) fn check_sms(text: &str) -> Result<(), ContentError> {
    check_length(text, SMS_TEXT, "an SMS")
}

fn check_length(text: &str, most: usize, what: &str) -> Result<(), ContentError> {
    match text.chars().count() {
        length if length <= most => Ok(()),
        length => {
            let detail = format!("{what} may have {most} characters, this one has {length}");
            Err(ContentError::new(ContentErrorCode::ContentTooLong, detail))
        }
    }
}

impl Text {
    /// Parses a text and renders it once with nothing known, so that a text that is accepted can
    /// always be rendered for a contact of whom nothing is known.
    ///
    /// # Errors
    /// Bad syntax, a tag or filter outside the subset, a reserved name, nesting, ranges, or length
    /// beyond [`super::limits`].
    pub fn parse(source: &str) -> Result<Self, ContentError> {
        let nodes = parse::parse(source)?;
        eval::render(&nodes, &Variables::default(), Form::Text, &mut Budget::default())?;
        let uses = uses::uses(&nodes);
        Ok(Self { source: source.to_owned(), nodes, uses })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// Every name outside the text's own (`assign`, `capture`, `for`), in order, each place once.
    pub fn uses(&self) -> &[VariableUse] {
        &self.uses
    }

    /// Whether it says the same to everyone.
    pub fn is_plain(&self) -> bool {
        self.nodes.iter().all(|n| matches!(n, Node::Text(_)))
    }

    /// Fills in the names. A name that is missing renders as nothing and is reported.
    ///
    /// # Errors
    /// `content_too_long`, `loop_too_large` or `content_too_complex`, when the values make the text
    /// too long or too costly.
    pub fn render(&self, variables: &Variables) -> Result<Rendered, RenderError> {
        let outcome = eval::render(&self.nodes, variables, Form::Text, &mut Budget::default())?;
        Ok(Rendered { text: outcome.text, blank: outcome.blank })
    }

    #[cfg(test)]
    pub(crate) fn work(&self, variables: &Variables) -> u64 {
        let mut budget = Budget::default();
        match eval::render(&self.nodes, variables, Form::Text, &mut budget) {
            Ok(_) => super::limits::FUEL - budget.fuel,
            Err(_) => super::limits::FUEL,
        }
    }
}
