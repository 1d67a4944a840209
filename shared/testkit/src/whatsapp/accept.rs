//! The moment at which a send is taken: window and template are looked at, the message is written
//! down, its statuses are scheduled.

use domain::ids::AttemptRef;
use domain::message::{Channel, ProviderKind};
use domain::time::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::journal::Entry;
use super::meta_error::MetaError;
use super::request::{Content, Request, Template};
use super::stand_in::{SenderAccess, WhatsappStandIn};
use super::template_list::Shape;
use super::webhook;
use crate::local::AcceptedMessage;

/// The customer service window: free-form messages go out this long after the person's last word.
const WINDOW_HOURS: i64 = 24;
/// Statuses come one second apart; all of them within this.
const LAST_STATUS_SECONDS: i64 = 60;

impl WhatsappStandIn {
    /// Takes a well-formed send and gives the message's id. It is in the journal when this returns.
    ///
    /// # Errors
    /// Meta's refusal: outside the window, or the template.
    pub(super) fn accept(
        &self,
        access: &SenderAccess,
        request: &Request,
        body: Value,
        report: bool,
    ) -> Result<String, MetaError> {
        let now = (self.hooks.clock)();
        let (id, auto) = {
            let mut state = self.state();
            let mut learned = None;
            match &request.content {
                Content::Free { .. } => {
                    let pair = (access.phone_number_id.clone(), request.to.key());
                    let open = state.windows.get(&pair).is_some_and(|&wrote| now < wrote.plus_hours(WINDOW_HOURS));
                    if !open {
                        return Err(MetaError::of(131_047).details(
                            "Message failed to send because more than 24 hours have passed since the customer last \
                             replied to this number.",
                        ));
                    }
                }
                Content::Template(template) => {
                    if state.templates.check(&access.waba_id, template)? {
                        learned = Some(Entry::Learned {
                            waba_id: access.waba_id.clone(),
                            name: template.name.clone(),
                            language: template.language.clone(),
                            shape: Shape::of(template),
                        });
                    }
                }
            }
            let id = message_id(&access.phone_number_id, state.ids + 1, now);
            let accepted = Entry::Accepted(Box::new(record(now, access, request, body, &id)));
            for entry in learned.into_iter().chain([accepted]) {
                state.journal.append(&entry).map_err(|_| MetaError::of(131_016))?;
                state.replay(entry);
            }
            (id, if report { state.auto.clone() } else { Vec::new() })
        };
        for (seconds, status) in (1..).zip(auto) {
            let at = now.plus_seconds(LAST_STATUS_SECONDS.min(seconds));
            let data = request.callback_data.as_deref();
            (self.hooks.schedule)(at, webhook::status(access, &request.to, &id, data, status, at));
        }
        Ok(id)
    }
}

fn record(at: Timestamp, access: &SenderAccess, request: &Request, body: Value, id: &str) -> AcceptedMessage {
    let attempt = request.callback_data.as_deref().and_then(AttemptRef::parse);
    AcceptedMessage {
        at,
        channel: Channel::Whatsapp,
        provider: ProviderKind::WhatsappCloud,
        sender_id: access.sender_id.clone(),
        to: request.to.key(),
        body,
        text: match &request.content {
            Content::Free { text } => text.clone(),
            Content::Template(template) => template_text(template),
        },
        provider_message_id: id.into(),
        enrollment_id: attempt.map(|attempt| attempt.enrollment.to_string()),
        step: None,
    }
}

/// The stand-in knows no template's words: its name and parameters stand for them.
fn template_text(template: &Template) -> String {
    format!("{} ({}): {}", template.name, template.language, template.body.join(" | "))
}

/// An id that looks like Meta's and differs for every message, without randomness.
pub(super) fn message_id(phone_number_id: &str, count: u64, at: Timestamp) -> String {
    let hash = Sha256::digest(format!("{phone_number_id} {count} {}", at.0).as_bytes());
    hash[..16].iter().fold(String::from("wamid.HBgN"), |id, byte| format!("{id}{byte:02X}"))
}
