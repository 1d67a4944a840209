//! Mail that people write back, as SES receives it and its receipt rule posts it.

use domain::message::Channel;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::request::bare;
use crate::local::{AcceptedMessage, InboundBody};
use crate::sns;
use crate::stand_in::{Desk, SenderAccess, WebhookDelivery};

/// What a mailbox writes at the end of a line.
const LINE: &str = "\r\n";

pub(super) fn answer(desk: &Desk, sender: &SenderAccess, inbound: &InboundBody) -> Result<WebhookDelivery, String> {
    let domain = sender.config("inbound_domain").ok_or("the sender receives no mail: it has no inbound_domain")?;
    let from = inbound.from.trim();
    if !bare(from).contains('@') {
        return Err("from must be an email address".into());
    }
    let detail = |name: &str| inbound.details.get(name).and_then(Value::as_str).map(str::to_owned);
    let none = Map::new();
    let headers = inbound.details.get("headers").and_then(Value::as_object).unwrap_or(&none);
    let got = desk.messages(Some(Channel::Email), Some(bare(from)));
    let last = got.iter().rev().find(|message| message.sender_id == sender.sender_id);
    let said = |pointer: &str| last.and_then(|last| last.body.pointer(pointer)?.as_str().map(str::to_owned));
    let to = detail("to").or_else(|| said("/ReplyToAddresses/0")).unwrap_or_else(|| format!("contato@{domain}"));
    let subject = said("/Content/Simple/Subject/Data").unwrap_or_default();
    let subject = if subject.starts_with("Re: ") { subject } else { format!("Re: {subject}") };
    let subject = detail("subject").unwrap_or(subject);
    let at = desk.now();
    let number = desk.number().map_err(|error| error.to_string())?;
    let hash: String = Sha256::digest(format!("{number} {}", at.0)).iter().map(|b| format!("{b:02x}")).collect();
    let id = &hash[..40];

    let mut written = vec![
        ("Return-Path".to_owned(), format!("<{}>", bare(from))),
        ("From".to_owned(), from.to_owned()),
        ("To".to_owned(), to.clone()),
        ("Subject".to_owned(), subject),
        ("Message-ID".to_owned(), format!("<{id}@mail.example>")),
        ("MIME-Version".to_owned(), "1.0".to_owned()),
        ("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned()),
        ("Content-Transfer-Encoding".to_owned(), "8bit".to_owned()),
    ];
    let answered = last.map(|last| (wire_id(sender, last), references(last)));
    if let Some((wire, references)) = answered {
        written.push(("References".to_owned(), format!("{references} {wire}").trim().to_owned()));
        written.push(("In-Reply-To".to_owned(), wire));
    }
    for (name, value) in headers {
        written.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        written.extend(value.as_str().map(|value| (name.clone(), value.to_owned())));
    }
    let quoted = last.map(|last| {
        let lines: String = last.text.lines().map(|line| format!("> {line}{LINE}")).collect();
        format!("{LINE}{LINE}On {at}, {} wrote:{LINE}{LINE}{lines}", bare(&to))
    });
    let head: String = written.iter().map(|(name, value)| format!("{name}: {value}{LINE}")).collect();
    let content = format!("{head}{LINE}{}{}", inbound.text, quoted.unwrap_or_default());
    let time = format!("{}.000Z", at.to_string().trim_end_matches('Z'));
    let pass = json!({"status": "PASS"});
    let told = json!({
        "notificationType": "Received",
        "mail": {
            "timestamp": time,
            "source": bare(from),
            "messageId": id,
            "destination": [to],
            "headersTruncated": false,
            "headers": written.iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
            "commonHeaders": {"from": [from], "to": [to]},
        },
        "receipt": {
            "timestamp": time,
            "processingTimeMillis": 400,
            "recipients": [bare(&to)],
            "spamVerdict": pass, "virusVerdict": pass, "spfVerdict": pass, "dkimVerdict": pass,
            "dmarcVerdict": pass,
            "action": {"type": "SNS", "topicArn": "arn:aws:sns:us-east-1:000000000000:ritmo", "encoding": "UTF8"},
        },
        "content": content,
    });
    Ok(sns::notification(sender, "Amazon SES Email Receipt Notification", &told, at))
}

/// A message's id on the wire.
fn wire_id(sender: &SenderAccess, message: &AcceptedMessage) -> String {
    let domain = match sender.config("region").unwrap_or(sns::REGION) {
        "us-east-1" => "email.amazonses.com".to_owned(),
        region => format!("{region}.amazonses.com"),
    };
    format!("<{}@{domain}>", message.provider_message_id)
}

fn references(message: &AcceptedMessage) -> String {
    let headers = message.body.pointer("/Content/Simple/Headers").and_then(Value::as_array);
    let named = |header: &&Value| header["Name"] == "References";
    let value = headers.into_iter().flatten().find(named).and_then(|header| header["Value"].as_str());
    value.unwrap_or_default().to_owned()
}
