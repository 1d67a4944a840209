//! A message as Chatwoot writes it: `message_type` is a word in webhooks and a number in the API's answers.

use domain::conversation::{ConversationEvent, InConversation};
use domain::ids::AttemptRef;
use domain::message::{Identity, InboundKind, InboundMessage};
use domain::time::Timestamp;
use serde_json::Value;

use super::body::REFERENCE;
use super::config::Config;
use super::conversation::{cut, number, text, time};

/// Bytes of a text that are kept.
const MAX_TEXT: usize = 64 * 1024;
const MAX_NAME: usize = 256;

/// Chatwoot's number of the message, as its API answers a post.
pub(super) fn id(message: &Value) -> Option<String> {
    number(message.get("id")?)
}

/// Our reference, on what we have posted.
pub(super) fn reference(message: &Value) -> Option<AttemptRef> {
    AttemptRef::parse(text(message.get("content_attributes")?, REFERENCE)?)
}

pub(super) fn at(message: &Value) -> Option<Timestamp> {
    time(message.get("created_at"))
}

/// The contact or one of the account's people writing in `conversation`; `None` for what we have posted,
/// notes among agents, bots, automations, campaigns and notices.
pub(super) fn event(
    message: &Value,
    conversation: &str,
    of: &[Identity],
    config: &Config,
) -> Option<ConversationEvent> {
    let is_private = message.get("private").and_then(Value::as_bool).unwrap_or(false);
    if is_private || reference(message).is_some() {
        return None;
    }
    // Numbers of one account: another's may be the same.
    let id = format!("chatwoot:{}:{}", config.account_id, id(message)?);
    let at = at(message)?;
    let what = match (message.get("message_type")?.as_i64(), text(message, "message_type")) {
        (Some(0), _) | (_, Some("incoming")) => InConversation::Received(received(message, id, at)),
        (Some(1), _) | (_, Some("outgoing")) if is_by_agent(message) => InConversation::SentByAgent { id },
        _ => return None,
    };
    Some(ConversationEvent { conversation: conversation.to_owned(), of: of.to_vec(), at, what })
}

/// A campaign's messages have the user who made it as their sender.
fn is_by_agent(message: &Value) -> bool {
    let campaign = message.get("additional_attributes").and_then(|attributes| attributes.get("campaign_id"));
    let sender = message.get("sender");
    campaign.is_none_or(Value::is_null) && sender.and_then(|sender| text(sender, "type")) == Some("user")
}

fn received(message: &Value, id: String, at: Timestamp) -> InboundMessage {
    let content = text(message, "content");
    let attributes = message.get("content_attributes");
    let is = |part: Option<&Value>, name: &str| part.and_then(|part| part.get(name)) == Some(&Value::Bool(true));
    let has_files = message.get("attachments").and_then(Value::as_array).is_some_and(|files| !files.is_empty());
    let kind = if is(attributes.and_then(|attributes| attributes.get("email")), "auto_reply") {
        InboundKind::AutoReply
    } else if is(attributes, "is_reaction") {
        InboundKind::Reaction
    } else if has_files {
        InboundKind::Media
    } else if content.is_some() {
        InboundKind::Text
    } else {
        InboundKind::Other
    };
    InboundMessage {
        id,
        // Whose the conversation is, its event says.
        from: Vec::new(),
        at,
        kind,
        text: content.map(|content| cut(content, MAX_TEXT)),
        in_reply_to: None,
        name: message.get("sender").and_then(|sender| text(sender, "name")).map(|name| cut(name, MAX_NAME)),
    }
}
