//! The request body of `POST /{phone_number_id}/messages`.

use domain::content::{RenderedButton, RenderedHeader, RenderedParameters, RenderedTemplate};
use domain::message::{Message, Outbound, Recipient};
use domain::sequence::{TemplateButtonType, TemplateHeaderType};
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
        // `send` refuses e-mail addresses before it comes to a body.
        Recipient::Phone(address) | Recipient::Email(address) => body["to"] = json!(address),
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
    }
    body
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
        TemplateHeaderType::Text => json!({"type": "text", "text": header.value}),
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
