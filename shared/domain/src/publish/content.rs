//! Whether a step's content is whole: the fields that belong to its type, texts that can be
//! rendered, templates that WhatsApp could have.

use super::texts::texts;
use super::{Findings, liquid, message_templates, rich};
use crate::follow_ups::wordless;
use crate::sequence::{
    ComposeMode, Content, ContentButton, ContentType, EmailVariant, Step, StepChannel, TemplateButton, TemplateHeader,
    TemplateHeaderType, TemplateParameters,
};

/// Parameters of one template, values of one message template, copies of one email.
const MAX_PARAMETERS: usize = 50;
const MAX_BUTTONS: usize = 10;
const MAX_TEMPLATE_NAME: usize = 512;

pub(super) fn check(step: &Step, at: &str, found: &mut Findings) {
    let content = &step.content;
    let here = format!("{at}/content");
    fields(content, &here, found);
    required(step, &here, found);
    match content.type_ {
        ContentType::WhatsappTemplate => {
            let body = content.body.clone().unwrap_or_default();
            let buttons = buttons_of(content, &here, found);
            names(content.name.as_deref(), content.language.as_deref(), &here, found);
            parameters(&body, content.header.as_ref(), &buttons, &here, found);
        }
        ContentType::Rich => rich::check(content, &here, found),
        ContentType::Template => message_templates::values(content, &here, found),
        ContentType::Text | ContentType::Bot => {}
    }
    if let Some(template) = &step.fallback_template {
        let here = format!("{at}/fallback_template");
        names(Some(&template.name), Some(&template.language), &here, found);
        parameters(&template.body, template.header.as_ref(), &template.buttons, &here, found);
    }
    if content.values.as_ref().is_some_and(|v| v.len() > MAX_PARAMETERS) {
        found.problem(format!("{here}/values"), "too_many", format!("at most {MAX_PARAMETERS} values"));
    }
    email(content.email.as_ref(), &here, found);
    let on_whatsapp = !matches!(step.channel, StepChannel::Email | StepChannel::Sms);
    for place in texts(step, at) {
        liquid::check(&place, on_whatsapp, found);
    }
}

pub(super) fn email(email: Option<&EmailVariant>, at: &str, found: &mut Findings) {
    if email.is_some_and(|e| e.cc.len() > MAX_PARAMETERS) {
        found.problem(format!("{at}/email/cc"), "too_many", format!("at most {MAX_PARAMETERS} copies"));
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

/// The buttons of a `whatsapp_template` content. One that lacks a part is reported and left out.
fn buttons_of(content: &Content, at: &str, found: &mut Findings) -> Vec<TemplateButton> {
    let mut whole = Vec::new();
    for (i, button) in content.buttons.iter().flatten().enumerate() {
        let here = format!("{at}/buttons/{i}");
        let ContentButton { id, title, index, sub_type, value } = button;
        for (name, _) in [("id", id.is_some()), ("title", title.is_some())].iter().filter(|(_, given)| *given) {
            let detail = "a template's button has an index, a sub_type and a value";
            found.problem(format!("{here}/{name}"), "not_allowed", detail);
        }
        let parts = [("index", index.is_some()), ("sub_type", sub_type.is_some()), ("value", value.is_some())];
        for (name, _) in parts.iter().filter(|(_, given)| !*given) {
            found.problem(format!("{here}/{name}"), "required", format!("a template's button needs its {name}"));
        }
        whole.extend(button.of_template());
    }
    whole
}

fn parameters(
    body: &TemplateParameters,
    header: Option<&TemplateHeader>,
    buttons: &[TemplateButton],
    at: &str,
    found: &mut Findings,
) {
    let (count, named) = match body {
        TemplateParameters::Positional(texts) => (texts.len(), false),
        TemplateParameters::Named(texts) => (texts.len(), true),
    };
    if count > MAX_PARAMETERS {
        let detail = format!("at most {MAX_PARAMETERS} parameters, not {count}");
        found.problem(format!("{at}/body"), "too_many", detail);
    }
    if let TemplateParameters::Named(texts) = body {
        for name in texts.keys().filter(|name| !is_parameter_name(name)) {
            let detail = "a parameter's name has small letters without accents, digits and `_`";
            found.problem(format!("{at}/body/{}", super::part(name)), "invalid_value", detail);
        }
    }
    if let Some(header) = header {
        self::header(header, count > 0 && !named, at, found);
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

fn header(header: &TemplateHeader, positional: bool, at: &str, found: &mut Findings) {
    let text = header.type_ == TemplateHeaderType::Text;
    if header.filename.is_some() && header.type_ != TemplateHeaderType::Document {
        found.problem(format!("{at}/header/filename"), "not_allowed", "only a document has a filename");
    }
    match &header.name {
        Some(_) if !text => {
            found.problem(format!("{at}/header/name"), "not_allowed", "only a text's variable has a name");
        }
        Some(_) if positional => {
            let detail = "a template's parameters are all named or all numbered";
            found.problem(format!("{at}/header/name"), "not_allowed", detail);
        }
        Some(name) if !is_parameter_name(name) => {
            let detail = "a parameter's name has small letters without accents, digits and `_`";
            found.problem(format!("{at}/header/name"), "invalid_value", detail);
        }
        _ => {}
    }
}

fn is_parameter_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
}
