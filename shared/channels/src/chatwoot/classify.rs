//! Chatwoot's refusals by their reaction: at once, and reported later of a message that it had taken.

use domain::message::{Reaction, Refusal};

use crate::call::Answer;
use crate::whatsapp_cloud;

/// A refusing answer. The conversation is in the address: a 404 is its recipient's.
pub(super) fn refusal(answer: &Answer) -> Refusal {
    let mut refusal = answer.refusal();
    if answer.status == 404 {
        refusal.reaction = Reaction::Recipient;
    }
    refusal
}

/// A message that failed on its way out, by `external_error`: WhatsApp's own code (`131047: …`), where the
/// conversation is WhatsApp's. What Chatwoot says in words is not kept.
pub(super) fn failure(external_error: Option<&str>, is_whatsapp: bool) -> Refusal {
    let code =
        external_error.map(|error| error.trim_start().chars().take_while(char::is_ascii_digit).collect::<String>());
    match code.and_then(|code| code.parse().ok()).filter(|_| is_whatsapp) {
        Some(code) => {
            let mut refusal = whatsapp_cloud::classify(code, None, None);
            // The inbox behind this conversation is at fault, not the sender that all others share.
            if refusal.reaction == Reaction::Sender {
                refusal.reaction = Reaction::Recipient;
            }
            refusal
        }
        None => Refusal { reaction: Reaction::Recipient, code: "failed".into(), retry_after: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_their_reactions() {
        for (status, reaction) in [
            (401, Reaction::Sender),
            (403, Reaction::Sender),
            (404, Reaction::Recipient),
            (422, Reaction::Message),
            (429, Reaction::Throttled),
            (500, Reaction::Transient),
            (504, Reaction::Transient),
        ] {
            let refusal = refusal(&Answer { status, retry_after: Some(7), body: None });
            assert_eq!((refusal.reaction, refusal.code), (reaction, format!("http_{status}")));
            assert_eq!(refusal.retry_after, Some(7));
        }
    }

    #[test]
    fn whatsapps_code_is_read_where_it_is_whatsapps() {
        let check = |error, is_whatsapp, reaction, code: &str| {
            let refusal = failure(error, is_whatsapp);
            assert_eq!((refusal.reaction, refusal.code.as_str()), (reaction, code), "{error:?}");
        };
        check(Some("131047: Re-engagement message"), true, Reaction::OutsideWindow, "131047");
        check(Some("131050: User stopped marketing"), true, Reaction::OptedOut, "131050");
        check(Some("190: Access token expired"), true, Reaction::Recipient, "190");
        check(Some("131047: Re-engagement message"), false, Reaction::Recipient, "failed");
        check(Some("Net::ReadTimeout, Ana Silva"), true, Reaction::Recipient, "failed");
        check(Some(""), true, Reaction::Recipient, "failed");
        check(Some("99999999999999999999999"), true, Reaction::Recipient, "failed");
        check(None, true, Reaction::Recipient, "failed");
    }
}
