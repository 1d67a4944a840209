//! What an account gives for a sender, of every provider: each wrong field is named, and no secret is repeated.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use channels::{FieldError, check_config, check_credentials};
use domain::message::ProviderKind;
use serde_json::{Value, json};

type Checked = Result<(), Vec<FieldError>>;

/// A sender's `config` and `credentials` with the fields that must be there.
struct Sample {
    config: Value,
    needs: &'static [&'static str],
    credentials: Value,
    secrets: &'static [&'static str],
}

fn sample(kind: ProviderKind) -> Sample {
    match kind {
        ProviderKind::WhatsappCloud => Sample {
            config: json!({"phone_number_id": "1", "waba_id": "2", "api_version": "v24.0",
                "base_url": "https://graph.example.com"}),
            needs: &["phone_number_id", "waba_id"],
            credentials: json!({"access_token": "t", "app_secret": "s", "verify_token": "v"}),
            secrets: &["access_token", "app_secret", "verify_token"],
        },
        ProviderKind::Sinch => Sample {
            config: json!({"project_id": "p", "app_id": "a", "region": "br", "base_url": "https://sinch.example.com",
                "auth_url": "https://auth.example.com"}),
            needs: &["project_id", "app_id", "region"],
            credentials: json!({"key_id": "k", "key_secret": "s", "webhook_secret": "w"}),
            secrets: &["key_id", "key_secret", "webhook_secret"],
        },
        ProviderKind::SinchSms => Sample {
            config: json!({"service_plan_id": "p", "from": "+5511930001000", "region": "br",
                "base_url": "https://sinch.example.com"}),
            needs: &["service_plan_id", "from", "region"],
            credentials: json!({"api_token": "t", "webhook_user": "u", "webhook_password": "w"}),
            secrets: &["api_token", "webhook_user", "webhook_password"],
        },
        ProviderKind::Ses => Sample {
            config: json!({"from": "Loja <loja@example.com>", "reply_to": "r@example.com", "configuration_set": "c",
                "region": "sa-east-1", "inbound_domain": "reply.example.com",
                "topic_arns": ["arn:aws:sns:sa-east-1:123456789012:email"]}),
            needs: &["from"],
            credentials: json!({}),
            secrets: &[],
        },
        ProviderKind::AwsSms => Sample {
            config: json!({"origination_identity": "pool-1", "configuration_set": "c", "region": "sa-east-1",
                "message_type": "PROMOTIONAL", "topic_arns": ["arn:aws:sns:sa-east-1:123456789012:sms"]}),
            needs: &["origination_identity"],
            credentials: json!({}),
            secrets: &[],
        },
        ProviderKind::Twilio => Sample {
            config: json!({"account_sid": "AC1", "from": "+15005550006", "base_url": "https://twilio.example.com",
                "public_webhook_url": "https://ritmo.example.com/webhooks/twilio/snd_1"}),
            needs: &["account_sid", "from", "public_webhook_url"],
            credentials: json!({"auth_token": "t"}),
            secrets: &["auth_token"],
        },
        ProviderKind::Chatwoot => Sample {
            config: json!({"base_url": "https://chat.example.com", "account_id": "7"}),
            needs: &["account_id"],
            credentials: json!({"api_access_token": "t", "webhook_secret": "s"}),
            secrets: &["api_access_token", "webhook_secret"],
        },
        ProviderKind::Http => Sample {
            config: json!({"url": "https://gateway.example.com/messages", "window": "24h"}),
            needs: &["url"],
            credentials: json!({"secret": "whsec_c2VncmVkby1kZS10ZXN0ZQ=="}),
            secrets: &["secret"],
        },
    }
}

/// The fields that are named, and no value of theirs.
fn named(errors: Checked, kind: ProviderKind) -> BTreeSet<String> {
    let errors = errors.err().unwrap_or_default();
    for error in &errors {
        assert!(!error.detail.is_empty() && !error.detail.contains("segredo"), "{kind:?}: {error:?}");
    }
    errors.into_iter().map(|error| error.pointer).collect()
}

fn holds(kind: ProviderKind, good: &Value, needs: &[&str], check: impl Fn(&Value) -> Checked) {
    assert_eq!(check(good), Ok(()), "{kind:?}");
    let fields: Vec<String> = good.as_object().unwrap().keys().cloned().collect();
    for field in &fields {
        let at = format!("/{field}");
        for wrong in [json!({"segredo": 1}), json!("segredo \n"), json!("")] {
            let mut bad = good.clone();
            bad[field] = wrong.clone();
            assert_eq!(named(check(&bad), kind), BTreeSet::from([at.clone()]), "{kind:?} {field}: {wrong}");
        }
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(field);
        let missing: BTreeSet<String> = needs.contains(&field.as_str()).then_some(at).into_iter().collect();
        assert_eq!(named(check(&without), kind), missing, "{kind:?} without {field}");
        without[field] = Value::Null;
        assert_eq!(named(check(&without), kind), missing, "{kind:?} with a null {field}");
    }
    // All at once, and one that nobody knows.
    let mut all: Value = fields.iter().map(|field| (field.clone(), json!(["segredo"]))).collect();
    all["segredo_x"] = json!("segredo");
    let expected = fields.iter().map(|field| format!("/{field}")).chain(["/segredo_x".into()]).collect();
    assert_eq!(named(check(&all), kind), expected, "{kind:?}");
    for nothing in [json!([]), json!("segredo"), Value::Null] {
        assert_eq!(named(check(&nothing), kind), BTreeSet::from([String::new()]), "{kind:?} {nothing}");
    }
}

#[test]
fn every_wrong_field_of_every_sender_is_named_and_no_secret_is_shown() {
    for kind in ProviderKind::ALL {
        let Sample { config, needs, credentials, secrets } = sample(kind);
        holds(kind, &config, needs, |config| check_config(kind, config));
        holds(kind, &credentials, secrets, |credentials| check_credentials(kind, &config, credentials));
    }
}
