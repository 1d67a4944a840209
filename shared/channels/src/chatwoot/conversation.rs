//! A conversation as Chatwoot writes it: at the top of its own webhooks, in a message's, and in the answer
//! of the API.

use std::collections::BTreeMap;

use domain::account::User;
use domain::contact::{ConversationStatus, canonical_phone, phone_of_wa_id};
use domain::conversation::Description;
use domain::message::{Channel, Identity};
use domain::time::Timestamp;
use serde_json::Value;

use super::config::is_number;

/// Of one text; what a helpdesk calls a person or a label is much shorter.
const MAX_TEXT: usize = 255;
const MAX_LABELS: usize = 100;
const MAX_ATTRIBUTES: usize = 100;
/// Of an attribute's text.
const MAX_VALUE: usize = 1_024;

/// The display id: what addresses name, and `conversation.id` in webhooks.
pub(super) fn id(conversation: &Value) -> Option<String> {
    number(conversation.get("id")?)
}

/// An id, written as number or text.
pub(super) fn number(value: &Value) -> Option<String> {
    let id = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    is_number(&id).then_some(id)
}

pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.trim().is_empty())
}

pub(super) fn cut(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}

/// Seconds since 1970, whole or not, or a date as text.
pub(super) fn time(value: Option<&Value>) -> Option<Timestamp> {
    let seconds = match value? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))?,
        Value::String(text) => Timestamp::parse(text)?.0,
        _ => return None,
    };
    (1..=100_000_000_000).contains(&seconds).then_some(Timestamp(seconds))
}

/// When it last changed. Older installations do not say.
pub(super) fn changed_at(conversation: &Value) -> Option<Timestamp> {
    time(conversation.get("updated_at"))
}

/// The class of its inbox: `Channel::Whatsapp`.
fn inbox(conversation: &Value) -> &str {
    let of_meta = || conversation.get("meta").and_then(|meta| text(meta, "channel"));
    text(conversation, "channel").or_else(of_meta).unwrap_or_default()
}

/// The contact's id in the inbox: WhatsApp's digits.
fn source_id(conversation: &Value) -> Option<&str> {
    conversation.get("contact_inbox").and_then(|inbox| text(inbox, "source_id"))
}

pub(super) fn is_whatsapp(conversation: &Value) -> bool {
    inbox(conversation) == "Channel::Whatsapp"
}

/// `None` without a status that is known: then it is no description.
pub(super) fn description(conversation: &Value, is_change: bool) -> Option<Description> {
    let status = match text(conversation, "status")? {
        "open" => ConversationStatus::Open,
        "resolved" => ConversationStatus::Resolved,
        // Put aside until a time, or with a bot.
        "pending" | "snoozed" => ConversationStatus::Pending,
        _ => return None,
    };
    let channel = match inbox(conversation) {
        "Channel::Whatsapp" => Some(Channel::Whatsapp),
        "Channel::TwilioSms" if source_id(conversation).is_some_and(|id| id.starts_with("whatsapp:")) => {
            Some(Channel::Whatsapp)
        }
        "Channel::Sms" | "Channel::TwilioSms" => Some(Channel::Sms),
        "Channel::Email" => Some(Channel::Email),
        "" => None,
        _ => Some(Channel::Conversation),
    };
    let mut attributes = BTreeMap::new();
    let labels = conversation.get("labels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let labels: Vec<_> = labels.iter().filter_map(Value::as_str).take(MAX_LABELS).map(|l| cut(l, MAX_TEXT)).collect();
    if !labels.is_empty() {
        attributes.insert("labels".to_owned(), labels.join(", ").into());
    }
    for (name, value) in conversation.get("custom_attributes").and_then(Value::as_object).into_iter().flatten() {
        let value = match value {
            Value::String(text) => cut(text, MAX_VALUE).into(),
            Value::Number(_) | Value::Bool(_) => value.clone(),
            _ => continue,
        };
        let usable = !name.trim().is_empty() && name.len() <= MAX_TEXT;
        if usable && attributes.len() < MAX_ATTRIBUTES {
            attributes.insert(name.clone(), value);
        }
    }
    Some(Description { status, is_change, channel, assignee: assignee(conversation), attributes })
}

/// A person; a bot looks after nobody.
fn assignee(conversation: &Value) -> Option<User> {
    let meta = conversation.get("meta")?;
    let assignee = meta.get("assignee")?;
    if text(meta, "assignee_type").is_some_and(|kind| kind != "User") || text(assignee, "type") == Some("agent_bot") {
        return None;
    }
    let field = |name| text(assignee, name).map(|text| cut(text, MAX_TEXT));
    Some(User { name: field("name").or_else(|| field("available_name"))?, email: field("email").unwrap_or_default() })
}

/// Whose it is. What a visitor of a website only claims to be (`hmac_verified` is false there) counts for
/// nothing: it would join a stranger's conversation to somebody's contact.
pub(super) fn identities(conversation: &Value) -> Vec<Identity> {
    let Some(meta) = conversation.get("meta") else { return Vec::new() };
    if inbox(conversation) == "Channel::WebWidget" && meta.get("hmac_verified") != Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let mut all = Vec::new();
    if is_whatsapp(conversation)
        && let Some(digits) = source_id(conversation).filter(|id| (7..=15).contains(&id.len()) && is_number(id))
    {
        all.push(Identity::Phone(phone_of_wa_id(digits)));
        all.push(Identity::WaId(digits.to_owned()));
    }
    for identity in meta.get("sender").map(identities_of_contact).unwrap_or_default() {
        if !all.contains(&identity) {
            all.push(identity);
        }
    }
    all
}

/// Phone, email and the account's own id of a contact.
pub(super) fn identities_of_contact(contact: &Value) -> Vec<Identity> {
    let phone = text(contact, "phone_number").and_then(|phone| canonical_phone(phone, None)).map(Identity::Phone);
    let email = text(contact, "email").map(|email| email.trim().to_lowercase());
    let email = email.filter(|email| email.contains('@') && email.len() <= MAX_TEXT).map(Identity::Email);
    let own = text(contact, "identifier").filter(|id| id.len() <= MAX_TEXT).map(|id| Identity::External(id.to_owned()));
    [phone, email, own].into_iter().flatten().collect()
}
