//! Credentials in Parameter Store: the port's contract and the failures, before a strict stand-in.
#![allow(clippy::unwrap_used)]

use aws::SsmSecrets;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
use domain::ids::{Ids, TenantId};
use engine::PortError;
use engine::ports::Secrets as _;
use serde_json::{Value, json};
use testkit::memory::MemorySecrets;
use testkit::ssm::SsmStandIn;

async fn start() -> (SsmStandIn<MemorySecrets>, SsmSecrets) {
    let stand_in = SsmStandIn::new(MemorySecrets::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = stand_in.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("sa-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(origin)
        .build();
    (stand_in, SsmSecrets::new(aws_sdk_ssm::Client::new(&config), "/ritmo/prod".into()))
}

#[tokio::test]
async fn the_contract() {
    testkit::contract::secrets_are_read_as_they_were_put(&start().await.1, [7; 32]).await;
}

#[tokio::test]
async fn what_goes_wrong_is_named_by_what_to_do_about_it() {
    let (stand_in, secrets) = start().await;
    let tenant = TenantId::new(&mut Ids::from_seed([8; 32]));
    for (status, code, transient) in [
        (400, "ThrottlingException", PortError::Throttled("GetParameter: ThrottlingException".into())),
        (400, "AccessDeniedException", PortError::Transient("GetParameter: AccessDeniedException".into())),
        (500, "InternalServerError", PortError::Transient("GetParameter: InternalServerError".into())),
        (400, "InvalidKeyId", PortError::Poison("GetParameter: InvalidKeyId".into())),
    ] {
        stand_in.fail(status, code);
        assert_eq!(secrets.secret(tenant, "snd").await, Err(transient));
    }
    stand_in.fail(400, "TooManyUpdates");
    let refused = secrets.put_secret(tenant, "snd", &Value::Null).await;
    assert_eq!(refused, Err(PortError::Throttled("PutParameter: TooManyUpdates".into())));
    stand_in.fail(400, "ThrottlingException");
    let refused = secrets.delete_secret(tenant, "snd").await;
    assert_eq!(refused, Err(PortError::Throttled("DeleteParameter: ThrottlingException".into())));
}

#[tokio::test]
async fn old_and_new_credentials_may_be_longer_than_a_standard_parameter() {
    let (_, secrets) = start().await;
    let tenant = TenantId::new(&mut Ids::from_seed([9; 32]));
    let long = json!({"access_token": "x".repeat(3_000), "previous": [{"access_token": "y".repeat(3_000)}]});
    assert_eq!(secrets.put_secret(tenant, "snd", &long).await, Ok(()));
    assert_eq!(secrets.secret(tenant, "snd").await, Ok(Some(long)));
    let beyond = secrets.put_secret(tenant, "snd", &json!("x".repeat(9_000))).await;
    assert_eq!(beyond, Err(PortError::Poison("PutParameter: ValidationException".into())));
}
