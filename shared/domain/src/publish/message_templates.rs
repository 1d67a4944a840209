//! Message templates: what one may be by itself, and whether a step gives it what it shows.

use super::texts::{Kind, Place, variants};
use super::{Facts, Findings, Problem, content, liquid, part, shape};
use crate::content::{ROOTS, Templates, Text, limits, own_variables, unknown_variables};
use crate::sequence::{Content, ContentType, MessageTemplate, Sequence, Step};

/// Rules that a message template obeys by itself.
pub fn message_template(template: &MessageTemplate) -> Vec<Problem> {
    let mut found = Findings::default();
    if template.name.trim().is_empty() {
        found.problem("/name", "required", "a template needs a name");
    }
    shape::longest(&template.name, shape::MAX_NAME, "/name", &mut found);
    if template.text.trim().is_empty() {
        found.problem("/text", "required", "a template needs a text");
    }
    if template.language.as_ref().is_some_and(|l| !shape::is_language(l)) {
        found.problem("/language", "invalid_value", "a language is written as pt_BR, en_US or es");
    }
    content::email(template.channel_variants.email.as_ref(), "/channel_variants", &mut found);
    for place in texts(template, "/text", "/channel_variants") {
        liquid::check(&place, true, &mut found);
    }
    found.problems
}

/// The names of the values that a step gives.
pub(super) fn values(content: &Content, at: &str, found: &mut Findings) {
    for name in content.values.iter().flatten().map(|(name, _)| name) {
        let pointer = format!("{at}/values/{}", part(name));
        if ROOTS.contains(&name.as_str()) {
            let detail = format!("`{name}` is everybody's: a template's own variable has another name");
            found.problem(pointer, "not_allowed", detail);
        } else if Text::parse(&format!("{{{{ {name} }}}}")).map(|t| own_variables(&t)).ok() != Some(vec![name.clone()])
        {
            let detail = "a variable's name has letters, digits and `_`, and does not begin like nil, true, false, empty or blank";
            found.problem(pointer, "invalid_value", detail);
        }
    }
}

/// Whether the template of a step is there, and gets a value for everything of its own that it shows.
pub(super) fn usage(sequence: &Sequence, step: &Step, at: &str, facts: &Facts<'_>, found: &mut Findings) {
    let content = &step.content;
    let (ContentType::Template, Some(id)) = (content.type_, &content.template_id) else { return };
    let here = format!("{at}/content");
    let pointer = format!("{here}/template_id");
    let Some(template) = facts.templates.get(id) else {
        found.problem(pointer, "unknown_reference", "there is no such template");
        return;
    };
    let mut own: Vec<String> = Vec::new();
    let mut unknown: Vec<String> = Vec::new();
    let places = texts(template, &pointer, &pointer);
    for place in &places {
        let Ok(text) = Text::parse(&place.source) else { continue };
        own.extend(own_variables(&text));
        let foreign = unknown_variables(&text, sequence.target, facts.attributes);
        unknown.extend(foreign.iter().filter(|u| ROOTS.contains(&u.root())).map(ToString::to_string));
    }
    unknown.sort();
    unknown.dedup();
    for sentence in unknown {
        found.problem(&pointer, "unknown_variable", format!("in the template `{}`: {sentence}", template.name));
    }
    let given = |name: &String| content.values.as_ref().is_some_and(|v| v.contains_key(name));
    for name in bare(&places).iter().filter(|name| !given(name)) {
        let detail = format!("the template `{}` shows `{name}`: give it a value", template.name);
        found.problem(format!("{here}/values/{}", part(name)), "required", detail);
    }
    for name in content.values.iter().flatten().map(|(name, _)| name).filter(|name| !own.contains(name)) {
        let detail = format!("the template `{}` does not use it", template.name);
        found.warn(format!("{here}/values/{}", part(name)), "ignored", detail);
    }
}

/// The template's own variables that it shows without a default: a step gives each a value.
pub(super) fn bare(places: &[Place]) -> Vec<String> {
    let texts = places.iter().filter_map(|place| Text::parse(&place.source).ok());
    let mut names: Vec<String> = texts
        .flat_map(|text| {
            let shown = text.uses().iter().filter(|u| u.shown && !u.has_default);
            shown.filter_map(|u| u.path.first().cloned()).collect::<Vec<_>>()
        })
        .filter(|root| !ROOTS.contains(&root.as_str()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The texts of the template that a step uses, all at the step's `template_id`.
pub(super) fn used(step: &Step, at: &str, templates: &Templates) -> Vec<Place> {
    let pointer = format!("{at}/content/template_id");
    let id = step.content.template_id.as_ref().filter(|_| step.content.type_ == ContentType::Template);
    let template = id.and_then(|id| templates.get(id));
    let places = template.map(|t| texts(t, &pointer, &pointer)).unwrap_or_default();
    places.into_iter().map(|place| Place { pointer: pointer.clone(), ..place }).collect()
}

fn texts(template: &MessageTemplate, text: &str, others: &str) -> Vec<Place> {
    let words =
        Place { pointer: text.to_owned(), source: template.text.clone(), kind: Kind::Words(limits::WHATSAPP_TEXT) };
    let variants = variants(template.channel_variants.email.as_ref(), template.channel_variants.sms.as_ref(), others);
    std::iter::once(words).chain(variants).collect()
}
