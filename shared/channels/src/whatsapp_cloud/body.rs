//! The request body of `POST /{phone_number_id}/messages`.

use domain::content::{
    RenderedButton, RenderedHeader, RenderedParameters, RenderedRich, RenderedTemplate, ReplyButton,
};
use domain::message::{Message, Outbound, Recipient};
use domain::sequence::{List, ListRow, ListSection, Media, MediaKind, TemplateButtonType, TemplateHeaderType};
use serde_json::{Value, json};

/// The Graph API's body for a message. A business-scoped user id goes into `recipient` in place of
/// `to`. `biz_opaque_callback_data` comes back in every status of this message.
pub fn body(outbound: &Outbound) -> Value {
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "biz_opaque_callback_data": outbound.reference.to_string(),
    });
    match &outbound.to {
        // `send` refuses what is no phone before it comes to a body.
        Recipient::Phone(address) | Recipient::Email(address) | Recipient::Conversation(address) => {
            body["to"] = json!(address);
        }
        Recipient::Bsuid(id) => body["recipient"] = json!(id),
    }
    match &outbound.message {
        Message::Text { text } => {
            body["type"] = json!("text");
            // A preview would fetch the link from the recipient's point of view before a click.
            body["text"] = json!({"body": text, "preview_url": false});
        }
        Message::WhatsappTemplate(rendered) => {
            body["type"] = json!("template");
            body["template"] = template(rendered);
        }
        Message::Rich(rich) => {
            let (type_, part) = free_form(rich);
            body["type"] = json!(type_);
            body[type_] = part;
        }
        // `send` refuses it; its words are what there is of it here.
        Message::Email(email) => {
            body["type"] = json!("text");
            body["text"] = json!({"body": email.text, "preview_url": false});
        }
        Message::Bot { text, .. } => {
            body["type"] = json!("text");
            body["text"] = json!({"body": text, "preview_url": false});
        }
    }
    body
}

/// Buttons and lists are `interactive`, and media above buttons is their header; media alone is a message
/// of its own kind with the words as its caption. An audio says nothing but itself.
fn free_form(rich: &RenderedRich) -> (&'static str, Value) {
    let words = rich.words();
    if let Some(list) = &rich.list {
        return ("interactive", json!({"type": "list", "body": {"text": words}, "action": list_action(list)}));
    }
    if !rich.buttons.is_empty() {
        let reply = |b: &ReplyButton| json!({"type": "reply", "reply": {"id": b.id, "title": b.title}});
        let buttons: Vec<Value> = rich.buttons.iter().map(reply).collect();
        let mut interactive = json!({"type": "button", "body": {"text": words}, "action": {"buttons": buttons}});
        if let Some(media) = &rich.media {
            let kind = media.kind.as_str();
            interactive["header"] = json!({"type": kind, kind: link(media)});
        }
        return ("interactive", interactive);
    }
    match &rich.media {
        None => ("text", json!({"body": words, "preview_url": false})),
        Some(media) => {
            let mut part = link(media);
            if media.kind != MediaKind::Audio {
                part["caption"] = json!(words);
            }
            (media.kind.as_str(), part)
        }
    }
}

fn list_action(list: &List) -> Value {
    let row = |row: &ListRow| {
        let mut shown = json!({"id": row.id, "title": row.title});
        if let Some(description) = &row.description {
            shown["description"] = json!(description);
        }
        shown
    };
    let section = |section: &ListSection| {
        let mut shown = json!({"rows": section.rows.iter().map(row).collect::<Vec<_>>()});
        if let Some(title) = &section.title {
            shown["title"] = json!(title);
        }
        shown
    };
    json!({"button": list.button, "sections": list.sections.iter().map(section).collect::<Vec<_>>()})
}

/// A document is shown by its name: without one of its own, by what its link ends in.
fn link(media: &Media) -> Value {
    let mut part = json!({"link": media.url});
    if media.kind == MediaKind::Document {
        let path = media.url.split(['?', '#']).next().unwrap_or_default();
        let name = path.split('/').skip(3).last().filter(|name| name.contains('.'));
        if let Some(name) = name {
            part["filename"] = json!(name);
        }
    }
    part
}

/// Components without variables are left out, as Meta wants.
fn template(rendered: &RenderedTemplate) -> Value {
    let mut components = Vec::new();
    if let Some(header) = &rendered.header {
        components.push(json!({"type": "header", "parameters": [header_parameter(header)]}));
    }
    let parameters = body_parameters(&rendered.body);
    if !parameters.is_empty() {
        components.push(json!({"type": "body", "parameters": parameters}));
    }
    components.extend(rendered.buttons.iter().map(button));
    // `language.policy` is "required" in Meta's schema and absent from Meta's examples.
    let mut template = json!({"name": rendered.name, "language": {"code": rendered.language}});
    if !components.is_empty() {
        template["components"] = Value::Array(components);
    }
    template
}

fn body_parameters(parameters: &RenderedParameters) -> Vec<Value> {
    match parameters {
        RenderedParameters::Positional(texts) => {
            texts.iter().map(|text| json!({"type": "text", "text": text})).collect()
        }
        RenderedParameters::Named(pairs) => {
            pairs.iter().map(|(name, text)| json!({"type": "text", "parameter_name": name, "text": text})).collect()
        }
    }
}

fn header_parameter(header: &RenderedHeader) -> Value {
    match header.type_ {
        TemplateHeaderType::Text => match &header.name {
            None => json!({"type": "text", "text": header.value}),
            Some(name) => json!({"type": "text", "parameter_name": name, "text": header.value}),
        },
        TemplateHeaderType::Image => json!({"type": "image", "image": {"link": header.value}}),
        TemplateHeaderType::Video => json!({"type": "video", "video": {"link": header.value}}),
        TemplateHeaderType::Document => {
            let mut document = json!({"link": header.value});
            if let Some(filename) = &header.filename {
                document["filename"] = json!(filename);
            }
            json!({"type": "document", "document": document})
        }
    }
}

/// `index` is the button's place in the template, as a text.
fn button(button: &RenderedButton) -> Value {
    let (sub_type, parameter) = match button.sub_type {
        TemplateButtonType::Url => ("url", json!({"type": "text", "text": button.value})),
        TemplateButtonType::QuickReply => ("quick_reply", json!({"type": "payload", "payload": button.value})),
        TemplateButtonType::CopyCode => ("copy_code", json!({"type": "coupon_code", "coupon_code": button.value})),
    };
    json!({"type": "button", "sub_type": sub_type, "index": button.index.to_string(), "parameters": [parameter]})
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use domain::ids::{AttemptRef, ContactId, EnrollmentId, Ids, SequenceId};

    use super::*;

    fn sent(rich: Value) -> Value {
        let mut ids = Ids::from_seed([1; 32]);
        let enrollment = EnrollmentId {
            contact: ContactId::new(&mut ids),
            sequence: SequenceId::new(&mut ids),
            scope: ids.bytes(),
            run: 1,
        };
        let mut body = body(&Outbound {
            reference: AttemptRef { enrollment, generation: 2 },
            to: Recipient::Phone("5511987654321".into()),
            message: Message::Rich(serde_json::from_value(rich).unwrap()),
        });
        for common in ["messaging_product", "recipient_type", "biz_opaque_callback_data", "to"] {
            assert!(body.as_object_mut().unwrap().remove(common).is_some(), "{common}");
        }
        body
    }

    #[test]
    fn media_alone_carries_the_words_as_its_caption() {
        let media = |kind: &str, url: &str, caption: Value| {
            sent(json!({"text": "Olá", "media": {"kind": kind, "url": url, "caption": caption}}))
        };
        let url = "https://files.example.com/a/fatura.pdf?v=2";
        assert_eq!(
            media("image", url, json!(null)),
            json!({"type": "image", "image": {"link": url, "caption": "Olá"}})
        );
        assert_eq!(
            media("video", url, json!("Veja")),
            json!({"type": "video", "video": {"link": url, "caption": "Olá\n\nVeja"}})
        );
        assert_eq!(
            media("document", url, json!(null)),
            json!({"type": "document", "document": {"link": url, "caption": "Olá", "filename": "fatura.pdf"}})
        );
        let nameless = "https://files.example.com/d/8f3a";
        assert_eq!(
            media("document", nameless, json!(null)),
            json!({"type": "document", "document": {"link": nameless, "caption": "Olá"}})
        );
        assert_eq!(media("document", "https://files.example.com", json!(null))["document"]["filename"], json!(null));
        assert_eq!(media("audio", url, json!(null)), json!({"type": "audio", "audio": {"link": url}}));
        assert_eq!(
            sent(json!({"text": "Olá"})),
            json!({"type": "text", "text": {"body": "Olá", "preview_url": false}})
        );
    }

    #[test]
    fn buttons_and_lists_are_interactive() {
        let buttons = json!([{"id": "y", "title": "Sim"}, {"id": "n", "title": "Não"}]);
        let replies = json!([{"type": "reply", "reply": {"id": "y", "title": "Sim"}},
            {"type": "reply", "reply": {"id": "n", "title": "Não"}}]);
        assert_eq!(
            sent(json!({"text": "Pagou?", "buttons": buttons})),
            json!({"type": "interactive", "interactive": {"type": "button", "body": {"text": "Pagou?"},
                "action": {"buttons": replies}}})
        );
        let url = "https://files.example.com/a.pdf";
        assert_eq!(
            sent(
                json!({"text": "Pagou?", "buttons": buttons, "media": {"kind": "document", "url": url, "caption": "A fatura"}})
            ),
            json!({"type": "interactive", "interactive": {"type": "button",
                "header": {"type": "document", "document": {"link": url, "filename": "a.pdf"}},
                "body": {"text": "Pagou?\n\nA fatura"}, "action": {"buttons": replies}}})
        );
        assert_eq!(
            sent(json!({"text": "Quando?", "list": {"button": "Horários", "sections": [
                {"title": "Hoje", "rows": [{"id": "9", "title": "9h", "description": "com Bia"}]},
                {"title": "Amanhã", "rows": [{"id": "8", "title": "8h"}]}]}})),
            json!({"type": "interactive", "interactive": {"type": "list", "body": {"text": "Quando?"}, "action": {
                "button": "Horários", "sections": [
                    {"title": "Hoje", "rows": [{"id": "9", "title": "9h", "description": "com Bia"}]},
                    {"title": "Amanhã", "rows": [{"id": "8", "title": "8h"}]}]}}})
        );
    }
}
