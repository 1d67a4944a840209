//! What a gateway's refusal means, at once or by a later `failed` status.

use domain::message::{Reaction, Refusal};

use crate::call::by_status;

/// By the gateway's `code` where it is one of ours, else by HTTP's word. An address that is not there (404,
/// 405, 410) or does not know us is the sender's fault: nothing is lost while it is parked.
pub fn classify(code: Option<&str>, status: Option<u16>, retry_after: Option<u32>) -> Refusal {
    let known = code.and_then(|code| match code {
        "recipient_unreachable" => Some(Reaction::Recipient),
        "opted_out" => Some(Reaction::OptedOut),
        "outside_window" => Some(Reaction::OutsideWindow),
        "template_rejected" => Some(Reaction::Template),
        "message_rejected" => Some(Reaction::Message),
        "sender_disconnected" => Some(Reaction::Sender),
        "throttled" => Some(Reaction::Throttled),
        "unavailable" => Some(Reaction::Transient),
        _ => None,
    });
    let by_status = |status| match status {
        404 | 405 | 410 => Reaction::Sender,
        status => by_status(status),
    };
    let reaction = known.or(status.map(by_status)).unwrap_or(Reaction::Message);
    let code = code.map(str::to_owned).or(status.map(|status| format!("http_{status}")));
    Refusal { reaction, code: code.unwrap_or_else(|| "failed".into()), retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_code_goes_before_https_word() {
        for (code, status, reaction, named) in [
            (None, Some(400), Reaction::Message, "http_400"),
            (None, Some(422), Reaction::Message, "http_422"),
            (None, Some(401), Reaction::Sender, "http_401"),
            (None, Some(403), Reaction::Sender, "http_403"),
            (None, Some(404), Reaction::Sender, "http_404"),
            (None, Some(410), Reaction::Sender, "http_410"),
            (None, Some(429), Reaction::Throttled, "http_429"),
            (None, Some(503), Reaction::Transient, "http_503"),
            (Some("recipient_unreachable"), Some(404), Reaction::Recipient, "recipient_unreachable"),
            (Some("sender_disconnected"), Some(503), Reaction::Sender, "sender_disconnected"),
            (Some("their own"), Some(503), Reaction::Transient, "their own"),
            (Some("their own"), None, Reaction::Message, "their own"),
            (None, None, Reaction::Message, "failed"),
        ] {
            let refusal = classify(code, status, None);
            assert_eq!((refusal.reaction, refusal.code.as_str()), (reaction, named), "{code:?} {status:?}");
        }
    }
}
