//! The few kinds of request that the verbs are made of.
//!
//! Costs are in DynamoDB's units: a read unit is 4 KB read strongly (half for eventually), a write
//! unit 1 KB; an index costs its own write units, a transaction the double.

use std::collections::HashMap;
use std::time::Duration;

use aes_gcm::aead::{OsRng, rand_core::RngCore as _};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use engine::PortError;
use engine::ports::{PortResult, Saved};
use serde::de::DeserializeOwned;

use crate::DynamoStore;
use crate::errors::{port_error, reaction};
use crate::items::{self, Item, REV, n};
use crate::keys::{Key, PK, SK};

/// Another transaction that holds an item is done within milliseconds.
const CONFLICT_TRIES: u32 = 5;
const CONFLICT_PAUSE_MS: u64 = 10;
/// DynamoDB's own limit for one BatchGetItem.
const BATCH: usize = 100;
/// Unprocessed keys are asked for again this often: more means that the table is throttled.
const BATCH_TRIES: u32 = 5;

pub(crate) const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// What a conditional write came to.
#[derive(Debug)]
pub(crate) enum Written {
    Yes,
    /// The condition failed; what stands there.
    No(Option<Item>),
}

/// What must stand under a key for a document to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    Nothing,
    Rev(u64),
}

impl Expect {
    /// New at revision 1, else over the one before.
    pub(crate) fn before(rev: u64) -> Self {
        if rev <= 1 { Self::Nothing } else { Self::Rev(rev - 1) }
    }

    fn condition(self) -> &'static str {
        match self {
            Self::Nothing => "attribute_not_exists(pk)",
            Self::Rev(_) => "attribute_exists(pk) AND rev = :old",
        }
    }

    /// As a part of a transaction.
    pub(crate) fn put(self, table: &str, item: Item) -> TransactWriteItem {
        let mut put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression(self.condition())
            .return_values_on_condition_check_failure(ALL_OLD);
        if let Self::Rev(rev) = self {
            put = put.expression_attribute_values(":old", n(rev));
        }
        TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
    }
}

/// Why a transaction did nothing.
#[derive(Debug)]
pub(crate) enum Transacted {
    Yes,
    /// Per item, in order: whether its condition failed, and what stood there then.
    No(Vec<Refusal>),
}

#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) failed: bool,
    pub(crate) old: Option<Item>,
}

impl DynamoStore {
    /// One strong read.
    pub(crate) async fn get(&self, verb: &'static str, key: &Key) -> PortResult<Option<Item>> {
        let answer = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes()));
        let answer = answer.consistent_read(true).send().await.map_err(|e| port_error(verb, &e))?;
        Ok(answer.item)
    }

    /// One strong read of a document.
    pub(crate) async fn get_content<T: DeserializeOwned>(
        &self,
        what: &'static str,
        key: &Key,
    ) -> PortResult<Option<T>> {
        self.get(what, key).await?.map(|item| items::content(what, &item)).transpose()
    }

    /// One write over whatever stands there.
    pub(crate) async fn put(&self, verb: &'static str, item: Item) -> PortResult<()> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(|e| port_error(verb, &e))
    }

    /// One conditional write of a whole item. One that meets a transaction is tried again a few times.
    pub(crate) async fn put_if(&self, verb: &'static str, item: Item, expect: Expect) -> PortResult<Written> {
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(expect.condition())
            .return_values_on_condition_check_failure(ALL_OLD);
        if let Expect::Rev(rev) = expect {
            put = put.expression_attribute_values(":old", n(rev));
        }
        for attempt in 0.. {
            match put.clone().send().await {
                Ok(_) => return Ok(Written::Yes),
                Err(e) if e.code() == Some("TransactionConflictException") && attempt < CONFLICT_TRIES => {
                    pause(attempt).await;
                }
                Err(e) => return refused_put(&e).map(Written::No).ok_or_else(|| port_error(verb, &e)),
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// One conditional write of a document at `rev`: new at 1, else over the one before. Finding the
    /// very same document there is success.
    pub(crate) async fn save<T: serde::Serialize + DeserializeOwned>(
        &self,
        what: &'static str,
        key: &Key,
        rev: u64,
        content: &T,
    ) -> PortResult<Saved<T>> {
        let item = items::document(key, rev, content);
        match self.put_if(what, item.clone(), Expect::before(rev)).await? {
            Written::Yes => Ok(Saved::Yes),
            Written::No(Some(old)) if items::same_document(&old, &item) => Ok(Saved::Yes),
            Written::No(old) => Ok(Saved::No(old.map(|old| items::content(what, &old)).transpose()?)),
        }
    }

    /// One delete; what stood there.
    pub(crate) async fn delete(&self, verb: &'static str, key: &Key) -> PortResult<Option<Item>> {
        let delete = self.client.delete_item().table_name(&self.table).set_key(Some(key.attributes()));
        let answer = delete.return_values(ReturnValue::AllOld).send().await.map_err(|e| port_error(verb, &e))?;
        Ok(answer.attributes)
    }

    /// An update to be given its expression; asks for the old item when its condition fails.
    pub(crate) fn update(&self, key: &Key) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table).set_key(Some(key.attributes()));
        update.return_values_on_condition_check_failure(ALL_OLD)
    }

    /// Every item of a partition whose sort key begins so; strong. One request a megabyte.
    pub(crate) async fn all(&self, verb: &'static str, pk: &str, prefix: &str) -> PortResult<Vec<Item>> {
        let values = [(":pk", pk), (":prefix", prefix)];
        self.query(verb, "pk = :pk AND begins_with(sk, :prefix)", &values).await
    }

    /// Every item that a key condition finds; strong. One request a megabyte.
    pub(crate) async fn query(
        &self,
        verb: &'static str,
        condition: &str,
        values: &[(&str, &str)],
    ) -> PortResult<Vec<Item>> {
        let values: HashMap<_, _> = values.iter().map(|(name, v)| ((*name).to_owned(), items::s(*v))).collect();
        let mut all = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression(condition)
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|e| port_error(verb, &e))?;
            all.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(all);
            }
        }
    }

    /// These items in this order, as many as exist; eventually consistent.
    pub(crate) async fn batch(&self, verb: &'static str, keys: &[Key]) -> PortResult<Vec<Item>> {
        let mut found: HashMap<Key, Item> = HashMap::new();
        for chunk in keys.chunks(BATCH) {
            let mut wanted: Vec<_> = chunk.iter().map(Key::attributes).collect();
            for attempt in 0.. {
                let ask = KeysAndAttributes::builder().set_keys(Some(wanted)).build().expect("keys are set");
                let request = self.client.batch_get_item().request_items(&self.table, ask);
                let answer = request.send().await.map_err(|e| port_error(verb, &e))?;
                let items = answer.responses.unwrap_or_default().into_values().flatten();
                found.extend(items.filter_map(|item| Some((Key::of(&item)?, item))));
                wanted = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|k| k.keys).collect();
                if wanted.is_empty() {
                    break;
                }
                if attempt == BATCH_TRIES {
                    return Err(PortError::Throttled(format!("{verb}: unprocessed keys")));
                }
                pause(attempt).await;
            }
        }
        Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
    }

    /// All or nothing; the double of the write units. A conflict with another transaction is tried
    /// again a few times. Every item's refusal comes with what stood there.
    pub(crate) async fn transact(&self, verb: &'static str, items: Vec<TransactWriteItem>) -> PortResult<Transacted> {
        for attempt in 0.. {
            let write = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            let error = match write.send().await {
                Ok(_) => return Ok(Transacted::Yes),
                Err(e) => e,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
                return Err(port_error(verb, &error));
            };
            let codes = || canceled.cancellation_reasons().iter().filter_map(|r| r.code());
            let other = codes().find(|c| !matches!(*c, "None" | "ConditionalCheckFailed"));
            match other {
                // A condition that failed is an answer even where another item was held.
                _ if codes().any(|c| c == "ConditionalCheckFailed") => {
                    let refusals = canceled.cancellation_reasons().iter().map(|reason| Refusal {
                        failed: reason.code() == Some("ConditionalCheckFailed"),
                        old: reason.item().filter(|item| !item.is_empty()).cloned(),
                    });
                    return Ok(Transacted::No(refusals.collect()));
                }
                Some("TransactionConflict") if attempt < CONFLICT_TRIES => pause(attempt).await,
                other => return Err(reaction(verb, other.unwrap_or("TransactionCanceledException"))),
            }
        }
        unreachable!("the loop ends by returning")
    }
}

/// Between 1 and 2 times the doubled pause, so that two who collided do not meet again.
async fn pause(attempt: u32) {
    let base = CONFLICT_PAUSE_MS << attempt.min(4);
    tokio::time::sleep(Duration::from_millis(base + u64::from(OsRng.next_u32()) % base)).await;
}

/// Whether a put's condition failed, and what stood there.
pub(crate) fn refused_put<R>(error: &SdkError<PutItemError, R>) -> Option<Option<Item>> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(e)) => Some(e.item.clone()),
        _ => None,
    }
}

/// Whether an update's condition failed, and what stood there.
pub(crate) fn refused_update<R>(error: &SdkError<UpdateItemError, R>) -> Option<Option<Item>> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(e)) => Some(e.item.clone()),
        _ => None,
    }
}

/// Whether a delete's condition failed.
pub(crate) fn refused_delete<R>(error: &SdkError<DeleteItemError, R>) -> bool {
    matches!(error.as_service_error(), Some(DeleteItemError::ConditionalCheckFailedException(_)))
}

/// The revision that a stored document has.
pub(crate) fn rev_of(what: &'static str, item: &Item) -> PortResult<u64> {
    items::number(what, item, REV)
}

/// The start of a page from an index entry's keys, all of which are text.
pub(crate) fn start_key(pairs: &[(&str, &str)]) -> HashMap<String, AttributeValue> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), items::s(*value))).collect()
}

/// An index entry's or item's key attributes as text.
pub(crate) fn key_text<'a>(item: &'a Item, name: &str) -> &'a str {
    debug_assert!([PK, SK].contains(&name) || name.starts_with("gsi"));
    item.get(name).and_then(|v| v.as_s().ok()).map_or("", String::as_str)
}
