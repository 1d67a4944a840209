//! The request body of `POST /v1/projects/{project_id}/messages:send`.

use domain::content::{RenderedButton, RenderedHeader, RenderedParameters, RenderedRich, RenderedTemplate};
use domain::message::{Channel, Message, Outbound, Reaction, Recipient, Refusal};
use domain::sequence::{List, ListRow, MediaKind, TemplateButtonType, TemplateHeaderType};
use serde_json::{Map, Value, json};

use super::config::Config;

/// Sinch's name for a sender's channel.
pub(super) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "SMS",
        _ => "WHATSAPP",
    }
}

/// Sinch's body for a message. `message_metadata` comes back in every delivery report of this message.
///
/// # Errors
/// The refusal of what Sinch has no words for: it would be sent as something else, or fail without a word.
pub fn body(config: &Config, channel: Channel, outbound: &Outbound) -> Result<Value, Refusal> {
    let Recipient::Phone(identity) = &outbound.to else { return Err(refusal(Reaction::Recipient, "not_a_phone")) };
    let channel_name = channel_name(channel);
    let message = match (&outbound.message, channel) {
        (Message::Text { text }, _) => text_message(text),
        (Message::Rich(rich), Channel::Whatsapp) => rich_message(rich),
        (Message::Rich(rich), _) => text_message(&rich.plain()),
        (Message::WhatsappTemplate(rendered), Channel::Whatsapp) => {
            json!({"template_message": {"channel_template": {channel_name: template(rendered)?}}})
        }
        (Message::WhatsappTemplate(_), _) => return Err(refusal(Reaction::Template, "not_whatsapp")),
        (Message::Email(_) | Message::Bot { .. }, _) => return Err(refusal(Reaction::Message, "not_for_phones")),
    };
    Ok(json!({
        "app_id": config.app_id,
        "recipient": {"identified_by": {"channel_identities": [{"channel": channel_name, "identity": identity}]}},
        "message": message,
        // One channel, and no contact that Sinch keeps with more of them: there is nothing to fall back to.
        "channel_priority_order": [channel_name],
        "processing_strategy": "DISPATCH_ONLY",
        "message_metadata": outbound.reference.to_string(),
    }))
}

fn refusal(reaction: Reaction, code: &str) -> Refusal {
    Refusal { reaction, code: code.into(), retry_after: None }
}

fn text_message(text: &str) -> Value {
    json!({"text_message": {"text": text}})
}

/// WhatsApp shows a card's title as the message's words (up to 1,024 characters) and its description as
/// a footer (Sinch's page on card messages), and a list's title likewise. Media without words of its own
/// kind is told apart by what the link gives.
fn rich_message(rich: &RenderedRich) -> Value {
    let words = rich.words();
    if let Some(list) = &rich.list {
        return json!({"list_message": list_message(&words, list)});
    }
    let choices: Vec<Value> = rich
        .buttons
        .iter()
        .map(|button| json!({"text_message": {"text": button.title}, "postback_data": button.id}))
        .collect();
    match &rich.media {
        None if choices.is_empty() => text_message(&words),
        None => json!({"choice_message": {"text_message": {"text": words}, "choices": choices}}),
        // An audio says nothing but itself.
        Some(media) if media.kind == MediaKind::Audio && choices.is_empty() => {
            json!({"media_message": {"url": media.url}})
        }
        Some(media) => {
            let mut card = json!({"title": words, "media_message": {"url": media.url}});
            if !choices.is_empty() {
                card["choices"] = json!(choices);
            }
            json!({"card_message": card})
        }
    }
}

fn list_message(words: &str, list: &List) -> Value {
    let item = |row: &ListRow| {
        let mut choice = json!({"title": row.title, "postback_data": row.id});
        if let Some(description) = &row.description {
            choice["description"] = json!(description);
        }
        json!({"choice": choice})
    };
    let sections: Vec<Value> = list
        .sections
        .iter()
        .map(|section| {
            let mut shown = json!({"items": section.rows.iter().map(item).collect::<Vec<_>>()});
            if let Some(title) = &section.title {
                shown["title"] = json!(title);
            }
            shown
        })
        .collect();
    json!({"title": words, "sections": sections, "message_properties": {"menu": list.button}})
}

/// An approved template by its name. Keys of parameters are Sinch's own: components by name, buttons
/// counted from 0, parameters from 1. How a parameter with a name would be written is nowhere said, and a
/// wrong key is passed over in silence.
fn template(rendered: &RenderedTemplate) -> Result<Value, Refusal> {
    let mut parameters = Map::new();
    let mut put = |key: String, value: &str| drop(parameters.insert(key, json!(value)));
    if let Some(header) = &rendered.header {
        header_parameters(header, &mut put)?;
    }
    match &rendered.body {
        RenderedParameters::Positional(texts) => {
            (1..).zip(texts).for_each(|(n, text): (u32, _)| put(format!("body[{n}]text"), text));
        }
        RenderedParameters::Named(pairs) if pairs.is_empty() => {}
        RenderedParameters::Named(_) => return Err(named()),
    }
    for RenderedButton { index, sub_type, value } in &rendered.buttons {
        let field = match sub_type {
            TemplateButtonType::Url => "url[1]text",
            TemplateButtonType::QuickReply => "quick_reply[1]payload",
            TemplateButtonType::CopyCode => "copy_code[1]coupon_code",
        };
        put(format!("button[{index}]{field}"), value);
    }
    let mut template = json!({"template_id": rendered.name, "language_code": rendered.language});
    if !parameters.is_empty() {
        template["parameters"] = Value::Object(parameters);
    }
    Ok(template)
}

fn header_parameters(header: &RenderedHeader, put: &mut impl FnMut(String, &str)) -> Result<(), Refusal> {
    if header.name.is_some() {
        return Err(named());
    }
    match header.type_ {
        TemplateHeaderType::Text => put("header[1]text".into(), &header.value),
        TemplateHeaderType::Image => put("header[1]image.link".into(), &header.value),
        TemplateHeaderType::Video => put("header[1]video.link".into(), &header.value),
        TemplateHeaderType::Document => {
            put("header[1]document.link".into(), &header.value);
            if let Some(filename) = &header.filename {
                put("header[1]document.filename".into(), filename);
            }
        }
    }
    Ok(())
}

fn named() -> Refusal {
    refusal(Reaction::Template, "named_parameters")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use domain::ids::AttemptRef;

    use super::*;

    fn sent(channel: Channel, message: Value) -> Result<Value, String> {
        let config = Config::parse(&json!({"project_id": "p", "app_id": "a1", "region": "eu"})).unwrap();
        let outbound = Outbound {
            reference: AttemptRef::parse(&format!("enr_{}.2", "A".repeat(43))).unwrap(),
            to: Recipient::Phone("5511987654321".into()),
            message: serde_json::from_value(message).unwrap(),
        };
        body(&config, channel, &outbound).map_err(|refusal| refusal.code)
    }

    fn message(channel: Channel, message: Value) -> Value {
        sent(channel, message).unwrap()["message"].take()
    }

    #[test]
    fn a_message_names_one_channel_and_our_reference() {
        for (channel, name) in [(Channel::Whatsapp, "WHATSAPP"), (Channel::Sms, "SMS")] {
            assert_eq!(
                sent(channel, json!({"text": {"text": "Oi"}})).unwrap(),
                json!({
                    "app_id": "a1",
                    "recipient": {"identified_by": {"channel_identities": [
                        {"channel": name, "identity": "5511987654321"}]}},
                    "message": {"text_message": {"text": "Oi"}},
                    "channel_priority_order": [name],
                    "processing_strategy": "DISPATCH_ONLY",
                    "message_metadata": format!("enr_{}.2", "A".repeat(43)),
                })
            );
        }
    }

    #[test]
    fn rich_messages_are_choices_cards_and_lists() {
        let buttons = json!([{"id": "y", "title": "Sim"}, {"id": "n", "title": "Não"}]);
        let choices = json!([{"text_message": {"text": "Sim"}, "postback_data": "y"},
            {"text_message": {"text": "Não"}, "postback_data": "n"}]);
        let url = "https://files.example.com/a.pdf";
        let whatsapp = |rich: Value| message(Channel::Whatsapp, json!({"rich": rich}));
        assert_eq!(
            whatsapp(json!({"text": "Pagou?", "buttons": buttons})),
            json!({"choice_message": {"text_message": {"text": "Pagou?"}, "choices": choices}})
        );
        let media = |kind: &str| json!({"kind": kind, "url": url, "caption": null});
        assert_eq!(
            whatsapp(json!({"text": "Pagou?", "buttons": buttons, "media": media("document")})),
            json!({"card_message": {"title": "Pagou?", "media_message": {"url": url}, "choices": choices}})
        );
        assert_eq!(
            whatsapp(json!({"text": "Olá", "media": {"kind": "image", "url": url, "caption": "Veja"}})),
            json!({"card_message": {"title": "Olá\n\nVeja", "media_message": {"url": url}}})
        );
        assert_eq!(whatsapp(json!({"text": "Olá", "media": media("audio")})), json!({"media_message": {"url": url}}));
        assert_eq!(whatsapp(json!({"text": "Olá"})), json!({"text_message": {"text": "Olá"}}));
        let list = json!({"button": "Horários", "sections": [
            {"title": "Hoje", "rows": [{"id": "9", "title": "9h", "description": "com Bia"}]},
            {"title": null, "rows": [{"id": "8", "title": "8h", "description": null}]}]});
        assert_eq!(
            whatsapp(json!({"text": "Quando?", "list": list})),
            json!({"list_message": {"title": "Quando?", "message_properties": {"menu": "Horários"}, "sections": [
                {"title": "Hoje", "items": [
                    {"choice": {"title": "9h", "postback_data": "9", "description": "com Bia"}}]},
                {"items": [{"choice": {"title": "8h", "postback_data": "8"}}]}]}})
        );
        assert_eq!(
            message(Channel::Sms, json!({"rich": {"text": "Pagou?", "buttons": buttons, "media": media("image")}})),
            json!({"text_message": {"text": format!("Pagou?\n\n1. Sim\n2. Não\n\n{url}")}})
        );
    }

    #[test]
    fn a_template_has_sinchs_keys() {
        let link = "https://files.example.com/a.pdf";
        let template = |body: Value, header: Value, buttons: Value| {
            let rendered = json!({"name": "fatura", "language": "pt_BR", "body": body, "header": header,
                "buttons": buttons});
            sent(Channel::Whatsapp, json!({"whatsapp_template": rendered}))
                .map(|mut sent| sent["message"]["template_message"]["channel_template"]["WHATSAPP"].take())
        };
        let bare = json!({"template_id": "fatura", "language_code": "pt_BR"});
        assert_eq!(template(json!({"positional": []}), json!(null), json!([])).unwrap(), bare);
        let full = template(
            json!({"positional": ["Ana", "R$ 10,00"]}),
            json!({"type": "document", "value": link, "filename": "a.pdf"}),
            json!([{"index": 0, "sub_type": "url", "value": "x1"}, {"index": 1, "sub_type": "quick_reply",
                "value": ""}, {"index": 2, "sub_type": "copy_code", "value": "PIX10"}]),
        );
        assert_eq!(
            full.unwrap()["parameters"],
            json!({
                "header[1]document.link": link, "header[1]document.filename": "a.pdf",
                "body[1]text": "Ana", "body[2]text": "R$ 10,00",
                "button[0]url[1]text": "x1", "button[1]quick_reply[1]payload": "",
                "button[2]copy_code[1]coupon_code": "PIX10",
            })
        );
        for (kind, key) in [("text", "text"), ("image", "image.link"), ("video", "video.link")] {
            let sent = template(json!({"positional": []}), json!({"type": kind, "value": link}), json!([])).unwrap();
            assert_eq!(sent["parameters"], json!({format!("header[1]{key}"): link}));
        }
        let named = json!({"named": [["first_name", "Ana"]]});
        assert_eq!(template(named, json!(null), json!([])).unwrap_err(), "named_parameters");
        let header = json!({"type": "text", "value": "Ana", "name": "first_name"});
        assert_eq!(template(json!({"positional": []}), header, json!([])).unwrap_err(), "named_parameters");
    }

    #[test]
    fn what_sinch_has_no_words_for_is_refused() {
        let template = json!({"whatsapp_template": {"name": "a", "language": "pt_BR", "body": {"positional": []}}});
        assert_eq!(sent(Channel::Sms, template).unwrap_err(), "not_whatsapp");
        let config = Config::parse(&json!({"project_id": "p", "app_id": "a1", "region": "eu"})).unwrap();
        for to in [Recipient::Email("a@b.c".into()), Recipient::Bsuid("US.1".into())] {
            let reference = AttemptRef::parse(&format!("enr_{}.2", "A".repeat(43))).unwrap();
            let outbound = Outbound { reference, to, message: Message::Text { text: "Oi".into() } };
            let refusal = body(&config, Channel::Whatsapp, &outbound).unwrap_err();
            assert_eq!((refusal.reaction, refusal.code.as_str()), (Reaction::Recipient, "not_a_phone"));
        }
    }
}
