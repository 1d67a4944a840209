//! What a team designs: an ordered list of steps with entry and exit rules. The same type is the
//! API's body and the stored document (`v1`); its names are the API contract's.
//!
//! Shape is checked by deserialising; rules are checked in [`crate::publish`].

mod content;

use serde::{Deserialize, Serialize};

use crate::ids::SenderId;
use crate::time::{AllowedHours, ClockTime, Period, Wait};

pub use content::{
    ChannelVariants, Content, ContentButton, ContentType, EmailThread, EmailVariant, List, ListRow, ListSection, Media,
    MediaKind, MessageTemplate, SmsVariant, TemplateButton, TemplateButtonType, TemplateHeader, TemplateHeaderType,
    TemplateParameters, WhatsappTemplate,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub target: TargetKind,
    #[serde(default)]
    pub language: Option<String>,
    pub steps: Vec<Step>,
    #[serde(default)]
    pub exit: Exit,
    #[serde(default)]
    pub entry: Entry,
    #[serde(default)]
    pub caps: Vec<Cap>,
    /// A variable that would render blank without a default skips its step instead of sending a hole.
    #[serde(default)]
    pub strict_variables: bool,
}

/// What a sequence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    Contact,
    Conversation,
    Deal,
    Appointment,
    Charge,
}

impl TargetKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Conversation => "conversation",
            Self::Deal => "deal",
            Self::Appointment => "appointment",
            Self::Charge => "charge",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Contact, Self::Conversation, Self::Deal, Self::Appointment, Self::Charge]
            .into_iter()
            .find(|k| k.as_str() == text)
    }

    /// Deals, appointments and charges are objects of their own; an enrollment's scope is one of them.
    pub fn is_object(self) -> bool {
        matches!(self, Self::Deal | Self::Appointment | Self::Charge)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Names the step over all versions: a key once sent is never sent again in a run.
    pub key: String,
    pub wait: Wait,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<ClockTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<AllowedHours>,
    pub channel: StepChannel,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channel_order: Vec<StepChannel>,
    #[serde(default)]
    pub sender_id: Option<SenderId>,
    pub content: Content,
    #[serde(default)]
    pub fallback_template: Option<WhatsappTemplate>,
    #[serde(default)]
    pub outside_window: OutsideWindow,
    #[serde(default)]
    pub compose: Compose,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_if_late: Option<Period>,
    #[serde(default)]
    pub on_failure: OnFailure,
}

impl Step {
    /// The template that goes out instead where the 24 h window is closed.
    pub fn falls_back_to(&self) -> Option<&WhatsappTemplate> {
        self.fallback_template.as_ref().filter(|_| self.outside_window == OutsideWindow::Template)
    }
}

/// The channel a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepChannel {
    Whatsapp,
    Email,
    Sms,
    SameConversation,
    Automatic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutsideWindow {
    #[default]
    Template,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    #[default]
    Continue,
    Stop,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    #[serde(default)]
    pub mode: ComposeMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tone: Option<Tone>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<Period>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Period>,
}

/// How a follow-up speaks that has no words of its own (`domain/src/follow_ups.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Formal,
    Friendly,
    Direct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComposeMode {
    #[default]
    Static,
    AiAssisted,
    AiFull,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    #[serde(default = "yes")]
    pub on_reply: bool,
    #[serde(default = "yes")]
    pub on_resolved: bool,
    #[serde(default)]
    pub goals: Vec<EventRule>,
}

impl Default for Exit {
    fn default() -> Self {
        Self { on_reply: true, on_resolved: true, goals: Vec::new() }
    }
}

fn yes() -> bool {
    true
}

/// An event type and the conditions on its data that must all hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRule {
    pub event: String,
    #[serde(default, rename = "where")]
    pub conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// A path from the event: `data.amount`, `target.attributes.link`.
    pub field: String,
    pub op: Op,
    #[serde(default)]
    pub value: serde_json::Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    Exists,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    #[serde(default)]
    pub reentry: Reentry,
    /// With `never_within`: how long after the last run's start no new one begins.
    #[serde(default)]
    pub period: Option<Period>,
    #[serde(default)]
    pub on_duplicate: OnDuplicate,
    #[serde(default)]
    pub triggers: Vec<Trigger>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reentry {
    #[default]
    IfNotActive,
    Once,
    NeverWithin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDuplicate {
    #[default]
    Ignore,
    Restart,
}

/// What enrolls by itself: exactly one of `event`, `inactivity`, `ai`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactivity: Option<Inactivity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai: Option<AiTrigger>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Inactivity {
    pub value: u32,
    pub unit: crate::time::Unit,
    pub from: InactivityFrom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InactivityFrom {
    Either,
    Contact,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AiTrigger {
    pub description: String,
}

/// A cap on the number of follow-ups by country or region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    #[serde(default)]
    pub countries: Vec<String>,
    #[serde(default)]
    pub regions: Vec<String>,
    pub max_steps: u32,
}
