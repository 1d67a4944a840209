//! The table, for local runs and tests. Production's is in `infra/template.yaml`; a test compares.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::create_table::CreateTableInput;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};
use engine::ports::PortResult;

use crate::errors::port_error;
use crate::keys::{GSI1, GSI1_PK, GSI1_SK, GSI2, GSI2_PK, GSI2_SK, PK, SK, TTL};

/// The definition: text keys, two indexes of keys only, on demand.
pub fn create_table_input(name: &str) -> CreateTableInput {
    let attributes = [PK, SK, GSI1_PK, GSI1_SK, GSI2_PK, GSI2_SK].map(text_attribute);
    CreateTableInput::builder()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.into()))
        .set_key_schema(Some(schema(PK, SK)))
        .global_secondary_indexes(index(GSI1, GSI1_PK, GSI1_SK))
        .global_secondary_indexes(index(GSI2, GSI2_PK, GSI2_SK))
        .build()
        .expect("a table's name is all it asks for")
}

/// Makes the table and switches expiry on; does what of it has not been done.
///
/// # Errors
/// As any call; a name that DynamoDB refuses is `Poison`.
pub async fn create_table(client: &Client, name: &str) -> PortResult<()> {
    let input = create_table_input(name);
    let create = client
        .create_table()
        .set_table_name(input.table_name)
        .set_billing_mode(input.billing_mode)
        .set_attribute_definitions(input.attribute_definitions)
        .set_key_schema(input.key_schema)
        .set_global_secondary_indexes(input.global_secondary_indexes);
    match create.send().await {
        Ok(_) => {}
        Err(e) if e.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => {}
        Err(e) => return Err(port_error("create table", &e)),
    }
    let expiry = TimeToLiveSpecification::builder().attribute_name(TTL).enabled(true).build();
    let update = client.update_time_to_live().table_name(name);
    match update.time_to_live_specification(expiry.expect("name and switch are set")).send().await {
        Ok(_) => Ok(()),
        // Switched on already.
        Err(e) if e.code() == Some("ValidationException") => Ok(()),
        Err(e) => Err(port_error("create table", &e)),
    }
}

fn text_attribute(name: &str) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    attribute.build().expect("name and type are set")
}

fn schema(hash: &str, range: &str) -> Vec<KeySchemaElement> {
    [(hash, KeyType::Hash), (range, KeyType::Range)]
        .map(|(name, kind)| {
            let element = KeySchemaElement::builder().attribute_name(name).key_type(kind);
            element.build().expect("name and type are set")
        })
        .into()
}

fn index(name: &str, hash: &str, range: &str) -> GlobalSecondaryIndex {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(schema(hash, range)))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .expect("name, keys and projection are set")
}
