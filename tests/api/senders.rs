//! `docs/channels.md` is true: each sender that it makes is made.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::world::World;

const DOCUMENT: &str = include_str!("../../docs/channels.md");

/// The bodies, with something for what the reader is to fill in.
fn bodies() -> Vec<Value> {
    let bodies = DOCUMENT.split("ritmo $URL/v1/senders -d '").skip(1);
    let filled = bodies.map(|rest| {
        let text = rest.split("}'\n").next().unwrap().replace("'$URL'", "https://ritmo.example.com");
        format!("{text}}}").replace("AC…", &format!("AC{}", "0".repeat(32))).replace('…', "x")
    });
    filled.map(|text| serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sender_of_the_document_can_be_made() {
    let world = World::start().await;
    let mut providers = BTreeSet::new();
    for body in bodies() {
        let (status, answer) = world.call(Method::POST, "/v1/senders", body.clone()).await;
        assert_eq!(status, 201, "{answer}");
        let path = answer["webhook_path"].as_str().unwrap();
        assert!(path.starts_with(&format!("/webhooks/{}/snd_", body["provider"].as_str().unwrap())), "{path}");
        // What goes in never comes out.
        assert!(answer.get("credentials").is_none(), "{answer}");
        providers.insert(body["provider"].as_str().unwrap().to_owned());
    }
    let all = domain::message::ProviderKind::ALL.iter().map(|provider| provider.as_str().to_owned());
    assert_eq!(providers, all.collect(), "every provider has its section");
}
