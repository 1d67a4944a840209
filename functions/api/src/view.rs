//! An enrollment as people and programs see it: state, steps, timeline, and why it waits.

use domain::contact::TargetRef;
use domain::enrollment::view::Entry;
use domain::enrollment::{AttemptResult, Enrollment, Outcome, ParkReason, Source, State, StepReason, StepStatus};
use domain::ids::{ContactId, EnrollmentId, MessageId, SenderId, SequenceId};
use domain::message::Channel;
use domain::sequence::Sequence;
use engine::explain::Explanation;
use serde::Serialize;

use crate::wire::At;

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EnrollmentView {
    id: EnrollmentId,
    sequence_id: SequenceId,
    /// Null for a test: a draft has none yet.
    version: Option<u32>,
    /// It is a test send: no part of any count.
    #[serde(skip_serializing_if = "is_false")]
    test: bool,
    contact_id: ContactId,
    conversation_id: Option<String>,
    target: Option<TargetRef>,
    #[schema(example = "waiting")]
    state: &'static str,
    /// Why it is parked.
    reason: Option<ParkReason>,
    /// How it finished.
    outcome: Option<Outcome>,
    /// Index of the step that is next or in flight; the number of steps when all are done.
    step: u32,
    due_at: Option<At>,
    /// A send is under way: what is asked now applies after it.
    #[serde(skip_serializing_if = "is_false")]
    in_flight: bool,
    run: u32,
    entered: EnteredView,
    steps: Vec<StepView>,
    timeline: Vec<TimelineEntry>,
    /// It was running before this request.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) duplicate: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EnteredView {
    at: At,
    by: String,
    source: Source,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = EnrollmentStep)]
pub(crate) struct StepView {
    index: u32,
    key: String,
    status: StepStatus,
    reason: Option<StepReason>,
    planned_at: Option<At>,
    sent_at: Option<At>,
    delivered_at: Option<At>,
    read_at: Option<At>,
    replied_at: Option<At>,
    channel: Option<Channel>,
    message_id: Option<MessageId>,
    /// Nobody knows (yet) whether the provider took it: it is never sent twice.
    #[serde(skip_serializing_if = "is_false")]
    unknown: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<AttemptView>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AttemptView {
    at: At,
    channel: Channel,
    sender_id: SenderId,
    /// `accepted`, `refused`, `failed` or `unknown`.
    #[schema(example = "accepted")]
    result: &'static str,
    /// The provider's code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_message_id: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TimelineEntry {
    at: At,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
    detail: String,
}

/// Why the next step has not gone out.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ExplanationView {
    now: At,
    blocking: Vec<BlockingView>,
    next: Option<NextView>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BlockingView {
    code: &'static str,
    detail: String,
    /// When it ends by itself.
    until: Option<At>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NextView {
    step: u32,
    key: String,
    at: Option<At>,
    /// By which it would go out then.
    channel: Option<Channel>,
    /// Why by that one and not by those before it.
    channel_reason: Option<String>,
}

fn is_false(b: &bool) -> bool {
    !*b
}

impl EnrollmentView {
    /// The run as it stands on the version's steps.
    pub(crate) fn of(e: &Enrollment, sequence: &Sequence) -> Self {
        let (reason, outcome) = match e.state {
            State::Parked(reason) => (Some(reason), None),
            State::Finished(outcome) => (None, Some(outcome)),
            _ => (None, None),
        };
        Self {
            id: e.id,
            sequence_id: e.id.sequence,
            version: (!e.is_test()).then_some(e.version),
            test: e.is_test(),
            contact_id: e.id.contact,
            conversation_id: e.conversation.clone(),
            target: e.target.clone(),
            state: e.state.as_str(),
            reason,
            outcome,
            step: e.step,
            due_at: e.due_at().map(At),
            in_flight: e.in_flight(),
            run: e.id.run,
            entered: EnteredView {
                at: e.entered.at.into(),
                by: e.entered.by.clone(),
                source: e.entered.source.clone(),
            },
            steps: e.steps(sequence).into_iter().map(|step| StepView::of(e, step)).collect(),
            timeline: e.timeline(sequence).into_iter().map(TimelineEntry::from).collect(),
            duplicate: false,
        }
    }
}

impl StepView {
    fn of(e: &Enrollment, step: domain::enrollment::view::StepView<'_>) -> Self {
        let record = step.record;
        let in_flight = e.lease.as_ref().filter(|_| step.index == e.step).map(|lease| lease.channel);
        let last = record.and_then(|r| r.attempts.last()).map(|a| a.channel);
        let attempts = record.map_or(&[][..], |r| &r.attempts);
        Self {
            index: step.index,
            key: step.key.to_owned(),
            status: step.status,
            reason: record.and_then(|r| r.reason),
            planned_at: record.and_then(|r| r.planned_at).map(At),
            sent_at: record.and_then(|r| r.sent_at).map(At),
            delivered_at: record.and_then(|r| r.delivered_at).map(At),
            read_at: record.and_then(|r| r.read_at).map(At),
            replied_at: record.and_then(|r| r.replied_at).map(At),
            channel: in_flight.or(last),
            message_id: step.attempt.map(|attempt| attempt.message_id()),
            unknown: step.unknown,
            attempts: attempts.iter().map(AttemptView::from).collect(),
        }
    }
}

impl From<&domain::enrollment::Attempt> for AttemptView {
    fn from(a: &domain::enrollment::Attempt) -> Self {
        let (result, code) = match &a.result {
            AttemptResult::Accepted(_) => ("accepted", None),
            AttemptResult::Unknown => ("unknown", None),
            AttemptResult::Refused(code) => ("refused", Some(code.clone())),
            AttemptResult::Failed(code) => ("failed", Some(code.clone())),
        };
        Self {
            at: a.at.into(),
            channel: a.channel,
            sender_id: a.sender,
            result,
            code,
            provider_message_id: a.provider_message_id.clone(),
        }
    }
}

impl From<Entry> for TimelineEntry {
    fn from(e: Entry) -> Self {
        Self { at: e.at.into(), code: e.code, step: e.step, detail: e.detail }
    }
}

impl From<Explanation> for ExplanationView {
    fn from(e: Explanation) -> Self {
        let blocking =
            e.blocking.into_iter().map(|b| BlockingView { code: b.code, detail: b.detail, until: b.until.map(At) });
        let (channel, channel_reason) = e.next_channel.unzip();
        let at = e.next_at.map(At);
        Self {
            now: e.now.into(),
            blocking: blocking.collect(),
            next: e.next.map(|(step, key)| NextView { step, key, at, channel, channel_reason }),
        }
    }
}
