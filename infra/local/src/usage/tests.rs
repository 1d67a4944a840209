//! The meter, and with it whether the embedded database bills as DynamoDB does.
#![allow(clippy::unwrap_used)]

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::*;
use crate::database::Dynamo;

const TABLE: &str = "units";

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

struct Table {
    dynamo: Dynamo,
    meters: Meters,
    client: Client,
}

impl Table {
    async fn new() -> Self {
        let dynamo = Dynamo::start(None).await.unwrap();
        store::table::create_table(&dynamo.client(None).await, TABLE).await.unwrap();
        let meters = Meters::default();
        let client = dynamo.client(Some(meters.of(Function::Step))).await;
        Self { dynamo, meters, client }
    }

    /// An item of exactly so many bytes: names and texts count, `pk`, `sk` and `x` among them.
    fn put(&self, pk: &str, bytes: usize, wake: Option<&str>) -> PutItemFluentBuilder {
        let index = wake.map_or(0, |wake| "gsi2pk".len() + "gsi2sk".len() + 3 + wake.len());
        let put = self.client.put_item().table_name(TABLE).item("pk", s(pk)).item("sk", s("s"));
        let put = put.item("x", s("x".repeat(bytes - pk.len() - 6 - index)));
        match wake {
            Some(wake) => put.item("gsi2pk", s("due")).item("gsi2sk", s(wake)),
            None => put,
        }
    }

    /// What was consumed since the last look.
    fn take(&self) -> Units {
        let usage = std::mem::take(&mut *self.meters.lock());
        let mut all = usage.0.into_values();
        let units = all.next().unwrap();
        assert_eq!(all.next(), None);
        units
    }
}

fn units(requests: u64, read: f64, write: f64, gsi2: f64, largest: usize) -> Units {
    let index = if gsi2 == 0.0 { BTreeMap::new() } else { BTreeMap::from([("GSI2".to_owned(), gsi2)]) };
    Units { requests, read, write, index, largest }
}

#[tokio::test]
async fn writes_are_billed_by_the_kilobyte_and_the_larger_image() {
    let table = Table::new().await;
    for (bytes, write) in [(1024, 1.0), (1025, 2.0), (100, 2.0), (100, 1.0)] {
        table.put("a", bytes, None).send().await.unwrap();
        assert_eq!(table.take(), units(1, 0.0, write, 0.0, bytes), "{bytes}");
    }
}

#[tokio::test]
async fn an_index_is_billed_by_what_changes_in_it() {
    let table = Table::new().await;
    for (wake, gsi2) in [(None, 0.0), (Some("1"), 1.0), (Some("1"), 0.0), (Some("2"), 2.0), (None, 1.0)] {
        // Two kilobytes of the table: an index of keys is billed by its own entry.
        table.put("a", 2_000, wake).send().await.unwrap();
        assert_eq!(table.take(), units(1, 0.0, 2.0, gsi2, 2_000), "{wake:?}");
    }
}

#[tokio::test]
async fn reads_are_billed_by_four_kilobytes_in_all_and_half_if_eventual() {
    let table = Table::new().await;
    table.put("a", 4096, None).send().await.unwrap();
    table.put("b", 4097, Some("1")).send().await.unwrap();
    table.take();
    for (pk, strict, read) in [("a", true, 1.0), ("a", false, 0.5), ("b", true, 2.0), ("b", false, 1.0)] {
        let get = table.client.get_item().table_name(TABLE).key("pk", s(pk)).key("sk", s("s"));
        get.consistent_read(strict).send().await.unwrap();
        assert_eq!(table.meters.usage().0.keys().next().unwrap().1, dynamo("GetItem", strict));
        assert_eq!(table.take().read, read);
        let query = table.client.query().table_name(TABLE).key_condition_expression("pk = :pk");
        query.expression_attribute_values(":pk", s(pk)).consistent_read(strict).send().await.unwrap();
        assert_eq!(table.take().read, read);
    }
    // Nothing found costs as much as something small.
    let query = table.client.query().table_name(TABLE).key_condition_expression("pk = :pk");
    query.expression_attribute_values(":pk", s("none")).consistent_read(true).send().await.unwrap();
    assert_eq!(table.take(), units(1, 1.0, 0.0, 0.0, 0));
    let due = table.client.query().table_name(TABLE).index_name("GSI2").key_condition_expression("gsi2pk = :pk");
    due.expression_attribute_values(":pk", s("due")).send().await.unwrap();
    assert_eq!(table.take().read, 0.5);
    // Each item of a batch is rounded alone.
    let key = |pk: &str| [("pk".to_owned(), s(pk)), ("sk".to_owned(), s("s"))].into();
    let keys = KeysAndAttributes::builder().keys(key("a")).keys(key("b")).keys(key("none")).build().unwrap();
    table.client.batch_get_item().request_items(TABLE, keys).send().await.unwrap();
    assert_eq!(table.take().read, 0.5 + 1.0 + 0.5);
}

#[tokio::test]
async fn a_refused_write_is_billed_by_what_stands_there() {
    let table = Table::new().await;
    table.put("a", 1_500, None).send().await.unwrap();
    table.take();
    let refused = table.put("a", 100, Some("1")).condition_expression("attribute_not_exists(pk)");
    let refused = refused.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    refused.send().await.unwrap_err();
    assert_eq!(table.meters.usage().0.keys().next().unwrap().1, dynamo("PutItem", true));
    assert_eq!(table.take(), units(1, 0.0, 2.0, 0.0, 1_500));
}

#[tokio::test]
async fn a_transaction_costs_the_double() {
    let table = Table::new().await;
    let transact = async |conditional: bool| {
        let item = |pk: &str| {
            let put = Put::builder().table_name(TABLE).item("pk", s(pk)).item("sk", s("s")).item("gsi2pk", s("due"));
            let put = put
                .item("gsi2sk", s(pk))
                .set_condition_expression(conditional.then(|| "attribute_not_exists(pk)".into()));
            TransactWriteItem::builder().put(put.build().unwrap()).build()
        };
        let write = table.client.transact_write_items().transact_items(item("a")).transact_items(item("b"));
        write.send().await.is_ok()
    };
    assert!(transact(true).await);
    // The table doubly; an index is written once.
    assert_eq!(table.take(), units(1, 0.0, 4.0, 2.0, 0));
    assert!(!transact(true).await);
    assert_eq!(table.take().write, 4.0);
    table.dynamo.stop(std::time::Duration::ZERO).await;
}

fn dynamo(operation: &str, strict: bool) -> Request {
    Request::Dynamo { operation: operation.into(), strict }
}
