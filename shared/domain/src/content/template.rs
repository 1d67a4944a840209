//! The parameters of an approved WhatsApp template, filled in.

use serde::{Deserialize, Serialize};

use super::error::ContentError;
use super::text::Text;
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
/// Those of [`Text::parse`] and [`Text::render`], for the first parameter that has one; the detail
/// begins with the parameter's place.
pub fn render_template(template: &WhatsappTemplate, variables: &Variables) -> Result<RenderedTemplate, ContentError> {
    let mut filler = Filler { variables, blank: Vec::new() };
    let body = match &template.body {
        TemplateParameters::Positional(values) => {
            let fill = |(i, value): (usize, &String)| filler.line(&format!("body.{}", i + 1), value);
            RenderedParameters::Positional(values.iter().enumerate().map(fill).collect::<Result<_, _>>()?)
        }
        TemplateParameters::Named(values) => {
            let fill = |(name, value): (&String, &String)| {
                Ok::<_, ContentError>((name.clone(), filler.line(&format!("body.{name}"), value)?))
            };
            RenderedParameters::Named(values.iter().map(fill).collect::<Result<_, _>>()?)
        }
    };
    let header = match &template.header {
        None => None,
        Some(header) => Some(RenderedHeader {
            type_: header.type_,
            value: filler.line("header", &header.value)?,
            filename: header.filename.as_ref().map(|f| filler.line("header.filename", f)).transpose()?,
        }),
    };
    let mut buttons = Vec::with_capacity(template.buttons.len());
    for button in &template.buttons {
        let value = filler.line(&format!("buttons.{}", button.index), &button.value)?;
        buttons.push(RenderedButton { index: button.index, sub_type: button.sub_type, value });
    }
    Ok(RenderedTemplate {
        name: template.name.clone(),
        language: template.language.clone(),
        body,
        header,
        buttons,
        blank: filler.blank,
    })
}

struct Filler<'v> {
    variables: &'v Variables,
    blank: Vec<String>,
}

impl Filler<'_> {
    fn line(&mut self, place: &str, source: &str) -> Result<String, ContentError> {
        let rendered = Text::parse(source)
            .and_then(|text| text.render(self.variables))
            .map_err(|e| ContentError::new(e.code, format!("{place}: {}", e.detail)))?;
        let value = one_line(&rendered.text);
        let mut blank = rendered.blank;
        if value.is_empty() && blank.is_empty() {
            blank.push(place.to_owned());
        }
        for name in blank {
            if !self.blank.contains(&name) {
                self.blank.push(name);
            }
        }
        Ok(value)
    }
}

/// WhatsApp refuses a parameter with a newline, a tab or more than four spaces in a row: each
/// becomes a single space, and none stand at the ends.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some(c) = rest.chars().next() {
        if !c.is_whitespace() {
            line.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let after = rest.trim_start();
        let space = &rest[..rest.len() - after.len()];
        let breaks = space.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}');
        line.push_str(if breaks || space.chars().count() > 4 { " " } else { space });
        rest = after;
    }
    line
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
