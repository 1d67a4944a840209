//! Whether a step's content is whole: the fields that belong to its type, texts that can be
//! rendered, templates that WhatsApp could have.

use super::Findings;
use super::shape::longest;
use super::texts::texts;
use crate::content::{Text, limits};
use crate::follow_ups::wordless;
use crate::sequence::{ComposeMode, Content, ContentType, Step, StepChannel, TemplateButton, TemplateParameters};

/// Parameters of one template, values of one message template, copies of one email.
const MAX_PARAMETERS: usize = 50;
const MAX_BUTTONS: usize = 10;
const MAX_TEMPLATE_NAME: usize = 512;

pub(super) fn check(step: &Step, at: &str, found: &mut Findings) {
    let content = &step.content;
    let here = format!("{at}/content");
    fields(content, &here, found);
    required(step, &here, found);
    if content.type_ == ContentType::WhatsappTemplate {
        let body = content.body.clone().unwrap_or_default();
        let buttons = buttons_of(content, &here, found);
        names(content.name.as_deref(), content.language.as_deref(), &here, found);
        parameters(&body, &buttons, &here, found);
    }
    if let Some(template) = &step.fallback_template {
        let here = format!("{at}/fallback_template");
        names(Some(&template.name), Some(&template.language), &here, found);
        parameters(&template.body, &template.buttons, &here, found);
    }
    if content.values.as_ref().is_some_and(|v| v.len() > MAX_PARAMETERS) {
        found.problem(format!("{here}/values"), "too_many", format!("at most {MAX_PARAMETERS} values"));
    }
    if content.email.as_ref().is_some_and(|e| e.cc.len() > MAX_PARAMETERS) {
        found.problem(format!("{here}/email/cc"), "too_many", format!("at most {MAX_PARAMETERS} copies"));
    }
    liquid(step, at, found);
}

/// Every text parses, and one that says the same to everyone fits the channel.
fn liquid(step: &Step, at: &str, found: &mut Findings) {
    let on_whatsapp = !matches!(step.channel, StepChannel::Email | StepChannel::Sms);
    for place in texts(step, at) {
        match Text::parse(&place.source) {
            Err(error) => found.problem(place.pointer, error.code.as_str(), error.detail),
            Ok(_) if place.parameter && place.source.trim().is_empty() => {
                found.problem(place.pointer, "required", "WhatsApp refuses an empty parameter");
            }
            Ok(text) if text.is_plain() && on_whatsapp && place.pointer.ends_with("/content/text") => {
                longest(&place.source, limits::WHATSAPP_TEXT, &place.pointer, found);
            }
            Ok(_) => {}
        }
    }
}

/// The fields that stand beside `type` belong to it.
fn fields(content: &Content, at: &str, found: &mut Findings) {
    let allowed: &[&str] = match content.type_ {
        ContentType::Text => &["text", "email", "sms"],
        ContentType::Template => &["template_id", "values"],
        ContentType::WhatsappTemplate => &["name", "language", "body", "header", "buttons"],
        ContentType::Rich => &["text", "email", "sms", "media", "buttons", "list"],
        ContentType::Bot => &["bot_id", "text"],
    };
    let given = [
        ("text", content.text.is_some()),
        ("email", content.email.is_some()),
        ("sms", content.sms.is_some()),
        ("template_id", content.template_id.is_some()),
        ("values", content.values.is_some()),
        ("name", content.name.is_some()),
        ("language", content.language.is_some()),
        ("body", content.body.is_some()),
        ("header", content.header.is_some()),
        ("buttons", content.buttons.is_some()),
        ("media", content.media.is_some()),
        ("list", content.list.is_some()),
        ("bot_id", content.bot_id.is_some()),
    ];
    for (name, _) in given.iter().filter(|(name, given)| *given && !allowed.contains(name)) {
        let detail = format!("content of type {} has no {name}", type_name(content.type_));
        found.problem(format!("{at}/{name}"), "not_allowed", detail);
    }
}

fn required(step: &Step, at: &str, found: &mut Findings) {
    let content = &step.content;
    let needed: &[(&str, &Option<String>)] = match content.type_ {
        // The static fallback of an AI step is asked for when it is published.
        ContentType::Text if step.compose.mode != ComposeMode::Static => &[],
        ContentType::Text if wordless(step).is_some() => &[],
        ContentType::Text | ContentType::Rich => &[("text", &content.text)],
        ContentType::Template => &[("template_id", &content.template_id)],
        ContentType::WhatsappTemplate => &[("name", &content.name), ("language", &content.language)],
        ContentType::Bot => &[("bot_id", &content.bot_id)],
    };
    for (name, value) in needed {
        if value.as_ref().is_none_or(|v| v.trim().is_empty()) {
            let detail = format!("content of type {} needs {name}", type_name(content.type_));
            found.problem(format!("{at}/{name}"), "required", detail);
        }
    }
}

fn type_name(type_: ContentType) -> &'static str {
    match type_ {
        ContentType::Text => "text",
        ContentType::Template => "template",
        ContentType::WhatsappTemplate => "whatsapp_template",
        ContentType::Rich => "rich",
        ContentType::Bot => "bot",
    }
}

/// A template's name and language as WhatsApp writes them. What is missing is reported elsewhere.
fn names(name: Option<&str>, language: Option<&str>, at: &str, found: &mut Findings) {
    let odd = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let fallback = at.ends_with("/fallback_template");
    match name {
        Some("") if fallback => found.problem(format!("{at}/name"), "required", "the template needs its name"),
        Some(name) if !name.trim().is_empty() && (name.len() > MAX_TEMPLATE_NAME || name.contains(odd)) => {
            let detail = "a WhatsApp template's name has small letters without accents, digits and `_`";
            found.problem(format!("{at}/name"), "invalid_value", detail);
        }
        _ => {}
    }
    match language {
        Some("") if fallback => {
            found.problem(format!("{at}/language"), "required", "the template needs its language, such as pt_BR");
        }
        Some(language) if !language.trim().is_empty() && !is_template_language(language) => {
            let detail = format!("`{language}` is not a template's language: pt_BR, en_US or es, with an underscore");
            found.problem(format!("{at}/language"), "invalid_value", detail);
        }
        _ => {}
    }
}

fn is_template_language(text: &str) -> bool {
    let (language, country) = text.split_once('_').map_or((text, None), |(l, c)| (l, Some(c)));
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && country.is_none_or(|c| (2..=3).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_uppercase()))
}

/// The buttons of a `whatsapp_template` content, which is read loosely because other types have
/// buttons of another form.
fn buttons_of(content: &Content, at: &str, found: &mut Findings) -> Vec<TemplateButton> {
    let Some(buttons) = &content.buttons else { return Vec::new() };
    serde_json::from_value(buttons.clone()).unwrap_or_else(|error| {
        let detail = format!("a template's buttons are a list of index, sub_type and value: {error}");
        found.problem(format!("{at}/buttons"), "invalid_value", detail);
        Vec::new()
    })
}

fn parameters(body: &TemplateParameters, buttons: &[TemplateButton], at: &str, found: &mut Findings) {
    let count = match body {
        TemplateParameters::Positional(texts) => texts.len(),
        TemplateParameters::Named(texts) => texts.len(),
    };
    if count > MAX_PARAMETERS {
        let detail = format!("at most {MAX_PARAMETERS} parameters, not {count}");
        found.problem(format!("{at}/body"), "too_many", detail);
    }
    if buttons.len() > MAX_BUTTONS {
        let detail = format!("at most {MAX_BUTTONS} buttons, not {}", buttons.len());
        found.problem(format!("{at}/buttons"), "too_many", detail);
    }
    for (i, button) in buttons.iter().enumerate() {
        let pointer = format!("{at}/buttons/{i}/index");
        if usize::from(button.index) >= MAX_BUTTONS {
            found.problem(pointer, "out_of_range", format!("the places of buttons are 0 to {}", MAX_BUTTONS - 1));
        } else if buttons[..i].iter().any(|b| b.index == button.index) {
            found.problem(pointer, "duplicate", format!("button {} has its value already", button.index));
        }
    }
}
