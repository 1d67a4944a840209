//! Media, buttons and lists as Meta checks them, and the words that a person reads there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::meta_error::MetaError;
use super::request::text;

const MAX_CAPTION: usize = 1_024;
const MAX_FOOTER: usize = 60;

/// The words of a message of media.
///
/// # Errors
/// Meta's refusal.
pub(super) fn media(type_: &str, part: &Value) -> Result<String, MetaError> {
    source(type_, part)?;
    let Some(caption) = part.get("caption") else { return Ok(format!("[{type_}]")) };
    if matches!(type_, "audio" | "sticker") {
        return Err(MetaError::parameter(format!("Unexpected key \"caption\" on param \"{type_}\".")));
    }
    let caption = caption.as_str().unwrap_or_default();
    if caption.chars().count() > MAX_CAPTION {
        return Err(MetaError::parameter(format!("Param {type_}['caption'] must be at most 1024 characters long.")));
    }
    Ok(caption.into())
}

/// A stored file's id, or a link that Meta fetches.
pub(super) fn source(type_: &str, part: &Value) -> Result<(), MetaError> {
    match (text(part, "id"), text(part, "link")) {
        (Some(_), Some(_)) => {
            Err(MetaError::parameter(format!("Param {type_} must have either an id or a link, not both.")))
        }
        (Some(_), None) => Ok(()),
        (None, Some(link)) if link.starts_with("https://") || link.starts_with("http://") => Ok(()),
        (None, Some(_)) => Err(MetaError::parameter(format!("Param {type_}['link'] must be a valid URI."))),
        (None, None) => Err(MetaError::parameter(format!("Param {type_} must have an id or a link."))),
    }
}

/// The words of a message with buttons or a list.
///
/// # Errors
/// Meta's refusal.
pub(super) fn interactive(part: &Value) -> Result<String, MetaError> {
    let body = part.get("body").and_then(|body| text(body, "text"));
    let words = body.ok_or_else(|| missing("interactive['body']['text'] is required"))?;
    length("Body text", words, MAX_CAPTION)?;
    if let Some(footer) = part.get("footer") {
        length("Footer text", text(footer, "text").unwrap_or_default(), MAX_FOOTER)?;
    }
    let action = part.get("action").ok_or_else(|| missing("interactive['action'] is required"))?;
    match text(part, "type") {
        Some("button") => {
            header(part, &["text", "image", "video", "document"])?;
            buttons(action)?;
        }
        Some("list") => {
            header(part, &["text"])?;
            list(action)?;
        }
        _ => return Err(invalid("interactive['type'] must be one of {BUTTON, LIST}")),
    }
    Ok(words.into())
}

fn header(part: &Value, allowed: &[&str]) -> Result<(), MetaError> {
    let Some(header) = part.get("header") else { return Ok(()) };
    let type_ = text(header, "type").unwrap_or_default();
    if !allowed.contains(&type_) {
        return Err(invalid(format!("Header type {type_} is not allowed for this interactive type")));
    }
    if type_ == "text" {
        return length("Header text", text(header, "text").unwrap_or_default(), 60);
    }
    let media = header.get(type_).ok_or_else(|| missing(format!("interactive['header']['{type_}'] is required")))?;
    source(type_, media)
}

fn buttons(action: &Value) -> Result<(), MetaError> {
    let buttons = action.get("buttons").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !(1..=3).contains(&buttons.len()) {
        return Err(invalid("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3"));
    }
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for button in buttons {
        if text(button, "type") != Some("reply") {
            return Err(invalid("Button type must be reply"));
        }
        let reply = button.get("reply").ok_or_else(|| missing("A reply button needs its reply"))?;
        let (id, title) = (text(reply, "id").unwrap_or_default(), text(reply, "title").unwrap_or_default());
        length("Button id", id, 256)?;
        length("Button title", title, 20)?;
        if !ids.insert(id) {
            return Err(invalid("Duplicated button id"));
        }
        if !titles.insert(title) {
            return Err(invalid("Duplicated button title"));
        }
    }
    Ok(())
}

fn list(action: &Value) -> Result<(), MetaError> {
    length("Button text", text(action, "button").unwrap_or_default(), 20)?;
    let sections = action.get("sections").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !(1..=10).contains(&sections.len()) {
        return Err(invalid("Invalid sections count. Min allowed sections: 1, Max allowed sections: 10"));
    }
    let mut ids = BTreeSet::new();
    let mut total = 0;
    for section in sections {
        match text(section, "title") {
            Some(title) => length("Section title", title, 24)?,
            None if sections.len() > 1 => {
                return Err(missing("Section title is required if the list has more than one section"));
            }
            None => {}
        }
        let rows = section.get("rows").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if rows.is_empty() {
            return Err(missing("A section needs at least one row"));
        }
        for row in rows {
            let id = text(row, "id").unwrap_or_default();
            length("Row id", id, 200)?;
            length("Row title", text(row, "title").unwrap_or_default(), 24)?;
            if let Some(description) = row.get("description").and_then(Value::as_str) {
                length("Row description", description, 72)?;
            }
            if !ids.insert(id.to_owned()) {
                return Err(invalid("Duplicated row id"));
            }
        }
        total += rows.len();
    }
    if total > 10 {
        return Err(invalid("Total row count exceed max allowed count: 10"));
    }
    Ok(())
}

fn length(what: &str, text: &str, most: usize) -> Result<(), MetaError> {
    if (1..=most).contains(&text.chars().count()) {
        return Ok(());
    }
    Err(invalid(format!("{what} length invalid. Min length: 1, Max length: {most}")))
}

fn invalid(details: impl Into<String>) -> MetaError {
    MetaError::of(131_009).details(details)
}

fn missing(details: impl Into<String>) -> MetaError {
    MetaError::of(131_008).details(details)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn with_buttons(titles: &[&str]) -> Value {
        let buttons: Vec<Value> = (0..)
            .zip(titles)
            .map(|(i, title)| json!({"type": "reply", "reply": {"id": format!("b{i}"), "title": title}}))
            .collect();
        json!({"type": "button", "body": {"text": "Oi"}, "action": {"buttons": buttons}})
    }

    fn with_rows(count: usize) -> Value {
        let rows: Vec<Value> = (0..count).map(|i| json!({"id": i.to_string(), "title": "Linha"})).collect();
        json!({"type": "list", "body": {"text": "Oi"}, "action": {"button": "Ver", "sections": [{"rows": rows}]}})
    }

    #[test]
    fn buttons_and_lists_keep_metas_limits() {
        let check = |part: Value, code: Option<i64>| {
            assert_eq!(interactive(&part).err().map(|e| e.code), code, "{part}");
        };
        check(with_buttons(&["Sim", "Não", "Depois"]), None);
        check(with_buttons(&[]), Some(131_009));
        check(with_buttons(&["a", "b", "c", "d"]), Some(131_009));
        check(with_buttons(&["a", "a"]), Some(131_009));
        check(with_buttons(&["x".repeat(20).as_str()]), None);
        check(with_buttons(&["x".repeat(21).as_str()]), Some(131_009));
        check(with_buttons(&[""]), Some(131_009));
        check(with_rows(10), None);
        check(with_rows(11), Some(131_009));
        check(with_rows(0), Some(131_008));
        check(json!({"type": "button", "action": {}}), Some(131_008));
        check(json!({"type": "product", "body": {"text": "x"}, "action": {}}), Some(131_009));

        let mut header = with_buttons(&["Sim"]);
        header["header"] = json!({"type": "image", "image": {"link": "https://example.com/a.png"}});
        check(header.clone(), None);
        header["header"] = json!({"type": "image", "image": {}});
        check(header.clone(), Some(100));
        header["header"] = json!({"type": "audio", "audio": {"link": "https://example.com/a.ogg"}});
        check(header, Some(131_009));
        let mut list = with_rows(1);
        list["header"] = json!({"type": "image", "image": {"link": "https://example.com/a.png"}});
        check(list, Some(131_009));
        let mut sections = with_rows(1);
        let second = json!({"title": "Dois", "rows": [{"id": "x", "title": "y"}]});
        sections["action"]["sections"].as_array_mut().unwrap().push(second);
        check(sections.clone(), Some(131_008));
        sections["action"]["sections"][0]["title"] = json!("Um");
        check(sections.clone(), None);
        sections["action"]["sections"][1]["rows"][0]["id"] = json!("0");
        check(sections, Some(131_009));
    }

    #[test]
    fn media_has_one_source_and_a_short_caption() {
        let check = |type_: &str, part: Value, code: Option<i64>| {
            assert_eq!(media(type_, &part).err().map(|e| e.code), code, "{type_} {part}");
        };
        let link = "https://example.com/a";
        check("image", json!({"link": link}), None);
        check("image", json!({"id": "1"}), None);
        check("image", json!({"id": "1", "link": link}), Some(100));
        check("image", json!({"link": "a.png"}), Some(100));
        check("video", json!({}), Some(100));
        check("document", json!({"link": link, "caption": "é".repeat(1_024)}), None);
        check("document", json!({"link": link, "caption": "é".repeat(1_025)}), Some(100));
        check("audio", json!({"link": link, "caption": "x"}), Some(100));
        assert_eq!(media("image", &json!({"link": link, "caption": "Oi"})).unwrap(), "Oi");
        assert_eq!(media("audio", &json!({"link": link})).unwrap(), "[audio]");
    }
}
