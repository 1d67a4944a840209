//! Meta's error codes as reactions: one table for answers and for `failed` statuses, because the
//! same code comes both ways.

use domain::message::{Reaction, Refusal};

use crate::call::by_status;

/// How to react to an error code of Meta's.
///
/// `http_status` is that of the answer, `None` for a status webhook; it only decides about codes
/// that the table does not know. `is_transient` is the error's own word: where Meta says that trying
/// again may help, a permanent reaction softens to `Transient` (so no sender is suspended over a
/// hiccup). Pair-rate refusals (131056) have a reaction of their own: the wait grows with the attempts
/// (4^n s), which only the caller counts.
pub fn classify(code: i64, http_status: Option<u16>, is_transient: Option<bool>) -> Refusal {
    let mut reaction = by_code(code).unwrap_or_else(|| match http_status {
        Some(status) => by_status(status),
        // A failure reported later, for a reason that we do not know: not on this channel.
        None => Reaction::Recipient,
    });
    let permanent = matches!(reaction, Reaction::Recipient | Reaction::Message | Reaction::Template | Reaction::Sender);
    if is_transient == Some(true) && permanent {
        reaction = Reaction::Transient;
    }
    Refusal { reaction, code: code.to_string(), retry_after: retry_after(code) }
}

fn by_code(code: i64) -> Option<Reaction> {
    Some(match code {
        // Authentication: the token is wrong, expired or withdrawn.
        0 | 102 | 190 => Reaction::Sender,
        // Permission.
        3 | 10 | 200..=299 | 131005 => Reaction::Sender,
        // The number was deleted; account restricted or locked; payment missing; number not
        // registered; display name not approved.
        33 | 368 | 131031 | 131042 | 131045 | 133010 | 131037 => Reaction::Sender,
        // Spam limit of the number, messaging limit cut: hours at least, and going on makes the
        // number's standing worse. People must look.
        131048 | 131064 => Reaction::Sender,

        // Rates: application, user, page, custom; account; number; flow.
        4 | 17 | 32 | 613 | 80007 | 130429 | 132069 => Reaction::Throttled,
        // Of this sender and this person.
        131056 => Reaction::Pair,

        // Service down, temporarily unavailable, being upgraded, or "unknown" by Meta's own word.
        1 | 2 | 131000 | 131016 | 131057 | 133004 | 135000 => Reaction::Transient,

        131047 => Reaction::OutsideWindow,
        131050 => Reaction::OptedOut,

        // Not on WhatsApp, old app, terms not accepted; barred from that country; sender equals
        // recipient; not in the test list; user id not supported here.
        131026 | 130497 | 131021 | 131030 | 131062 => Reaction::Recipient,
        // Meta's cap per user, and its experiment: not this person on this channel today.
        131049 | 130472 => Reaction::Recipient,

        // Bad request, parameter or type; media not fetched; identity hash mismatch.
        100 | 131008 | 131009 | 131051 | 131052 | 131053 | 131055 | 137000 => Reaction::Message,

        // Parameter count; missing or not approved; text too long; policy; format; paused;
        // disabled; parameters' content; flow blocked; samples on a live number; marketing
        // templates turned off for this endpoint.
        132000 | 132001 | 132005 | 132007 | 132008 | 132012 | 132015 | 132016 | 132018 | 132068 | 131058 | 131063 => {
            Reaction::Template
        }
        _ => return None,
    })
}

fn retry_after(code: i64) -> Option<u32> {
    match code {
        131057 => Some(60),
        132069 => Some(3_600),
        131049 => Some(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metas_codes_have_their_reactions() {
        use Reaction::*;
        for (codes, reaction) in [
            (&[0, 190, 3, 10, 200, 250, 299, 131005, 368, 131031, 131042, 131045, 133010, 131037][..], Sender),
            (&[131048, 131064], Sender),
            (&[4, 80007, 130429, 132069], Throttled),
            (&[131056], Pair),
            (&[1, 2, 131000, 131016, 131057, 135000], Transient),
            (&[131047], OutsideWindow),
            (&[131050], OptedOut),
            (&[131026, 130497, 131021, 131030, 131062, 131049, 130472], Recipient),
            (&[100, 131008, 131009, 131051, 131052, 131053, 137000], Message),
            (&[132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132068, 131063], Template),
        ] {
            for &code in codes {
                // The same by an answer and by a status webhook.
                for status in [None, Some(400), Some(500)] {
                    let refusal = classify(code, status, None);
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
            (Some(403), Reaction::Sender),
            (Some(404), Reaction::Message),
            (Some(429), Reaction::Throttled),
            (Some(500), Reaction::Transient),
            (Some(504), Reaction::Transient),
            (Some(302), Reaction::Transient),
            (None, Reaction::Recipient),
        ] {
            assert_eq!(classify(999_999, status, None).reaction, reaction, "{status:?}");
        }
    }

    #[test]
    fn metas_word_that_it_will_pass_is_honoured() {
        assert_eq!(classify(100, Some(400), Some(true)).reaction, Reaction::Transient);
        assert_eq!(classify(200, Some(403), Some(true)).reaction, Reaction::Transient);
        assert_eq!(classify(130429, Some(429), Some(true)).reaction, Reaction::Throttled);
        assert_eq!(classify(131050, Some(400), Some(true)).reaction, Reaction::OptedOut);
        assert_eq!(classify(100, Some(400), Some(false)).reaction, Reaction::Message);
    }

    #[test]
    fn pair_rate_leaves_the_wait_to_the_caller() {
        assert_eq!(classify(131056, Some(400), None).retry_after, None);
        assert_eq!(classify(131049, None, None).retry_after, Some(86_400));
    }
}
