//! What Sinch refuses in the body of a send before it looks at anything else. Fields that are not known
//! are passed over, as Sinch does.

use std::collections::BTreeSet;

use domain::message::Channel;
use serde_json::{Map, Value};

use super::sinch_error::SinchError;

const MAX_METADATA: usize = 1_024;
const MAX_CHOICES: usize = 10;
const MAX_ROWS: usize = 10;

/// A send that is well-formed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) channel: Channel,
    pub(super) identity: String,
    pub(super) content: Content,
    pub(super) metadata: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Template(Template),
    /// Anything else is free-form; on WhatsApp it needs the window.
    Free {
        text: String,
    },
}

/// One of WhatsApp's own templates.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) name: String,
    pub(super) language: String,
    /// By Sinch's keys.
    pub(super) parameters: Vec<(String, String)>,
}

/// The recipient as far as it can be read, for faults that hit even a malformed request.
pub(super) fn raw_recipient(body: &Value) -> Option<&str> {
    body.pointer("/recipient/identified_by/channel_identities/0/identity")?.as_str()
}

/// Reads a send.
///
/// # Errors
/// Sinch's refusal.
pub(super) fn read(body: &Value) -> Result<Request, SinchError> {
    let recipient = body.get("recipient").ok_or_else(|| SinchError::argument("recipient must be set"))?;
    let identities = recipient.pointer("/identified_by/channel_identities").and_then(Value::as_array);
    let strategy = text(body, "processing_strategy").unwrap_or("DEFAULT");
    let identities = match (recipient.get("contact_id").is_some(), identities, strategy) {
        (_, _, strategy) if !matches!(strategy, "DEFAULT" | "DISPATCH_ONLY") => {
            return Err(SinchError::argument("processing_strategy must be one of DEFAULT, DISPATCH_ONLY"));
        }
        (true, Some(_), _) => return Err(SinchError::argument("recipient must be one of contact_id, identified_by")),
        (true, None, "DISPATCH_ONLY") => {
            return Err(SinchError::argument("recipient.contact_id is not supported in dispatch mode"));
        }
        (false, Some(identities), _) if !identities.is_empty() => identities,
        _ => return Err(SinchError::argument("recipient.identified_by.channel_identities must not be empty")),
    };
    // Sinch would try them in turn; whoever asks for that falls back over channels on its own.
    let [identity] = identities.as_slice() else {
        return Err(SinchError::argument("the stand-in has one channel identity for each message"));
    };
    let channel = channel(text(identity, "channel"))?;
    let to = text(identity, "identity").unwrap_or_default();
    let digits = to.strip_prefix('+').unwrap_or(to);
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SinchError::argument(format!("invalid identity for channel {:?}", text(identity, "channel"))));
    }
    for named in body.get("channel_priority_order").and_then(Value::as_array).into_iter().flatten() {
        if self::channel(named.as_str())? != channel {
            return Err(SinchError::argument("channel_priority_order has a channel without an identity"));
        }
    }
    let metadata = text(body, "message_metadata").map(str::to_owned);
    if metadata.as_ref().is_some_and(|metadata| metadata.chars().count() > MAX_METADATA) {
        return Err(SinchError::argument("message_metadata must be at most 1024 characters"));
    }
    if let Some(ttl) = body.get("ttl") {
        let seconds = ttl.as_str().and_then(|ttl| ttl.strip_suffix('s')).and_then(|seconds| seconds.parse().ok());
        if seconds.is_none_or(|seconds: u64| seconds < 3) {
            return Err(SinchError::argument("ttl must be a number of seconds with the suffix s"));
        }
    }
    let content = content(body.get("message").unwrap_or(&Value::Null))?;
    Ok(Request { channel, identity: to.to_owned(), content, metadata })
}

fn channel(name: Option<&str>) -> Result<Channel, SinchError> {
    match name {
        Some("WHATSAPP") => Ok(Channel::Whatsapp),
        Some("SMS") => Ok(Channel::Sms),
        _ => Err(SinchError::argument("channel must be WHATSAPP or SMS: the app has no other")),
    }
}

fn content(message: &Value) -> Result<Content, SinchError> {
    let kinds = ["text_message", "media_message", "choice_message", "card_message", "list_message", "template_message"];
    let mut given = kinds.iter().filter_map(|kind| Some((*kind, message.get(kind)?)));
    let (Some((kind, part)), None) = (given.next(), given.next()) else {
        return Err(SinchError::argument("message must have exactly one of its kinds"));
    };
    let required = |name: &str| {
        let missing = || SinchError::argument(format!("message.{kind}.{name} must be set"));
        text(part, name).map(str::to_owned).ok_or_else(missing)
    };
    let text = match kind {
        "text_message" => required("text")?,
        "media_message" => {
            url(&required("url")?)?;
            "[media]".into()
        }
        "choice_message" => {
            let words = part.get("text_message").and_then(|said| text(said, "text"));
            choices(part, true)?;
            words.ok_or_else(|| SinchError::argument("message.choice_message.text_message must be set"))?.to_owned()
        }
        "card_message" => {
            let title = required("title")?;
            choices(part, false)?;
            if let Some(media) = part.get("media_message") {
                url(text(media, "url").unwrap_or_default())?;
            }
            title
        }
        "list_message" => {
            let title = required("title")?;
            list(part)?;
            title
        }
        _ => return template(part).map(Content::Template),
    };
    Ok(Content::Free { text })
}

fn url(url: &str) -> Result<(), SinchError> {
    let good = url.starts_with("https://") || url.starts_with("http://");
    if good { Ok(()) } else { Err(SinchError::argument("url must be an absolute URL")) }
}

/// At most ten; a text choice needs its text.
fn choices(part: &Value, needed: bool) -> Result<(), SinchError> {
    let choices = part.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if choices.len() > MAX_CHOICES || (needed && choices.is_empty()) {
        return Err(SinchError::argument("choices must be from 1 to 10"));
    }
    let kinds = ["text_message", "url_message", "call_message", "location_message"];
    let known = |choice: &Value| kinds.iter().filter(|kind| choice.get(**kind).is_some()).count() == 1;
    let titled = |choice: &Value| choice.get("text_message").is_none_or(|said| text(said, "text").is_some());
    if choices.iter().all(|choice| known(choice) && titled(choice)) {
        Ok(())
    } else {
        Err(SinchError::argument("a choice must have exactly one kind, and a text choice its text"))
    }
}

/// At most ten choices in all, each with a title.
fn list(part: &Value) -> Result<(), SinchError> {
    let sections = part.get("sections").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let items = |section: &Value| section.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let items: Vec<Value> = sections.iter().flat_map(items).collect();
    if items.is_empty() || items.len() > MAX_ROWS {
        return Err(SinchError::argument("list_message must have from 1 to 10 choices"));
    }
    if items.iter().all(|item| item.get("choice").is_some_and(|choice| text(choice, "title").is_some())) {
        Ok(())
    } else {
        Err(SinchError::argument("a list's item must be a choice with a title"))
    }
}

fn template(part: &Value) -> Result<Template, SinchError> {
    let reference = part.pointer("/channel_template/WHATSAPP");
    let reference = reference.ok_or_else(|| SinchError::argument("channel_template must name WHATSAPP"))?;
    let required = |name: &str| {
        let missing = || SinchError::argument(format!("channel_template.WHATSAPP.{name} must be set"));
        text(reference, name).map(str::to_owned).ok_or_else(missing)
    };
    let none = Map::new();
    let parameters = match reference.get("parameters") {
        None => &none,
        Some(parameters) => {
            parameters.as_object().ok_or_else(|| SinchError::argument("parameters must be an object"))?
        }
    };
    let mut read =
        Template { name: required("template_id")?, language: required("language_code")?, parameters: Vec::new() };
    for (key, value) in parameters {
        let value = value.as_str().ok_or_else(|| SinchError::argument("parameters must be texts"))?;
        read.parameters.push((key.clone(), value.to_owned()));
    }
    Ok(read)
}

impl Template {
    /// What Sinch reports of it after it has taken it: a language that WhatsApp does not write so, a key that
    /// means nothing, a parameter of the body left out or blank.
    pub(super) fn reason(&self) -> Option<&'static str> {
        if self.language.contains('-') {
            return Some("TEMPLATE_NON_EXISTING_LANGUAGE_OR_VERSION");
        }
        let keys = self.keys();
        let body = keys.iter().filter(|key| key.starts_with("body[")).count();
        let counted = (1..=body).all(|n| keys.contains(format!("body[{n}]text").as_str()));
        let blank = |(key, value): &(String, String)| value.is_empty() && !key.contains("]quick_reply[");
        let wrong = !counted || !keys.iter().all(|key| is_key(key)) || self.parameters.iter().any(blank);
        wrong.then_some("TEMPLATE_INSUFFICIENT_PARAMETERS")
    }

    pub(super) fn keys(&self) -> BTreeSet<&str> {
        self.parameters.iter().map(|(key, _)| key.as_str()).collect()
    }
}

/// `body[1]text`, `header[1]…`, `button[0]…[1]…`: buttons counted from 0, parameters from 1.
fn is_key(key: &str) -> bool {
    let Some((component, rest)) = key.split_once('[') else { return false };
    let Some((index, rest)) = rest.split_once(']') else { return false };
    let number = index.parse::<u32>().is_ok();
    match component {
        "body" => number && rest == "text",
        "header" => {
            let fields = ["text", "image.link", "video.link", "document.link", "document.filename"];
            index == "1" && fields.contains(&rest)
        }
        "button" => number && ["url[1]text", "quick_reply[1]payload", "copy_code[1]coupon_code"].contains(&rest),
        _ => false,
    }
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn send(message: Value) -> Value {
        json!({"app_id": "a", "message": message, "processing_strategy": "DISPATCH_ONLY",
            "channel_priority_order": ["WHATSAPP"], "message_metadata": "m", "recipient": {"identified_by": {
                "channel_identities": [{"channel": "WHATSAPP", "identity": "5511987654321"}]}}})
    }

    #[test]
    fn malformed_sends_are_refused_as_sinch_does() {
        let words = json!({"text_message": {"text": "oi"}});
        let changed = |pointer: &str, value: Value| {
            let mut body = send(words.clone());
            let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
            if let Some(Value::Object(parent)) = body.pointer_mut(parent) {
                parent.insert(name.into(), value);
            }
            body
        };
        assert!(read(&send(words.clone())).is_ok());
        for wrong in [
            json!({}),
            changed("/recipient", json!({"contact_id": "c"})),
            changed("/recipient/contact_id", json!("c")),
            changed("/recipient/identified_by/channel_identities", json!([])),
            changed("/recipient/identified_by/channel_identities", json!([{"channel": "WHATSAPP", "identity": "a@b"}])),
            changed(
                "/recipient/identified_by/channel_identities",
                json!([{"channel": "FAX", "identity": "5511987654321"}]),
            ),
            changed("/channel_priority_order", json!(["WHATSAPP", "SMS"])),
            changed("/processing_strategy", json!("OTHER")),
            changed("/message_metadata", json!("x".repeat(1_025))),
            changed("/ttl", json!(60)),
            changed("/ttl", json!("2s")),
            changed("/message", json!({})),
            changed("/message/media_message", json!({"url": "https://x/y"})),
        ] {
            let refused = read(&wrong).map_err(|error| error.status);
            assert_eq!(refused.err(), Some("INVALID_ARGUMENT"), "{wrong}");
        }
    }

    #[test]
    fn choices_and_lists_have_their_limits() {
        let choice = |n: usize| json!({"text_message": {"text": format!("c{n}")}, "postback_data": "p"});
        let choices = |n: usize| {
            let choices: Vec<Value> = (0..n).map(choice).collect();
            read(&send(json!({"choice_message": {"text_message": {"text": "?"}, "choices": choices}}))).is_ok()
        };
        assert_eq!([0, 1, 10, 11].map(choices), [false, true, true, false]);
        let rows = |n: usize| {
            let items: Vec<Value> = (0..n).map(|n| json!({"choice": {"title": format!("r{n}")}})).collect();
            read(&send(json!({"list_message": {"title": "?", "sections": [{"items": items}]}}))).is_ok()
        };
        assert_eq!([0, 1, 10, 11].map(rows), [false, true, true, false]);
        let card = |card: Value| read(&send(json!({"card_message": card}))).is_ok();
        assert!(card(json!({"title": "t", "media_message": {"url": "https://x/y"}})));
        assert!(!card(json!({"description": "d"})));
        assert!(!card(json!({"title": "t", "media_message": {"url": "y"}})));
        assert!(!card(json!({"title": "t", "choices": [{"postback_data": "p"}]})));
    }

    #[test]
    fn a_wrong_key_is_reported_and_not_refused() {
        let reason = |language: &str, parameters: Value| {
            let template = json!({"template_id": "a", "language_code": language, "parameters": parameters});
            let body = send(json!({"template_message": {"channel_template": {"WHATSAPP": template}}}));
            match read(&body).map(|request| request.content) {
                Ok(Content::Template(template)) => template.reason(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(reason("pt_BR", json!({})), None);
        let full = json!({"header[1]document.link": "https://x/y", "header[1]document.filename": "y",
            "body[1]text": "a", "body[2]text": "b", "button[0]url[1]text": "x", "button[1]quick_reply[1]payload": ""});
        assert_eq!(reason("pt_BR", full), None);
        assert_eq!(reason("pt-BR", json!({})), Some("TEMPLATE_NON_EXISTING_LANGUAGE_OR_VERSION"));
        for wrong in
            ["1", "body.1", "body[0]text", "body[2]text", "header[2]text", "button[0]url[0]text", "footer[1]text"]
        {
            assert_eq!(reason("pt_BR", json!({wrong: "x"})), Some("TEMPLATE_INSUFFICIENT_PARAMETERS"), "{wrong}");
        }
        assert_eq!(reason("pt_BR", json!({"body[1]text": ""})), Some("TEMPLATE_INSUFFICIENT_PARAMETERS"));
    }
}
