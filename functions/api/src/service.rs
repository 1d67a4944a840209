//! The service itself: is it up, and what does it offer.

use axum::http::header;
use axum::response::IntoResponse;
use engine::Ports;
use serde::Serialize;
use utoipa::openapi::path::HttpMethod;

use crate::auth::Access;
use crate::problem::Problem;
use crate::routes::{Route, Spec, route};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        route(HttpMethod::Get, "/health", Access::Public, health)
            .says("Whether the service is up")
            .gives::<Health>(200, "it is"),
        route(HttpMethod::Get, "/v1/openapi.json", Access::Public, document::<P>)
            .says("This document")
            .gives_any(200, "OpenAPI 3.1"),
    ]
}

async fn health() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

async fn document<P: Ports>() -> Result<impl IntoResponse, Problem> {
    let specs: Vec<Spec> = crate::table::<P>().into_iter().map(|route| route.spec).collect();
    let text = crate::openapi::document(&specs).to_json().map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}
