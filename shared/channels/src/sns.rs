//! What Amazon SNS posts to an HTTPS address of ours: who signed it, and what it says.
//!
//! Amazon signs for every topic of every account, so its signature alone proves nothing: the topic must be
//! one that may speak of the sender. Reference: aws-js-sns-message-validator.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::time::Timestamp;
use reqwest::Url;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;

use crate::fields::FieldError;
use crate::{Malformed, call};

/// More topics than these tell of one sender only by mistake.
const MAX_TOPICS: usize = 10;

/// SNS waits 15 s for an answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_CERTIFICATE: usize = 64 * 1024;
const MAX_CONFIRMATION: usize = 64 * 1024;
/// Each region has one, and a new one every few months.
const MAX_CERTIFICATES: usize = 32;

/// SNS repeats a message for up to an hour, with the signature and time of its first try.
const MAX_AGE_SECONDS: i64 = 3_600 + 300;
const MAX_AHEAD_SECONDS: i64 = 300;

/// The proof could not be had for a passing reason. The answer is 503: SNS takes a 4xx for final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature cannot be looked at now")]
pub struct Unavailable;

/// A topic by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    partition: String,
    region: String,
    account: String,
}

impl Topic {
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return None };
        let word = |text: &str, more: &[u8]| {
            (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let fits = word(partition, b"-") && word(region, b"-") && digits && word(name, b"-_.");
        fits.then(|| Self { partition: partition.into(), region: region.into(), account: account.into() })
    }

    /// Where SNS serves its region.
    fn host(&self) -> String {
        let end = if self.partition == "aws-cn" { ".cn" } else { "" };
        format!("sns.{}.amazonaws.com{end}", self.region)
    }
}

/// The `topic_arns` of a sender's configuration, given as `null` where it has none.
///
/// # Errors
/// The field, where it is no list of topics.
pub(crate) fn parse_topics(topics: Value) -> Result<Option<Vec<String>>, FieldError> {
    let wrong = |code, detail| FieldError { pointer: "/topic_arns".into(), code, detail };
    let arns: Option<Vec<String>> =
        serde_json::from_value(topics).map_err(|_| wrong("invalid_type", "must be an array of strings".to_owned()))?;
    let is_topic = |arn: &String| Topic::parse(arn).is_some();
    match &arns {
        Some(arns) if !(1..=MAX_TOPICS).contains(&arns.len()) || !arns.iter().all(is_topic) => {
            let example = "arn:aws:sns:us-east-1:123456789012:email";
            Err(wrong("invalid_value", format!("must be 1 to {MAX_TOPICS} ARNs like {example}")))
        }
        _ => Ok(arns),
    }
}

/// Whose word counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trusted<'a> {
    /// These topics only; otherwise those of `account`.
    pub(crate) topics: Option<&'a [String]>,
    /// The deployment's own AWS account.
    pub(crate) account: Option<&'a str>,
}

impl Trusted<'_> {
    fn topic(&self, arn: &str) -> Option<Topic> {
        let topic = Topic::parse(arn)?;
        let counts = match self.topics {
            Some(topics) => topics.iter().any(|known| known == arn),
            None => self.account == Some(&topic.account),
        };
        counts.then_some(topic)
    }
}

/// What SNS posts, whatever its type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Posted {
    r#type: String,
    message_id: String,
    topic_arn: String,
    message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default, rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    #[serde(default)]
    token: Option<String>,
}

impl Posted {
    fn read(raw: &[u8]) -> Option<Self> {
        serde_json::from_slice(raw).ok()
    }

    /// The text that is signed: the names and values that there are, a line each. Which of them depends on
    /// the type.
    fn signed(&self) -> Option<String> {
        let (subscribe_url, token) = (self.subscribe_url.as_deref(), self.token.as_deref());
        let fields = match self.r#type.as_str() {
            "Notification" => vec![
                ("Message", Some(self.message.as_str())),
                ("MessageId", Some(&self.message_id)),
                ("Subject", self.subject.as_deref()),
                ("Timestamp", Some(&self.timestamp)),
                ("TopicArn", Some(&self.topic_arn)),
                ("Type", Some(&self.r#type)),
            ],
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => vec![
                ("Message", Some(self.message.as_str())),
                ("MessageId", Some(&self.message_id)),
                ("SubscribeURL", subscribe_url),
                ("Timestamp", Some(&self.timestamp)),
                ("Token", token),
                ("TopicArn", Some(&self.topic_arn)),
                ("Type", Some(&self.r#type)),
            ],
            _ => return None,
        };
        let lines = fields.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value?)));
        Some(lines.collect())
    }

    fn algorithm(&self) -> Option<&'static RsaParameters> {
        match self.signature_version.as_str() {
            // Topics are set to 2; 1 is what they begin with.
            "1" => Some(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
            "2" => Some(&RSA_PKCS1_2048_8192_SHA256),
            _ => None,
        }
    }
}

/// The keys of the certificates that SNS signs with, by their address. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(Arc<Mutex<HashMap<String, Arc<[u8]>>>>);

impl Keys {
    /// `None` when there is no certificate at the address.
    async fn get(
        &self,
        http: &reqwest::Client,
        url: &Url,
        origin: Option<&str>,
    ) -> Result<Option<Arc<[u8]>>, Unavailable> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(url.as_str()).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let request = http.get(served(url, origin));
        let answer = call::read_within(request, MAX_CERTIFICATE, FETCH_TIMEOUT).await.map_err(|_| Unavailable)?;
        if answer.status >= 500 || answer.status == 429 {
            return Err(Unavailable);
        }
        let body = answer.body.filter(|_| answer.status == 200);
        let Some(key) = body.and_then(|pem| public_key(&pem)) else { return Ok(None) };
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_CERTIFICATES {
            keys.clear();
        }
        keys.insert(url.to_string(), key.clone());
        Ok(Some(key))
    }
}

/// The key of a certificate. Who it belongs to is proven by where it was fetched from.
fn public_key(pem: &[u8]) -> Option<Arc<[u8]>> {
    let certificate = CertificateDer::from_pem_slice(pem).ok()?;
    let certificate = webpki::EndEntityCert::try_from(&certificate).ok()?;
    Some(certificate.subject_public_key_info().as_ref().into())
}

/// Whether SNS has signed this for a topic that counts, not long ago.
///
/// # Errors
/// [`Unavailable`] when the certificate cannot be fetched now.
pub(crate) async fn verify(
    (http, keys): (&reqwest::Client, &Keys),
    origin: Option<&str>,
    raw: &[u8],
    trusted: Trusted<'_>,
    now: Timestamp,
) -> Result<bool, Unavailable> {
    let Some(posted) = Posted::read(raw) else { return Ok(false) };
    if trusted.topic(&posted.topic_arn).is_none() || !is_recent(&posted.timestamp, now) {
        return Ok(false);
    }
    let signature = STANDARD.decode(&posted.signature).ok();
    let url = certificate_url(&posted.signing_cert_url);
    let (Some(signed), Some(algorithm), Some(signature), Some(url)) =
        (posted.signed(), posted.algorithm(), signature, url)
    else {
        return Ok(false);
    };
    let Some(key) = keys.get(http, &url, origin).await? else { return Ok(false) };
    Ok(UnparsedPublicKey::new(algorithm, &key).verify(signed.as_bytes(), &signature).is_ok())
}

/// Answers SNS's question, in a verified body, whether its topic may post here; does nothing about any other
/// body.
///
/// # Errors
/// [`Unavailable`]: SNS asks again.
pub(crate) async fn confirm(http: &reqwest::Client, origin: Option<&str>, raw: &[u8]) -> Result<(), Unavailable> {
    let Some(posted) = Posted::read(raw).filter(|posted| posted.r#type == "SubscriptionConfirmation") else {
        return Ok(());
    };
    let url = posted.subscribe_url.as_deref().zip(Topic::parse(&posted.topic_arn));
    let Some(url) = url.and_then(|(url, topic)| subscribe_url(url, &topic)) else { return Ok(()) };
    let answer = call::read_within(http.get(served(&url, origin)), MAX_CONFIRMATION, FETCH_TIMEOUT).await;
    match answer {
        Ok(answer) if answer.is_success() => {
            tracing::info!(topic = %posted.topic_arn, "a topic's subscription was confirmed");
            Ok(())
        }
        _ => Err(Unavailable),
    }
}

/// A topic's message, and when it was published.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) message: String,
    pub(crate) at: Timestamp,
}

/// What a topic tells; `None` for SNS's own messages.
///
/// # Errors
/// [`Malformed`] when SNS does not write so.
pub(crate) fn notification(raw: &[u8]) -> Result<Option<Told>, Malformed> {
    let posted = Posted::read(raw).ok_or(Malformed)?;
    let at = Timestamp::parse(&posted.timestamp).ok_or(Malformed)?;
    Ok((posted.r#type == "Notification").then_some(Told { message: posted.message, at }))
}

fn is_recent(timestamp: &str, now: Timestamp) -> bool {
    Timestamp::parse(timestamp)
        .is_some_and(|at| (-MAX_AHEAD_SECONDS..=MAX_AGE_SECONDS).contains(&now.seconds_since(at)))
}

/// Checked before it is fetched.
fn certificate_url(text: &str) -> Option<Url> {
    let url = address(text, is_sns_host)?;
    (url.path().ends_with(".pem") && url.query().is_none()).then_some(url)
}

/// Checked before it is fetched: of the topic's own region.
fn subscribe_url(text: &str, topic: &Topic) -> Option<Url> {
    address(text, |host| host == topic.host()).filter(|url| url.path() == "/")
}

fn address(text: &str, is_host: impl Fn(&str) -> bool) -> Option<Url> {
    // A URL's parser would pass over blanks.
    let url = Url::parse(text).ok().filter(|_| text.bytes().all(|b| b.is_ascii_graphic()))?;
    let host = url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(is_host);
    (host && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()).then_some(url)
}

/// An address of Amazon's where it is served in this process.
fn served(url: &Url, origin: Option<&str>) -> Url {
    let origin = origin.and_then(|origin| Url::parse(origin).ok());
    origin.map_or_else(
        || url.clone(),
        |mut here| {
            here.set_path(url.path());
            here.set_query(url.query());
            here
        },
    )
}

/// `sns.<region>.amazonaws.com`, in China with `.cn`.
fn is_sns_host(host: &str) -> bool {
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_prefix("sns.").and_then(|host| host.strip_suffix(".amazonaws.com"));
    region.is_some_and(|r| r.len() >= 3 && r.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_certificate_comes_from_sns_only() {
        for good in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-ac565b8b1a6c5d002d285f9598aa1d9b.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem",
            "https://sns.us-gov-west-1.amazonaws.com:443/x.pem",
        ] {
            assert!(certificate_url(good).is_some(), "{good}");
        }
        for bad in [
            "http://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com/x.crt",
            "https://sns.us-east-1.amazonaws.com/x?y=.pem",
            "https://sns.us-east-1.amazonaws.com:8443/x.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
            "https://user@sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.evil.amazonaws.com/x.pem",
            "https://s3.us-east-1.amazonaws.com/x.pem",
            "https://sns..amazonaws.com/x.pem",
            "https://sns.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com/x.pem ",
            "https://169.254.169.254/x.pem",
            "file:///x.pem",
            "",
        ] {
            assert!(certificate_url(bad).is_none(), "{bad}");
        }
        let here = |origin| served(&certificate_url("https://sns.us-east-1.amazonaws.com/x.pem").unwrap(), origin);
        assert_eq!(here(None).as_str(), "https://sns.us-east-1.amazonaws.com/x.pem");
        assert_eq!(here(Some("http://127.0.0.1:9")).as_str(), "http://127.0.0.1:9/x.pem");
    }

    #[test]
    fn a_subscription_is_confirmed_in_the_topics_own_region() {
        let check = |arn: &str, url: &str| subscribe_url(url, &Topic::parse(arn).unwrap()).is_some();
        let (here, china) = ("arn:aws:sns:sa-east-1:123456789012:email", "arn:aws-cn:sns:cn-north-1:123456789012:e");
        assert!(check(here, "https://sns.sa-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=x"));
        assert!(check(china, "https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription"));
        for bad in [
            "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
            "http://sns.sa-east-1.amazonaws.com/?Action=ConfirmSubscription",
            "https://sns.sa-east-1.amazonaws.com/x?Action=ConfirmSubscription",
            "https://sns.sa-east-1.amazonaws.com.cn/?Action=ConfirmSubscription",
            "https://evil.example/?Action=ConfirmSubscription",
        ] {
            assert!(!check(here, bad), "{bad}");
        }
    }

    #[test]
    fn topics_count_by_name_or_by_account() {
        let (ours, other) = ("arn:aws:sns:sa-east-1:123456789012:email", "arn:aws:sns:sa-east-1:210987654321:email");
        let counts = |topics: Option<&[String]>, account, arn| Trusted { topics, account }.topic(arn).is_some();
        assert!(counts(None, Some("123456789012"), ours) && !counts(None, Some("123456789012"), other));
        assert!(!counts(None, None, ours), "without an account nobody's topic counts");
        let listed = [other.to_owned()];
        assert!(counts(Some(&listed), Some("123456789012"), other));
        assert!(!counts(Some(&listed), Some("123456789012"), ours), "the list is the whole list");
        for bad in [
            "",
            "arn:aws:sqs:sa-east-1:123456789012:email",
            "arn:aws:sns:sa-east-1:12345678901:email",
            "arn:aws:sns:sa-east-1:123456789012:email:subscription",
            "arn:aws:sns:a/b:123456789012:email",
        ] {
            assert_eq!(Topic::parse(bad), None, "{bad}");
        }
    }
}
