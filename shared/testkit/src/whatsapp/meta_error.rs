//! Meta's error answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error as the Graph API answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MetaError {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) details: Option<String>,
    pub(super) subcode: Option<i64>,
}

impl MetaError {
    /// With the code's own title.
    pub(super) fn of(code: i64) -> Self {
        Self { code, message: format!("(#{code}) {}", title(code)), details: None, subcode: None }
    }

    pub(super) fn details(self, details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..self }
    }

    /// 100: a parameter of the request is wrong.
    pub(super) fn parameter(message: impl std::fmt::Display) -> Self {
        Self { code: 100, message: format!("(#100) {message}"), details: None, subcode: None }
    }

    pub(super) fn unauthorised() -> Self {
        Self {
            code: 190,
            message: "Invalid OAuth access token - Cannot parse access token".into(),
            details: None,
            subcode: None,
        }
    }

    pub(super) fn unknown_node(id: &str) -> Self {
        Self {
            code: 100,
            message: format!(
                "Unsupported post request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
                 permissions, or does not support this operation"
            ),
            details: None,
            subcode: Some(33),
        }
    }

    fn http_status(&self) -> StatusCode {
        match self.code {
            0 | 190 => StatusCode::UNAUTHORIZED,
            3 | 10 | 200..=299 | 368 | 131_005 | 131_031 => StatusCode::FORBIDDEN,
            132_001 => StatusCode::NOT_FOUND,
            4 | 80_007 | 130_429 | 131_048 | 131_056 => StatusCode::TOO_MANY_REQUESTS,
            1 | 131_000 | 131_016 | 131_057 => StatusCode::INTERNAL_SERVER_ERROR,
            2 | 133_004 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for MetaError {
    fn into_response(self) -> Response {
        let mut error = json!({
            "message": self.message,
            "type": "OAuthException",
            "code": self.code,
            "fbtrace_id": "AStandInTraceOfNoMeaning",
        });
        if let Some(details) = &self.details {
            error["error_data"] = json!({"messaging_product": "whatsapp", "details": details});
        }
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        (self.http_status(), Json(json!({"error": error}))).into_response()
    }
}

/// Meta's titles of the codes that matter here.
fn title(code: i64) -> &'static str {
    match code {
        0 => "AuthException",
        2 => "API Service",
        4 => "Application request limit reached",
        100 => "Invalid parameter",
        368 => "Temporarily blocked for policies violations",
        80_007 => "Rate limit issues",
        130_429 => "Rate limit hit",
        130_472 => "User's number is part of an experiment",
        131_005 => "Access denied",
        131_008 => "Required parameter is missing",
        131_009 => "Parameter value is not valid",
        131_016 => "Service unavailable",
        131_021 => "Recipient cannot be sender",
        131_026 => "Message undeliverable",
        131_031 => "Account has been locked",
        131_042 => "Business eligibility payment issue",
        131_047 => "Re-engagement message",
        131_048 => "Spam rate limit hit",
        131_049 => "This message was not delivered to maintain healthy ecosystem engagement",
        131_050 => "User has stopped marketing messages from your business",
        131_056 => "(Business Account, Consumer Account) pair rate limit hit",
        132_000 => "Number of parameters does not match the expected number of params",
        132_001 => "Template name does not exist in the translation",
        132_005 => "Translated text too long",
        132_012 => "Parameter format does not match format in the created template",
        132_015 => "Template is paused",
        132_016 => "Template is disabled",
        133_010 => "Phone number not registered",
        _ => "Something went wrong",
    }
}
