//! The exact body of `POST …/messages`.

use domain::content::{RenderedParameters, RenderedTemplate};
use domain::ids::AttemptRef;
use domain::message::Message;
use domain::sequence::{TemplateButtonType, TemplateHeaderType};
use serde_json::{Map, Value, json};

/// Where our reference stands in `content_attributes`, which Chatwoot keeps and shows as it was given.
pub(super) const REFERENCE: &str = "ritmo_reference";

/// The message, for whoever reads it in Chatwoot and for whoever it is sent to. A rich message has its plain
/// form. A hand-over without words has no message: `None`.
pub(super) fn body(reference: AttemptRef, message: &Message) -> Option<Value> {
    let (content, template) = match message {
        Message::Text { text } => (text.clone(), None),
        Message::Rich(rich) => (rich.plain(), None),
        // `send` refuses it; its words are what there is of it here.
        Message::Email(email) => (email.text.clone(), None),
        Message::Bot { text, .. } => (text.clone()?, None),
        // Agents see this; the person gets the template.
        Message::WhatsappTemplate(template) => (shown(template), Some(template_params(template))),
    };
    let mut body = json!({
        "content": content,
        "message_type": "outgoing",
        "private": false,
        "content_type": "text",
        "content_attributes": {REFERENCE: reference.to_string()},
    });
    if let Some(template) = template {
        body["template_params"] = template;
    }
    Some(body)
}

fn values(template: &RenderedTemplate) -> Vec<&str> {
    match &template.body {
        RenderedParameters::Positional(values) => values.iter().map(String::as_str).collect(),
        RenderedParameters::Named(values) => values.iter().map(|(_, value)| value.as_str()).collect(),
    }
}

/// Chatwoot leaves blank values out, and what follows moves up into their places.
pub(super) fn has_blank(template: &RenderedTemplate) -> bool {
    let header = template.header.iter().map(|header| header.value.as_str());
    let buttons = template.buttons.iter().map(|button| button.value.as_str());
    values(template).into_iter().chain(header).chain(buttons).any(|value| value.trim().is_empty())
}

fn shown(template: &RenderedTemplate) -> String {
    let values = values(template);
    if values.is_empty() {
        format!("[{}]", template.name)
    } else {
        format!("[{}] {}", template.name, values.join(" | "))
    }
}

/// Chatwoot finds the template that it has synced by name and language; its category it knows itself.
fn template_params(template: &RenderedTemplate) -> Value {
    let mut processed = Map::new();
    let body: Map<String, Value> = match &template.body {
        RenderedParameters::Positional(values) => {
            values.iter().enumerate().map(|(i, value)| ((i + 1).to_string(), json!(value))).collect()
        }
        RenderedParameters::Named(values) => values.iter().map(|(name, value)| (name.clone(), json!(value))).collect(),
    };
    if !body.is_empty() {
        processed.insert("body".into(), body.into());
    }
    if let Some(header) = &template.header {
        let media = match header.type_ {
            TemplateHeaderType::Text => None,
            TemplateHeaderType::Image => Some("image"),
            TemplateHeaderType::Video => Some("video"),
            TemplateHeaderType::Document => Some("document"),
        };
        processed.insert(
            "header".into(),
            match media {
                Some(kind) => json!({"media_url": header.value, "media_type": kind}),
                None => json!({"text": header.value}),
            },
        );
    }
    let buttons = buttons(template);
    if !buttons.is_empty() {
        processed.insert("buttons".into(), buttons.into());
    }
    json!({"name": template.name, "language": template.language, "processed_params": processed})
}

/// A button's place in the list is its place in the template; an empty one stands for a button without a
/// value. A quick reply has none that Chatwoot could pass on.
fn buttons(template: &RenderedTemplate) -> Vec<Value> {
    let mut list: Vec<Value> = Vec::new();
    for button in &template.buttons {
        let kind = match button.sub_type {
            TemplateButtonType::Url => "url",
            TemplateButtonType::CopyCode => "copy_code",
            TemplateButtonType::QuickReply => continue,
        };
        let place = usize::from(button.index);
        list.resize(list.len().max(place + 1), json!({}));
        list[place] = json!({"type": kind, "parameter": button.value});
    }
    list
}
