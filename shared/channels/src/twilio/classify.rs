//! Twilio's error codes as reactions: one table for answers and for failed statuses, because the same
//! code comes both ways (`/docs/api/errors` of Twilio's site; `30…` come from the carrier).

use domain::message::{Reaction, Refusal};

use crate::call::by_status;

/// How to react to an error code of Twilio's. `http_status` is that of the answer, `None` for a status
/// callback; it only decides about codes that the table does not know.
pub fn classify(code: i64, http_status: Option<u16>) -> Refusal {
    // A failure reported later, for a reason that we do not know: not on this channel.
    let reaction = by_code(code).unwrap_or_else(|| http_status.map_or(Reaction::Recipient, by_status));
    Refusal { reaction, code: code.to_string(), retry_after: None }
}

fn by_code(code: i64) -> Option<Reaction> {
    Some(match code {
        // Token wrong; test credentials; account closed, suspended or without this resource.
        10001 | 20003 | 20005 | 20006 | 20008 | 20403 | 20404 | 30002 | 30037 => Reaction::Sender,
        // The sender's number: none, malformed, not Twilio's or not this account's, not for SMS, a name on a
        // trial account.
        21212 | 21603 | 21606 | 21607 | 21659 | 21660 | 21661 | 21267 => Reaction::Sender,
        // The messaging service: gone, without numbers, without one for this.
        21701 | 21703 | 21705 => Reaction::Sender,
        // The callback's address is not one that Twilio calls.
        21609 => Reaction::Sender,
        // Not registered with the carriers (name, toll-free, 10DLC: not verified, suspended, unregistered,
        // not yet set up).
        30018 | 30024 | 30032..=30035 => Reaction::Sender,

        // Requests; messages waiting; carriers' rates and congestion; the account's or number's day.
        20429 | 21611 | 14107 | 30001 | 30017 | 30022 | 30023 | 63038 => Reaction::Throttled,

        20500 | 20503 | 20504 | 21730 => Reaction::Transient,

        21610 => Reaction::OptedOut,

        // Malformed, or not one that takes SMS: short code, ourselves, premium, landline.
        21211 | 21214 | 21217 | 21604 | 21612 | 21614 | 21635 | 21265 | 21266 | 21268 => Reaction::Recipient,
        // Countries that the account does not send to, and numbers that a trial account has not verified: others
        // are still reached.
        21408 | 21219 | 21608 => Reaction::Recipient,
        // Off or out of reach, blocked, unknown, landline; not handed over in time.
        30003 | 30004 | 30005 | 30006 | 30036 => Reaction::Recipient,

        // No words, too many, more than a trial account's.
        21602 | 21605 | 21617 | 21619 | 30044 => Reaction::Message,
        // Filtered by the carrier; too large for it; dearer than allowed; one that looks like a one-time password.
        30007 | 30010 | 30019 | 30038 => Reaction::Message,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twilios_codes_have_their_reactions() {
        use Reaction::*;
        for (codes, reaction) in [
            (&[20003, 20404, 30002, 21212, 21606, 21659, 21660, 21661, 21703, 21609, 30032, 30034][..], Sender),
            (&[20429, 21611, 30001, 30022, 30023], Throttled),
            (&[20500, 20503], Transient),
            (&[21610], OptedOut),
            (&[21211, 21217, 21408, 21608, 21612, 21614, 21635, 30003, 30004, 30005, 30006, 30036], Recipient),
            (&[21602, 21605, 21617, 30007, 30038], Message),
        ] {
            for &code in codes {
                // The same by an answer and by a status callback.
                for status in [None, Some(400), Some(503)] {
                    let refusal = classify(code, status);
                    assert_eq!((refusal.reaction, refusal.code), (reaction, code.to_string()), "{code} {status:?}");
                }
            }
        }
    }

    #[test]
    fn unknown_codes_go_by_the_http_status() {
        for (status, reaction) in [
            (Some(400), Reaction::Message),
            (Some(401), Reaction::Sender),
            (Some(429), Reaction::Throttled),
            (Some(503), Reaction::Transient),
            (None, Reaction::Recipient),
        ] {
            assert_eq!(classify(30008, status).reaction, reaction, "{status:?}");
        }
    }
}
