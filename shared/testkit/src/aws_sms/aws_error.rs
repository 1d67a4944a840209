//! The API's error answers (JSON 1.0).

use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::local::ErrorCode;

/// An exception, with its reason and the fields at fault where it has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AwsError {
    name: String,
    reason: Option<String>,
    field: Option<&'static str>,
}

impl AwsError {
    pub(super) fn of(name: &str) -> Self {
        Self { name: name.into(), reason: None, field: None }
    }

    pub(super) fn conflict(reason: &str) -> Self {
        Self { reason: Some(reason.into()), ..Self::of("ConflictException") }
    }

    pub(super) fn invalid(field: &'static str) -> Self {
        Self { reason: Some("FIELD_VALIDATION_FAILED".into()), field: Some(field), ..Self::of("ValidationException") }
    }

    /// A planned fault: an exception by its name, or a conflict by its reason.
    pub(super) fn planned(code: &ErrorCode) -> Self {
        match code {
            ErrorCode::Name(name) if name.ends_with("Exception") => Self::of(name),
            reason => Self::conflict(&reason.to_string()),
        }
    }

    fn status(&self) -> StatusCode {
        match self.name.as_str() {
            "InternalServerException" => StatusCode::INTERNAL_SERVER_ERROR,
            "MissingAuthenticationTokenException" | "UnrecognizedClientException" => StatusCode::FORBIDDEN,
            "UnknownOperationException" => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for AwsError {
    fn into_response(self) -> Response {
        let mut body =
            json!({"__type": format!("com.amazonaws.pinpointsmsvoicev2#{}", self.name), "Message": "Stand-in"});
        if let Some(reason) = &self.reason {
            body["Reason"] = json!(reason);
        }
        if let Some(field) = self.field {
            body["Fields"] = json!([{"Name": field, "Message": "is not valid"}]);
        }
        (self.status(), [(CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
    }
}
