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
    let posted = answer.json()?;
    let provider_message_id = message::id(&posted)?;
    if message::reference(&posted).is_none() {
        tracing::warn!("this Chatwoot does not keep content_attributes: what it tells of our messages is lost");
    }
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
    if !is_bot {
        return refused(Reaction::Message, "no_such_bot");
    }
    SendOutcome::Accepted { provider_message_id: format!("bot:{bot_id}"), recipient_id: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::ids::AttemptRef;
    use serde_json::json;

    use super::*;
    use crate::call::testing::{client, response, server};

    async fn answered(to: Recipient, message: Message, answer: Option<Vec<u8>>) -> SendOutcome {
        let config = json!({"base_url": server(answer).await, "account_id": "7"});
        let credentials = json!({"api_access_token": "t", "webhook_secret": "s"});
        let reference = AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap();
        let (config, credentials) = (Config::parse(&config).unwrap(), Credentials::parse(&credentials).unwrap());
        send(&client(), &config, &credentials, &Outbound { reference, to, message }).await
    }

    fn accepted(id: &str) -> SendOutcome {
        SendOutcome::Accepted { provider_message_id: id.into(), recipient_id: None }
    }

    #[tokio::test]
    async fn a_post_is_taken_with_its_number() {
        let text = || Message::Text { text: "oi".into() };
        let to = |id: &str| Recipient::Conversation(id.into());
        let took = answered(to("42"), text(), response("200 OK", r#"{"id":9010,"status":"sent"}"#)).await;
        assert_eq!(took, accepted("9010"));
        assert_eq!(answered(to("42"), text(), response("200 OK", "{}")).await, SendOutcome::Ambiguous);
        assert_eq!(answered(to("42"), text(), Some(Vec::new())).await, SendOutcome::Ambiguous);
        for (head, reaction) in [("404 Not Found", Reaction::Recipient), ("422 Unprocessable", Reaction::Message)] {
            let code = format!("http_{}", &head[..3]);
            assert_eq!(answered(to("42"), text(), response(head, "")).await, refused(reaction, &code));
        }
        let phone = Recipient::Phone("5511987654321".into());
        assert_eq!(answered(phone, text(), None).await, refused(Reaction::Recipient, "not_a_conversation"));
        assert_eq!(answered(to("4/../5"), text(), None).await, refused(Reaction::Recipient, "no_conversation"));
    }

    #[tokio::test]
    async fn a_bot_is_one_of_the_helpdesks() {
        let bot = |id: &str| Message::Bot { bot_id: id.into(), text: None };
        let check = async |id: &str, body: &str| {
            answered(Recipient::Conversation("42".into()), bot(id), response("200 OK", body)).await
        };
        assert_eq!(
            check("4", r#"{"id":4,"name":"Robô","bot_type":"webhook","assignee_type":"AgentBot"}"#).await,
            accepted("bot:4")
        );
        let none = refused(Reaction::Message, "no_such_bot");
        assert_eq!(check("4", "null").await, none);
        assert_eq!(check("4", r#"{"id":4,"name":"Bia","role":"agent"}"#).await, none, "an agent of that number");
        assert_eq!(check("four", "null").await, none);
        assert_eq!(check("4", "<html>").await, SendOutcome::Ambiguous);
    }
}
