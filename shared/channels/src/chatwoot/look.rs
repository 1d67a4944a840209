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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::contact::ConversationStatus;
    use domain::ids::AttemptRef;
    use serde_json::json;

    use super::*;

    fn config() -> Config {
        Config::parse(&json!({"base_url": "https://chat.example.com", "account_id": "7"})).unwrap()
    }

    fn reference(generation: u32) -> AttemptRef {
        AttemptRef::parse(&format!("enr_{}.{generation}", "A".repeat(43))).unwrap()
    }

    fn ours(id: u64, generation: u32, status: &str) -> Value {
        json!({"id": id, "message_type": 1, "created_at": 1_000, "private": false, "status": status,
            "content_attributes": {"ritmo_reference": reference(generation).to_string()}, "sender": {"type": "user"}})
    }

    #[test]
    fn people_are_told_from_everything_else() {
        let shown = json!({"id": 42, "status": "resolved", "can_reply": false, "updated_at": 1_100.9,
            "last_activity_at": 1_000, "meta": {"channel": "Channel::Whatsapp", "sender": {}}});
        let messages = json!({"payload": [
            {"id": 3, "message_type": 0, "created_at": 1_050, "content": "depois", "sender": {"type": "contact"}},
            {"id": 2, "message_type": 0, "created_at": 1_000, "content": "antes", "sender": {"type": "contact"}},
            {"id": 4, "message_type": 1, "created_at": 1_060, "content": "sim?", "sender": {"type": "user"}},
            {"id": 5, "message_type": 1, "created_at": 1_061, "private": true, "sender": {"type": "user"}},
            {"id": 6, "message_type": 1, "created_at": 1_062, "sender": {"type": "agent_bot"}},
            {"id": 7, "message_type": 2, "created_at": 1_063, "content": "resolved"},
            {"id": 8, "message_type": 0, "created_at": 1_064, "content": "ausente",
                "content_attributes": {"email": {"auto_reply": true}}},
            ours(9, 1, "sent"), ours(10, 3, "failed")]});
        let look = seen(&shown, &messages, "42", &config()).unwrap();
        let said: Vec<_> = look
            .events
            .iter()
            .map(|e| {
                (
                    e.at.0,
                    match &e.what {
                        InConversation::Described(d) => format!("{:?}", d.status),
                        InConversation::Received(message) => message.id.clone(),
                        InConversation::SentByAgent { id } => format!("agent {id}"),
                    },
                )
            })
            .collect();
        let expected = [
            (1_100, format!("{:?}", ConversationStatus::Resolved)),
            (1_000, "chatwoot:7:2".into()),
            (1_050, "chatwoot:7:3".into()),
            (1_060, "agent chatwoot:7:4".into()),
        ];
        assert_eq!(said, expected);
        assert_eq!(look.ours, [(reference(1), "9".to_owned())]);
        assert_eq!((look.takes_text, look.takes_templates), (false, true));
    }

    #[test]
    fn a_version_that_says_little_is_enough() {
        let shown = json!({"id": 42, "status": "open", "timestamp": 900});
        let look = seen(&shown, &json!({"payload": []}), "42", &config()).unwrap();
        assert_eq!((look.events.len(), look.events[0].at), (1, Timestamp(900)));
        assert_eq!((look.takes_text, look.takes_templates), (true, false));
        assert_eq!(seen(&json!({"error": "x"}), &json!({"payload": []}), "42", &config()), None);
        assert_eq!(seen(&shown, &json!([]), "42", &config()), None);
    }
}
