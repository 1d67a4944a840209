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
pub const WHATSAPP_TEXT_LIMIT: usize = 4096;
pub struct Variables;
impl Variables {
    pub fn new(_z: crate::time::Zone) -> Self {
        Self
    }
    pub fn with(self, _n: &str, _v: serde_json::Value) -> Self {
        self
    }
}
pub struct Text;
pub struct ContentError;
pub struct Rendered {
    pub text: String,
    pub blank: Vec<String>,
}
impl Text {
    pub fn parse(_t: &str) -> Result<Self, ContentError> {
        Ok(Self)
    }
    pub fn render(&self, _v: &Variables) -> Result<Rendered, ContentError> {
        Err(ContentError)
    }
}
pub fn render_template(
    _t: &crate::sequence::WhatsappTemplate,
    _v: &Variables,
) -> Result<RenderedTemplate, ContentError> {
    Err(ContentError)
}
