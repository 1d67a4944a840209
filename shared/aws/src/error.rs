//! The services' failures by reaction.

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use engine::PortError;

/// Codes that mean "slower", whatever the HTTP status says. A full quota of schedules empties as
/// they fire. Parameter Store takes a parameter's changes one after the other.
const THROTTLED: [&str; 8] = [
    "ThrottlingException",
    "Throttling",
    "RequestThrottled",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ServiceQuotaExceededException",
    "OverLimit",
    "TooManyUpdates",
];

/// What to do about a failed call, after the SDK's own retries. The text names the call and the
/// service's code, never what was sent.
pub(crate) fn port_error<E: ProvideErrorMetadata>(call: &str, error: &SdkError<E, HttpResponse>) -> PortError {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or("no answer");
    let text = format!("{call}: {code}");
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (error, status) {
        _ if THROTTLED.contains(&code) => PortError::Throttled(text),
        (_, Some(429)) => PortError::Throttled(text),
        // Asked for something that cannot be had: retrying will not help. The rest passes by: time-outs,
        // connections, 5xx, and credentials or permissions, which somebody will mend.
        (SdkError::ConstructionFailure(_), _) => PortError::Poison(text),
        (SdkError::ServiceError(_), Some(400 | 404 | 413)) if !is_access(code) => PortError::Poison(text),
        _ => PortError::Transient(text),
    }
}

/// The same for one message of a batch that was taken otherwise.
pub(crate) fn entry_error(call: &str, failed: &BatchResultErrorEntry) -> PortError {
    let text = format!("{call}: {}", failed.code());
    match failed.code() {
        code if THROTTLED.contains(&code) => PortError::Throttled(text),
        code if failed.sender_fault() && !is_access(code) => PortError::Poison(text),
        _ => PortError::Transient(text),
    }
}

fn is_access(code: &str) -> bool {
    [
        "AccessDenied",
        "ExpiredToken",
        "UnrecognizedClient",
        "InvalidSignature",
        "IncompleteSignature",
        "InvalidClientToken",
    ]
    .iter()
    .any(|prefix| code.starts_with(prefix))
}
