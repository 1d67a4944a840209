//! What SES tells of a message that it has taken: the events of a configuration set, and the older
//! notifications of an identity, which know fewer of them.

use domain::ids::AttemptRef;
use domain::message::{AttemptText, DeliveryStatus, Identity, InboundEvent, Reaction, Refusal, StatusUpdate};
use domain::time::Timestamp;
use serde_json::Value;

use super::address::is_address;
use super::config::Config;
use super::{ATTEMPT_TAG, reference_of};
use crate::foreign::{id, instant, list, text};

/// Recipients of one message, at most (SES: 50).
const MAX_RECIPIENTS: usize = 50;

/// The events of one notification, opt-outs and bounces before what became of the message. None for what is
/// about another sender's message: topics are shared.
pub(super) fn events(told: &Value, config: &Config, now: Timestamp) -> Vec<InboundEvent> {
    let kind = text(told, "eventType").or_else(|| text(told, "notificationType"));
    let (Some(kind), Some(mail)) = (kind, told.get("mail")) else { return Vec::new() };
    let Some(message_id) = id(mail, "messageId") else { return Vec::new() };
    let reference = reference(mail);
    if reference.is_none() && !is_from(mail, config) {
        return Vec::new();
    }
    let detail = |name: &str| told.get(name).unwrap_or(&Value::Null);
    // An event has its own time; of a send it is the message's.
    let at = |part: &Value| instant(part, "timestamp").or_else(|| instant(mail, "timestamp")).unwrap_or(now);
    let status = |status, at, refusal| {
        let provider_message_id = message_id.clone();
        InboundEvent::Status(StatusUpdate { reference, provider_message_id, status, at, refusal })
    };
    match kind {
        "Send" => vec![status(DeliveryStatus::Sent, at(detail("send")), None)],
        "Delivery" => vec![status(DeliveryStatus::Delivered, at(detail("delivery")), None)],
        // Who of several has opened it is not said.
        "Open" | "Click" if list(mail, "destination").count() > 1 => Vec::new(),
        "Open" => vec![status(DeliveryStatus::Read, at(detail("open")), None)],
        "Click" => vec![status(DeliveryStatus::Read, at(detail("click")), None)],
        "Bounce" => {
            let bounce = detail("bounce");
            let mut events = bounced(bounce, reference, at(bounce));
            if is_main(mail, bounce, "bouncedRecipients") {
                events.push(status(DeliveryStatus::Failed, at(bounce), Some(refusal_of(bounce))));
            }
            events
        }
        "Complaint" => complained(detail("complaint"), &message_id, at(detail("complaint"))),
        "Reject" => {
            let refusal = refusal(Reaction::Message, "Reject", text(detail("reject"), "reason"));
            vec![status(DeliveryStatus::Failed, at(detail("reject")), Some(refusal))]
        }
        "Rendering Failure" => {
            let refusal = refusal(Reaction::Message, "RenderingFailure", None);
            vec![status(DeliveryStatus::Failed, at(detail("failure")), Some(refusal))]
        }
        "Subscription" => unsubscribed(detail("subscription"), mail, &message_id, at(detail("subscription"))),
        // A delay ends as a delivery or a bounce.
        _ => Vec::new(),
    }
}

/// The attempt: by our tag, or by our own id among the headers that the message left with.
fn reference(mail: &Value) -> Option<AttemptText> {
    let tag = mail.get("tags").and_then(|tags| list(tags, ATTEMPT_TAG).find_map(Value::as_str));
    let named = |header: &Value| text(header, "name").is_some_and(|name| name.eq_ignore_ascii_case("References"));
    let mut headers = list(mail, "headers").filter(|header| named(header));
    let own = || own_id(text(headers.next()?, "value")?);
    tag.and_then(reference_of).or_else(own).map(AttemptText)
}

/// Our own id of a message, first among those that a header names.
pub(super) fn own_id(ids: &str) -> Option<AttemptRef> {
    ids.split(['<', '>', ' ', '\t', '\r', '\n']).find_map(|id| AttemptRef::parse(id.split_once('@')?.0))
}

fn is_from(mail: &Value, config: &Config) -> bool {
    text(mail, "source").is_some_and(|source| {
        let source = source.rsplit_once('<').map_or(source, |(_, address)| address.trim_end_matches('>'));
        source.eq_ignore_ascii_case(&config.mailbox().address)
    })
}

/// Whether the one whom the message was for is among these, not only somebody on copy.
fn is_main(mail: &Value, part: &Value, recipients: &str) -> bool {
    let main = list(mail, "destination").find_map(Value::as_str);
    let mut found = list(part, recipients).filter_map(|recipient| text(recipient, "emailAddress")).peekable();
    found.peek().is_none() || main.is_none_or(|main| found.any(|address| same_address(main, address)))
}

/// Both may have a name before them.
fn same_address(a: &str, b: &str) -> bool {
    let bare = |text: &str| address(text).map(|address| address.to_lowercase());
    bare(a).is_some() && bare(a) == bare(b)
}

fn address(text: &str) -> Option<&str> {
    let bare = text.rsplit_once('<').map_or(text, |(_, address)| address.trim_end_matches('>')).trim();
    is_address(bare).then_some(bare)
}

/// The addresses that do not exist. A mailbox that is full is another matter.
fn bounced(bounce: &Value, reference: Option<AttemptText>, at: Timestamp) -> Vec<InboundEvent> {
    if text(bounce, "bounceType") != Some("Permanent") {
        return Vec::new();
    }
    let addresses = list(bounce, "bouncedRecipients").filter_map(|r| address(text(r, "emailAddress")?));
    let event = |address: &str| InboundEvent::Bounced { address: address.to_lowercase(), reference, at };
    addresses.take(MAX_RECIPIENTS).map(event).collect()
}

fn refusal_of(bounce: &Value) -> Refusal {
    let (kind, more) = (text(bounce, "bounceType"), text(bounce, "bounceSubType"));
    let reaction = match more {
        // The address is all right; it is this message that is not taken.
        Some("MessageTooLarge" | "ContentRejected" | "AttachmentRejected") => Reaction::Message,
        _ if kind == Some("Permanent") => Reaction::Bounced,
        _ => Reaction::Recipient,
    };
    refusal(reaction, kind.unwrap_or("Bounce"), more)
}

/// The provider's words as a code: `Permanent.NoEmail`.
fn refusal(reaction: Reaction, kind: &str, more: Option<&str>) -> Refusal {
    let word = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).take(32).collect::<String>();
    let more = more.map(|more| format!(".{}", word(more))).unwrap_or_default();
    Refusal { reaction, code: format!("{}{more}", word(kind)), retry_after: None }
}

/// Everybody who may have complained: a provider does not always tell who of them it was.
fn complained(complaint: &Value, message_id: &str, at: Timestamp) -> Vec<InboundEvent> {
    if text(complaint, "complaintFeedbackType") == Some("not-spam") {
        return Vec::new();
    }
    let id = id(complaint, "feedbackId").unwrap_or_else(|| message_id.to_owned());
    let addresses = list(complaint, "complainedRecipients").filter_map(|r| text(r, "emailAddress"));
    opt_outs(addresses, &format!("complaint:{id}"), at)
}

/// By SES's own list management: out of everything.
fn unsubscribed(subscription: &Value, mail: &Value, message_id: &str, at: Timestamp) -> Vec<InboundEvent> {
    let all = subscription.pointer("/newTopicPreferences/unsubscribeAll").and_then(Value::as_bool);
    if all != Some(true) {
        return Vec::new();
    }
    // Who of several it was is not said: it was sent to the first.
    opt_outs(list(mail, "destination").filter_map(Value::as_str).take(1), &format!("unsubscribed:{message_id}"), at)
}

fn opt_outs<'a>(addresses: impl Iterator<Item = &'a str>, id: &str, at: Timestamp) -> Vec<InboundEvent> {
    let event = |address: &str| {
        let from = vec![Identity::Email(address.to_lowercase())];
        InboundEvent::OptOut { from, at, id: id.to_owned() }
    };
    addresses.filter_map(address).take(MAX_RECIPIENTS).map(event).collect()
}
