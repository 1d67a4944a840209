//! `docs/content.md` is true: each of its examples is previewed, and shows what stands below it.

use serde_json::{Value, json};

use crate::world::{START, World, id};

const DOCUMENT: &str = include_str!("../../docs/content.md");

/// The blocks of code with what they are called: `json step` is a `step`.
fn blocks() -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for block in DOCUMENT.split("\n```json ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let text = rest.split("\n```").next().unwrap();
        found.push((name, serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))));
    }
    found
}

/// The rows of the table of texts: what is written, and what is read.
fn texts() -> Vec<(&'static str, &'static str)> {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.filter_map(|row| row.split_once("` | "))
        .filter(|(text, _)| text.contains("{{") || text.contains("{%"))
        .collect()
}

struct Reader {
    world: World,
    contact: String,
    attributes: Value,
}

impl Reader {
    async fn new(contact: &Value, attributes: &Value) -> Self {
        let world = World::start().await;
        let settings = json!({"default_country": "BR", "timezone": "America/Sao_Paulo"});
        world.client.patch("/v1/account", &settings).await.unwrap();
        let plan = |name: &str| json!({"name": name, "type": "text", "of": "contact"});
        world.post("/v1/attributes", plan("plan")).await;
        world.post("/v1/attributes", plan("nickname")).await;
        let contact = id(&world.post("/v1/contacts", contact.clone()).await);
        world.inbound("+5511987654321", "Oi!").await;
        Self { world, contact, attributes: attributes.clone() }
    }

    async fn step(&self, step: &Value) -> Value {
        let body = json!({
            "sequence": {"name": "x", "target": "charge", "language": "pt_BR", "steps": [step]},
            "contact_id": self.contact, "start_at": START,
            "target": {"kind": "charge", "attributes": self.attributes}});
        self.world.post("/v1/preview", body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_shows_what_the_document_says() {
    let blocks = blocks();
    let named = |name: &str| &blocks.iter().find(|(n, _)| *n == name).unwrap().1;
    let reader = Reader::new(named("contact"), named("target")).await;
    let template = id(&reader.world.post("/v1/templates", named("template").clone()).await);
    let (mut step, mut seen) = (Value::Null, 0);
    for (name, block) in &blocks {
        match *name {
            "step" => {
                step = block.clone();
                if step["content"]["template_id"] == "tpl_…" {
                    step["content"]["template_id"] = json!(template);
                }
            }
            "shown" => {
                let preview = reader.step(&step).await;
                assert_eq!(preview["steps"][0]["message"], *block, "{step}\n{preview}");
                // Nothing in it would be refused, but for senders that do not exist yet.
                let refused = preview["warnings"].as_array().unwrap().iter().find(|w| {
                    !["sender_missing", "template_unverified", "blank_variable"].contains(&w["code"].as_str().unwrap())
                });
                assert_eq!(refused, None, "{step}");
                seen += 1;
            }
            _ => {}
        }
    }
    assert!(seen >= 6, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_reads_as_the_document_says() {
    let blocks = blocks();
    let named = |name: &str| &blocks.iter().find(|(n, _)| *n == name).unwrap().1;
    let reader = Reader::new(named("contact"), named("target")).await;
    let texts = texts();
    assert!(texts.len() >= 10, "{}", texts.len());
    for (text, expected) in texts {
        let step = json!({"key": "a", "wait": {"value": 0, "unit": "minutes"}, "channel": "sms",
            "content": {"type": "text", "text": text}});
        let preview = reader.step(&step).await;
        assert_eq!(preview["steps"][0]["message"]["text"], expected, "{text}\n{preview}");
    }
}
