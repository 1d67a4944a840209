//! What kind of thing an inbound message is, and its words.

use domain::message::InboundKind;
use serde_json::Value;

use crate::foreign::{MAX_TEXT, cut, text};

/// Kind and text of a message by Meta's `type`.
pub(super) fn read(type_: &str, message: &Value) -> (InboundKind, Option<String>) {
    let part = message.get(type_);
    let field = |name: &str| part.and_then(|part| text(part, name));
    let (kind, words) = match type_ {
        "text" => (InboundKind::Text, field("body")),
        // A tap on a template's quick reply; `context` may be missing.
        "button" => (InboundKind::Button, field("text")),
        "interactive" => interactive(part),
        "image" | "video" | "document" | "audio" | "sticker" => (InboundKind::Media, field("caption")),
        "reaction" => (InboundKind::Reaction, None),
        "edit" => return edit(part),
        "location" => (InboundKind::Other, field("name")),
        "order" => (InboundKind::Other, field("text")),
        // Number and key changes; a message taken back; a chat opened without a word.
        "system" | "revoke" | "request_welcome" => (InboundKind::System, None),
        _ => (InboundKind::Other, None),
    };
    (kind, words.map(|words| cut(words, MAX_TEXT)))
}

/// Taps on buttons and list rows. A flow's answer (`nfm_reply`) is a form, not words. Meta may leave
/// the object out when it could not render the tap; it was one all the same.
fn interactive(part: Option<&Value>) -> (InboundKind, Option<&str>) {
    let title = |name: &str| part.and_then(|part| part.get(name)).and_then(|reply| text(reply, "title"));
    match part.and_then(|part| text(part, "type")) {
        Some("button_reply") => (InboundKind::Button, title("button_reply")),
        Some("list_reply") => (InboundKind::Button, title("list_reply")),
        Some("nfm_reply") => (InboundKind::Other, None),
        _ => (InboundKind::Button, None),
    }
}

/// An edited message is the contact writing again: it reads as what it became.
fn edit(part: Option<&Value>) -> (InboundKind, Option<String>) {
    let Some(message) = part.and_then(|part| part.get("message")) else { return (InboundKind::Other, None) };
    match text(message, "type") {
        // One level is all that Meta sends, and all that is followed.
        None | Some("edit") => (InboundKind::Other, None),
        Some(type_) => read(type_, message),
    }
}
