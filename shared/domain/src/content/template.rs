//! The parameters of an approved WhatsApp template, filled in.

use serde::{Deserialize, Serialize};

use super::error::{ContentError, ContentErrorCode};
use super::filler::Filler;
use super::limits;
use super::links::{NOT_A_LINK, is_public_link};
use super::variables::Variables;
use crate::sequence::{TemplateButtonType, TemplateHeaderType, TemplateParameters, WhatsappTemplate};

/// A template message as it will be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedTemplate {
    pub name: String,
    /// With an underscore, as WhatsApp writes it: `pt_BR`.
    pub language: String,
    pub body: RenderedParameters,
    #[serde(default)]
    pub header: Option<RenderedHeader>,
    #[serde(default)]
    pub buttons: Vec<RenderedButton>,
    /// What came out blank, in order, each once: the names that were missing, and for a parameter
    /// that is blank for another reason its place (`body.1`, `body.first_name`, `header`,
    /// `buttons.0`). WhatsApp refuses a template with a blank parameter.
    #[serde(default)]
    pub blank: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderedParameters {
    Positional(Vec<String>),
    Named(Vec<(String, String)>),
}

impl RenderedParameters {
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Positional(values) => values.is_empty(),
            Self::Named(values) => values.is_empty(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedHeader {
    #[serde(rename = "type")]
    pub type_: TemplateHeaderType,
    pub value: String,
    /// Of the variable, where the template's parameters have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedButton {
    pub index: u8,
    pub sub_type: TemplateButtonType,
    pub value: String,
}

/// Fills in a template's parameters. A blank one stays empty and is reported.
///
/// # Errors
/// Those of [`super::Text::parse`] and [`super::Text::render`], and `content_too_long`, for the first
/// parameter that has one; the detail begins with the parameter's place.
pub fn render_template(template: &WhatsappTemplate, variables: &Variables) -> Result<RenderedTemplate, ContentError> {
    let mut filler = Filler::new(variables);
    let mut fill = |place: &str, source: &str, most: usize| {
        let value = filler.parameter(place, source)?;
        match value.chars().count() {
            length if length <= most => Ok(value),
            length => {
                let detail = format!("{place}: at most {most} characters, not {length}");
                Err(ContentError::new(ContentErrorCode::ContentTooLong, detail))
            }
        }
    };
    let body = match &template.body {
        TemplateParameters::Positional(values) => {
            let fill =
                |(i, value): (usize, &String)| fill(&format!("body.{}", i + 1), value, limits::TEMPLATE_PARAMETER);
            RenderedParameters::Positional(values.iter().enumerate().map(fill).collect::<Result<_, _>>()?)
        }
        TemplateParameters::Named(values) => {
            let fill = |(name, value): (&String, &String)| {
                let text = fill(&format!("body.{name}"), value, limits::TEMPLATE_PARAMETER)?;
                Ok::<_, ContentError>((name.clone(), text))
            };
            RenderedParameters::Named(values.iter().map(fill).collect::<Result<_, _>>()?)
        }
    };
    let header = match &template.header {
        None => None,
        Some(header) => {
            let value = fill("header", &header.value, limits::template_header(header.type_))?;
            // A blank link is a hole, which is reported; any other must lead somewhere.
            if header.type_ != TemplateHeaderType::Text && !value.is_empty() && !is_public_link(&value) {
                let detail = format!("header: {NOT_A_LINK}");
                return Err(ContentError::new(ContentErrorCode::InvalidLink, detail));
            }
            let filename = header.filename.as_ref();
            let filename = filename.map(|f| fill("header.filename", f, limits::TEMPLATE_FILENAME)).transpose()?;
            Some(RenderedHeader { type_: header.type_, value, name: header.name.clone(), filename })
        }
    };
    let mut buttons = Vec::with_capacity(template.buttons.len());
    for button in &template.buttons {
        let most = limits::template_button(button.sub_type);
        let value = fill(&format!("buttons.{}", button.index), &button.value, most)?;
        buttons.push(RenderedButton { index: button.index, sub_type: button.sub_type, value });
    }
    let blank = filler.into_blank();
    let (name, language) = (template.name.clone(), template.language.clone());
    Ok(RenderedTemplate { name, language, body, header, buttons, blank })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: serde_json::Value) -> RenderedTemplate {
        let template: WhatsappTemplate = serde_json::from_value(template).unwrap();
        let variables = Variables::new()
            .with("contact", json!({"first_name": "Ana\nMaria", "attributes": {"note": "a\t\tb      c    d"}}))
            .with("target", json!({"amount": "129,90", "link": "https://pay.example/1"}))
            .with_language("pt_BR");
        render_template(&template, &variables).unwrap()
    }

    #[test]
    fn positional() {
        let filled = fill(json!({"name": "cobranca_1", "language": "pt_BR",
            "body": ["{{ contact.first_name }}", "{{ target.amount | money }}", "{{ contact.note }}"],
            "header": {"type": "document", "value": "{{ target.link }}", "filename": "fatura.pdf"},
            "buttons": [{"index": 1, "sub_type": "url", "value": "{{ target.link | split: '/' | last }}"}]}));
        let body = ["Ana Maria", "R$ 129,90", "a b c    d"].map(str::to_owned).to_vec();
        assert_eq!(filled.body, RenderedParameters::Positional(body));
        assert_eq!(filled.header.unwrap().value, "https://pay.example/1");
        assert_eq!(filled.buttons[0].value, "1");
        assert_eq!(filled.blank, Vec::<String>::new());
    }

    #[test]
    fn named_and_blank() {
        let filled = fill(json!({"name": "t", "language": "pt_BR",
            "body": {"name": "{{ contact.nickname }}", "plan": "{{ contact.plan | default: '' }}"}}));
        let named = [("name", ""), ("plan", "")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
        assert_eq!(filled.body, RenderedParameters::Named(named));
        assert_eq!(filled.blank, ["contact.nickname", "body.plan"]);
    }

    #[test]
    fn stored_form_is_stable() {
        let filled = fill(json!({"name": "t", "language": "pt_BR", "body": ["x"]}));
        let stored = json!({"name": "t", "language": "pt_BR", "body": {"positional": ["x"]}, "header": null,
            "buttons": [], "blank": []});
        assert_eq!(serde_json::to_value(&filled).unwrap(), stored);
        assert_eq!(serde_json::from_value::<RenderedTemplate>(stored).unwrap(), filled);
    }

    #[test]
    fn errors_name_the_place() {
        let template: WhatsappTemplate =
            serde_json::from_value(json!({"name": "t", "language": "en", "body": ["ok", "{{ contact.name | nope }}"]}))
                .unwrap();
        let error = render_template(&template, &Variables::new()).unwrap_err();
        assert_eq!(error.code.as_str(), "unknown_filter");
        assert!(error.detail.starts_with("body.2: "), "{}", error.detail);
    }
}
