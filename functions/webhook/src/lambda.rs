//! One function with two triggers. The runtime hands an event over as JSON, so the event itself must
//! tell which it is: only a batch of a queue has `Records`.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use axum::Router;
use engine::{Engine, Ports};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, LambdaEvent, Service as _};
use serde_json::Value;

use crate::handle_queue;

/// Handles an API Gateway request (a provider's webhook) or a batch of the inbound queue.
///
/// # Errors
/// An event that is neither; Lambda then fails the invocation.
pub async fn handle_event<P: Ports>(
    engine: &Arc<Engine<P>>,
    router: &Router,
    event: LambdaEvent<Value>,
) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    if payload.get("Records").is_some() {
        let event: SqsEvent = serde_json::from_value(payload)?;
        return Ok(serde_json::to_value(handle_queue(engine, event, runtime::print).await)?);
    }
    // What `lambda_http::run` does with every event, for this one. Its request is read from text only.
    let request: LambdaRequest = serde_json::from_str(&payload.to_string())?;
    let response = Adapter::from(router.clone()).call(LambdaEvent::new(request, context)).await?;
    Ok(serde_json::to_value(response)?)
}
