use super::*;
use crate::account::Settings;
use crate::publish::tests::sender;
use crate::publish::{Facts, check};
use crate::sequence::{StepChannel, TemplateParameters};
use crate::time::Timestamp;

#[test]
fn six_niches_in_three_languages_with_keys_of_their_own() {
    let mut keys: Vec<_> = blueprints().iter().map(|b| b.key.as_str()).collect();
    assert_eq!(keys.len(), 18);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 18);
    let check = |language: &str, expected: &[&str]| {
        let mut found: Vec<_> = in_language(language).iter().map(|b| b.language).collect();
        found.dedup();
        assert_eq!(found, expected, "{language}");
    };
    check("pt", &["pt_BR"]);
    check("pt_PT", &["pt_BR"]);
    check("EN", &["en_US"]);
    check("es-MX", &["es"]);
    check("de", &[]);
    check("", &[]);
    assert_eq!(blueprint("billing_es").unwrap().name, "Recordatorios de pago");
    assert_eq!(blueprint("billing"), None);
}

fn other(channel: &str, provider: &str) -> crate::sender::Sender {
    let mut sender = sender(2, None);
    sender.channel = serde_json::from_value(channel.into()).unwrap();
    sender.provider = serde_json::from_value(provider.into()).unwrap();
    sender.config = serde_json::json!({"inbound_domain": "re.example.com"});
    sender
}

/// With a sender for each channel, and with the attributes that it declares, each can be published as it is.
#[test]
fn each_passes_the_checks_of_a_publish() {
    let settings = Settings { enabled: true, name: "Loja".into(), ..Settings::default() };
    for blueprint in blueprints() {
        let declared: Vec<_> = blueprint.attributes.iter().map(|a| (a.of, a.name.clone())).collect();
        let now = Timestamp::parse("2026-11-27T12:00:00Z").unwrap();
        let facts = Facts {
            settings: &settings,
            senders: &[sender(1, None), other("email", "ses"), other("sms", "aws_sms")],
            attributes: &declared,
            templates: &crate::content::Templates::new(),
            now,
        };
        let report = check(&blueprint.sequence, &facts);
        assert_eq!(report.problems, [], "{}", blueprint.key);
        // Nothing may render blank, and what WhatsApp has approved is not known before a sync.
        let others: Vec<_> = report.warnings.iter().filter(|w| w.code != "template_unverified").collect();
        assert_eq!(others, Vec::<&crate::publish::Problem>::new(), "{}", blueprint.key);
    }
}

#[test]
fn each_template_that_is_used_is_suggested_with_as_many_parameters() {
    for blueprint in blueprints() {
        let mut unused: Vec<_> = blueprint.templates.iter().map(|t| t.name.as_str()).collect();
        for step in &blueprint.sequence.steps {
            assert!(
                step.channel != StepChannel::Whatsapp,
                "{}: a channel of its own would need its sender",
                blueprint.key
            );
            let Some(used) = &step.fallback_template else { continue };
            assert_eq!(used.language, blueprint.language);
            let suggested = blueprint.templates.iter().find(|t| t.name == used.name);
            let body = &suggested.unwrap_or_else(|| panic!("{}: {}", blueprint.key, used.name)).body;
            let TemplateParameters::Positional(texts) = &used.body else { panic!("by place") };
            for i in 1..=texts.len() {
                assert_eq!(body.matches(&format!("{{{{{i}}}}}")).count(), 1, "{}: {body}", blueprint.key);
            }
            assert_eq!(body.matches("{{").count(), texts.len(), "{}: {body}", blueprint.key);
            // WhatsApp refuses a body that begins or ends with a parameter.
            assert!(!body.starts_with("{{") && !body.trim_end_matches('.').ends_with("}}"), "{body}");
            unused.retain(|name| *name != used.name);
        }
        assert_eq!(unused, Vec::<&str>::new(), "{}", blueprint.key);
    }
}
