use lambda_http::lambda_runtime::{self, Error, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let engine = &runtime::start(runtime::Kind::Worker).await?;
    let router = &webhook::router(engine.clone(), engine.channels.providers().clone(), runtime::print);
    // Not `lambda_http::run`: the inbound queue's batches come to the same function.
    lambda_runtime::run(service_fn(|event| webhook::handle_event(engine, router, event))).await
}
