//! Pages of GSI1: an index query names the items, one batch reads them. Eventually consistent.
//!
//! A page costs half a read unit a 4 KB of index entries, and half a unit an item (4 KB each).

use std::collections::HashMap;

use domain::ids::TenantId;
use engine::model::Page;
use engine::ports::PortResult;

use crate::DynamoStore;
use crate::cursors::{self, Place};
use crate::errors::port_error;
use crate::items::{Item, s};
use crate::keys::{GSI1, GSI1_PK, GSI1_SK, Key, PK, SK};
use crate::requests::{key_text, start_key};

/// Index queries for one page: a filter over many empty lists ends with a short page and a cursor.
const LISTS_A_PAGE: usize = 40;

/// What a page has collected: entries, and where it goes on.
struct Entries {
    keys: Vec<Key>,
    next: Option<Place>,
}

impl DynamoStore {
    /// A page over one or more lists, one after the other, each newest first. Lists must be sorted.
    /// An item that its index no longer describes is left out by `read` answering `None`, so a page
    /// may hold fewer than `limit` though more follow.
    pub(crate) async fn page<T>(
        &self,
        tenant: TenantId,
        kind: &str,
        lists: &[String],
        cursor: Option<&str>,
        limit: u32,
        read: impl Fn(&Item) -> PortResult<Option<T>>,
    ) -> PortResult<Page<T>> {
        debug_assert!(lists.is_sorted());
        let from = cursor.map(|c| cursors::decode(&self.keys, tenant, kind, c)).transpose()?;
        let entries = self.entries(lists, from, limit.max(1) as usize).await?;
        let mut data = Vec::with_capacity(entries.keys.len());
        for item in self.batch("list", &entries.keys).await? {
            data.extend(read(&item)?);
        }
        let next_cursor = entries.next.map(|place| cursors::encode(&self.keys, tenant, kind, &place));
        Ok(Page { data, next_cursor })
    }

    async fn entries(&self, lists: &[String], from: Option<Place>, limit: usize) -> PortResult<Entries> {
        let mut keys = Vec::new();
        for (asked, list) in lists.iter().filter(|l| from.as_ref().is_none_or(|s| **l >= s.list)).enumerate() {
            if keys.len() == limit || asked == LISTS_A_PAGE {
                return Ok(Entries { keys, next: Some(Place { list: list.clone(), after: Vec::new() }) });
            }
            let after = from.as_ref().filter(|s| s.list == *list).map(|s| s.after.clone()).unwrap_or_default();
            let left = limit - keys.len();
            let (items, more) = self.index_page(list, &after, left).await?;
            keys.extend(items.iter().filter_map(Key::of));
            if let Some(last) = more {
                return Ok(Entries { keys, next: Some(Place { list: list.clone(), after: last }) });
            }
        }
        Ok(Entries { keys, next: None })
    }

    /// Up to `limit` entries of one list; the last one's keys when there may be more.
    async fn index_page(
        &self,
        list: &str,
        after: &[String],
        limit: usize,
    ) -> PortResult<(Vec<Item>, Option<Vec<String>>)> {
        let start = match after {
            [order, pk, sk] => Some(start_key(&[(GSI1_PK, list), (GSI1_SK, order), (PK, pk), (SK, sk)])),
            _ => None,
        };
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(GSI1)
            .key_condition_expression("gsi1pk = :list")
            .expression_attribute_values(":list", s(list))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|e| port_error("list", &e))?;
        let last = answer.last_evaluated_key.map(|key| place_after(&key));
        Ok((answer.items.unwrap_or_default(), last))
    }

    /// A page of one partition of the table itself, newest (greatest sort key) first.
    pub(crate) async fn partition_page(
        &self,
        tenant: TenantId,
        kind: &str,
        prefix: &Key,
        cursor: Option<&str>,
        limit: u32,
    ) -> PortResult<(Vec<Item>, Option<String>)> {
        let from = cursor.map(|c| cursors::decode(&self.keys, tenant, kind, c)).transpose()?;
        let start = match from.as_ref().map(|p| p.after.as_slice()) {
            Some([sk]) => Some(start_key(&[(PK, &prefix.pk), (SK, sk)])),
            _ => None,
        };
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(&prefix.pk))
            .expression_attribute_values(":prefix", s(&prefix.sk))
            .scan_index_forward(false)
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|e| port_error("list", &e))?;
        let next = answer.last_evaluated_key.map(|key| {
            let place = Place { list: prefix.pk.clone(), after: vec![key_text(&key, SK).to_owned()] };
            cursors::encode(&self.keys, tenant, kind, &place)
        });
        Ok((answer.items.unwrap_or_default(), next))
    }
}

fn place_after(key: &HashMap<String, aws_sdk_dynamodb::types::AttributeValue>) -> Vec<String> {
    [GSI1_SK, PK, SK].map(|name| key_text(key, name).to_owned()).into()
}
