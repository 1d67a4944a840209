//! What a conversation has become, before a message goes into it.

use domain::conversation::{InConversation, Look};
use domain::message::{Reaction, Refusal};
use domain::time::Timestamp;
use serde_json::Value;

use super::classify::refusal;
use super::config::{Config, Credentials, is_number};
use super::conversation::{self, text, time};
use super::{message, normalise};
use crate::call;

/// Twenty messages, which may each be as long as an email.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// The conversation, then its latest messages (Chatwoot shows twenty): two calls that change nothing.
///
/// # Errors
/// The refusal: `Recipient` where there is no such conversation.
pub async fn look(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    conversation: &str,
) -> Result<Look, Refusal> {
    if !is_number(conversation) {
        return Err(Refusal { reaction: Reaction::Recipient, code: "no_conversation".into(), retry_after: None });
    }
    let read = async |edge| -> Result<Value, Refusal> {
        let request = credentials.sign(http.get(config.conversation(conversation, edge)));
        let answer = call::read(request, MAX_ANSWER).await?;
        if !answer.is_success() {
            return Err(refusal(&answer));
        }
        answer.json().ok_or_else(|| Refusal::passing("unreadable"))
    };
    let shown = read("").await?;
    let messages = read("/messages").await?;
    seen(&shown, &messages, conversation, config).ok_or_else(|| Refusal::passing("unreadable"))
}

fn seen(shown: &Value, messages: &Value, conversation: &str, config: &Config) -> Option<Look> {
    let of = conversation::identities(shown);
    // Without the time of its last change, that of the last thing that happened in it.
    let last_activity = time(shown.get("last_activity_at").or_else(|| shown.get("timestamp")));
    let mut events = vec![normalise::event(shown, last_activity.unwrap_or(Timestamp(0)), false)?];
    let mut ours = Vec::new();
    for written in messages.get("payload")?.as_array()? {
        match (message::reference(written), message::id(written)) {
            (Some(reference), Some(id)) if text(written, "status") != Some("failed") => ours.push((reference, id)),
            (Some(_), _) => {}
            (None, _) => events.extend(message::event(written, conversation, &of, config)),
        }
    }
    events[1..].sort_by_key(|event| event.at);
    events.retain(|event| match &event.what {
        InConversation::Received(message) => message.kind.is_reply(),
        _ => true,
    });
    Some(Look {
        events,
        ours,
        takes_text: shown.get("can_reply").and_then(Value::as_bool).unwrap_or(true),
        takes_templates: conversation::is_whatsapp(shown),
    })
}
