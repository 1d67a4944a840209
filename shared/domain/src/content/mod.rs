//! Liquid.
use crate::sequence::{TemplateButtonType, TemplateHeaderType};
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderedTemplate {
    pub name: String,
    pub language: String,
    pub body: RenderedParameters,
    pub header: Option<RenderedHeader>,
    pub buttons: Vec<RenderedButton>,
    pub blank: Vec<String>,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderedParameters {
    Positional(Vec<String>),
    Named(Vec<(String, String)>),
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderedHeader {
    pub type_: TemplateHeaderType,
    pub value: String,
    pub filename: Option<String>,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderedButton {
    pub index: u8,
    pub sub_type: TemplateButtonType,
    pub value: String,
}
