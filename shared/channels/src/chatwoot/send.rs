//! A message into a conversation, or the conversation to a bot.

use domain::message::{Message, Outbound, Reaction, Recipient, SendOutcome};
use serde_json::{Value, json};

use super::body::{body, has_blank};
use super::classify::refusal;
use super::config::{Config, Credentials, is_number};
use super::{conversation, message};
use crate::call::{self, Answer, MAX_ANSWER, refused};

/// Posts one message, once; hands over to a bot before it, where the message says so.
pub async fn send(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    outbound: &Outbound,
) -> SendOutcome {
    let Recipient::Conversation(id) = &outbound.to else { return refused(Reaction::Recipient, "not_a_conversation") };
    if !is_number(id) {
        return refused(Reaction::Recipient, "no_conversation");
    }
    let post = |edge, body: &Value| credentials.sign(http.post(config.conversation(id, edge))).json(body);
    match &outbound.message {
        Message::Email(_) => return refused(Reaction::Message, "an_email"),
        Message::WhatsappTemplate(template) if has_blank(template) => {
            return refused(Reaction::Template, "blank_value");
        }
        Message::Bot { bot_id, .. } => {
            if !is_number(bot_id) {
                return refused(Reaction::Message, "no_such_bot");
            }
            let request = post("/assignments", &json!({"assignee_id": bot_id, "assignee_type": "AgentBot"}));
            let assigned = match call::once(request, MAX_ANSWER).await {
                Ok(answer) => assigned(&answer, bot_id),
                Err(unknown) => unknown,
            };
            if !matches!(assigned, SendOutcome::Accepted { .. })
                || body(outbound.reference, &outbound.message).is_none()
            {
                return assigned;
            }
        }
        Message::Text { .. } | Message::Rich(_) | Message::WhatsappTemplate(_) => {}
    }
    let Some(body) = body(outbound.reference, &outbound.message) else { return refused(Reaction::Message, "nothing") };
    call::send(post("/messages", &body), accepted, refusal).await
}

fn accepted(answer: &Answer) -> Option<SendOutcome> {
    let provider_message_id = message::id(&answer.json()?)?;
    Some(SendOutcome::Accepted { provider_message_id, recipient_id: None })
}

/// Chatwoot answers with the bot, or with `null` where there is none of that number. A version that knows
/// no bots here assigns the *agent* of that number, and says so.
fn assigned(answer: &Answer, bot_id: &str) -> SendOutcome {
    if !answer.is_success() {
        return SendOutcome::Refused(refusal(answer));
    }
    let Some(assigned) = answer.json() else { return SendOutcome::Ambiguous };
    let is_bot =
        conversation::text(&assigned, "assignee_type") == Some("AgentBot") || assigned.get("bot_type").is_some();
    if assigned.is_null() || !is_bot {
        return refused(Reaction::Message, "no_such_bot");
    }
    SendOutcome::Accepted { provider_message_id: format!("bot:{bot_id}"), recipient_id: None }
}
