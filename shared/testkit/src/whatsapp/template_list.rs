//! The templates that the stand-in knows. A name that nobody set is approved at its first use, and
//! that use's parameter counts become the template's.

use std::collections::BTreeMap;

use domain::sender::TemplateParts;
use domain::sequence::TemplateButtonType;
use serde::{Deserialize, Serialize};

use super::meta_error::MetaError;
use super::request::Template;
use crate::local::TemplateEntry;

/// The parameters that a template takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) body: u32,
    pub(super) parts: TemplateParts,
}

impl Shape {
    pub(super) fn of(template: &Template) -> Self {
        Self { body: u32::try_from(template.body.len()).unwrap_or(u32::MAX), parts: template.parts.clone() }
    }
}

/// Account (WABA), name, language.
type Key = (String, String, String);

#[derive(Debug, Default)]
pub(super) struct TemplateList {
    set: Vec<TemplateEntry>,
    learned: BTreeMap<Key, Shape>,
}

impl TemplateList {
    /// Replaces the whole list, what was learned included.
    pub(super) fn set(&mut self, templates: Vec<TemplateEntry>) {
        self.set = templates;
        self.learned.clear();
    }

    pub(super) fn learn(&mut self, waba_id: &str, name: &str, language: &str, shape: Shape) {
        self.learned.insert((waba_id.into(), name.into(), language.into()), shape);
    }

    /// Whether a use fits; `Ok(true)` when it is the first, to be learned once it is accepted. A
    /// name that was set exists in the languages that were set for it and in no others.
    pub(super) fn check(&self, waba_id: &str, used: &Template) -> Result<bool, MetaError> {
        let mut same_name = self.set.iter().filter(|entry| entry.name == used.name).peekable();
        if same_name.peek().is_some() {
            let missing = || {
                MetaError::of(132_001)
                    .details(format!("template name ({}) does not exist in {}", used.name, used.language))
            };
            let entry = same_name.find(|entry| entry.language == used.language).ok_or_else(missing)?;
            match entry.status.to_ascii_uppercase().as_str() {
                "APPROVED" | "REINSTATED" | "FLAGGED" => {}
                "PAUSED" => return Err(MetaError::of(132_015)),
                "DISABLED" => return Err(MetaError::of(132_016)),
                _ => return Err(missing()),
            }
            let shape = Shape::of(used);
            if let Some(parts) = &entry.parts {
                same_parts(&shape.parts, parts)?;
            }
            if let Some(expected) = entry.body_parameters {
                return same_count("body", shape.body, expected).map(|()| false);
            }
        }
        let Some(known) = self.learned.get(&(waba_id.into(), used.name.clone(), used.language.clone())) else {
            return Ok(true);
        };
        let shape = Shape::of(used);
        same_count("body", shape.body, known.body)?;
        same_parts(&shape.parts, &known.parts)?;
        Ok(false)
    }

    /// Whether it is one of those for which there is an endpoint of their own.
    pub(super) fn is_marketing(&self, used: &Template) -> bool {
        let same = |entry: &&TemplateEntry| entry.name == used.name && entry.language == used.language;
        self.set.iter().find(same).is_some_and(|entry| entry.category.eq_ignore_ascii_case("marketing"))
    }

    /// All templates of an account with their status and parameters.
    pub(super) fn all(&self, waba_id: &str) -> Vec<TemplateEntry> {
        let learned =
            |entry: &TemplateEntry| self.learned.get(&(waba_id.into(), entry.name.clone(), entry.language.clone()));
        let mut all: Vec<TemplateEntry> = self
            .set
            .iter()
            .map(|entry| TemplateEntry {
                body_parameters: entry.body_parameters.or_else(|| learned(entry).map(|shape| shape.body)),
                parts: entry.parts.clone().or_else(|| learned(entry).map(|shape| shape.parts.clone())),
                ..entry.clone()
            })
            .collect();
        for ((waba, name, language), shape) in &self.learned {
            if waba == waba_id && !all.iter().any(|entry| entry.name == *name && entry.language == *language) {
                all.push(TemplateEntry {
                    name: name.clone(),
                    language: language.clone(),
                    status: "APPROVED".into(),
                    category: "UTILITY".into(),
                    body_parameters: Some(shape.body),
                    parts: Some(shape.parts.clone()),
                });
            }
        }
        all
    }
}

fn same_count(part: &str, given: u32, expected: u32) -> Result<(), MetaError> {
    if given == expected {
        return Ok(());
    }
    Err(MetaError::of(132_000).details(format!(
        "{part}: number of localizable_params ({given}) does not match the expected number of params ({expected})"
    )))
}

/// The same header, the same names, and the same buttons but for quick replies, whose payload may be left
/// out.
fn same_parts(given: &TemplateParts, known: &TemplateParts) -> Result<(), MetaError> {
    let format = |part: &str| Err(MetaError::of(132_012).details(format!("{part}: Format mismatch")));
    match (given.header, known.header) {
        (None, None) => {}
        (Some(a), Some(b)) if a == b => {}
        (Some(_), Some(_)) => return format("header"),
        (a, b) => same_count("header", u32::from(a.is_some()), u32::from(b.is_some()))?,
    }
    if given.header_name != known.header_name {
        return Err(MetaError::parameter("Invalid parameter: header: parameter_name does not match the template"));
    }
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    if sorted(&given.body_names) != sorted(&known.body_names) {
        return Err(MetaError::parameter("Invalid parameter: body: parameter_name does not match the template"));
    }
    let needed =
        |parts: &TemplateParts| parts.buttons.iter().filter(|b| b.sub_type != TemplateButtonType::QuickReply).count();
    let count = |parts: &TemplateParts| u32::try_from(needed(parts)).unwrap_or(u32::MAX);
    same_count("button", count(given), count(known))?;
    if given.buttons.iter().all(|b| known.buttons.contains(b) || b.sub_type == TemplateButtonType::QuickReply) {
        Ok(())
    } else {
        format("button")
    }
}
