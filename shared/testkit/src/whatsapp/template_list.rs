//! The templates that the stand-in knows. A name that nobody set is approved at its first use, and
//! that use's parameter counts become the template's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meta_error::MetaError;
use super::request::Template;
use crate::local::TemplateEntry;

/// How many parameters a template takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) header: u32,
    pub(super) body: u32,
    pub(super) buttons: u32,
}

impl Shape {
    pub(super) fn of(template: &Template) -> Self {
        Self {
            header: template.header,
            body: u32::try_from(template.body.len()).unwrap_or(u32::MAX),
            buttons: template.buttons,
        }
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
            if let Some(expected) = entry.body_parameters {
                return same_count("body", Shape::of(used).body, expected).map(|()| false);
            }
        }
        let Some(known) = self.learned.get(&(waba_id.into(), used.name.clone(), used.language.clone())) else {
            return Ok(true);
        };
        let shape = Shape::of(used);
        same_count("header", shape.header, known.header)?;
        same_count("body", shape.body, known.body)?;
        same_count("button", shape.buttons, known.buttons)?;
        Ok(false)
    }

    /// All templates of an account with their status and number of body parameters.
    pub(super) fn all(&self, waba_id: &str) -> Vec<TemplateEntry> {
        let learned = |name: &str, language: &str| {
            self.learned.get(&(waba_id.into(), name.into(), language.into())).map(|shape| shape.body)
        };
        let mut all: Vec<TemplateEntry> = self
            .set
            .iter()
            .map(|entry| TemplateEntry {
                body_parameters: entry.body_parameters.or_else(|| learned(&entry.name, &entry.language)),
                ..entry.clone()
            })
            .collect();
        for ((waba, name, language), shape) in &self.learned {
            if waba == waba_id && !all.iter().any(|entry| entry.name == *name && entry.language == *language) {
                all.push(TemplateEntry {
                    name: name.clone(),
                    language: language.clone(),
                    status: "APPROVED".into(),
                    body_parameters: Some(shape.body),
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
