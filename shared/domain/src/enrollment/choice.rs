//! By which channel a step goes out, and why not by the others: a pure function of the step, the person
//! and the account's senders. Planning, preview, explanation and test sends all ask it.
//!
//! A step has candidates in order: `automatic` those of its `channel_order`, every other one itself.
//! The first that can be used is taken. One that has refused the step for good is not used again for
//! it, so a step goes out at most once by each channel.

use serde::{Deserialize, Serialize};

use super::compose::{Composed, Not, address};
use super::plan::Context;
use super::types::{Enrollment, ParkReason, StepReason, StepRecord, is_false};
use crate::contact::{Conversation, ConversationStatus};
use crate::guard;
use crate::ids::SenderId;
use crate::message::{Channel, Recipient};
use crate::sender::Sender;
use crate::sequence::{ContentType, Step, StepChannel};
use crate::time::Timestamp;

/// The order of an `automatic` step that names none.
const DEFAULT_ORDER: &[StepChannel] =
    &[StepChannel::SameConversation, StepChannel::Whatsapp, StepChannel::Email, StepChannel::Sms];

/// The channels that a step may take, the wanted one first.
pub(crate) fn candidates(step: &Step) -> &[StepChannel] {
    match step.channel {
        StepChannel::Automatic if step.channel_order.is_empty() => DEFAULT_ORDER,
        StepChannel::Automatic => &step.channel_order,
        ref channel => std::slice::from_ref(channel),
    }
}

/// Whether a step names a channel besides this one.
pub(crate) fn has_other(step: &Step, than: Channel) -> bool {
    candidates(step).iter().any(|asked| channel_of(*asked) != Some(than))
}

/// The channel that a candidate is, where that does not depend on the person.
pub(crate) fn channel_of(asked: StepChannel) -> Option<Channel> {
    match asked {
        StepChannel::Whatsapp => Some(Channel::Whatsapp),
        StepChannel::Email => Some(Channel::Email),
        StepChannel::Sms => Some(Channel::Sms),
        StepChannel::SameConversation | StepChannel::Automatic => None,
    }
}

/// Why a step does not take a channel. The order is how telling that is: where nothing goes, the
/// step's reason is that of the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    /// What the step says has no form there: a WhatsApp template by email, a bot by SMS.
    NoForm,
    /// The contact has no conversation to go on with.
    NoConversation,
    SenderMissing,
    NoAddress,
    Suppressed,
    BlankVariable,
    MessageRejected,
    TemplateRejected,
    OutsideWindow,
    /// It was tried, and refused for good.
    Failed(StepReason),
    /// Last: where a suspended sender is the only way, the run waits for it.
    SenderSuspended,
}

impl Passed {
    /// What it means for the step where no other channel is left.
    pub(crate) fn not(self) -> Not {
        match self {
            Self::NoForm | Self::MessageRejected => Not::Fail(StepReason::MessageRejected),
            Self::NoConversation | Self::NoAddress => Not::Skip(StepReason::NoAddress),
            Self::SenderMissing => Not::Park(ParkReason::SenderMissing),
            Self::Suppressed => Not::Skip(StepReason::Suppressed),
            Self::BlankVariable => Not::Skip(StepReason::BlankVariable),
            Self::TemplateRejected => Not::Fail(StepReason::TemplateRejected),
            Self::OutsideWindow => Not::Fail(StepReason::OutsideWindowNoTemplate),
            Self::Failed(reason) => Not::Fail(reason),
            Self::SenderSuspended => Not::Park(ParkReason::SenderSuspended),
        }
    }

    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoForm => "no_form",
            Self::NoConversation => "no_conversation",
            other => match other.not() {
                Not::Skip(reason) | Not::Fail(reason) => reason.as_str(),
                Not::Park(reason) => reason.as_str(),
            },
        }
    }

    /// For people.
    pub fn explain(self) -> &'static str {
        match self {
            Self::NoForm => "what the step says cannot be shown there",
            Self::NoConversation => "there is no conversation to go on with",
            other => match other.not() {
                Not::Skip(reason) | Not::Fail(reason) => reason.explain(),
                Not::Park(reason) => reason.explain(),
            },
        }
    }
}

/// A channel that a step did not take, as the step names it, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PassedOver(pub StepChannel, pub Passed);

/// In words: `not by whatsapp: the contact opted out of this channel; not by email: …`.
pub(crate) fn not_by(passed: &[PassedOver]) -> String {
    let one = |PassedOver(channel, why): &PassedOver| format!("not by {}: {}", name(*channel), why.explain());
    passed.iter().map(one).collect::<Vec<_>>().join("; ")
}

pub(crate) fn name(channel: StepChannel) -> &'static str {
    match channel {
        StepChannel::Whatsapp => "whatsapp",
        StepChannel::Email => "email",
        StepChannel::Sms => "sms",
        StepChannel::SameConversation => "same conversation",
        StepChannel::Automatic => "automatic",
    }
}

/// What else there was to choose from when a send was planned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Others {
    /// The channels before it, which it did not take.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<PassedOver>,
    #[serde(rename = "l", default, skip_serializing_if = "Left::is_none")]
    pub left: Left,
}

impl Others {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The ways that a step has left if it is refused as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Left {
    /// A template where this free text comes too late for the 24 h window.
    #[serde(rename = "t", default, skip_serializing_if = "is_false")]
    pub template: bool,
    /// A channel behind this one would take the step too.
    #[serde(rename = "c", default, skip_serializing_if = "is_false")]
    pub channel: bool,
}

impl Left {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The channel that was picked, or why none, and those before it.
pub(crate) struct Choice {
    pub(crate) picked: Result<Composed, Not>,
    pub(crate) passed: Vec<PassedOver>,
}

impl Choice {
    /// Why it is this channel, or none, for people.
    pub(crate) fn why(&self) -> String {
        let picked = self.picked.as_ref().ok().map(|composed| composed.why.clone());
        let passed = Some(not_by(&self.passed)).filter(|words| !words.is_empty());
        picked.into_iter().chain(passed).collect::<Vec<_>>().join("; ")
    }
}

/// A candidate with everything but its words.
pub(super) struct Way<'a> {
    pub(super) sender: &'a Sender,
    pub(super) to: Recipient,
    /// The helpdesk's conversation that it goes into.
    pub(super) conversation: Option<&'a Conversation>,
}

impl<'a> Context<'a> {
    /// Picks channel, sender and form, and renders.
    pub(crate) fn choose(&self, e: &Enrollment, step: &Step, now: Timestamp) -> Choice {
        let (all, mut passed) = (candidates(step), Vec::new());
        for (at, asked) in all.iter().enumerate() {
            match self.by(e, step, *asked, now) {
                Ok(mut composed) => {
                    let goes = |later: &StepChannel| self.by(e, step, *later, now).ok().map(|other| other.channel);
                    composed.left.channel =
                        all[at + 1..].iter().filter_map(goes).any(|other| other != composed.channel);
                    return Choice { picked: Ok(composed), passed };
                }
                Err(why) => passed.push(PassedOver(*asked, why)),
            }
        }
        let telling = passed.iter().map(|PassedOver(_, why)| *why).max();
        Choice { picked: Err(telling.unwrap_or(Passed::SenderMissing).not()), passed }
    }

    /// The step by one of its candidates.
    fn by(&self, e: &Enrollment, step: &Step, asked: StepChannel, now: Timestamp) -> Result<Composed, Passed> {
        let record = e.records.iter().find(|r| r.key == step.key);
        let way = self.way(e, step, asked, record)?;
        let tried_last = |r: &&StepRecord| r.attempts.last().is_some_and(|a| a.channel == way.sender.channel);
        let template_only = record.filter(tried_last).is_some_and(|r| r.template_only);
        let mut composed = self.compose(e, step, &way, template_only, now)?;
        composed.why.insert_str(0, &self.picked(step, asked, &way));
        Ok(composed)
    }

    fn way(
        &self,
        e: &Enrollment,
        step: &Step,
        asked: StepChannel,
        record: Option<&StepRecord>,
    ) -> Result<Way<'a>, Passed> {
        let (sender, conversation) = self.sender_by(e, step, asked)?;
        let failed = record.and_then(|r| r.failed.iter().find(|(channel, _)| *channel == sender.channel));
        if let Some((_, reason)) = failed.filter(|_| guard!(ChannelOnce, true)) {
            return Err(Passed::Failed(*reason));
        }
        let has_form = match step.content.type_ {
            ContentType::WhatsappTemplate => has_templates(sender, conversation),
            ContentType::Bot => sender.has_bots(),
            ContentType::Text | ContentType::Template | ContentType::Rich => true,
        };
        if !has_form {
            return Err(Passed::NoForm);
        }
        if sender.suspended.is_some() {
            return Err(Passed::SenderSuspended);
        }
        // What the helpdesk sends goes out by the conversation's own channel.
        let through = conversation.and_then(|c| c.channel);
        let suppressed = &self.person.contact.suppressed;
        if guard!(Suppressed, [Some(sender.channel), through].into_iter().flatten().any(|c| suppressed.contains(&c))) {
            return Err(Passed::Suppressed);
        }
        let to = match conversation {
            Some(conversation) => Some(Recipient::Conversation(conversation.id.clone())),
            None => address(&self.person.contact, sender.channel),
        };
        Ok(Way { sender, to: to.ok_or(Passed::NoAddress)?, conversation })
    }

    /// The sender of a candidate (API.md, Senders), and the helpdesk's conversation that it goes into.
    pub(crate) fn sender_by(
        &self,
        e: &Enrollment,
        step: &Step,
        asked: StepChannel,
    ) -> Result<(&'a Sender, Option<&'a Conversation>), Passed> {
        let named = match step.sender_id {
            // An automatic step's sender is for its own channel: the others have theirs.
            Some(id) if step.channel != StepChannel::Automatic => Some(self.sender(id).ok_or(Passed::SenderMissing)?),
            Some(id) => self.sender(id).filter(|s| Some(s.channel) == channel_of(asked)),
            None => None,
        };
        match (channel_of(asked), named) {
            (Some(channel), Some(sender)) if sender.channel == channel => Ok((sender, None)),
            (Some(_), Some(_)) => Err(Passed::SenderMissing),
            (Some(channel), None) => self.sender_for(channel).map(|s| (s, None)).ok_or(Passed::SenderMissing),
            (None, Some(sender)) if sender.channel != Channel::Conversation => Ok((sender, None)),
            (None, named) => {
                let last = || self.last_exchange().filter(|_| named.is_none()).map(|sender| (sender, None));
                let found = self.conversation(e, named.map(|s| s.id)).or_else(last);
                found.ok_or(Passed::NoConversation)
            }
        }
    }

    /// The channel that a step asks for first, sender or not.
    pub(crate) fn wanted(&self, e: &Enrollment, step: &Step) -> Option<Channel> {
        candidates(step).iter().find_map(|asked| match channel_of(*asked) {
            None => self.sender_by(e, step, *asked).ok().map(|(sender, _)| sender.channel),
            channel => channel,
        })
    }

    /// The conversation of the run, else the contact's latest that is not resolved, an open one first.
    fn conversation(&self, e: &Enrollment, of: Option<SenderId>) -> Option<(&'a Sender, Option<&'a Conversation>)> {
        let of_run = e.conversation.as_deref().and_then(|id| self.person.conversation(id));
        // One that is with a bot, or put aside, goes on too.
        let going_on = self.person.conversations.iter().filter(|c| c.status != ConversationStatus::Resolved);
        // A helpdesk counts its conversations.
        let latest = going_on.max_by_key(|c| (c.status == ConversationStatus::Open, c.id.parse::<u64>().ok(), &c.id));
        of_run.into_iter().chain(latest).find_map(|conversation| {
            let own = conversation.sender_id.and_then(|id| self.sender(id));
            let sender = own
                .or_else(|| self.sender_for(Channel::Conversation))
                .or_else(|| self.sender_for(conversation.channel?))
                .filter(|sender| of.is_none_or(|id| id == sender.id))?;
            Some((sender, Some(conversation).filter(|_| sender.channel == Channel::Conversation)))
        })
    }

    /// The sender to which the contact wrote last.
    fn last_exchange(&self) -> Option<&'a Sender> {
        let written = self.person.contact.last_inbound.iter();
        let written = written.filter_map(|(id, at)| Some((at, self.sender(*id)?)));
        let direct = written.filter(|(_, sender)| sender.channel != Channel::Conversation);
        direct.max_by_key(|(at, _)| **at).map(|(_, sender)| sender)
    }

    /// The account's default for the channel; else the only one.
    fn sender_for(&self, channel: Channel) -> Option<&'a Sender> {
        let default = self.settings.default_senders.get(&channel).and_then(|id| self.sender(*id));
        let mut of_channel = self.senders.iter().filter(|s| s.channel == channel);
        let only = of_channel.next().filter(|_| of_channel.next().is_none());
        default.or(only)
    }

    /// Why it is this channel, for people.
    fn picked(&self, step: &Step, asked: StepChannel, way: &Way<'_>) -> String {
        let channel = way.sender.channel.as_str();
        match (asked, way.conversation) {
            (StepChannel::SameConversation, Some(_)) => "it goes on in the contact's conversation".to_owned(),
            (StepChannel::SameConversation, None) => format!("the last exchange was by {channel}"),
            _ if step.channel == StepChannel::Automatic => {
                format!("{channel} is the first channel of the order that can be used")
            }
            _ => format!("the step asks for {channel}"),
        }
    }
}

/// Where approved templates go: straight to WhatsApp, or into a conversation of the helpdesk's that is on
/// WhatsApp.
pub(super) fn has_templates(sender: &Sender, conversation: Option<&Conversation>) -> bool {
    match conversation {
        Some(conversation) => conversation.channel == Some(Channel::Whatsapp),
        None => sender.has_reply_window(),
    }
}
