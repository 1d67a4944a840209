//! The real store, over loopback HTTP, on a DynamoDB that lives in this process.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub)]

use std::net::SocketAddr;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use dynoxide::Database;
use store::DynamoStore;

pub const TABLE: &str = "ritmo-test";
pub const SECRET: [u8; 32] = [42; 32];

/// An empty database of its own.
pub async fn database() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, Database::memory().unwrap()));
    address
}

/// The client that production uses, pointed somewhere.
pub fn client(address: SocketAddr) -> Client {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .endpoint_url(format!("http://{address}"))
        .build();
    store::client(&config)
}

pub fn store_at(address: SocketAddr) -> DynamoStore {
    DynamoStore::new(client(address), TABLE, &SECRET)
}

/// A store over an empty table of its own.
pub async fn store() -> DynamoStore {
    let address = database().await;
    store::table::create_table(&client(address), TABLE).await.unwrap();
    store_at(address)
}
