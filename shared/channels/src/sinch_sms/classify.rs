//! Sinch's SMS codes as reactions: the words of an answer's error, and the numbers of a delivery report.

use domain::message::{Reaction, Refusal};

use crate::call::by_status;

/// How to react to a code of Sinch's. `http_status` is that of the answer, `None` for a report; it only
/// decides about codes that the table does not know.
pub fn classify(code: &str, http_status: Option<u16>) -> Refusal {
    let unknown = || match http_status {
        // No such service plan: the sender's own settings.
        Some(404) => Reaction::Sender,
        Some(status) => by_status(status),
        // The network's own codes: not this number, not now.
        None => Reaction::Recipient,
    };
    Refusal { reaction: by_code(code).unwrap_or_else(unknown), code: code.into(), retry_after: None }
}

fn by_code(code: &str) -> Option<Reaction> {
    Some(match code {
        "syntax_invalid_json" | "syntax_invalid_parameter_format" | "syntax_constraint_violation" => Reaction::Message,
        // Reports are asked for, and the plan says nowhere where to.
        "missing_callback_url" => Reaction::Sender,

        // Unroutable; rejected by the network; no service in that country.
        "402" | "408" | "412" => Reaction::Recipient,
        // Internal error; a passing failure.
        "403" | "404" => Reaction::Transient,
        // A `${…}` in the text; expired on the way; cancelled; no sender; too many parts.
        "405" | "406" | "407" | "410" | "411" => Reaction::Message,
        // The account is blocked, or has no credit.
        "413" => Reaction::Sender,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinchs_codes_have_their_reactions() {
        for (code, http_status, reaction) in [
            ("syntax_invalid_json", Some(400), Reaction::Message),
            ("missing_callback_url", Some(403), Reaction::Sender),
            ("unknown_group", Some(403), Reaction::Sender),
            ("something_new", Some(400), Reaction::Message),
            ("something_new", Some(429), Reaction::Throttled),
            ("something_new", Some(502), Reaction::Transient),
            ("http_404", Some(404), Reaction::Sender),
            ("402", None, Reaction::Recipient),
            ("403", None, Reaction::Transient),
            ("404", None, Reaction::Transient),
            ("405", None, Reaction::Message),
            ("412", None, Reaction::Recipient),
            ("413", None, Reaction::Sender),
            ("34", None, Reaction::Recipient),
        ] {
            let refusal = classify(code, http_status);
            assert_eq!((refusal.reaction, refusal.code.as_str()), (reaction, code), "{http_status:?}");
        }
    }
}
