//! The moment at which a send is taken: window and template are looked at, the message is written
//! down, its statuses are scheduled.

use domain::message::ProviderKind;
use domain::time::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::meta_error::MetaError;
use super::request::{Content, Request, Template};
use super::stand_in::{Kept, WhatsappStandIn};
use super::template_list::Shape;
use super::webhook;
use crate::stand_in::{Accepted, SenderAccess};

/// The customer service window: free-form messages go out this long after the person's last word.
const WINDOW_HOURS: i64 = 24;

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
        let now = self.desk.now();
        let number_id = access.config("phone_number_id").unwrap_or_default();
        let id = message_id(number_id, self.desk.number().map_err(unavailable)?, now);
        let mut state = self.state();
        match &request.content {
            Content::Free { .. } => {
                let pair = (number_id.to_owned(), request.to.key());
                let open = state.windows.get(&pair).is_some_and(|&wrote| now < wrote.plus_hours(WINDOW_HOURS));
                if !open {
                    return Err(MetaError::of(131_047).details(
                        "Message failed to send because more than 24 hours have passed since the customer last \
                         replied to this number.",
                    ));
                }
            }
            Content::Template(template) => {
                let waba_id = access.config("waba_id").unwrap_or_default();
                if state.templates.check(waba_id, template)? {
                    let learned = Kept::Learned {
                        waba_id: waba_id.into(),
                        name: template.name.clone(),
                        language: template.language.clone(),
                        shape: Shape::of(template),
                    };
                    self.desk.keep(ProviderKind::WhatsappCloud, &learned).map_err(unavailable)?;
                    state.replay(learned);
                }
            }
        }
        let accepted = Accepted {
            id: id.clone(),
            to: request.to.key(),
            body,
            text: match &request.content {
                Content::Free { text } => text.clone(),
                Content::Template(template) => template_text(template),
            },
            reference: request.callback_data.clone(),
        };
        let at = self.desk.accept(access, accepted).map_err(unavailable)?;
        drop(state);
        if report {
            let data = request.callback_data.as_deref();
            self.desk.report(at, |status, at| Some(webhook::status(access, &request.to, &id, data, status, at)));
        }
        Ok(id)
    }
}

fn unavailable(_: std::io::Error) -> MetaError {
    MetaError::of(131_016)
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
