//! AWS's refusals and failed deliveries as reactions.

use domain::message::{Reaction, Refusal};

use crate::call::by_status;

/// What an answer that refuses says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The exception's name, `ConflictException`.
    pub error: &'a str,
    /// Why, where the exception has reasons: `DESTINATION_PHONE_NUMBER_OPTED_OUT`.
    pub reason: Option<&'a str>,
    /// The request's fields that are at fault, as AWS names them.
    pub fields: &'a [&'a str],
    pub status: u16,
}

/// How to react to a refusal. HTTP's status only decides about errors that we do not know: nearly all of
/// AWS's are 400.
pub fn classify(refused: Refused<'_>) -> Refusal {
    let reason = refused.reason.unwrap_or_default();
    let reaction = match refused.error {
        "ThrottlingException" | "TooManyRequestsException" => Reaction::Throttled,
        // The role's credentials were just renewed, or a clock is off for a moment.
        "InternalServerException" | "ServiceUnavailable" | "ExpiredTokenException" => Reaction::Transient,
        // Spend limits and the account's quotas: people must raise them.
        "ServiceQuotaExceededException" | "AccessDeniedException" | "ResourceNotFoundException" => Reaction::Sender,
        // The deployment's own credentials are not taken.
        "UnrecognizedClientException" | "InvalidSignatureException" | "MissingAuthenticationTokenException" => {
            Reaction::Sender
        }
        "ConflictException" => conflict(reason),
        "ValidationException" => invalid(reason, refused.fields),
        _ => by_status(refused.status),
    };
    let known = !reason.is_empty() && reason.len() <= 64;
    let code = if known { reason } else { refused.error };
    Refusal { reaction, code: code.into(), retry_after: None }
}

fn conflict(reason: &str) -> Reaction {
    match reason {
        "DESTINATION_PHONE_NUMBER_OPTED_OUT" => Reaction::OptedOut,
        // Not verified: the account is still in the sandbox.
        "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"
        | "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"
        | "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE" => Reaction::Recipient,
        // The identity: none there, inactive, not for SMS, not for this type of message, not registered.
        _ => Reaction::Sender,
    }
}

fn invalid(reason: &str, fields: &[&str]) -> Reaction {
    match reason {
        // Others are still reached.
        "DESTINATION_COUNTRY_BLOCKED"
        | "COUNTRY_NOT_ENABLED"
        | "COUNTRY_CODE_MISMATCH"
        | "INTERNATIONAL_SENDING_NOT_SUPPORTED"
        | "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY"
        | "SENDER_ID_NOT_SUPPORTED" => Reaction::Recipient,
        "SENDER_ID_NOT_REGISTERED"
        | "SENDER_ID_REQUIRES_REGISTRATION"
        | "RESOURCE_NOT_ACCESSIBLE"
        | "CHANNEL_NOT_ENABLED"
        | "INVALID_ARN" => Reaction::Sender,
        _ => {
            let names = |name: &str| fields.iter().any(|field| field.eq_ignore_ascii_case(name));
            if names("DestinationPhoneNumber") {
                Reaction::Recipient
            } else if names("OriginationIdentity") || names("ConfigurationSetName") {
                Reaction::Sender
            } else {
                Reaction::Message
            }
        }
    }
}

/// Why a delivery failed, by the event's type; `None` for one that is no failure.
pub fn classify_event(event_type: &str) -> Option<Refusal> {
    let reaction = match event_type {
        // No such number; off, out of reach or blocking; the carrier's network failed; not handed over in
        // time; a country or number that the account keeps from being sent to.
        "TEXT_INVALID"
        | "TEXT_UNREACHABLE"
        | "TEXT_BLOCKED"
        | "TEXT_CARRIER_UNREACHABLE"
        | "TEXT_TTL_EXPIRED"
        | "TEXT_PROTECT_BLOCKED" => Reaction::Recipient,
        // The carrier does not deliver this text.
        "TEXT_INVALID_MESSAGE" | "TEXT_CARRIER_BLOCKED" | "TEXT_SPAM" => Reaction::Message,
        _ => return None,
    };
    Some(Refusal { reaction, code: event_type.into(), retry_after: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_reactions() {
        use Reaction::*;
        let check = |error, reason, fields: &[&str], status, reaction, code: &str| {
            let refusal = classify(Refused { error, reason, fields, status });
            assert_eq!((refusal.reaction, refusal.code.as_str()), (reaction, code), "{error} {reason:?} {fields:?}");
        };
        let conflict = |reason, reaction| check("ConflictException", Some(reason), &[], 400, reaction, reason);
        let invalid = |reason, fields: &[&str], reaction| {
            check("ValidationException", Some(reason), fields, 400, reaction, reason);
        };
        check("ThrottlingException", None, &[], 400, Throttled, "ThrottlingException");
        check("InternalServerException", None, &[], 500, Transient, "InternalServerException");
        let spent = "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT";
        check("ServiceQuotaExceededException", Some(spent), &[], 400, Sender, spent);
        check("AccessDeniedException", None, &[], 400, Sender, "AccessDeniedException");
        check("AccessDeniedException", Some("ACCOUNT_DISABLED"), &[], 400, Sender, "ACCOUNT_DISABLED");
        check("ResourceNotFoundException", None, &[], 400, Sender, "ResourceNotFoundException");
        conflict("DESTINATION_PHONE_NUMBER_OPTED_OUT", OptedOut);
        conflict("DESTINATION_PHONE_NUMBER_NOT_VERIFIED", Recipient);
        conflict("DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", Recipient);
        conflict("NO_ORIGINATION_IDENTITIES_FOUND", Sender);
        conflict("MESSAGE_TYPE_MISMATCH", Sender);
        check("ConflictException", None, &[], 400, Sender, "ConflictException");
        invalid("DESTINATION_COUNTRY_BLOCKED", &[], Recipient);
        invalid("SENDER_ID_NOT_REGISTERED", &[], Sender);
        invalid("FIELD_VALIDATION_FAILED", &["DestinationPhoneNumber"], Recipient);
        invalid("FIELD_VALIDATION_FAILED", &["MessageBody", "destinationPhoneNumber"], Recipient);
        invalid("FIELD_VALIDATION_FAILED", &["OriginationIdentity"], Sender);
        invalid("FIELD_VALIDATION_FAILED", &["MessageBody"], Message);
        check("ValidationException", None, &[], 400, Message, "ValidationException");
        check("UnrecognizedClientException", None, &[], 403, Sender, "UnrecognizedClientException");
        check("http_503", None, &[], 503, Transient, "http_503");
        check("ConflictException", Some(&"X".repeat(65)), &[], 400, Sender, "ConflictException");
    }

    #[test]
    fn failed_deliveries_have_their_reactions() {
        for (event, reaction) in [
            ("TEXT_INVALID", Some(Reaction::Recipient)),
            ("TEXT_UNREACHABLE", Some(Reaction::Recipient)),
            ("TEXT_TTL_EXPIRED", Some(Reaction::Recipient)),
            ("TEXT_CARRIER_BLOCKED", Some(Reaction::Message)),
            ("TEXT_SPAM", Some(Reaction::Message)),
            ("TEXT_UNKNOWN", None),
            ("TEXT_DELIVERED", None),
            ("TEXT_NEW", None),
        ] {
            assert_eq!(classify_event(event).map(|refusal| refusal.reaction), reaction, "{event}");
        }
    }
}
