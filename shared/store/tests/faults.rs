//! What goes wrong under the store, and what the table never holds in the clear.

#![allow(clippy::unwrap_used)]
#![allow(unreachable_pub)]

mod common;
#[allow(dead_code, reason = "only its worlds are needed")]
mod contract;

use std::collections::HashMap;
use std::net::SocketAddr;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use common::{SECRET, TABLE};
use contract::{NOW, World};
use domain::contact::Profile;
use domain::enrollment::{Source, SourceType};
use domain::ids::JobId;
use domain::message::Identity;
use engine::PortError;
use engine::model::{IdempotencyRecord, Job, JobCounts, JobPart, JobWork, RowError};
use engine::ports::{Claim, EnrollmentFilter, Saved, Secrets as _, Store as _};
use serde_json::json;
use store::DynamoStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn with_client() -> (Client, DynamoStore) {
    let client = common::client(common::database().await);
    store::table::create_table(&client, TABLE).await.unwrap();
    (client.clone(), DynamoStore::new(client, TABLE, &SECRET))
}

async fn everything(client: &Client) -> Vec<HashMap<String, AttributeValue>> {
    client.scan().table_name(TABLE).send().await.unwrap().items.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_leaves_the_index_entries_alone() {
    let (client, store) = with_client().await;
    let mut w = World::new();
    let e = w.enrollment();
    store.insert_enrollment(w.tenant, &e).await.unwrap();
    let before = everything(&client).await.remove(0);
    let lease = w.lease("t", 2);
    assert!(matches!(store.claim(w.tenant, e.id, 1, 0, &lease).await, Ok(Claim::Claimed(_))));
    let claimed = everything(&client).await.remove(0);
    for name in ["gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk", "wake"] {
        assert!(before.contains_key(name), "{name}");
        assert_eq!(before.get(name), claimed.get(name), "{name}");
    }
    // The update writes what encoding the same enrollment writes.
    let expected = e.claimed(lease);
    let (client, store) = with_client().await;
    store.insert_enrollment(w.tenant, &expected).await.unwrap();
    assert_eq!(everything(&client).await.remove(0), claimed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_lags_lists_nothing_wrong() {
    let (client, store) = with_client().await;
    let mut w = World::new();
    let e = w.enrollment();
    store.insert_enrollment(w.tenant, &e).await.unwrap();
    // The item has moved on, its index entry has not.
    let mut item = everything(&client).await.remove(0);
    item.insert("st".into(), AttributeValue::S("paused".into()));
    client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    let filter = |coarse| EnrollmentFilter { sequence: Some(e.id.sequence), coarse, contact: None };
    assert_eq!(store.enrollments(w.tenant, &filter(Some("active")), None, 10).await.unwrap().data, []);
    assert_eq!(store.enrollments(w.tenant, &filter(None), None, 10).await.unwrap().data.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_does_not_grow_with_its_errors() {
    let (client, store) = with_client().await;
    let mut w = World::new();
    let part = JobPart { number: 0, first_row: 0, rows: vec![json!("x"); 1_000], cursor: 0 };
    let source = Source { type_: SourceType::Bulk, name: None };
    let work = JobWork::Enroll { sequence: w.enrollment_id().sequence, source, by: "ana".into(), target: None };
    let job = Job {
        id: JobId::new(&mut w.ids),
        tenant: w.tenant,
        rev: 1,
        created_at: NOW,
        work,
        parts: 1,
        closed: true,
        total: 1_000,
        counts: JobCounts::default(),
    };
    store.create_job(&job, std::slice::from_ref(&part)).await.unwrap();
    let error = |row| RowError { row, field: None, code: "unknown_reference".into(), detail: "no contact".into() };
    for before in (0..1_000).step_by(50) {
        let errors = (before..before + 50).map(error).collect();
        let counted = JobCounts { failed: 50, errors, ..JobCounts::default() };
        let part = JobPart { cursor: before + 50, ..part.clone() };
        assert_eq!(store.advance_part(w.tenant, job.id, before, &part, &counted).await, Ok(Saved::Yes));
    }
    let kept = everything(&client).await.iter().find_map(|item| item.get("row_errors")?.as_l().ok().map(Vec::len));
    assert_eq!(kept, Some(100));
    assert_eq!(store.job(w.tenant, job.id).await.unwrap().unwrap().counts.failed, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_read_back_and_never_in_the_clear() {
    let (client, store) = with_client().await;
    let (w, stranger) = (World::new(), World::new());
    let value = json!({"access_token": "EAAG-top-secret"});
    assert_eq!(store.secret(w.tenant, "snd").await, Ok(None));
    store.put_secret(w.tenant, "snd", &value).await.unwrap();
    assert_eq!(store.secret(w.tenant, "snd").await, Ok(Some(value)));
    assert_eq!(store.secret(stranger.tenant, "snd").await, Ok(None));
    store.begin("key", "hash", *b"seed-that-is-secret-seed-of-ids!", NOW).await.unwrap();
    let record = IdempotencyRecord {
        body_hash: "hash".into(),
        status: 201,
        content_type: "application/json".into(),
        body: b"rk_top-secret".to_vec(),
    };
    store.finish("other", &record, NOW).await.unwrap();
    for item in everything(&client).await {
        let plain: Vec<u8> = item.values().flat_map(bytes).collect();
        for secret in [b"top-secret".as_slice(), b"seed-that-is"] {
            assert!(!plain.windows(secret.len()).any(|w| w == secret), "{item:?}");
        }
    }
    // Another deployment's key, or another place in the table: unreadable.
    let other = DynamoStore::new(client.clone(), TABLE, &[1; 32]);
    let unreadable = Err(PortError::Poison("a stored secret".into()));
    assert_eq!(other.secret(w.tenant, "snd").await, unreadable);
    let mut moved = everything(&client).await.into_iter().find(|i| i["sk"].as_s().unwrap() == "SECRET#snd").unwrap();
    moved.insert("sk".into(), AttributeValue::S("SECRET#moved".into()));
    client.put_item().table_name(TABLE).set_item(Some(moved)).send().await.unwrap();
    assert_eq!(store.secret(w.tenant, "moved").await, unreadable);
    store.delete_secret(w.tenant, "snd").await.unwrap();
    assert_eq!(store.secret(w.tenant, "snd").await, Ok(None));
}

fn bytes(value: &AttributeValue) -> Vec<u8> {
    match value {
        AttributeValue::S(text) => text.clone().into_bytes(),
        AttributeValue::B(blob) => blob.clone().into_inner(),
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_do_not_tell_addresses() {
    let (client, store) = with_client().await;
    let mut w = World::new();
    let contact = w.contact(Profile { phone: Some("+5511987654321".into()), ..Profile::default() });
    let gained = [Identity::Phone("+5511987654321".into()), Identity::Email("ana@example.com".into())];
    store.save_contact(w.tenant, &contact, &gained, &[]).await.unwrap();
    for item in everything(&client).await {
        for name in ["pk", "sk", "gsi1pk", "gsi1sk"] {
            let key = item.get(name).map(bytes).unwrap_or_default();
            let key = String::from_utf8(key).unwrap();
            assert!(!key.contains("5511987654321") && !key.contains("ana@"), "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_read_is_poison() {
    let (client, store) = with_client().await;
    let mut w = World::new();
    let contact = w.contact(Profile { first_name: Some("Ana".into()), ..Profile::default() });
    store.save_contact(w.tenant, &contact, &[], &[]).await.unwrap();
    let mut item = everything(&client).await.remove(0);
    item.insert("d".into(), AttributeValue::S(r#"{"first_name":"Ana"}"#.into()));
    client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    let poison = PortError::Poison("a stored contact".into());
    assert_eq!(store.contact(w.tenant, contact.id).await, Err(poison.clone()));
    assert_eq!(store.person(w.tenant, contact.id).await, Err(poison));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_or_server_that_is_missing_is_a_passing_fault() {
    let w = World::new();
    let store = common::store_at(common::database().await);
    assert_eq!(store.account(w.tenant).await, Err(PortError::Transient("account: ResourceNotFoundException".into())));
    let nobody = common::store_at(SocketAddr::from(([127, 0, 0, 1], 1)));
    assert_eq!(nobody.account(w.tenant).await, Err(PortError::Transient("account: not reached".into())));
}

/// A server that answers everything so.
async fn always(status: u16, body: &'static str) -> DynamoStore {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 65_536];
                while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\n");
                    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    common::store_at(address)
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodbs_refusals_become_reactions() {
    let mut w = World::new();
    let contact = w.contact(Profile::default());
    let gained = [Identity::External("x".into())];
    let conflict = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"secret",
        "CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"secret"}]}"#;
    let store = always(400, conflict).await;
    let error = store.save_contact(w.tenant, &contact, &gained, &[]).await;
    assert_eq!(error, Err(PortError::Throttled("save contact: TransactionConflict".into())));

    let conflict = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"secret"}"#;
    let store = always(400, conflict).await;
    let error = store.save_contact(w.tenant, &contact, &[], &[]).await;
    assert_eq!(error, Err(PortError::Throttled("contact: TransactionConflictException".into())));

    let cases = [
        (400, "ThrottlingException", PortError::Throttled("account: ThrottlingException".into())),
        (400, "ProvisionedThroughputExceededException", {
            PortError::Throttled("account: ProvisionedThroughputExceededException".into())
        }),
        (400, "ValidationException", PortError::Poison("account: ValidationException".into())),
        (500, "InternalServerError", PortError::Transient("account: InternalServerError".into())),
    ];
    for (status, code, expected) in cases {
        let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"secret"}}"#);
        let store = always(status, body.leak()).await;
        assert_eq!(store.account(w.tenant).await, Err(expected));
    }
}
