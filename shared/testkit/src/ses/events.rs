//! What SES tells of a message, as its configuration set's topic posts it.

use domain::message::DeliveryStatus;
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::request::{Send, bare};
use crate::sns;
use crate::stand_in::{SenderAccess, WebhookDelivery};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Send,
    Delivery,
    Open,
    Bounce,
    Complaint,
}

impl Event {
    pub(super) fn of(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Sent => Self::Send,
            DeliveryStatus::Delivered => Self::Delivery,
            DeliveryStatus::Read => Self::Open,
            DeliveryStatus::Failed => Self::Bounce,
        }
    }
}

/// What the mailbox simulator does with a message; `None` when it is for somebody else.
pub(super) fn simulated(request: &Send) -> Option<&'static [Event]> {
    let (local, domain) = bare(&request.to[0]).split_once('@')?;
    if !domain.eq_ignore_ascii_case("simulator.amazonses.com") {
        return None;
    }
    match local.to_lowercase().split('+').next()? {
        "bounce" => Some(&[Event::Send, Event::Bounce]),
        "complaint" => Some(&[Event::Send, Event::Delivery, Event::Complaint]),
        _ => None,
    }
}

pub(super) fn event(
    access: &SenderAccess,
    request: &Send,
    id: &str,
    event: Event,
    sent_at: Timestamp,
    at: Timestamp,
) -> WebhookDelivery {
    let time = |at: Timestamp| format!("{}.000Z", at.to_string().trim_end_matches('Z'));
    let to = bare(&request.to[0]);
    let destination: Vec<&String> = request.to.iter().chain(&request.cc).collect();
    let tags: serde_json::Map<String, Value> =
        request.tags.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    let mut told = json!({"mail": {
        "timestamp": time(sent_at),
        "source": request.from,
        "sendingAccountId": sns::ACCOUNT,
        "messageId": id,
        "destination": destination,
        "headersTruncated": false,
        "tags": tags,
    }});
    let (name, field, detail) = match event {
        Event::Send => ("Send", "send", json!({})),
        Event::Delivery => (
            "Delivery",
            "delivery",
            json!({"timestamp": time(at), "processingTimeMillis": 800, "recipients": [to],
                "smtpResponse": "250 2.0.0 OK", "reportingMTA": "a8-50.smtp-out.amazonses.com"}),
        ),
        Event::Open => {
            ("Open", "open", json!({"timestamp": time(at), "ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0"}))
        }
        Event::Bounce => (
            "Bounce",
            "bounce",
            json!({"bounceType": "Permanent", "bounceSubType": "General", "timestamp": time(at),
                "feedbackId": format!("{id}-bounce"), "reportingMTA": "dns; a8-50.smtp-out.amazonses.com",
                "bouncedRecipients": [{"emailAddress": to, "action": "failed", "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown"}]}),
        ),
        Event::Complaint => (
            "Complaint",
            "complaint",
            json!({"complainedRecipients": [{"emailAddress": to}], "timestamp": time(at),
                "feedbackId": format!("{id}-complaint"), "userAgent": "Amazon SES Mailbox Simulator",
                "complaintFeedbackType": "abuse", "arrivalDate": time(at)}),
        ),
    };
    told["eventType"] = json!(name);
    told[field] = detail;
    sns::notification(access, "Amazon SES Email Event Notification", &told, at)
}
