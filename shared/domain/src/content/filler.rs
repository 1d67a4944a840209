//! Fills in the texts of one message, all of them within one message's budget.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::error::ContentError;
use super::eval::{self, Budget, Form};
use super::parse::parse;
use super::variables::Variables;

pub(crate) struct Filler<'v> {
    everybodys: &'v Variables,
    variables: Cow<'v, Variables>,
    budget: Budget,
    blank: Vec<String>,
}

impl<'v> Filler<'v> {
    pub(crate) fn new(variables: &'v Variables) -> Self {
        Self {
            everybodys: variables,
            variables: Cow::Borrowed(variables),
            budget: Budget::default(),
            blank: Vec::new(),
        }
    }

    /// The names that left a hole, in order, each once.
    pub(crate) fn into_blank(self) -> Vec<String> {
        self.blank
    }

    /// From here on with a message template's own variables, or without any. One that comes out blank is
    /// a hole where the template shows it without a default, and only there.
    ///
    /// # Errors
    /// Those of [`super::Text::parse`] and [`super::Text::render`].
    pub(crate) fn own(&mut self, values: Option<&BTreeMap<String, String>>) -> Result<(), ContentError> {
        self.variables = Cow::Borrowed(self.everybodys);
        let Some(values) = values.filter(|v| !v.is_empty()) else { return Ok(()) };
        let mut own = self.everybodys.clone();
        for (name, source) in values {
            let (text, holes) = self.render(source, Form::Text)?;
            if !text.trim().is_empty() {
                self.report(holes);
            }
            own.set(name, Json::String(text));
        }
        self.variables = Cow::Owned(own);
        Ok(())
    }

    /// # Errors
    /// Those of [`super::Text::parse`] and [`super::Text::render`].
    pub(crate) fn text(&mut self, source: &str) -> Result<String, ContentError> {
        let (text, holes) = self.render(source, Form::Text)?;
        self.report(holes);
        Ok(text)
    }

    /// A text among tags: what it shows of people is escaped.
    pub(crate) fn html(&mut self, source: &str) -> Result<String, ContentError> {
        let (html, holes) = self.render(source, Form::Html)?;
        self.report(holes);
        Ok(html)
    }

    /// A text of one line.
    pub(crate) fn line(&mut self, source: &str) -> Result<String, ContentError> {
        self.text(source).map(|text| one_line(&text))
    }

    /// A text of one line that may be missing: blank is nothing, and no hole.
    pub(crate) fn optional(&mut self, source: &str) -> Result<Option<String>, ContentError> {
        let (text, _) = self.render(source, Form::Text)?;
        Ok(Some(one_line(&text)).filter(|line| !line.is_empty()))
    }

    /// A text of one line that may not be blank: where no name tells why it is, its place does.
    pub(crate) fn parameter(&mut self, place: &str, source: &str) -> Result<String, ContentError> {
        let rendered = self.render(source, Form::Text);
        let (text, mut holes) = rendered.map_err(|e| ContentError::new(e.code, format!("{place}: {}", e.detail)))?;
        let line = one_line(&text);
        if line.is_empty() && holes.is_empty() {
            holes.push(place.to_owned());
        }
        self.report(holes);
        Ok(line)
    }

    fn render(&mut self, source: &str, form: Form) -> Result<(String, Vec<String>), ContentError> {
        let nodes = parse(source)?;
        let outcome = eval::render(&nodes, &self.variables, form, &mut self.budget)?;
        Ok((outcome.text, outcome.blank))
    }

    fn report(&mut self, holes: Vec<String>) {
        for hole in holes {
            if !self.blank.contains(&hole) {
                self.blank.push(hole);
            }
        }
    }
}

/// WhatsApp refuses a parameter with a newline, a tab or more than four spaces in a row, and a header of
/// an email may hold no line break: each becomes a single space, and none stand at the ends.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some(c) = rest.chars().next() {
        if !c.is_whitespace() {
            // What is no white space and still breaks a line, or ends a text.
            line.push(if c.is_control() { ' ' } else { c });
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
