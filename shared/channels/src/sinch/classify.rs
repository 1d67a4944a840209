//! Sinch's codes as reactions: one table for answers (`error.status`) and for reports of failure
//! (`reason.code`).

use domain::message::{Reaction, Refusal};

use crate::call::by_status;

/// How to react to a code of Sinch's. `http_status` is that of the answer, `None` for a report; it only
/// decides about codes that the table does not know.
pub fn classify(code: &str, http_status: Option<u16>) -> Refusal {
    let unknown = || match http_status {
        // No such project or app: the sender's own settings.
        Some(404) => Reaction::Sender,
        Some(status) => by_status(status),
        // A failure reported later, for a reason that we do not know: not on this channel.
        None => Reaction::Recipient,
    };
    Refusal { reaction: by_code(code).unwrap_or_else(unknown), code: code.into(), retry_after: None }
}

fn by_code(code: &str) -> Option<Reaction> {
    Some(match code {
        "RATE_LIMITED" | "RESOURCE_EXHAUSTED" => Reaction::Throttled,
        "INTERNAL_ERROR" | "CHANNEL_FAILURE" | "DELIVERY_TIMED_OUT" | "UNKNOWN" => Reaction::Transient,

        "OUTSIDE_ALLOWED_SENDING_WINDOW" => Reaction::OutsideWindow,

        // Not on this channel (also: in one of WhatsApp's experiments); no such number; not opted in by
        // Sinch's own list; nothing to reach them by.
        "RECIPIENT_NOT_REACHABLE"
        | "RECIPIENT_INVALID_CHANNEL_IDENTITY"
        | "RECIPIENT_NOT_OPTED_IN"
        | "NO_CHANNEL_IDENTITY_FOR_CONTACT"
        | "CONTACT_NOT_FOUND"
        | "NO_PROFILE_AVAILABLE"
        | "NO_CHANNELS_LEFT" => Reaction::Recipient,

        "TEMPLATE_NOT_FOUND" | "TEMPLATE_INSUFFICIENT_PARAMETERS" | "TEMPLATE_NON_EXISTING_LANGUAGE_OR_VERSION" => {
            Reaction::Template
        }

        "CHANNEL_BAD_CONFIGURATION"
        | "CHANNEL_CONFIGURATION_MISSING"
        | "INACTIVE_CREDENTIAL"
        | "NO_PERMISSION"
        | "UNKNOWN_APP"
        | "UNAUTHENTICATED"
        | "PERMISSION_DENIED"
        | "NOT_FOUND" => Reaction::Sender,

        "DELIVERY_REJECTED_DUE_TO_POLICY"
        | "CHANNEL_REJECT"
        | "BAD_REQUEST"
        | "INVALID_ARGUMENT"
        | "MEDIA_TYPE_UNSUPPORTED"
        | "MEDIA_TOO_LARGE"
        | "MEDIA_NOT_REACHABLE"
        | "UNSUPPORTED_OPERATION"
        | "MESSAGE_SPLIT_REQUIRED"
        | "MESSAGE_EXPIRED" => Reaction::Message,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_the_same_at_once_and_later() {
        use Reaction::*;
        for (codes, reaction) in [
            (&["RATE_LIMITED", "RESOURCE_EXHAUSTED"][..], Throttled),
            (&["INTERNAL_ERROR", "CHANNEL_FAILURE", "DELIVERY_TIMED_OUT", "UNKNOWN"], Transient),
            (&["OUTSIDE_ALLOWED_SENDING_WINDOW"], OutsideWindow),
            (&["RECIPIENT_NOT_REACHABLE", "RECIPIENT_NOT_OPTED_IN", "NO_CHANNELS_LEFT"], Recipient),
            (&["TEMPLATE_NOT_FOUND", "TEMPLATE_INSUFFICIENT_PARAMETERS"], Template),
            (&["CHANNEL_BAD_CONFIGURATION", "INACTIVE_CREDENTIAL", "UNAUTHENTICATED", "NOT_FOUND"], Sender),
            (&["CHANNEL_REJECT", "BAD_REQUEST", "MEDIA_TOO_LARGE", "MESSAGE_EXPIRED"], Message),
        ] {
            for code in codes {
                for status in [None, Some(400), Some(500)] {
                    let refusal = classify(code, status);
                    assert_eq!((refusal.reaction, refusal.code.as_str()), (reaction, *code), "{status:?}");
                }
            }
        }
    }

    #[test]
    fn unknown_codes_go_by_the_http_status() {
        for (status, reaction) in [
            (Some(400), Reaction::Message),
            (Some(401), Reaction::Sender),
            (Some(404), Reaction::Sender),
            (Some(429), Reaction::Throttled),
            (Some(503), Reaction::Transient),
            (None, Reaction::Recipient),
        ] {
            assert_eq!(classify("SOMETHING_NEW", status).reaction, reaction, "{status:?}");
        }
    }
}
