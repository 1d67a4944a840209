use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::choice::{Left, Others, PassedOver};
use crate::contact::TargetRef;
use crate::conversation::Heard;
use crate::ids::{AttemptRef, EnrollmentId, SenderId, TenantId};
use crate::message::{Channel, DeliveryStatus, Message, Recipient, Refusal};
use crate::time::{Adjustment, Timestamp};

/// One run. The names in its serialised form are short because every executed step writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrollment {
    pub id: EnrollmentId,
    /// Bumped by every write; the condition of the next one.
    pub rev: u64,
    /// The generation of the plan: timers and planned sends carry it, an old one is dropped.
    pub generation: u32,
    pub state: State,
    /// Index of the step that is next, or in flight; the number of steps when all are done.
    pub step: u32,
    /// The step's own due.
    pub due: Option<Timestamp>,
    /// The next instant at which anything must happen: the due index's sort key.
    pub wake: Option<Timestamp>,
    /// While a send is in flight, on a finished enrollment too.
    pub lease: Option<Lease>,
    /// How often the sweep has pushed `wake` back under this generation.
    pub swept: u32,
    pub body: Body,
}

impl std::ops::Deref for Enrollment {
    type Target = Body;
    fn deref(&self) -> &Body {
        &self.body
    }
}

impl std::ops::DerefMut for Enrollment {
    fn deref_mut(&mut self) -> &mut Body {
        &mut self.body
    }
}

/// The part of an enrollment that no condition looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    #[serde(rename = "v")]
    pub version: u32,
    /// What the next wait counts from: the last actual send.
    #[serde(rename = "pv")]
    pub previous: Timestamp,
    /// Signals count if they are later than this second.
    #[serde(rename = "sn")]
    pub since: Timestamp,
    #[serde(rename = "en")]
    pub entered: Entered,
    /// The event that started it: it never ends it, and never starts another.
    #[serde(rename = "tr", default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// Marks in the second of `since` that were there before it began.
    #[serde(rename = "ms", default, skip_serializing_if = "Vec::is_empty")]
    pub marks_seen: Vec<String>,
    #[serde(rename = "cv", default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    #[serde(rename = "tg", default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetRef>,
    /// The due was moved once by TIME.md section 3, or follows a backoff: no further spread.
    #[serde(rename = "cu", default, skip_serializing_if = "is_false")]
    pub caught_up: bool,
    /// The due is a slot of a sender's rate.
    #[serde(rename = "rs", default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Reserved>,
    /// One of its sender's messages of a day, held for the step that is next.
    #[serde(rename = "dy", default, skip_serializing_if = "Option::is_none")]
    pub day: Option<DaySlot>,
    /// The user asked for the step now: its wait is over.
    #[serde(rename = "nw", default, skip_serializing_if = "is_false")]
    pub send_now: bool,
    #[serde(rename = "it", default, skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<Intent>,
    /// The version that it moves to before anything else is planned: asked for while a send was in
    /// flight, which is settled on the version that it was planned on.
    #[serde(rename = "mg", default, skip_serializing_if = "Option::is_none")]
    pub migrate_to: Option<u32>,
    /// One for each step that has been touched, in order.
    #[serde(rename = "st", default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<StepRecord>,
    /// What happened to the run as a whole, for the timeline.
    #[serde(rename = "hp", default, skip_serializing_if = "Vec::is_empty")]
    pub happenings: Vec<Happening>,
}

/// A slot that was taken for one generation's due: whatever changes what happens next lets it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    #[serde(rename = "g")]
    pub generation: u32,
    #[serde(rename = "s")]
    pub sender: SenderId,
}

/// One of the messages that a sender may send on a day (in the account's zone).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DaySlot {
    #[serde(rename = "s")]
    pub sender: SenderId,
    #[serde(rename = "d")]
    pub day: NaiveDate,
}

pub(crate) fn is_false(b: &bool) -> bool {
    !*b
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Waiting,
    Sending,
    Paused,
    Parked(ParkReason),
    Finished(Outcome),
}

impl State {
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Finished(_))
    }

    /// The coarse state of the list index: it does not move while an enrollment sends.
    pub fn coarse(self) -> &'static str {
        match self {
            Self::Waiting | Self::Sending => "active",
            Self::Paused => "paused",
            Self::Parked(_) => "parked",
            Self::Finished(_) => "finished",
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Paused => "paused",
            Self::Parked(_) => "parked",
            Self::Finished(_) => "finished",
        }
    }
}

/// Why nothing happens until somebody does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParkReason {
    ModuleDisabled,
    SenderSuspended,
    SenderMissing,
    TargetDateMissing,
    NeverAllowed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Completed,
    Replied,
    Goal,
    Resolved,
    Unsubscribed,
    Bounced,
    Removed,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    /// The request's own ([`Wish::id`](super::enroll::Wish::id)): whoever finds it in the stored enrollment
    /// knows that it wrote it.
    #[serde(rename = "i")]
    pub id: u64,
    #[serde(rename = "a")]
    pub at: Timestamp,
    /// Who: a key's user or id, or the trigger.
    #[serde(rename = "b")]
    pub by: String,
    #[serde(rename = "s")]
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    #[serde(rename = "type")]
    pub type_: SourceType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceType {
    Manual,
    Automation,
    Macro,
    Flow,
    Event,
    Inactivity,
    Ai,
    Bulk,
    /// A test send: nobody else says so.
    Test,
}

/// A send in flight: who may settle it, until when nobody else touches it, and what settling needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// Made before the claim is written, so that a lost answer is recognised.
    #[serde(rename = "t")]
    pub token: String,
    /// The generation that the claim wrote: names the attempt.
    #[serde(rename = "g")]
    pub generation: u32,
    #[serde(rename = "c")]
    pub claimed_at: Timestamp,
    /// Later than the sending function can live: past it nobody is still going to call.
    #[serde(rename = "e")]
    pub expires_at: Timestamp,
    #[serde(rename = "s")]
    pub sender: SenderId,
    #[serde(rename = "h")]
    pub channel: Channel,
    #[serde(rename = "f")]
    pub form: MessageForm,
    /// The day of its sender that it uses a message of.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
    #[serde(rename = "o", default, skip_serializing_if = "Others::is_empty")]
    pub others: Others,
    /// The helpdesk's conversation that it goes into.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Set when nobody knows whether the provider took it: then it counts as sent.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub resolve_at: Option<Timestamp>,
    /// A status that arrived before the send was settled.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    #[serde(rename = "s")]
    pub status: DeliveryStatus,
    #[serde(rename = "a")]
    pub at: Timestamp,
    #[serde(rename = "m")]
    pub provider_message_id: String,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// How a message went out on WhatsApp, for the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageForm {
    #[serde(rename = "t")]
    Text,
    /// The step's own content is an approved template.
    #[serde(rename = "p")]
    Template,
    /// The fallback template, because the 24 h window was closed.
    #[serde(rename = "f")]
    FallbackTemplate,
}

/// What was asked for while a send was in flight; settling applies it, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    Pause,
    ResumeKeepSchedule,
    ResumeRestartWait,
    /// Of the step in flight: moot once it was accepted.
    Skip,
    SendNow,
    /// A date that a later step waits for has changed since the send was planned.
    DateMoved,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    #[serde(rename = "k")]
    pub key: String,
    #[serde(rename = "s")]
    pub status: StepStatus,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StepReason>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub planned_at: Option<Timestamp>,
    #[serde(rename = "j", default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<Adjustment>,
    /// When a step that did not go out was decided.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    #[serde(rename = "sa", default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    #[serde(rename = "da", default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    #[serde(rename = "ra", default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    #[serde(rename = "pa", default, skip_serializing_if = "Option::is_none")]
    pub replied_at: Option<Timestamp>,
    /// Only the template may go out: the provider said that the window is closed.
    #[serde(rename = "ft", default, skip_serializing_if = "is_false")]
    pub template_only: bool,
    /// The channels that it was last not sent by, where it could choose.
    #[serde(rename = "po", default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<PassedOver>,
    /// The channels that refused it for good, and why: it took another one each time.
    #[serde(rename = "fc", default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<(Channel, StepReason)>,
    /// How often it was tried and known not to be accepted.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub tries: u32,
    #[serde(rename = "n0", default, skip_serializing_if = "Option::is_none")]
    pub first_try: Option<Timestamp>,
    /// Of refusals the latest few: older ones are only counted.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

impl StepRecord {
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            status: StepStatus::Scheduled,
            reason: None,
            planned_at: None,
            adjustments: Vec::new(),
            decided_at: None,
            sent_at: None,
            delivered_at: None,
            read_at: None,
            replied_at: None,
            template_only: false,
            passed: Vec::new(),
            failed: Vec::new(),
            tries: 0,
            first_try: None,
            attempts: Vec::new(),
        }
    }

    /// Whether this step's message may have reached the person: it is never sent again.
    pub fn possibly_sent(&self) -> bool {
        matches!(self.status, StepStatus::Sent | StepStatus::Delivered | StepStatus::Read | StepStatus::Replied)
    }
}

/// The order is the rank: a status only moves forward, except that a failure reported for an
/// accepted message takes back `sent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Pending,
    Scheduled,
    Skipped,
    Failed,
    Sent,
    Delivered,
    Read,
    Replied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepReason {
    Past,
    TooLate,
    OutsideWindowNoTemplate,
    Suppressed,
    NoAddress,
    RegionCap,
    BlankVariable,
    RecipientUnreachable,
    ProviderUnavailable,
    TemplateRejected,
    MessageRejected,
    SkippedByUser,
    Discarded,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    #[serde(rename = "g")]
    pub generation: u32,
    #[serde(rename = "a")]
    pub at: Timestamp,
    #[serde(rename = "s")]
    pub sender: SenderId,
    #[serde(rename = "h")]
    pub channel: Channel,
    #[serde(rename = "f")]
    pub form: MessageForm,
    #[serde(rename = "l", default, skip_serializing_if = "Left::is_none")]
    pub left: Left,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    #[serde(rename = "x")]
    pub result: AttemptResult,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub provider_message_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// Accepted by the provider; the furthest status reported since.
    #[serde(rename = "ok")]
    Accepted(DeliveryStatus),
    /// Counted as sent because nobody could tell.
    #[serde(rename = "un")]
    Unknown,
    /// Known not to have been accepted, with the provider's code.
    #[serde(rename = "no")]
    Refused(String),
    /// Accepted, then reported as failed, with the provider's code.
    #[serde(rename = "ko")]
    Failed(String),
}

/// Something that happened to the run as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    #[serde(rename = "a")]
    pub at: Timestamp,
    #[serde(rename = "c")]
    pub code: HappeningCode,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HappeningCode {
    Paused,
    Resumed,
    Parked,
    Replanned,
    Retrying,
    /// Refused for good on one channel, on to another; the detail is "whatsapp (131026)".
    NextChannel,
    Unknown,
    SendNow,
    /// Over the sender's rate: its turn comes later.
    Limited,
    /// Over the sender's limit for a day.
    DayLimited,
    /// Over the account's limits for one contact.
    ContactLimited,
    /// On to another version; the detail is "1 to 2".
    Migrated,
    Finished,
}

/// A planned send: everything the send function needs to act without reading. A queue message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedSend {
    pub tenant: TenantId,
    pub enrollment: EnrollmentId,
    pub generation: u32,
    pub step: u32,
    pub version: u32,
    pub sender: SenderId,
    pub channel: Channel,
    pub form: MessageForm,
    pub to: Recipient,
    pub message: Message,
    /// The slot of its sender's rate: it is not claimed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The day of its sender that it uses a message of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Others::is_empty")]
    pub others: Others,
    /// Past it (quiet hours began while it was buffered) the step is planned again.
    pub not_after: Timestamp,
    /// For the next wait: the contact's zone, if it has one.
    pub contact_zone: Option<String>,
    /// For the next waits: the target's fields that they name.
    pub target_dates: BTreeMap<String, String>,
    /// Of a message into a conversation: what was known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Heard>,
}

impl PlannedSend {
    /// The attempt that a claim of this send makes.
    pub fn attempt(&self) -> AttemptRef {
        AttemptRef { enrollment: self.enrollment, generation: self.generation.wrapping_add(1) }
    }
}
