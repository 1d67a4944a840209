//! Meta's webhook bodies as events.
//!
//! Tolerant on purpose: what is unknown, missing or of another type is passed over on its own, never
//! with its neighbours, because a refused body would come back for days with all that it holds.

use domain::contact::phone_of_wa_id;
use domain::ids::AttemptRef;
use domain::message::{
    AttemptText, DeliveryStatus, Identity, InboundEvent, InboundMessage, Reaction, Refusal, StatusUpdate, TemplateTold,
};
use domain::time::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::classify::classify;
use super::config::Config;
use super::content;
use super::relay::relayed;
use crate::Malformed;
use crate::foreign::{MAX_NAME, cut, id, integer, list, text};
use crate::identity::{of_bsuid, of_wa_id};

/// Events taken from one body. Meta puts at most 1,000 updates into one.
pub const MAX_EVENTS: usize = 1_000;

/// The events of a verified body that are for our number: messages, opt-outs and number changes in
/// their order, then statuses in theirs (what may end an enrollment must not wait behind reports).
/// What is told of the account's templates counts for each of its numbers. Entries for other numbers, echoes of what the business itself wrote, and fields that do not
/// concern a conversation give none.
///
/// # Errors
/// [`Malformed`] when the body is no JSON, or for a relay no message of SNS's.
pub fn normalise(raw: &[u8], config: &Config) -> Result<Vec<InboundEvent>, Malformed> {
    let body: Value = match &config.relay_phone_number_id {
        None => serde_json::from_slice(raw).map_err(|_| Malformed)?,
        Some(_) => relayed(raw)?.unwrap_or_default(),
    };
    if text(&body, "object") != Some("whatsapp_business_account") {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    let mut statuses = Vec::new();
    let changes = |entry| list(entry, "changes").map(move |change| (entry, change));
    for (entry, change) in list(&body, "entry").flat_map(changes) {
        let Some(value) = change.get("value") else { continue };
        if let Some("message_template_status_update" | "template_category_update") = text(change, "field") {
            let ours = id(entry, "id").as_deref() == Some(config.waba_id.as_str());
            events.extend(template(entry, value).filter(|_| ours).map(InboundEvent::Template));
            continue;
        }
        let number = value.get("metadata").and_then(|metadata| id(metadata, "phone_number_id"));
        if number.as_deref() != Some(config.phone_number_id.as_str()) {
            continue;
        }
        match text(change, "field") {
            Some("messages") => {
                events.extend(list(value, "messages").filter_map(|message| event(message, value)));
                statuses.extend(list(value, "statuses").filter_map(status));
            }
            Some("user_preferences") => {
                events.extend(list(value, "user_preferences").filter_map(|told| preference(told, value)));
            }
            _ => {}
        }
    }
    let found = events.len() + statuses.len();
    events.extend(statuses);
    if found > MAX_EVENTS {
        tracing::warn!(found, kept = MAX_EVENTS, "webhook body with too many events");
        events.truncate(MAX_EVENTS);
    }
    Ok(events)
}

/// A message of any type. Types that are not known count as the contact writing: a follow-up that
/// stops too early is better than one that goes on over an answer.
fn event(message: &Value, value: &Value) -> Option<InboundEvent> {
    let id = id(message, "id")?;
    let at = timestamp(message)?;
    let kind = text(message, "type").unwrap_or_default();
    if kind == "system"
        && let Some(changed) = changed_identity(message, &id, at)
    {
        return Some(changed);
    }
    let contact = contact_of(message, value);
    let from = identities(&[
        (text(message, "from"), text(message, "from_user_id")),
        contact.map_or((None, None), |contact| (text(contact, "wa_id"), text(contact, "user_id"))),
    ]);
    if from.is_empty() {
        return None;
    }
    let (kind, text_) = content::read(kind, message);
    Some(InboundEvent::Message(InboundMessage {
        id,
        from,
        at,
        kind,
        text: text_,
        in_reply_to: message.get("context").and_then(|context| crate::foreign::id(context, "id")),
        name: contact
            .and_then(|contact| contact.get("profile"))
            .and_then(|profile| text(profile, "name"))
            .map(|name| cut(name, MAX_NAME)),
    }))
}

/// The identities under which the provider knows one person, without repeats.
fn identities(sources: &[(Option<&str>, Option<&str>)]) -> Vec<Identity> {
    let mut out: Vec<Identity> = Vec::new();
    for (wa_id, user_id) in sources {
        let found = wa_id.map(of_wa_id).unwrap_or_default().into_iter().chain(user_id.and_then(of_bsuid));
        for identity in found {
            if !out.contains(&identity) {
                out.push(identity);
            }
        }
    }
    out
}

/// The entry of `contacts` that describes the writer: same user id, or same number (Brazil's ninth
/// digit aside). A message without any sender takes the only contact there is. Never a guess
/// beyond that: it would join two people.
fn contact_of<'a>(message: &Value, value: &'a Value) -> Option<&'a Value> {
    let from = text(message, "from").map(phone_of_wa_id);
    let user = text(message, "from_user_id");
    let mut contacts = list(value, "contacts");
    if from.is_none() && user.is_none() {
        let only = contacts.next();
        return only.filter(|_| contacts.next().is_none());
    }
    contacts.find(|contact| {
        let same_user = user.is_some() && text(contact, "user_id") == user;
        let same_number = from.is_some() && text(contact, "wa_id").map(phone_of_wa_id) == from;
        same_user || same_number
    })
}

/// `user_changed_number` (older versions: `customer_changed_number`, `new_wa_id`) and
/// `user_changed_user_id`. The `contacts` beside them may already carry the new identity, so they
/// are not consulted.
fn changed_identity(message: &Value, id: &str, at: Timestamp) -> Option<InboundEvent> {
    let system = message.get("system")?;
    let (from, to) = match text(system, "type")? {
        "user_changed_number" | "customer_changed_number" => {
            let new = text(system, "wa_id").or_else(|| text(system, "new_wa_id"))?;
            let to = of_wa_id(new).into_iter().find(|identity| matches!(identity, Identity::WaId(_)))?;
            (identities(&[(text(message, "from"), text(message, "from_user_id"))]), to)
        }
        "user_changed_user_id" => {
            let from = identities(&[
                (None, text(system, "previous_user_id")),
                (text(message, "from"), text(message, "from_user_id")),
            ]);
            (from, of_bsuid(text(system, "user_id")?)?)
        }
        _ => return None,
    };
    let from: Vec<Identity> = from.into_iter().filter(|identity| *identity != to).collect();
    (!from.is_empty()).then(|| InboundEvent::NumberChanged { from, to, at, id: id.into() })
}

/// `marketing_messages: stop` or `resume`. The notice has no id of its own; one is derived, so that a
/// repeated delivery is the same event, and hashed, because ids end up in logs.
fn preference(preference: &Value, value: &Value) -> Option<InboundEvent> {
    let stops = match (text(preference, "category"), text(preference, "value")) {
        (Some("marketing_messages"), Some("stop")) => true,
        (Some("marketing_messages"), Some("resume")) => false,
        _ => return None,
    };
    let at = timestamp(preference)?;
    let mut from = identities(&[(text(preference, "wa_id"), text(preference, "user_id"))]);
    let mut contacts = list(value, "contacts");
    if let (Some(only), None) = (contacts.next(), contacts.next()) {
        let theirs = identities(&[(text(only, "wa_id"), text(only, "user_id"))]);
        // The same person, or a notice that names nobody.
        if from.is_empty() || theirs.iter().any(|identity| from.contains(identity)) {
            from.extend(theirs.into_iter().filter(|identity| !from.contains(identity)).collect::<Vec<_>>());
        }
    }
    let first = from.first()?;
    if !stops {
        return Some(InboundEvent::OptIn { from, at });
    }
    let hash = Sha256::digest(format!("{first:?} {} stop", at.0).as_bytes());
    let id = hash[..16].iter().fold(String::from("preference-"), |id, byte| format!("{id}{byte:02x}"));
    Some(InboundEvent::OptOut { from, at, id })
}

/// What became of a template. Its quality alone (`message_template_quality_update`) changes nothing: what Meta
/// makes of it comes as a status.
fn template(entry: &Value, value: &Value) -> Option<TemplateTold> {
    let word = |name: &str| text(value, name).map(|word| cut(word, MAX_NAME).to_ascii_uppercase());
    let status = word("event").map(|event| match event.as_str() {
        // It may be sent again; or it still may, though people complain of it.
        "REINSTATED" | "UNARCHIVED" | "FLAGGED" => "APPROVED".to_owned(),
        _ => event,
    });
    let category = word("new_category").or_else(|| word("message_template_category"));
    if status.is_none() && category.is_none() {
        return None;
    }
    Some(TemplateTold {
        name: id(value, "message_template_name")?,
        language: id(value, "message_template_language")?,
        status,
        category,
        at: seconds(entry.get("time")?)?,
    })
}

fn status(status: &Value) -> Option<InboundEvent> {
    let provider_message_id = id(status, "id")?;
    let at = timestamp(status)?;
    let rank = match text(status, "status")? {
        "sent" => DeliveryStatus::Sent,
        "delivered" => DeliveryStatus::Delivered,
        // A voice message that was played was read.
        "read" | "played" => DeliveryStatus::Read,
        "failed" => DeliveryStatus::Failed,
        _ => return None,
    };
    let reference = text(status, "biz_opaque_callback_data").and_then(AttemptRef::parse).map(AttemptText);
    let refusal = (rank == DeliveryStatus::Failed).then(|| failure(status));
    Some(InboundEvent::Status(StatusUpdate { reference, provider_message_id, status: rank, at, refusal }))
}

/// Why, by the first error with a code; a failure without one is the recipient's.
fn failure(status: &Value) -> Refusal {
    list(status, "errors")
        .find_map(|error| Some((integer(error.get("code")?)?, error.get("is_transient").and_then(Value::as_bool))))
        .map(|(code, is_transient)| classify(code, None, is_transient))
        .unwrap_or_else(|| Refusal { reaction: Reaction::Recipient, code: "failed".into(), retry_after: None })
}

/// Seconds since 1970, written as text (messages, statuses) or number (other fields).
fn timestamp(object: &Value) -> Option<Timestamp> {
    seconds(object.get("timestamp")?)
}

fn seconds(value: &Value) -> Option<Timestamp> {
    let seconds = integer(value)?;
    // Beyond the year 5000 it can only be milliseconds.
    let seconds = if seconds > 100_000_000_000 { seconds / 1_000 } else { seconds };
    (1..=100_000_000_000).contains(&seconds).then_some(Timestamp(seconds))
}
