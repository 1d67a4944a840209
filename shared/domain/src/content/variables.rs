//! What a text may speak of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::numbers::DecimalMark;
use crate::time::Zone;

/// The values behind a text's names: one object for each root (`contact`, `agent`, `conversation`,
/// `target`, `account`, `sender`), as the API shows it. A field that an object lacks is looked for
/// in its `attributes`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Variables {
    #[serde(default)]
    roots: BTreeMap<String, Json>,
    /// The IANA zone in which `date` writes; UTC where it is missing or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// `pt_BR` or `pt`: the marks of `money` and the month names of `date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// How the account writes amounts, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decimal_mark: Option<DecimalMark>,
}

impl Variables {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a tree of root → object as it is.
    pub fn from_roots(roots: BTreeMap<String, Json>) -> Self {
        let mut variables = Self::new();
        for (root, value) in roots {
            variables.set(&root, value);
        }
        variables
    }

    /// Sets a root. A contact without `name` gets its first and last name as one, and its assignee
    /// becomes `agent` unless that is set; an agent without `first_name` gets the first word of its
    /// name.
    pub fn set(&mut self, root: &str, mut value: Json) {
        if root == "contact" {
            let part = |key: &str| value.get(key).and_then(Json::as_str).unwrap_or_default().trim().to_owned();
            let name = format!("{} {}", part("first_name"), part("last_name")).trim().to_owned();
            if part("name").is_empty() && !name.is_empty() {
                put(&mut value, "name", name);
            }
            if let Some(assignee @ Json::Object(_)) = value.get("assignee")
                && !self.roots.contains_key("agent")
            {
                self.set("agent", assignee.clone());
            }
        }
        if root == "agent" && value.get("first_name").is_none() {
            let first = value.get("name").and_then(Json::as_str).and_then(|n| n.split_whitespace().next());
            if let Some(first) = first.map(str::to_owned) {
                put(&mut value, "first_name", first);
            }
        }
        self.roots.insert(root.to_owned(), value);
    }

    #[must_use]
    pub fn with(mut self, root: &str, value: Json) -> Self {
        self.set(root, value);
        self
    }

    #[must_use]
    pub fn with_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    #[must_use]
    pub fn with_language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    #[must_use]
    pub fn with_decimal_mark(mut self, mark: Option<DecimalMark>) -> Self {
        self.decimal_mark = mark;
        self
    }

    pub fn root(&self, name: &str) -> Option<&Json> {
        self.roots.get(name)
    }

    pub(crate) fn zone(&self) -> Zone {
        self.zone.as_deref().and_then(|z| z.parse().ok()).unwrap_or(Zone::UTC)
    }

    pub(crate) fn decimal_mark(&self) -> Option<DecimalMark> {
        self.decimal_mark
    }

    pub(crate) fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }
}

fn put(object: &mut Json, key: &str, value: String) {
    if let Json::Object(map) = object {
        map.insert(key.to_owned(), Json::String(value));
    }
}
