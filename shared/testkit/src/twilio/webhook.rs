//! What Twilio posts: forms without a time, and the signature over address and form.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::message::DeliveryStatus;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::request::{From, Request};
use crate::sms::Keyword;
use crate::stand_in::{SenderAccess, WebhookDelivery};

/// The number of a messaging service from which or to which a message went.
const POOL_NUMBER: &str = "+15005550006";

/// The reference in a callback's query.
pub(super) fn reference(callback: &str) -> Option<&str> {
    let (_, query) = callback.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("reference="))
}

/// One status of a message, posted to the address that its send gave.
pub(super) fn status(
    access: &SenderAccess,
    request: &Request,
    callback: &str,
    id: &str,
    status: DeliveryStatus,
) -> WebhookDelivery {
    let word = match status {
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Failed => "undelivered",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Read => "read",
    };
    let mut form = common(access, id, word);
    form.insert("MessageStatus", word.into());
    form.insert("To", request.to.clone());
    match &request.from {
        From::Number(number) => drop(form.insert("From", number.clone())),
        From::Service(service) => {
            form.insert("From", POOL_NUMBER.into());
            form.insert("MessagingServiceSid", service.clone());
        }
    }
    match status {
        // Out of reach.
        DeliveryStatus::Failed => drop(form.insert("ErrorCode", "30003".into())),
        DeliveryStatus::Delivered => drop(form.insert("RawDlrDoneDate", "2603021200".into())),
        DeliveryStatus::Sent | DeliveryStatus::Read => {}
    }
    sign(access, callback, &form)
}

/// A message to a sender. Only a messaging service says what it made of an opt-out word.
pub(super) fn inbound(access: &SenderAccess, from: &str, id: &str, text: &str) -> WebhookDelivery {
    let mut form = common(access, id, "received");
    form.insert("SmsMessageSid", id.into());
    form.insert("From", from.into());
    form.insert("To", access.config("from").unwrap_or(POOL_NUMBER).into());
    form.insert("Body", text.into());
    form.insert("NumMedia", "0".into());
    form.insert("NumSegments", domain::content::sms_segments(text).segments.to_string());
    if let Some(service) = access.config("messaging_service_sid") {
        form.insert("MessagingServiceSid", service.into());
        match Keyword::of(text) {
            Some(Keyword::Stop) => drop(form.insert("OptOutType", "STOP".into())),
            Some(Keyword::Start) => drop(form.insert("OptOutType", "START".into())),
            None => {}
        }
    }
    sign(access, access.config("public_webhook_url").unwrap_or_default(), &form)
}

type Form = BTreeMap<&'static str, String>;

fn common(access: &SenderAccess, id: &str, status: &str) -> Form {
    BTreeMap::from([
        ("AccountSid", access.config("account_sid").unwrap_or_default().to_owned()),
        ("ApiVersion", "2010-04-01".into()),
        ("MessageSid", id.into()),
        ("SmsSid", id.into()),
        ("SmsStatus", status.into()),
    ])
}

/// `url` as the sender knows it is what is signed; the delivery goes to the sender's path here, with its query.
fn sign(access: &SenderAccess, url: &str, form: &Form) -> WebhookDelivery {
    let token = access.credential("auth_token").unwrap_or_default();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    for (name, value) in form {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let query = url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    WebhookDelivery {
        sender_id: access.sender_id.clone(),
        url_path: format!("/webhooks/twilio/{}{query}", access.sender_id),
        headers: vec![
            ("content-type".into(), "application/x-www-form-urlencoded; charset=UTF-8".into()),
            ("user-agent".into(), "TwilioProxy/1.1".into()),
            ("x-twilio-signature".into(), STANDARD.encode(mac.finalize().into_bytes())),
        ],
        body: body.join("&"),
    }
}

/// A form's value.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b' ' => out + "+",
        b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
            out + char::from(byte).encode_utf8(&mut [0; 1])
        }
        _ => out + &format!("%{byte:02X}"),
    })
}
