//! What a failed call to DynamoDB means for the caller.
//!
//! Texts name the verb and DynamoDB's code. Never its message, which quotes keys and values.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use engine::PortError;

/// The reaction to a failed call; `verb` is for the log.
pub(crate) fn port_error<E: ProvideErrorMetadata, R>(verb: &'static str, error: &SdkError<E, R>) -> PortError {
    match error {
        SdkError::ServiceError(e) => reaction(verb, e.err().code().unwrap_or("unknown")),
        SdkError::ConstructionFailure(_) => PortError::Poison(format!("{verb}: the request could not be built")),
        SdkError::TimeoutError(_) => PortError::Transient(format!("{verb}: timed out")),
        SdkError::DispatchFailure(_) => PortError::Transient(format!("{verb}: not reached")),
        _ => PortError::Transient(format!("{verb}: no readable answer")),
    }
}

/// By DynamoDB's error code, a transaction's cancellation reason included.
///
/// What we do not know is taken for passing: the queue retries it, then the dead-letter queue's
/// alarm shows it. A missing permission or table is mended by a deploy, so those belong here too.
pub(crate) fn reaction(verb: &'static str, code: &str) -> PortError {
    let text = format!("{verb}: {code}");
    match code {
        "ProvisionedThroughputExceededException"
        | "ProvisionedThroughputExceeded"
        | "ThrottlingException"
        | "ThrottlingError"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        // Another transaction holds the item right now.
        | "TransactionConflictException"
        | "TransactionConflict"
        | "TransactionInProgressException" => PortError::Throttled(text),
        "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "ItemCollectionSizeLimitExceededException"
        | "ItemCollectionSizeLimitExceeded" => PortError::Poison(text),
        _ => PortError::Transient(text),
    }
}

/// An item that we cannot read. `what` names its kind, never its content.
pub(crate) fn unreadable(what: &'static str) -> PortError {
    PortError::Poison(format!("a stored {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_reactions() {
        for (code, expected) in [
            (
                "ProvisionedThroughputExceededException",
                PortError::Throttled("put: ProvisionedThroughputExceededException".into()),
            ),
            ("ValidationException", PortError::Poison("put: ValidationException".into())),
            ("InternalServerError", PortError::Transient("put: InternalServerError".into())),
            ("ResourceNotFoundException", PortError::Transient("put: ResourceNotFoundException".into())),
        ] {
            assert_eq!(reaction("put", code), expected);
        }
    }
}
