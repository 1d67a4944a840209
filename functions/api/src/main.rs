use lambda_http::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let engine = runtime::start(runtime::Kind::Api).await?;
    lambda_http::run(api::router(engine)).await
}
