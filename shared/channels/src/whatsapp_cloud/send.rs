//! One call of `POST /{phone_number_id}/messages`, or of `marketing_messages`, and what is known after it.

use domain::message::{Message, Outbound, Reaction, Recipient, Refusal, SendOutcome};
use domain::sender::KnownTemplate;
use serde_json::{Value, json};

use super::body::body;
use super::classify::classify;
use super::config::{Config, Credentials, Marketing};
use crate::call::{self, Answer, refused};
use crate::foreign::integer;

/// Sends one message, once. `templates`: those last read from Meta, which know each one's category.
pub async fn send(
    http: &reqwest::Client,
    config: &Config,
    credentials: &Credentials,
    templates: Option<&[KnownTemplate]>,
    outbound: &Outbound,
) -> SendOutcome {
    if let Some(outcome) = not_for_whatsapp(outbound) {
        return outcome;
    }
    let mut body = body(outbound);
    let edge = if config.marketing == Marketing::MarketingMessages && is_marketing(templates, &outbound.message) {
        // What that API does not take goes out as ever: it is sent all the same.
        body["product_policy"] = json!("CLOUD_API_FALLBACK");
        "marketing_messages"
    } else {
        "messages"
    };
    let url = config.url(&config.phone_number_id, edge);
    let request = http.post(url).bearer_auth(&credentials.access_token).json(&body);
    call::send(request, accepted, refusal).await
}

/// The refusal of what WhatsApp has no form for.
pub(super) fn not_for_whatsapp(outbound: &Outbound) -> Option<SendOutcome> {
    if matches!(outbound.to, Recipient::Email(_) | Recipient::Conversation(_)) {
        return Some(refused(Reaction::Recipient, "not_a_phone"));
    }
    match outbound.message {
        Message::Email(_) => Some(refused(Reaction::Message, "an_email")),
        Message::Bot { .. } => Some(refused(Reaction::Message, "a_bot")),
        Message::Text { .. } | Message::Rich(_) | Message::WhatsappTemplate(_) => None,
    }
}

/// A template that was never synced is none: Meta's other endpoint takes only what is.
fn is_marketing(templates: Option<&[KnownTemplate]>, message: &Message) -> bool {
    let Message::WhatsappTemplate(sent) = message else { return false };
    let mut known = templates.unwrap_or_default().iter();
    known
        .find(|known| known.name == sent.name && known.language == sent.language)
        .is_some_and(|known| known.category.as_deref().is_some_and(|c| c.eq_ignore_ascii_case("marketing")))
}

fn accepted(answer: &Answer) -> Option<SendOutcome> {
    let answer = answer.json()?;
    let id = answer.pointer("/messages/0/id")?.as_str().filter(|id| !id.is_empty())?;
    // May differ from what we sent to (Brazil's ninth digit).
    let recipient_id = answer.pointer("/contacts/0/wa_id").and_then(Value::as_str).map(String::from);
    Some(SendOutcome::Accepted { provider_message_id: id.into(), recipient_id })
}

/// A refusing answer: by the error's code where one can be read, else by the HTTP status.
pub(super) fn refusal(answer: &Answer) -> Refusal {
    let error = answer.json().and_then(|mut answer| answer.get_mut("error").map(Value::take)).unwrap_or_default();
    let is_transient = error.get("is_transient").and_then(Value::as_bool);
    let Some(code) = error.get("code").and_then(integer) else { return answer.refusal() };
    let mut refusal = classify(code, Some(answer.status), is_transient);
    refusal.retry_after = refusal.retry_after.max(answer.retry_after);
    refusal
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use domain::ids::AttemptRef;

    use super::*;
    use crate::call::testing::{client, response, server, servers};

    async fn answered(answer: Option<Vec<u8>>) -> SendOutcome {
        let origin = server(answer).await;
        let config = Config::parse(&json!({"phone_number_id": "1", "waba_id": "2", "base_url": origin})).unwrap();
        let credentials =
            Credentials::parse(&json!({"access_token": "t", "app_secret": "s", "verify_token": "v"})).unwrap();
        let outbound = Outbound {
            reference: AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap(),
            to: Recipient::Phone("5511987654321".into()),
            message: Message::Text { text: "oi".into() },
        };
        send(&client(), &config, &credentials, None, &outbound).await
    }

    #[tokio::test]
    async fn only_marketing_templates_go_by_their_own_endpoint() {
        let templates: Vec<KnownTemplate> = serde_json::from_value(json!([
            {"name": "promo", "language": "pt_BR", "status": "APPROVED", "category": "MARKETING"},
            {"name": "promo", "language": "en", "status": "APPROVED", "category": "UTILITY"},
            {"name": "fatura", "language": "pt_BR", "status": "APPROVED"}]))
        .unwrap();
        let template = |name: &str, language: &str| json!({"whatsapp_template": {"name": name, "language": language, "body": {"positional": []}}});
        for (way, synced, message, edge) in [
            ("marketing_messages", true, template("promo", "pt_BR"), "marketing_messages"),
            ("cloud", true, template("promo", "pt_BR"), "messages"),
            ("marketing_messages", true, template("promo", "en"), "messages"),
            ("marketing_messages", true, template("fatura", "pt_BR"), "messages"),
            ("marketing_messages", true, template("other", "pt_BR"), "messages"),
            ("marketing_messages", false, template("promo", "pt_BR"), "messages"),
            ("marketing_messages", true, json!({"text": {"text": "oi"}}), "messages"),
        ] {
            let (origin, requests) = servers(vec![response("200 OK", r#"{"messages":[{"id":"wamid.1"}]}"#)]).await;
            let config = json!({"phone_number_id": "1", "waba_id": "2", "base_url": origin, "marketing": way});
            let credentials = json!({"access_token": "t", "app_secret": "s", "verify_token": "v"});
            let outbound = Outbound {
                reference: AttemptRef::parse(&format!("enr_{}.1", "A".repeat(43))).unwrap(),
                to: Recipient::Phone("5511987654321".into()),
                message: serde_json::from_value(message.clone()).unwrap(),
            };
            let (config, credentials) = (Config::parse(&config).unwrap(), Credentials::parse(&credentials).unwrap());
            let templates = synced.then_some(templates.as_slice());
            let outcome = send(&client(), &config, &credentials, templates, &outbound).await;
            assert!(matches!(outcome, SendOutcome::Accepted { .. }), "{message}");
            let request = requests.lock().unwrap().remove(0);
            assert!(request.starts_with(&format!("POST /v24.0/1/{edge} ")), "{way} {message}");
            assert_eq!(request.contains("CLOUD_API_FALLBACK"), edge == "marketing_messages", "{way} {message}");
        }
    }

    fn answer(status: u16, retry_after: Option<u32>, body: &Value) -> Answer {
        Answer { status, retry_after, body: Some(body.to_string().into_bytes()) }
    }

    #[tokio::test]
    async fn a_refusal_carries_metas_code() {
        let refused = answered(response("400 Bad", r#"{"error":{"code":131047}}"#)).await;
        assert_eq!(refused, call::refused(Reaction::OutsideWindow, "131047"));
        assert_eq!(answered(response("200 OK", r#"{"messages":[]}"#)).await, SendOutcome::Ambiguous);
    }

    #[tokio::test]
    async fn an_acceptance_keeps_metas_form_of_the_recipient() {
        let body = r#"{"contacts":[{"input":"5516992318222","wa_id":"551692318222"}],"messages":[{"id":"wamid.1"}]}"#;
        let expected =
            SendOutcome::Accepted { provider_message_id: "wamid.1".into(), recipient_id: Some("551692318222".into()) };
        assert_eq!(answered(response("200 OK", body)).await, expected);
    }

    #[test]
    fn a_refusal_is_read_from_whatever_shape_the_error_has() {
        let check = |body: Value, reaction, code: &str| {
            let refusal = refusal(&answer(400, None, &body));
            assert_eq!((refusal.reaction, refusal.code.as_str()), (reaction, code), "{body}");
        };
        check(json!({"error": {"code": 131026, "error_data": {"details": "no"}}}), Reaction::Recipient, "131026");
        check(json!({"error": {"code": 100, "error_data": "a plain text"}}), Reaction::Message, "100");
        check(json!({"error": {"code": "190"}}), Reaction::Sender, "190");
        check(json!({"error": {"code": 999, "is_transient": true}}), Reaction::Transient, "999");
        check(json!({"error": "no object"}), Reaction::Message, "http_400");
        check(json!([1]), Reaction::Message, "http_400");
    }

    #[test]
    fn the_longer_wait_counts() {
        let upgrade = json!({"error": {"code": 131057}});
        assert_eq!(refusal(&answer(503, Some(7), &upgrade)).retry_after, Some(60));
        assert_eq!(refusal(&answer(503, Some(70), &upgrade)).retry_after, Some(70));
        assert_eq!(refusal(&answer(503, Some(7), &Value::Null)).retry_after, Some(7));
    }

    #[test]
    fn success_without_an_id_is_unknown() {
        assert_eq!(accepted(&answer(200, None, &json!({"messages": []}))), None);
        assert_eq!(accepted(&answer(200, None, &json!({"messages": [{"id": ""}]}))), None);
        assert!(
            accepted(&answer(200, None, &json!({"messages": [{"id": "wamid.1", "message_status": "paused"}]})))
                .is_some()
        );
    }
}
