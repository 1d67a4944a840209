//! Serving on loopback, and what all local routes share.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use webhook::problem;

use crate::runner::Runner;

/// Takes a port without listening on it: nobody is answered, or kept waiting, before all is ready.
pub(crate) fn bind(port: u16) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // So that a killed process can be followed by the next at once.
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

/// Serves until told to stop, and lets what runs come to its end.
pub(crate) fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> tokio::task::JoinHandle<()> {
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the server ended");
        }
    })
}

/// Time stands still while a request is answered. It goes on to its end even if the caller is gone,
/// as it does in a function behind API Gateway and at a provider; a panic ends that request alone.
pub(crate) fn counted(router: Router, runner: &Arc<Runner>) -> Router {
    let runner = runner.clone();
    router.layer(from_fn(move |request: Request, next: Next| {
        let call = runner.call();
        async move {
            let task = tokio::spawn(async move {
                let response = next.run(request).await;
                drop(call);
                response
            });
            let panicked =
                |_| problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed").into_response();
            task.await.unwrap_or_else(panicked)
        }
    }))
}

/// A request's body: 400 for what is no JSON, 422 for what is not the route's shape.
#[allow(clippy::result_large_err, reason = "the answer itself, once a request")]
pub(crate) fn read<T: DeserializeOwned>(raw: &[u8]) -> Result<T, Response> {
    let value: Value = serde_json::from_slice(raw)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, "malformed_json", &error.to_string()))?;
    serde_json::from_value(value).map_err(|error| unprocessable(&error.to_string()))
}

pub(crate) fn unprocessable(detail: &str) -> Response {
    problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", detail)
}
