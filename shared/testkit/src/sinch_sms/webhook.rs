//! Callbacks as Sinch writes them: unsigned, with the user and password that were agreed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::request::Batch;
use crate::stand_in::{SenderAccess, WebhookDelivery};

fn posted(access: &SenderAccess, body: &Value) -> WebhookDelivery {
    let credential = |name: &str| access.credential(name).unwrap_or_default();
    let user = format!("{}:{}", credential("webhook_user"), credential("webhook_password"));
    WebhookDelivery {
        sender_id: access.sender_id.clone(),
        url_path: format!("/webhooks/sinch_sms/{}", access.sender_id),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("authorization".into(), format!("Basic {}", STANDARD.encode(user))),
        ],
        body: body.to_string(),
    }
}

/// A person's text.
pub(super) fn inbound(access: &SenderAccess, from: &str, id: &str, at: Timestamp, text: &str) -> WebhookDelivery {
    let to = access.config("from").unwrap_or_default();
    let body = json!({"type": "mo_text", "id": id, "from": from, "to": to.trim_start_matches('+'), "body": text,
        "operator_id": "72405", "sent_at": at.to_string(), "received_at": at.to_string()});
    posted(access, &body)
}

/// What became of a batch's one message.
pub(super) fn report(
    access: &SenderAccess,
    batch: &Batch,
    id: &str,
    (status, code): (&str, i64),
    at: Timestamp,
) -> WebhookDelivery {
    let mut body = json!({"type": "recipient_delivery_report_sms", "batch_id": id, "recipient": batch.to,
        "code": code, "status": status, "at": at.to_string(), "operator_status_at": at.to_string()});
    if let Some(reference) = &batch.reference {
        body["client_reference"] = json!(reference);
    }
    posted(access, &body)
}
