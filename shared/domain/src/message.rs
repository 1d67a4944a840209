//! Messages on their way out and what comes back, in one vocabulary for all providers.
//!
//! A rendered [`Outbound`] is another type than the template it came from; a provider's answer is
//! a [`SendOutcome`] whose refusals say how to react, not what HTTP said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::content::{RenderedEmail, RenderedRich, RenderedTemplate};
use crate::conversation::ConversationEvent;
use crate::ids::AttemptRef;
use crate::time::Timestamp;

/// What a sender speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Whatsapp,
    Email,
    Sms,
    Conversation,
}

impl Channel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Conversation => "conversation",
        }
    }
}

/// The provider behind a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    WhatsappCloud,
    /// Sinch Conversation API: WhatsApp and SMS.
    Sinch,
    SinchSms,
    /// Amazon SES v2.
    Ses,
    /// AWS End User Messaging SMS.
    AwsSms,
    Twilio,
    Chatwoot,
    /// Anything that takes and gives signed JSON (API.md, Senders), for example a WhatsApp Web gateway.
    Http,
}

impl ProviderKind {
    pub const ALL: [Self; 8] = [
        Self::WhatsappCloud,
        Self::Sinch,
        Self::SinchSms,
        Self::Ses,
        Self::AwsSms,
        Self::Twilio,
        Self::Chatwoot,
        Self::Http,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::WhatsappCloud => "whatsapp_cloud",
            Self::Sinch => "sinch",
            Self::SinchSms => "sinch_sms",
            Self::Ses => "ses",
            Self::AwsSms => "aws_sms",
            Self::Twilio => "twilio",
            Self::Chatwoot => "chatwoot",
            Self::Http => "http",
        }
    }

    /// What its senders may be for.
    pub fn channels(self) -> &'static [Channel] {
        match self {
            Self::WhatsappCloud => &[Channel::Whatsapp],
            Self::Sinch | Self::Http => &[Channel::Whatsapp, Channel::Sms],
            Self::SinchSms | Self::AwsSms | Self::Twilio => &[Channel::Sms],
            Self::Ses => &[Channel::Email],
            Self::Chatwoot => &[Channel::Conversation],
        }
    }
}

/// Where a message goes. A suppressed address never becomes one: `plan` makes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// A phone as the channel wants it: digits with country code, no plus. For WhatsApp the raw
    /// wa_id where one was seen (Brazil's may lack the ninth digit).
    Phone(String),
    /// A WhatsApp business-scoped user id, for contacts without a known phone.
    Bsuid(String),
    Email(String),
    /// A conversation of the helpdesk, by its own id.
    Conversation(String),
}

/// What proves to us who somebody is when they come back: made for one contact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    /// Where the contact unsubscribes from a channel: a URL for each.
    pub unsubscribe: BTreeMap<Channel, String>,
    /// Stands in the address that answers to an email go to.
    pub reply: Option<String>,
}

/// A rendered message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    Text {
        text: String,
    },
    WhatsappTemplate(RenderedTemplate),
    Rich(RenderedRich),
    Email(RenderedEmail),
    /// The conversation goes to a bot of the helpdesk's, after these words.
    Bot {
        bot_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

/// One provider call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    /// Echoed by the provider in its status webhooks.
    pub reference: AttemptRef,
    pub to: Recipient,
    pub message: Message,
}

/// What is known after a provider call.
#[derive(Debug, Clone, PartialEq)]
pub enum SendOutcome {
    /// The provider took it: accepted, not delivered.
    Accepted {
        provider_message_id: String,
        /// The provider's own form of the recipient (WhatsApp's `wa_id`), which may differ from ours.
        recipient_id: Option<String>,
    },
    /// Known not to have been accepted.
    Refused(Refusal),
    /// The request was written and no answer came: it may have been accepted.
    Ambiguous,
}

/// A refusal, at once or by a later `failed` status: one classifier for both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub reaction: Reaction,
    /// The provider's own code (`131026`), or `http_503`, `connect`.
    pub code: String,
    /// Not before this many seconds, where the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// Again later, for a reason of our own.
    pub fn passing(code: &str) -> Self {
        Self { reaction: Reaction::Transient, code: code.to_owned(), retry_after: None }
    }
}

/// How to react to a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// A rate was hit: again later, with backoff.
    Throttled,
    /// Too many messages to this person at once: again soon, and less soon each time.
    Pair,
    /// A passing fault: again later, with backoff.
    Transient,
    /// This address cannot be reached on this channel.
    Recipient,
    /// An email came back for good: its address is suppressed.
    Bounced,
    /// The message itself is at fault.
    Message,
    /// The template is at fault.
    Template,
    /// Free text outside WhatsApp's 24 h window, as the provider sees it.
    OutsideWindow,
    /// The sender is at fault: it is suspended and its enrollments park.
    Sender,
    /// The recipient opted out at the provider: suppress and stop.
    OptedOut,
}

/// An address by which a person is known at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// E.164 with `+`, canonical (Brazil's ninth digit inserted).
    Phone(String),
    /// The raw WhatsApp id digits, as the provider writes them.
    WaId(String),
    /// WhatsApp business-scoped user id.
    Bsuid(String),
    /// Lower-cased.
    Email(String),
    /// The caller's own id.
    External(String),
}

/// What a provider's webhook says, normalised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundEvent {
    Message(InboundMessage),
    Status(StatusUpdate),
    /// The provider's own opt-out (WhatsApp `marketing_messages: stop`).
    OptOut {
        from: Vec<Identity>,
        at: Timestamp,
        id: String,
    },
    /// The person takes an opt-out back (WhatsApp `marketing_messages: resume`, `START` by SMS).
    OptIn {
        from: Vec<Identity>,
        at: Timestamp,
    },
    /// Somebody answered an email.
    Email(EmailAnswer),
    /// An address that does not exist: nothing more is sent to it.
    Bounced {
        /// Lower-cased.
        address: String,
        /// The attempt that it was told of; without, the sender itself has sent to it.
        reference: Option<AttemptText>,
        at: Timestamp,
    },
    /// A person moved to another number: the identity moves, the history stays.
    NumberChanged {
        from: Vec<Identity>,
        to: Identity,
        at: Timestamp,
        id: String,
    },
    /// Something about a conversation of the helpdesk.
    Conversation(ConversationEvent),
    /// One person has all of these.
    Identified {
        identities: Vec<Identity>,
    },
    Template(TemplateTold),
}

/// What the provider tells of one of the sender's templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateTold {
    pub name: String,
    pub language: String,
    /// As a list of templates would have it: `APPROVED` may be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// The provider's id: the same message never counts twice.
    pub id: String,
    /// Every identity that the provider gave for the writer.
    pub from: Vec<Identity>,
    /// The provider's timestamp.
    pub at: Timestamp,
    pub kind: InboundKind,
    /// The text, a caption, or the title of the button that was tapped.
    pub text: Option<String>,
    /// The provider's id of the message that this one answers, where given.
    pub in_reply_to: Option<String>,
    /// The profile's display name, where given.
    pub name: Option<String>,
}

/// An answer by email. Who writes is known by what they give back of ours: a token, else an id of ours, else
/// the address that they write from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmailAnswer {
    pub message: InboundMessage,
    /// Of the address that it was written to ([`Links::reply`]).
    pub token: Option<String>,
    /// One of the emails that it answers.
    pub answers: Option<AttemptText>,
    /// That address is there to unsubscribe.
    #[serde(default)]
    pub unsubscribes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundKind {
    Text,
    Button,
    Media,
    /// Anything else that a person did on purpose (location, contact card, order).
    Other,
    /// Not a reply: an emoji on a message.
    Reaction,
    /// Not a reply: an out-of-office and the like.
    AutoReply,
    /// Not a reply: a notice by the provider.
    System,
}

impl InboundKind {
    /// Whether this is the contact writing (reactions, auto-replies and notices are not).
    pub fn is_reply(self) -> bool {
        matches!(self, Self::Text | Self::Button | Self::Media | Self::Other)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusUpdate {
    /// Our reference, echoed. A status without one is looked up by the provider's id.
    pub reference: Option<AttemptText>,
    pub provider_message_id: String,
    pub status: DeliveryStatus,
    pub at: Timestamp,
    /// Why, for `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// [`AttemptRef`] in its text form, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptText(pub AttemptRef);

impl TryFrom<String> for AttemptText {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        AttemptRef::parse(&text).map(Self).ok_or("not an attempt's reference")
    }
}

impl From<AttemptText> for String {
    fn from(text: AttemptText) -> Self {
        text.0.to_string()
    }
}

/// What became of an accepted message. The order is the rank: a status only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    Sent,
    Failed,
    Delivered,
    Read,
}
