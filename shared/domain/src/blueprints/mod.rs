//! Ready-made cadences by niche, in three languages (PRODUCT.md section 1). Each is a file that holds
//! every text in all three, so that they cannot differ in anything but words.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::content::Attribute;
use crate::sequence::Sequence;

/// A cadence to begin with: what applying it makes.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Blueprint {
    /// Niche and language: `billing_pt`.
    pub key: String,
    /// `billing`, `unanswered_conversation`, `appointment_reminder`, `stalled_deal`, `welcome` or
    /// `reactivation`.
    pub niche: &'static str,
    /// `pt_BR`, `en_US` or `es`.
    pub language: &'static str,
    pub name: String,
    pub description: String,
    /// The custom attributes that its texts and waits use.
    pub attributes: Vec<Attribute>,
    /// The WhatsApp templates that it falls back on, to be approved by WhatsApp first.
    pub templates: Vec<SuggestedTemplate>,
    pub sequence: Sequence,
}

/// A WhatsApp template as it may be handed in for approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuggestedTemplate {
    pub name: String,
    /// `UTILITY` or `MARKETING`.
    pub category: String,
    /// With `{{1}}` for the first parameter.
    pub body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    description: String,
    attributes: Vec<Attribute>,
    templates: Vec<SuggestedTemplate>,
    sequence: Value,
}

const NICHES: [(&str, &str); 6] = [
    ("billing", include_str!("billing.json")),
    ("unanswered_conversation", include_str!("unanswered_conversation.json")),
    ("appointment_reminder", include_str!("appointment_reminder.json")),
    ("stalled_deal", include_str!("stalled_deal.json")),
    ("welcome", include_str!("welcome.json")),
    ("reactivation", include_str!("reactivation.json")),
];

const LANGUAGES: [(&str, &str); 3] = [("pt", "pt_BR"), ("en", "en_US"), ("es", "es")];

static ALL: LazyLock<Vec<Blueprint>> = LazyLock::new(|| {
    let each = NICHES.into_iter().flat_map(|niche| LANGUAGES.map(|language| (niche, language)));
    let all = each.map(|((niche, document), language)| read(niche, document, language));
    all.collect::<Result<_, _>>().expect("a test reads them all")
});

/// Every blueprint, by niche and then language.
pub fn blueprints() -> &'static [Blueprint] {
    &ALL
}

/// Those in a language, by its first two letters: `pt`, `pt_BR`, `pt-PT`.
pub fn in_language(language: &str) -> Vec<&'static Blueprint> {
    let asked = language.get(..2).unwrap_or_default();
    ALL.iter().filter(|b| b.language[..2].eq_ignore_ascii_case(asked)).collect()
}

pub fn blueprint(key: &str) -> Option<&'static Blueprint> {
    ALL.iter().find(|b| b.key == key)
}

fn read(niche: &'static str, document: &str, (short, language): (&str, &'static str)) -> serde_json::Result<Blueprint> {
    let mut document: Value = serde_json::from_str(document)?;
    speak(&mut document, short);
    let Document { name, description, attributes, templates, mut sequence } = serde_json::from_value(document)?;
    sequence["name"] = name.clone().into();
    sequence["description"] = description.clone().into();
    sequence["language"] = language.into();
    let sequence = serde_json::from_value(sequence)?;
    Ok(Blueprint {
        key: format!("{niche}_{short}"),
        niche,
        language,
        name,
        description,
        attributes,
        templates,
        sequence,
    })
}

/// Leaves one language: an object of all of them becomes what it says in this one.
fn speak(value: &mut Value, language: &str) {
    match value {
        Value::Object(fields) => {
            if fields.len() == LANGUAGES.len() && LANGUAGES.iter().all(|(short, _)| fields.contains_key(*short)) {
                *value = fields.remove(language).unwrap_or_default();
            } else {
                fields.values_mut().for_each(|v| speak(v, language));
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|v| speak(v, language)),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
