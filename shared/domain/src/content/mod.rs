//! What a message says: texts in a subset of Liquid, WhatsApp templates' parameters, and how long a
//! text is on each channel.
//!
//! The subset is this module's own (`lex`, `parse`, `eval`): the text comes from a customer and is
//! rendered for a stranger, so every template ends within a fixed amount of work, a missing name is
//! nothing instead of an error, and each name that left a hole is known. Nothing here knows where
//! values come from.

mod ast;
mod dates;
mod error;
mod eval;
mod filler;
mod filters;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod hostile;
mod lex;
pub mod limits;
mod links;
mod names;
mod numbers;
mod parse;
mod rich;
mod say;
mod sms;
mod template;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod text;
mod texts;
mod uses;
mod value;
mod variables;
mod words;

pub use error::{ContentError, ContentErrorCode, RenderError};
pub(crate) use links::{NOT_A_LINK, is_public_link};
pub use names::{
    Attribute, UnknownName, VariableInfo, VariableType, attribute_name, unknown_names, unknown_variables, variables,
};
pub(crate) use names::{ROOTS, own_variables};
pub use numbers::{DecimalMark, read_number};
pub use rich::{RenderedRich, ReplyButton};
pub use say::{RenderedEmail, Said, Templates, say, thread, used};
pub(crate) use say::{is_address, words};
pub use sms::{Encoding, Segments, sms_segments, transliterate};
pub use template::{RenderedButton, RenderedHeader, RenderedParameters, RenderedTemplate, render_template};
pub use text::{Rendered, Text};
pub use uses::VariableUse;
pub use variables::Variables;
