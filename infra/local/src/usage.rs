//! What each function asks of AWS, counted where its requests leave: DynamoDB's units by what the
//! database itself says it consumed, queues and timers at the ports that stand in for SQS and
//! Scheduler.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use dynoxide::types::{item_size, write_capacity_units};
use serde::Serialize;
use serde_json::Value;

/// The deployment's functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    Api,
    Enroll,
    Step,
    Send,
    Webhook,
    Sweep,
}

/// A kind of request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// By operation; `strict`: a consistent read, or a write with a condition.
    Dynamo { operation: String, strict: bool },
    /// A message put on a queue.
    Message,
    /// A message put on a queue with up to nine others.
    BatchedMessage,
    /// A timer up to 15 minutes ahead: a delayed message.
    ShortTimer,
    /// A timer further ahead: a schedule, which puts a message on the step queue when it fires.
    Schedule,
    /// A message taken from a queue, and deleted from it.
    Received,
    /// A provider's webhook, over the HTTP API.
    Webhook,
}

impl Request {
    /// Whether it is this operation of DynamoDB's.
    pub fn is(&self, operation: &str) -> bool {
        matches!(self, Self::Dynamo { operation: name, .. } if name == operation)
    }
}

/// What requests of one kind came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Units {
    /// Repeats by the SDK included.
    pub requests: u64,
    /// Read units of table and indexes: 4 KB read strongly, or 8 KB eventually.
    pub read: f64,
    /// Write units of the table: 1 KB.
    pub write: f64,
    /// Write units by index.
    pub index: BTreeMap<String, f64>,
    /// Bytes of the largest item written, or of the most items read at once.
    pub largest: usize,
}

impl Units {
    pub fn index_writes(&self) -> f64 {
        self.index.values().sum()
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.read += other.read;
        self.write += other.write;
        for (name, units) in &other.index {
            *self.index.entry(name.clone()).or_default() += units;
        }
        self.largest = self.largest.max(other.largest);
    }

    fn subtract(&mut self, before: &Self) {
        self.requests -= before.requests;
        self.read -= before.read;
        self.write -= before.write;
        for (name, units) in &before.index {
            *self.index.entry(name.clone()).or_default() -= units;
        }
    }
}

/// Everything asked so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage(pub BTreeMap<(Function, Request), Units>);

impl Usage {
    /// What came after `before`. Sizes are the largest ever.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut usage = self.clone();
        for (key, units) in &before.0 {
            if let Some(now) = usage.0.get_mut(key) {
                now.subtract(units);
            }
        }
        usage.0.retain(|_, units| units.requests > 0);
        usage
    }

    pub fn add(&mut self, other: &Self) {
        for (key, units) in &other.0 {
            self.0.entry(key.clone()).or_default().add(units);
        }
    }

    /// Of these functions.
    pub fn of<'a>(&'a self, functions: &'a [Function]) -> impl Iterator<Item = (&'a Request, &'a Units)> {
        self.0.iter().filter(|((function, _), _)| functions.contains(function)).map(|((_, kind), units)| (kind, units))
    }

    /// Requests of one kind by these functions.
    pub fn count(&self, functions: &[Function], request: &Request) -> u64 {
        self.of(functions).filter(|(kind, _)| *kind == request).map(|(_, units)| units.requests).sum()
    }
}

/// `GET /_local/calls`: how often each DynamoDB operation was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CallCounts {
    pub(crate) total: u64,
    pub(crate) by_operation: BTreeMap<String, u64>,
}

/// Keeps the counts of every function.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters(Arc<Mutex<Usage>>);

impl Meters {
    fn lock(&self) -> MutexGuard<'_, Usage> {
        // Additions only: a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn usage(&self) -> Usage {
        self.lock().clone()
    }

    pub(crate) fn of(&self, function: Function) -> Meter {
        Meter { function, meters: self.clone() }
    }

    pub(crate) fn calls(&self) -> CallCounts {
        let mut by_operation = BTreeMap::new();
        for ((_, request), units) in &self.lock().0 {
            if let Request::Dynamo { operation, .. } = request {
                *by_operation.entry(operation.clone()).or_default() += units.requests;
            }
        }
        CallCounts { total: by_operation.values().sum(), by_operation }
    }
}

/// Counts for one function; as an interceptor of its DynamoDB client, too.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    function: Function,
    meters: Meters,
}

impl Meter {
    pub(crate) fn count(&self, request: Request, times: usize) {
        self.add(&request, |units| units.requests += times as u64);
    }

    fn add(&self, request: &Request, change: impl FnOnce(&mut Units)) {
        change(self.meters.lock().0.entry((self.function, request.clone())).or_default());
    }
}

/// What was asked, kept until its answer.
#[derive(Debug, Clone)]
struct Asked {
    request: Request,
    written: usize,
}

impl Storable for Asked {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    /// Asks for the consumed capacity, table and indexes apart. The store does not: it costs bytes in
    /// production and tells it nothing.
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default())?;
        body["ReturnConsumedCapacity"] = "INDEXES".into();
        let strict = operation == "TransactWriteItems"
            || body["ConsistentRead"] == true
            || !body["ConditionExpression"].is_null();
        let asked = Asked { request: Request::Dynamo { operation, strict }, written: size(&body["Item"]) };
        self.count(asked.request.clone(), 1);
        config.interceptor_state().store_put(asked);
        let bytes = serde_json::to_vec(&body)?;
        request.headers_mut().insert("content-length", bytes.len().to_string());
        *request.body_mut() = SdkBody::from(bytes);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(asked) = config.load::<Asked>() else { return Ok(()) };
        let Ok(answer) = serde_json::from_slice(context.response().body().bytes().unwrap_or_default()) else {
            return Ok(());
        };
        self.add(&asked.request, |units| consumed(units, asked, &answer));
        Ok(())
    }
}

fn consumed(units: &mut Units, asked: &Asked, answer: &Value) {
    let Request::Dynamo { operation, .. } = &asked.request else { return };
    let tables = match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().collect(),
        Value::Null => Vec::new(),
        table => vec![table],
    };
    for table in tables {
        let own = amount(&table["Table"]);
        let indexes = table["GlobalSecondaryIndexes"].as_object().into_iter().flatten();
        if is_read(operation) {
            units.read += own + indexes.map(|(_, index)| amount(index)).sum::<f64>();
        } else {
            units.write += own;
            for (name, index) in indexes {
                *units.index.entry(name.clone()).or_default() += amount(index);
            }
        }
    }
    units.write += refused(answer);
    let items = answer["Items"].as_array().into_iter().flatten().map(size).sum::<usize>();
    let read = items + size(&answer["Item"]) + size(&answer["Attributes"]);
    units.largest = units.largest.max(read).max(asked.written);
}

pub(crate) fn is_read(operation: &str) -> bool {
    operation.contains("Get") || operation == "Query"
}

/// A write whose condition failed is paid for like one that went through, by the item that stood
/// there; in a transaction, each item doubly. The answer names no capacity then.
fn refused(answer: &Value) -> f64 {
    let kind = answer["__type"].as_str().unwrap_or_default();
    if kind.ends_with("ConditionalCheckFailedException") {
        return write_capacity_units(size(&answer["Item"]));
    }
    let reasons = answer["CancellationReasons"].as_array().into_iter().flatten();
    reasons.map(|reason| 2.0 * write_capacity_units(size(&reason["Item"]))).sum()
}

fn amount(part: &Value) -> f64 {
    part["CapacityUnits"].as_f64().unwrap_or(0.0)
}

/// An item's size by DynamoDB's rules; 0 where there is none.
fn size(item: &Value) -> usize {
    serde_json::from_value(item.clone()).map(|item| item_size(&item)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
