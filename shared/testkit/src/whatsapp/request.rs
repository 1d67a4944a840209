//! What Meta refuses in the body of a send before it looks at anything else. Fields that are not
//! known are passed over, as Meta does.

use domain::sender::{KnownButton, TemplateParts};
use domain::sequence::{TemplateButtonType, TemplateHeaderType};
use serde_json::Value;

use super::free_form;
use super::meta_error::MetaError;
use crate::stand_in::recipient_key;

const MAX_TEXT: usize = 4_096;
const MAX_CALLBACK_DATA: usize = 512;
const MAX_PARAMETER: usize = 1_024;
const MAX_HEADER: usize = 60;

/// A send that is well-formed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) to: To,
    pub(super) content: Content,
    pub(super) callback_data: Option<String>,
}

/// Whom a message is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Digits.
    Phone(String),
    UserId(String),
}

impl To {
    /// The same for every way to write the recipient.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Phone(digits) => recipient_key(digits),
            Self::UserId(id) => id.clone(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Template(Template),
    /// Anything else is free-form and needs the window.
    Free {
        text: String,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) name: String,
    pub(super) language: String,
    pub(super) body: Vec<String>,
    pub(super) parts: TemplateParts,
}

/// The recipient as far as it can be read, for faults that hit even a malformed request.
pub(super) fn raw_recipient(body: &Value) -> Option<&str> {
    text(body, "to").or_else(|| text(body, "recipient"))
}

/// Reads a send.
///
/// # Errors
/// Meta's refusal.
pub(super) fn read(body: &Value) -> Result<Request, MetaError> {
    if text(body, "messaging_product") != Some("whatsapp") {
        return Err(MetaError::parameter("The parameter messaging_product is required."));
    }
    let callback_data = text(body, "biz_opaque_callback_data").map(String::from);
    if callback_data.as_ref().is_some_and(|data| data.chars().count() > MAX_CALLBACK_DATA) {
        return Err(MetaError::parameter("Param biz_opaque_callback_data must be at most 512 characters long."));
    }
    let to = recipient(body)?;
    let content = match text(body, "type").unwrap_or("text") {
        "text" => Content::Free { text: text_body(body)? },
        "template" => Content::Template(template(body)?),
        type_ @ ("image" | "video" | "audio" | "document" | "sticker" | "location" | "contacts" | "interactive"
        | "reaction") => {
            let part = body.get(type_);
            let part = part.ok_or_else(|| MetaError::parameter(format!("The parameter {type_} is required.")))?;
            let text = match type_ {
                "interactive" => free_form::interactive(part)?,
                "location" | "contacts" | "reaction" => format!("[{type_}]"),
                _ => free_form::media(type_, part)?,
            };
            Content::Free { text }
        }
        _ => return Err(MetaError::parameter("Param type must be one of {AUDIO, CONTACTS, DOCUMENT, IMAGE, …}.")),
    };
    Ok(Request { to, content, callback_data })
}

fn recipient(body: &Value) -> Result<To, MetaError> {
    if let Some(to) = text(body, "to") {
        let digits: String = to.chars().filter(char::is_ascii_digit).collect();
        let plain = to.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')'));
        if !plain || !(7..=15).contains(&digits.len()) {
            return Err(MetaError::of(131_009).details("Param to is not a valid WhatsApp number."));
        }
        return Ok(To::Phone(digits));
    }
    match text(body, "recipient") {
        Some(id) if id.contains('.') => Ok(To::UserId(id.into())),
        Some(_) => Err(MetaError::of(131_009).details("Param recipient is not a valid user id.")),
        None => Err(MetaError::parameter("The parameter to is required.")),
    }
}

fn text_body(body: &Value) -> Result<String, MetaError> {
    let words = body.get("text").and_then(|part| text(part, "body"));
    let words = words.ok_or_else(|| MetaError::parameter("The parameter text['body'] is required."))?;
    if words.chars().count() > MAX_TEXT {
        return Err(MetaError::parameter("Param text['body'] must be at most 4096 characters long."));
    }
    Ok(words.into())
}

fn template(body: &Value) -> Result<Template, MetaError> {
    let required = |name: &str| MetaError::parameter(format!("The parameter template['{name}'] is required."));
    let part = body.get("template").ok_or_else(|| MetaError::parameter("The parameter template is required."))?;
    let language = part.get("language").and_then(|language| text(language, "code"));
    let mut read = Template {
        name: text(part, "name").ok_or_else(|| required("name"))?.into(),
        language: language.ok_or_else(|| required("language"))?.into(),
        body: Vec::new(),
        parts: TemplateParts::default(),
    };
    for component in part.get("components").and_then(Value::as_array).into_iter().flatten() {
        let parameters: &[Value] =
            component.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        match text(component, "type").unwrap_or_default().to_ascii_lowercase().as_str() {
            "header" => {
                let [parameter] = parameters else {
                    return Err(MetaError::of(132_000).details("header: a header takes one parameter"));
                };
                read.parts.header = Some(header(parameter)?);
                read.parts.header_name = text(parameter, "parameter_name").map(String::from);
            }
            "body" => {
                let named = parameters.iter().filter(|p| text(p, "parameter_name").is_some()).count();
                if named != 0 && named != parameters.len() {
                    return Err(MetaError::parameter("Named and positional parameters cannot be mixed."));
                }
                for parameter in parameters {
                    read.body.push(body_parameter(parameter)?);
                    read.parts.body_names.extend(text(parameter, "parameter_name").map(String::from));
                }
            }
            "button" => {
                read.parts.buttons.extend(button(component, parameters)?);
            }
            _ => return Err(MetaError::parameter("Param template['components'] has an unknown type.")),
        }
    }
    Ok(read)
}

fn body_parameter(parameter: &Value) -> Result<String, MetaError> {
    let words = match text(parameter, "type") {
        Some("text") => text(parameter, "text"),
        Some(type_ @ ("currency" | "date_time")) => parameter.get(type_).and_then(|p| text(p, "fallback_value")),
        _ => return Err(MetaError::parameter("Param template['components']['parameters']['type'] is not valid.")),
    };
    let words = words.ok_or_else(|| MetaError::of(131_008).details("Parameter of type text is missing text value"))?;
    if words.contains(['\n', '\r', '\t']) || words.contains("     ") {
        return Err(MetaError::of(132_012)
            .details("Param text cannot have new-line/tab characters or more than 4 consecutive spaces"));
    }
    if words.chars().count() > MAX_PARAMETER {
        return Err(MetaError::of(132_005).details("Translated text too long"));
    }
    Ok(words.into())
}

fn header(parameter: &Value) -> Result<TemplateHeaderType, MetaError> {
    let type_ = text(parameter, "type").unwrap_or_default();
    let read = match type_ {
        "text" => {
            let words = body_parameter(parameter)?;
            if words.chars().count() > MAX_HEADER {
                return Err(MetaError::of(132_005).details("header: Translated text too long"));
            }
            return Ok(TemplateHeaderType::Text);
        }
        "image" => TemplateHeaderType::Image,
        "video" => TemplateHeaderType::Video,
        "document" => TemplateHeaderType::Document,
        _ => return Err(MetaError::of(132_012).details("header: Format mismatch")),
    };
    free_form::source(type_, parameter.get(type_).unwrap_or(&Value::Null)).map(|()| read)
}

/// None for kinds that are not looked into: flow, catalogue and the like have their own shapes.
fn button(component: &Value, parameters: &[Value]) -> Result<Option<KnownButton>, MetaError> {
    let wrong = |what: &str| MetaError::parameter(format!("Param template['components'] button: {what}"));
    let (sub_type, type_, most) = match text(component, "sub_type").unwrap_or_default().to_ascii_lowercase().as_str() {
        "url" => (TemplateButtonType::Url, "text", 2_000),
        "quick_reply" => (TemplateButtonType::QuickReply, "payload", 256),
        "copy_code" => (TemplateButtonType::CopyCode, "coupon_code", 15),
        "flow" | "catalog" | "mpm" => return Ok(None),
        _ => return Err(wrong("sub_type is not valid")),
    };
    let index = component.get("index");
    let index = index.and_then(|i| i.as_u64().or_else(|| i.as_str()?.parse().ok()));
    let index = index.and_then(|i| u8::try_from(i).ok()).filter(|i| *i <= 9);
    let index = index.ok_or_else(|| wrong("index is not valid"))?;
    let [parameter] = parameters else { return Err(wrong("needs its one parameter")) };
    match text(parameter, type_).filter(|_| text(parameter, "type") == Some(type_)) {
        Some(value) if value.chars().count() <= most => Ok(Some(KnownButton { index, sub_type })),
        Some(_) => Err(wrong(&format!("its parameter may have {most} characters"))),
        None => Err(wrong("needs its one parameter")),
    }
}

pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn code(body: Value) -> i64 {
        read(&body).unwrap_err().code
    }

    fn with_body(parameters: Value) -> Value {
        json!({"messaging_product": "whatsapp", "to": "5511987654321", "type": "template", "template": {
            "name": "a", "language": {"code": "pt_BR"}, "components": [{"type": "body", "parameters": parameters}]}})
    }

    #[test]
    fn malformed_sends_are_refused_as_meta_does() {
        let text = |to: &str, text: &str| json!({"messaging_product": "whatsapp", "to": to, "text": {"body": text}});
        assert!(read(&text("+55 (11) 98765-4321", "oi")).is_ok());
        assert!(read(&text("5511987654321", &"é".repeat(4_096))).is_ok());
        assert_eq!(code(text("5511987654321", &"é".repeat(4_097))), 100);
        assert_eq!(code(text("5511987654321", "")), 100);
        assert_eq!(code(text("", "oi")), 100);
        assert_eq!(code(text("ana@example.com", "oi")), 131_009);
        assert_eq!(code(json!({"to": "5511987654321", "text": {"body": "oi"}})), 100);
        assert_eq!(code(json!("no object")), 100);
        assert_eq!(code(with_body(json!([{"type": "text", "text": "a\nb"}]))), 132_012);
        assert_eq!(code(with_body(json!([{"type": "text", "text": "a     b"}]))), 132_012);
        assert_eq!(code(with_body(json!([{"type": "text", "text": ""}]))), 131_008);
        assert_eq!(
            code(with_body(
                json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b", "parameter_name": "b"}])
            )),
            100
        );
    }
}
