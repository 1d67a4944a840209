use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let engine = &runtime::start(runtime::Kind::Worker).await?;
    lambda_runtime::run(service_fn(|_tick: LambdaEvent<Value>| async move {
        sweep::handle(engine, runtime::print).await.map(drop).map_err(Error::from)
    }))
    .await
}
