//! What Amazon SNS posts, signed with a key of our own whose certificate is served where the services' origin
//! is. `key.der` and `certificate.pem` were made for this and prove nothing anywhere else.

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

/// The AWS account of whoever runs this.
pub const ACCOUNT: &str = "000000000000";
/// Where a sender is that names no region.
pub const REGION: &str = "us-east-1";

const CERTIFICATE: &str = include_str!("certificate.pem");
const KEY: &[u8] = include_bytes!("key.der");
const CERTIFICATE_PATH: &str = "/SimpleNotificationService-00000000000000000000000000000000.pem";

/// Serves the certificate.
pub fn routes() -> Router {
    Router::new().route(CERTIFICATE_PATH, get(|| async { CERTIFICATE }))
}

/// A notification of a sender's topic: the first that its configuration names, else one of our account.
pub fn notification(access: &SenderAccess, subject: &str, message: &Value, at: Timestamp) -> WebhookDelivery {
    let region = access.config("region").unwrap_or(REGION);
    let named = access.config.pointer("/topic_arns/0").and_then(Value::as_str).map(str::to_owned);
    let topic = named.unwrap_or_else(|| format!("arn:aws:sns:{region}:{ACCOUNT}:ritmo"));
    let (message, timestamp) = (message.to_string(), format!("{}.000Z", at.to_string().trim_end_matches('Z')));
    let hash: String = Sha256::digest(&message).iter().map(|byte| format!("{byte:02x}")).collect();
    let id = format!("{}-{}-{}-{}-{}", &hash[..8], &hash[8..12], &hash[12..16], &hash[16..20], &hash[20..32]);
    let lines = [
        ("Message", message.as_str()),
        ("MessageId", &id),
        ("Subject", subject),
        ("Timestamp", &timestamp),
        ("TopicArn", &topic),
        ("Type", "Notification"),
    ];
    let signed: String = lines.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect();
    let body = json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": topic,
        "Subject": subject,
        "Message": message,
        "Timestamp": timestamp,
        "SignatureVersion": "2",
        "Signature": sign(&signed),
        "SigningCertURL": format!("https://sns.{region}.amazonaws.com{CERTIFICATE_PATH}"),
        "UnsubscribeURL": format!("https://sns.{region}.amazonaws.com/?Action=Unsubscribe"),
    });
    WebhookDelivery {
        sender_id: access.sender_id.clone(),
        url_path: format!("/webhooks/{}/{}", access.provider.as_str(), access.sender_id),
        headers: [
            ("content-type", "text/plain; charset=UTF-8"),
            ("user-agent", "Amazon Simple Notification Service Agent"),
            ("x-amz-sns-message-type", "Notification"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        body: body.to_string(),
    }
}

/// The signature of version 2, base64.
pub fn sign(signed: &str) -> String {
    let key = RsaKeyPair::from_pkcs8(KEY).expect("the key that lies beside this file");
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("a key of 2048 bits signs");
    STANDARD.encode(signature)
}
