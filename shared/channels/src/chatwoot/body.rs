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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reference() -> AttemptRef {
        AttemptRef::parse(&format!("enr_{}.3", "A".repeat(43))).unwrap()
    }

    fn template(value: Value) -> RenderedTemplate {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_message_carries_our_reference() {
        let body = body(reference(), &Message::Text { text: "Olá".into() }).unwrap();
        let expected = json!({"content": "Olá", "message_type": "outgoing", "private": false, "content_type": "text",
            "content_attributes": {"ritmo_reference": format!("enr_{}.3", "A".repeat(43))}});
        assert_eq!(body, expected);
        let rich = json!({"rich": {"text": "Veja", "media": {"kind": "image", "url": "https://a.example.com/b.png"},
            "buttons": [{"id": "s", "title": "Sim"}]}});
        let rich = super::body(reference(), &serde_json::from_value(rich).unwrap()).unwrap();
        assert_eq!(rich["content"], "Veja\n\n1. Sim\n\nhttps://a.example.com/b.png");
        let bot = |text: Option<&str>| Message::Bot { bot_id: "4".into(), text: text.map(str::to_owned) };
        assert_eq!(super::body(reference(), &bot(None)), None);
        assert_eq!(super::body(reference(), &bot(Some("Já vai"))).unwrap()["content"], "Já vai");
    }

    #[test]
    fn a_templates_parameters_stand_in_their_places() {
        let message = Message::WhatsappTemplate(template(json!({
            "name": "cobranca_1", "language": "pt_BR", "body": {"positional": ["Ana", "R$ 10,00"]},
            "header": {"type": "document", "value": "https://a.example.com/b.pdf", "filename": "b.pdf"},
            "buttons": [
                {"index": 0, "sub_type": "quick_reply", "value": "STOP"},
                {"index": 2, "sub_type": "url", "value": "abc"},
                {"index": 3, "sub_type": "copy_code", "value": "PIX1"}]
        })));
        let body = body(reference(), &message).unwrap();
        assert_eq!(body["content"], "[cobranca_1] Ana | R$ 10,00");
        let expected = json!({"name": "cobranca_1", "language": "pt_BR", "processed_params": {
            "body": {"1": "Ana", "2": "R$ 10,00"},
            "header": {"media_url": "https://a.example.com/b.pdf", "media_type": "document"},
            "buttons": [{}, {}, {"type": "url", "parameter": "abc"}, {"type": "copy_code", "parameter": "PIX1"}]}});
        assert_eq!(body["template_params"], expected);
        let named = template(json!({"name": "b", "language": "en", "body": {"named": [["first_name", "Ana"]]},
            "header": {"type": "text", "value": "Oi", "name": "greeting"}}));
        let expected = json!({"body": {"first_name": "Ana"}, "header": {"text": "Oi"}});
        assert_eq!(template_params(&named)["processed_params"], expected);
        let bare = template(json!({"name": "c", "language": "en", "body": {"positional": []}}));
        assert_eq!((shown(&bare), template_params(&bare)["processed_params"].clone()), ("[c]".into(), json!({})));
    }

    #[test]
    fn a_blank_value_would_shift_the_others() {
        let with = |body: Value, header: &str, button: &str| {
            has_blank(&template(json!({"name": "a", "language": "en", "body": body,
                "header": {"type": "text", "value": header},
                "buttons": [{"index": 0, "sub_type": "url", "value": button}]})))
        };
        assert!(!with(json!({"positional": ["Ana"]}), "a", "b"));
        assert!(with(json!({"positional": ["Ana", " "]}), "a", "b"));
        assert!(with(json!({"named": [["x", ""]]}), "a", "b"));
        assert!(with(json!({"positional": []}), "", "b"));
        assert!(with(json!({"positional": []}), "a", ""));
    }
}
