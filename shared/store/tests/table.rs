//! The table of local runs and tests is the one that is deployed.

#![allow(clippy::unwrap_used)]

mod common;

use aws_sdk_dynamodb::types::{BillingMode, KeyType, ProjectionType, ScalarAttributeType};
use store::table::{create_table, create_table_input};

#[tokio::test(flavor = "multi_thread")]
async fn creating_the_table_twice_is_creating_it_once() {
    let client = common::client(common::database().await);
    for _ in 0..2 {
        create_table(&client, common::TABLE).await.unwrap();
    }
    let table = client.describe_table().table_name(common::TABLE).send().await.unwrap().table.unwrap();
    assert_eq!(table.global_secondary_indexes().len(), 2);
    let expiry = client.describe_time_to_live().table_name(common::TABLE).send().await.unwrap();
    assert_eq!(expiry.time_to_live_description.unwrap().attribute_name(), Some("ttl"));
}

/// The lines of the template's table, comments cut off.
fn deployed() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/template.yaml");
    let template = std::fs::read_to_string(path).expect("infra/template.yaml");
    let from = template.find("Type: AWS::DynamoDB::Table").expect("a table in the template");
    let rest = &template[from..];
    // The next resource begins at two spaces of indent.
    let end = rest.match_indices("\n  ").find(|(at, _)| !rest[at + 3..].starts_with([' ', '#', '\n']));
    let table = &rest[..end.map_or(rest.len(), |(at, _)| at)];
    table.lines().map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned()).collect()
}

#[test]
fn the_template_agrees() {
    let deployed = deployed();
    let count = |text: &str| deployed.iter().filter(|line| line.contains(text)).count();
    let ours = create_table_input("any");
    assert_eq!(ours.billing_mode, Some(BillingMode::PayPerRequest));
    assert_eq!(count("BillingMode: PAY_PER_REQUEST"), 1);

    let attributes = ours.attribute_definitions();
    assert_eq!(count("AttributeType:"), attributes.len());
    for attribute in attributes {
        assert_eq!(*attribute.attribute_type(), ScalarAttributeType::S);
        let line = format!("AttributeName: {}, AttributeType: S", attribute.attribute_name());
        assert_eq!(count(&line), 1, "{line}");
    }

    let indexes = ours.global_secondary_indexes();
    let schemas = std::iter::once(ours.key_schema()).chain(indexes.iter().map(|index| index.key_schema()));
    for key in schemas.clone().flatten() {
        let kind = if *key.key_type() == KeyType::Hash { "HASH" } else { "RANGE" };
        let line = format!("AttributeName: {}, KeyType: {kind}", key.attribute_name());
        assert_eq!(count(&line), 1, "{line}");
    }
    assert_eq!(count("KeyType:"), schemas.flatten().count());

    assert_eq!(count("IndexName:"), indexes.len());
    for index in indexes {
        assert_eq!(count(&format!("IndexName: {}", index.index_name())), 1);
        let projection = index.projection().and_then(|p| p.projection_type());
        assert_eq!(projection, Some(&ProjectionType::KeysOnly));
        // Its keys follow its name.
        let at = deployed.iter().position(|line| line.ends_with(index.index_name())).expect("the index");
        for (line, key) in deployed[at + 2..].iter().zip(index.key_schema()) {
            assert!(line.contains(&format!("AttributeName: {},", key.attribute_name())), "{line}");
        }
    }
    assert_eq!(count("ProjectionType: KEYS_ONLY"), indexes.len());

    let expiry = deployed.iter().position(|line| line == "TimeToLiveSpecification:").expect("expiry");
    assert!(deployed[expiry..expiry + 3].contains(&"AttributeName: ttl".to_owned()));
    assert!(deployed[expiry..expiry + 3].contains(&"Enabled: true".to_owned()));
}
