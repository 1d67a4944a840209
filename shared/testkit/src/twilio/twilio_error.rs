//! Twilio's error answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TwilioError(pub(super) i64);

impl TwilioError {
    fn status(self) -> StatusCode {
        match self.0 {
            20_003 => StatusCode::UNAUTHORIZED,
            20_404 => StatusCode::NOT_FOUND,
            20_429 => StatusCode::TOO_MANY_REQUESTS,
            20_500 => StatusCode::INTERNAL_SERVER_ERROR,
            20_503 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn message(self) -> &'static str {
        match self.0 {
            20_003 => "Authenticate",
            20_404 => "The requested resource was not found",
            20_429 => "Too Many Requests",
            20_500 => "An internal server error has occurred",
            20_503 => "Service is currently unavailable",
            21_211 => "Invalid 'To' Phone Number",
            21_602 => "Message body is required.",
            21_603 => "A 'From' phone number is required.",
            21_604 => "A 'To' phone number is required.",
            21_606 => "The 'From' phone number provided is not a valid, message-capable Twilio phone number.",
            21_609 => "The 'StatusCallback' URL is not a valid URL.",
            21_610 => "Attempt to send to unsubscribed recipient",
            21_617 => "The concatenated message body exceeds the 1600 character limit.",
            21_701 => "The Messaging Service does not exist.",
            _ => "Stand-in fault",
        }
    }
}

impl IntoResponse for TwilioError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.0,
            "message": self.message(),
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.0),
            "status": self.status().as_u16(),
        });
        (self.status(), Json(body)).into_response()
    }
}
