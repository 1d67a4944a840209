//! One function with two triggers: API Gateway (a provider's webhook) and the inbound queue. The
//! runtime hands an event over as JSON, so the event itself must tell which it is: only a batch of a
//! queue has `Records`.

use aws_lambda_events::sqs::SqsEvent;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, LambdaEvent, Service as _, lambda_runtime, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let engine = &runtime::start(runtime::Kind::Worker).await?;
    let router = &webhook::router(engine.clone());
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let LambdaEvent { payload, context } = event;
        if payload.get("Records").is_some() {
            let event: SqsEvent = serde_json::from_value(payload)?;
            return Ok(serde_json::to_value(webhook::handle_queue(engine, event).await)?);
        }
        // What `lambda_http::run` does with every event, for this one.
        let request: LambdaRequest = serde_json::from_str(&payload.to_string())?;
        let mut http = Adapter::from(router.clone());
        let response = http.call(LambdaEvent::new(request, context)).await?;
        Ok::<Value, Error>(serde_json::to_value(response)?)
    }))
    .await
}
