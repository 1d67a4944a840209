//! Why a text is refused, or could not be rendered.

use serde::{Deserialize, Serialize};

/// A text that is refused when it is saved, or that could not be rendered when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{detail}")]
pub struct ContentError {
    pub code: ContentErrorCode,
    /// For people; never carries a contact's data, only the text's own words.
    pub detail: String,
}

impl ContentError {
    pub(crate) fn new(code: ContentErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Rendering fails in the same words as parsing.
pub type RenderError = ContentError;

/// Stable over releases: clients and stored runs name these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContentErrorCode {
    LiquidSyntax,
    UnknownTag,
    UnknownFilter,
    /// Too few or too many arguments, or a date format that does not exist.
    InvalidFilterArguments,
    /// A name that begins with `nil`, `null`, `true`, `false`, `empty` or `blank`: other Liquid
    /// implementations cannot read it.
    ReservedName,
    NestingTooDeep,
    /// A range, a list or the loops together are larger than a message can need.
    LoopTooLarge,
    ContentTooLong,
    /// The text asks for more work than one message may cost.
    ContentTooComplex,
    /// Where something must stand nothing does, or only white space.
    Blank,
    /// What should be a public https link is none.
    InvalidLink,
    /// A name outside the roots and their fields (see [`super::unknown_names`]).
    UnknownVariable,
}

impl ContentErrorCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LiquidSyntax => "liquid_syntax",
            Self::UnknownTag => "unknown_tag",
            Self::UnknownFilter => "unknown_filter",
            Self::InvalidFilterArguments => "invalid_filter_arguments",
            Self::ReservedName => "reserved_name",
            Self::NestingTooDeep => "nesting_too_deep",
            Self::LoopTooLarge => "loop_too_large",
            Self::ContentTooLong => "content_too_long",
            Self::ContentTooComplex => "content_too_complex",
            Self::Blank => "blank",
            Self::InvalidLink => "invalid_link",
            Self::UnknownVariable => "unknown_variable",
        }
    }
}
