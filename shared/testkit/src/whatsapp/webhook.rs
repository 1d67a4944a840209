//! Webhooks as Meta writes and signs them.

use domain::message::DeliveryStatus;
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::request::{Request, To};
use crate::sns;
use crate::stand_in::{SenderAccess, WebhookDelivery};

/// Meta's own example number; nothing reads it.
const DISPLAY_PHONE_NUMBER: &str = "15550783881";

/// Signs a body for a sender's webhook: written as Meta writes JSON, `X-Hub-Signature-256` over the
/// bytes with the app secret.
pub fn sign(access: &SenderAccess, body: &Value) -> WebhookDelivery {
    let body = escaped(body);
    let secret = access.credential("app_secret").unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    WebhookDelivery {
        sender_id: access.sender_id.clone(),
        url_path: format!("/webhooks/whatsapp_cloud/{}", access.sender_id),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("user-agent".into(), "facebookexternalua".into()),
            ("x-hub-signature-256".into(), format!("sha256={signature}")),
        ],
        body,
    }
}

/// The webhook with this content: Meta's own, or what AWS makes of it, an entry in a notification.
fn told(access: &SenderAccess, content: &Value, at: Timestamp) -> WebhookDelivery {
    let body = envelope(access, content);
    if access.config("relay_phone_number_id").is_none() {
        return sign(access, &body);
    }
    let message = json!({
        "context": {
            "MetaWabaIds": [{"wabaId": access.config("waba_id")}],
            "MetaPhoneNumberIds": [{"metaPhoneNumberId": access.config("phone_number_id")}],
        },
        "whatsAppWebhookEntry": escaped(&body["entry"][0]),
        "aws_account_id": sns::ACCOUNT,
        "message_timestamp": at.to_string(),
        "messageId": format!("{:08x}-0000-4000-8000-000000000000", at.0),
    });
    sns::notification(access, "AWS End User Messaging Social", &message, at)
}

/// One text message from a person.
pub(super) fn inbound(access: &SenderAccess, from: &To, id: &str, at: Timestamp, text: &str) -> WebhookDelivery {
    let mut contact = json!({"profile": {"name": "Stand-in contact"}});
    let mut message = json!({"id": id, "timestamp": at.0.to_string(), "type": "text", "text": {"body": text}});
    match from {
        To::Phone(digits) => {
            contact["wa_id"] = json!(digits);
            message["from"] = json!(digits);
        }
        To::UserId(user) => {
            contact["user_id"] = json!(user);
            message["from_user_id"] = json!(user);
        }
    }
    told(access, &json!({"contacts": [contact], "messages": [message]}), at)
}

/// A message that Meta refuses after it was taken.
pub(super) fn failed(access: &SenderAccess, request: &Request, id: &str, code: i64, at: Timestamp) -> WebhookDelivery {
    let mut report = report(&request.to, id, request.callback_data.as_deref(), "failed", at);
    report["errors"] = json!([{"code": code, "title": "as the stand-in was told"}]);
    told(access, &json!({"statuses": [report]}), at)
}

fn report(to: &To, message_id: &str, callback_data: Option<&str>, name: &str, at: Timestamp) -> Value {
    let mut report = json!({"id": message_id, "status": name, "timestamp": at.0.to_string()});
    match to {
        To::Phone(digits) => report["recipient_id"] = json!(digits),
        To::UserId(user) => report["recipient_user_id"] = json!(user),
    }
    if let Some(data) = callback_data {
        report["biz_opaque_callback_data"] = json!(data);
    }
    report
}

/// One status of a message.
pub(super) fn status(
    access: &SenderAccess,
    to: &To,
    message_id: &str,
    callback_data: Option<&str>,
    status: DeliveryStatus,
    at: Timestamp,
) -> WebhookDelivery {
    let name = match status {
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Read => "read",
    };
    let mut report = report(to, message_id, callback_data, name, at);
    match status {
        DeliveryStatus::Failed => {
            report["errors"] = json!([{
                "code": 131_026,
                "title": "Message undeliverable",
                "message": "Message undeliverable",
                "error_data": {"details": "Message Undeliverable."},
                "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
            }]);
        }
        DeliveryStatus::Sent | DeliveryStatus::Delivered => {
            report["pricing"] =
                json!({"billable": true, "pricing_model": "PMP", "type": "regular", "category": "utility"});
        }
        DeliveryStatus::Read => {}
    }
    told(access, &json!({"statuses": [report]}), at)
}

fn envelope(access: &SenderAccess, content: &Value) -> Value {
    let mut value = content.clone();
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] =
        json!({"display_phone_number": DISPLAY_PHONE_NUMBER, "phone_number_id": access.config("phone_number_id")});
    json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": access.config("waba_id"), "changes": [{"value": value, "field": "messages"}]}],
    })
}

/// JSON with every `/` as `\/` and everything beyond ASCII as `\u` and four hex digits. Both occur only within
/// JSON's strings, so the whole text can be gone through at once.
fn escaped(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_is_escaped_as_meta_does() {
        let value = json!({"a": "é/😮\"\n"});
        assert_eq!(escaped(&value), r#"{"a":"\u00e9\/\ud83d\ude2e\"\n"}"#);
        assert_eq!(serde_json::from_str::<Value>(&escaped(&value)).unwrap(), value);
    }
}
