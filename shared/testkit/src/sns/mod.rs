//! Amazon SNS as AWS's stand-ins publish through it: notifications signed as SNS signs them (version 2), with
//! a key of our own, whose certificate is served at the stand-in's origin.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::stand_in::{SenderAccess, WebhookDelivery};

/// The AWS account that has the topics.
pub const ACCOUNT: &str = "000000000000";

const CERTIFICATE_PATH: &str = "/SimpleNotificationService-stand-in.pem";

/// Serves the certificate, as a part of a stand-in's own router.
pub fn router() -> Router {
    Router::new().route(CERTIFICATE_PATH, get(|| async { include_str!("certificate.pem") }))
}

/// A message of the sender's topic, as SNS posts it to the sender's webhook. `origin` is the stand-in's.
pub fn notification(access: &SenderAccess, origin: &str, message: &Value, at: Timestamp) -> WebhookDelivery {
    let provider = access.provider.as_str();
    let topic = format!("arn:aws:sns:us-east-1:{ACCOUNT}:{provider}");
    let time = at.to_chrono().format("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    let message = message.to_string();
    let id = id(&message);
    let fields = [
        ("Message", message.as_str()),
        ("MessageId", &id),
        ("Timestamp", &time),
        ("TopicArn", &topic),
        ("Type", "Notification"),
    ];
    let signed: String = fields.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect();
    let mut body: Value = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    body["SignatureVersion"] = json!("2");
    body["Signature"] = json!(sign(&signed));
    body["SigningCertURL"] = json!(format!("{origin}{CERTIFICATE_PATH}"));
    body["UnsubscribeURL"] = json!(format!("{origin}/?Action=Unsubscribe"));
    WebhookDelivery {
        sender_id: access.sender_id.clone(),
        url_path: format!("/webhooks/{provider}/{}", access.sender_id),
        headers: vec![
            ("content-type".into(), "text/plain; charset=UTF-8".into()),
            ("user-agent".into(), "Amazon Simple Notification Service Agent".into()),
            ("x-amz-sns-message-id".into(), id),
            ("x-amz-sns-message-type".into(), "Notification".into()),
            ("x-amz-sns-topic-arn".into(), topic),
        ],
        body: body.to_string(),
    }
}

/// The same for the same message.
fn id(message: &str) -> String {
    let hash = Sha256::digest(message.as_bytes());
    let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn sign(text: &str) -> String {
    let key = RsaKeyPair::from_pkcs8(include_bytes!("key.der")).expect("the key beside this file is one");
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .expect("a buffer as long as the modulus takes a signature");
    STANDARD.encode(signature)
}
