//! A message as a gateway gets it.

use domain::content::RenderedParameters;
use domain::message::{Message, Outbound, Reaction, Recipient, SendOutcome};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::call::refused;

/// The message's id: our reference, which is the attempt's for ever. Standard Webhooks ends an id at a `.`.
pub(super) fn id(outbound: &Outbound) -> String {
    outbound.reference.to_string().replace('.', "_")
}

/// `message.send`. A rich message has its parts in `rich`, and in `text` what says the same in plain words; a
/// WhatsApp template has no text.
///
/// # Errors
/// The refusal of what is no message of these channels.
pub fn body(outbound: &Outbound, now: Timestamp) -> Result<Value, SendOutcome> {
    let Recipient::Phone(digits) = &outbound.to else { return Err(refused(Reaction::Recipient, "not_a_phone")) };
    let to = format!("+{}", digits.trim_start_matches('+'));
    let mut data = json!({"id": id(outbound), "reference": outbound.reference.to_string(), "to": to});
    match &outbound.message {
        Message::Text { text } => data["text"] = json!(text),
        Message::Rich(rich) => {
            data["text"] = json!(rich.plain());
            data["rich"] = json!(rich);
        }
        Message::WhatsappTemplate(template) => {
            let body = match &template.body {
                RenderedParameters::Positional(values) => json!(values),
                RenderedParameters::Named(values) => values.iter().map(|(name, value)| (name, json!(value))).collect(),
            };
            data["template"] = json!({"name": template.name, "language": template.language, "body": body,
                "header": template.header, "buttons": template.buttons});
        }
        Message::Email(_) => return Err(refused(Reaction::Message, "an_email")),
        Message::Bot { .. } => return Err(refused(Reaction::Message, "a_bot")),
    }
    Ok(json!({"type": "message.send", "timestamp": now.to_string(), "data": data}))
}
