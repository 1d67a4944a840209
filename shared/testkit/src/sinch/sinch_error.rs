//! Sinch's error answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error as the API answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SinchError {
    pub(super) status: &'static str,
    pub(super) message: String,
}

/// Each status with HTTP's.
const STATUSES: [(&str, StatusCode); 8] = [
    ("INVALID_ARGUMENT", StatusCode::BAD_REQUEST),
    ("FAILED_PRECONDITION", StatusCode::BAD_REQUEST),
    ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED),
    ("PERMISSION_DENIED", StatusCode::FORBIDDEN),
    ("NOT_FOUND", StatusCode::NOT_FOUND),
    ("RESOURCE_EXHAUSTED", StatusCode::TOO_MANY_REQUESTS),
    ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR),
    ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
];

impl SinchError {
    /// The error of this status; `None` for what is none of an answer's (but perhaps of a report's).
    pub(super) fn named(status: &str) -> Option<Self> {
        let (status, _) = STATUSES.iter().find(|(name, _)| *name == status)?;
        Some(Self { status, message: "Stand-in fault".into() })
    }

    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self { status: "INVALID_ARGUMENT", message: message.into() }
    }

    pub(super) fn unauthenticated() -> Self {
        Self { status: "UNAUTHENTICATED", message: "Request had invalid authentication credentials.".into() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self { status: "NOT_FOUND", message: format!("{what} not found") }
    }

    pub(super) fn unavailable() -> Self {
        Self { status: "UNAVAILABLE", message: "The service is unavailable.".into() }
    }
}

impl IntoResponse for SinchError {
    fn into_response(self) -> Response {
        let known = STATUSES.iter().find(|(name, _)| *name == self.status);
        let http = known.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, http)| *http);
        let error = json!({"code": http.as_u16(), "message": self.message, "status": self.status, "details": []});
        (http, Json(json!({"error": error}))).into_response()
    }
}
