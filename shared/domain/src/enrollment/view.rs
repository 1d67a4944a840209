//! Steps and timeline for people: a view of the stored state, no writes of its own.

use super::choice::not_by;
use super::types::{
    AttemptResult, Enrollment, HappeningCode, MessageForm, Outcome, ParkReason, State, StepReason, StepRecord,
    StepStatus,
};
use crate::ids::AttemptRef;
use crate::sequence::Sequence;
use crate::time::{AdjustmentCode, Timestamp};

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: Timestamp,
    /// Stable, for programs: `entered`, `planned`, `sent`, `skipped`, `finished` …
    pub code: &'static str,
    pub step: Option<u32>,
    /// For people.
    pub detail: String,
}

/// A step as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView<'a> {
    pub index: u32,
    pub key: &'a str,
    pub status: StepStatus,
    pub record: Option<&'a StepRecord>,
    /// Sent or not: nobody knows (yet).
    pub unknown: bool,
    /// The attempt that counts.
    pub attempt: Option<AttemptRef>,
}

impl Enrollment {
    /// The step's due, while one is ahead.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.due.filter(|_| !self.state.is_finished())
    }

    pub fn in_flight(&self) -> bool {
        self.lease.is_some()
    }

    /// When the current generation needs a timer: every unfinished enrollment that is neither
    /// paused nor parked has one, and so has a send in flight.
    pub fn next_at(&self) -> Option<Timestamp> {
        match &self.lease {
            Some(lease) => Some(lease.resolve_at.unwrap_or(lease.expires_at)),
            None if self.state == State::Waiting => self.wake,
            None => None,
        }
    }

    /// Since when nothing but us has kept the step from going out: its due, or what happened to the
    /// run after that (resumed, released, tried in vain).
    pub fn ready_at(&self) -> Option<Timestamp> {
        let last = self.happenings.last().map(|happening| happening.at);
        self.due.map(|due| last.map_or(due, |last| due.max(last)))
    }

    /// Every step of the version, the untouched ones as pending.
    pub fn steps<'a>(&'a self, sequence: &'a Sequence) -> Vec<StepView<'a>> {
        let view = |(index, step): (usize, &'a crate::sequence::Step)| {
            let record = self.records.iter().find(|r| r.key == step.key);
            let current = index as u32 == self.step;
            let in_flight = self.lease.as_ref().filter(|_| current);
            let last = record.and_then(|r| r.attempts.last());
            let generation = in_flight.map(|l| l.generation).or(last.map(|a| a.generation));
            let mut status = record.map_or(StepStatus::Pending, |r| r.status);
            if status == StepStatus::Scheduled && self.state.is_finished() && in_flight.is_none() {
                status = StepStatus::Pending;
            }
            StepView {
                index: index as u32,
                key: &step.key,
                status,
                record,
                unknown: in_flight.is_some_and(|l| l.resolve_at.is_some())
                    || last.is_some_and(|a| a.result == AttemptResult::Unknown),
                attempt: generation.map(|generation| AttemptRef { enrollment: self.id, generation }),
            }
        };
        sequence.steps.iter().enumerate().map(view).collect()
    }

    /// Every decision with its reason, in order.
    pub fn timeline(&self, sequence: &Sequence) -> Vec<Entry> {
        let detail = if self.is_test() {
            format!("test send of the draft by {}", self.entered.by)
        } else {
            format!("enrolled on version {} ({})", self.first_version(), source_name(self))
        };
        let mut all = vec![Entry { at: self.entered.at, code: "entered", step: None, detail }];
        // A step is planned when the one before it is decided.
        let mut decided = self.entered.at;
        for record in &self.records {
            let index = sequence.steps.iter().position(|s| s.key == record.key);
            record.tell(index.map(|i| i as u32), decided, &mut all);
            decided = record.sent_at.or(record.decided_at).unwrap_or(decided);
        }
        for h in &self.happenings {
            let detail = h.detail.as_deref();
            let (code, detail) = match h.code {
                HappeningCode::Paused => ("paused", "paused".to_owned()),
                HappeningCode::Resumed => ("resumed", "resumed".to_owned()),
                HappeningCode::Parked => ("parked", format!("held: {}", words(detail.unwrap_or("unknown")))),
                HappeningCode::Replanned => ("replanned", "planned again: something it depends on changed".to_owned()),
                HappeningCode::Retrying => {
                    ("retrying", format!("the provider refused ({}), tried again later", detail.unwrap_or("no code")))
                }
                HappeningCode::NextChannel => {
                    let detail = detail.unwrap_or("its channel");
                    ("next_channel", format!("refused for good by {detail}, on to another channel"))
                }
                HappeningCode::Unknown => {
                    ("unknown", "no answer from the provider: never sent twice, waiting for its report".to_owned())
                }
                HappeningCode::Limited => {
                    ("limited", format!("over the sender's limit: its turn is at {}", detail.unwrap_or_default()))
                }
                HappeningCode::DayLimited => (
                    "limited",
                    format!("over the sender's limit for a day: its turn is at {}", detail.unwrap_or_default()),
                ),
                HappeningCode::ContactLimited => (
                    "limited",
                    format!(
                        "contact limit: the contact has had as many messages as allowed, its turn is at {}",
                        detail.unwrap_or_default()
                    ),
                ),
                HappeningCode::Migrated => ("migrated", format!("moved from version {}", detail.unwrap_or_default())),
                HappeningCode::SendNow => ("send_now", "asked to go out now".to_owned()),
                HappeningCode::Finished => ("finished", self.outcome().map_or_else(String::new, |o| ended(o, detail))),
            };
            all.push(Entry { at: h.at, code, step: h.step.filter(|_| h.code != HappeningCode::Finished), detail });
        }
        all.sort_by_key(|e| e.at);
        all
    }

    /// The version that it began on.
    fn first_version(&self) -> String {
        let moves = self.happenings.iter().find(|h| h.code == HappeningCode::Migrated);
        let from = moves.and_then(|h| h.detail.as_deref()).and_then(|d| d.split(' ').next());
        from.map_or_else(|| self.version.to_string(), str::to_owned)
    }
}

impl StepRecord {
    /// `index`: `None` for a step of an earlier version that this one does not have.
    fn tell(&self, index: Option<u32>, decided: Timestamp, all: &mut Vec<Entry>) {
        let mut add = |at: Option<Timestamp>, code, detail: String| {
            if let Some(at) = at {
                let of = if index.is_none() { format!("{} of an earlier version: ", self.key) } else { String::new() };
                all.push(Entry { at, code, step: index, detail: format!("{of}{detail}") });
            }
        };
        if let Some(planned) = self.planned_at.filter(|at| *at > decided) {
            let mut moved: Vec<&str> = Vec::new();
            for reason in self.adjustments.iter().map(|a| adjustment(a.code)) {
                if !moved.contains(&reason) {
                    moved.push(reason);
                }
            }
            let why = match self.adjustments.first() {
                Some(first) => format!(" (moved from {}: {})", first.from, moved.join(", ")),
                None => String::new(),
            };
            add(Some(decided), "planned", format!("planned for {planned}{why}"));
        }
        for attempt in &self.attempts {
            if let AttemptResult::Refused(code) | AttemptResult::Failed(code) = &attempt.result {
                let verb =
                    if matches!(attempt.result, AttemptResult::Refused(_)) { "refused" } else { "not delivered" };
                add(Some(attempt.at), "refused", format!("{verb} by the provider ({code})"));
            }
        }
        if let Some(attempt) = self.attempts.last().filter(|_| self.sent_at.is_some()) {
            let channel = attempt.channel.as_str();
            let form = match attempt.form {
                MessageForm::Text => "text",
                MessageForm::Template => "template",
                MessageForm::FallbackTemplate => "template, because the 24 h window was closed",
            };
            let doubt = if attempt.result == AttemptResult::Unknown { " (unconfirmed)" } else { "" };
            add(self.sent_at, "sent", format!("sent by {channel} as {form}{doubt}{}", self.others()));
        }
        add(self.delivered_at, "delivered", "delivered".into());
        add(self.read_at, "read", "read".into());
        add(self.replied_at, "replied", "the contact replied".into());
        if let Some(reason) = self.reason {
            let verb = if self.status == StepStatus::Skipped { "skipped" } else { "failed" };
            add(self.decided_at, verb, format!("{verb}: {}{}", reason.explain(), self.others()));
        }
    }

    /// The channels that it was not sent by, if it had a choice.
    fn others(&self) -> String {
        if self.passed.is_empty() { String::new() } else { format!(" ({})", not_by(&self.passed)) }
    }
}

fn source_name(e: &Enrollment) -> String {
    let kind = serde_json::to_value(e.entered.source.type_).ok().and_then(|v| v.as_str().map(str::to_owned));
    let kind = kind.unwrap_or_default();
    e.entered.source.name.as_ref().map_or_else(|| format!("{kind} by {}", e.entered.by), |n| format!("{kind}: {n}"))
}

fn words(code: &str) -> String {
    code.replace('_', " ")
}

/// An adjustment in words.
pub fn adjustment(code: AdjustmentCode) -> &'static str {
    match code {
        AdjustmentCode::QuietHours => "quiet hours",
        AdjustmentCode::Window => "outside the step's window",
        AdjustmentCode::Weekday => "not one of the window's days",
        AdjustmentCode::BusinessDay => "not a business day",
        AdjustmentCode::Holiday => "a holiday",
        AdjustmentCode::Spread => "spread out",
        AdjustmentCode::DstGap => "the clocks skip that time",
        AdjustmentCode::Past => "already past",
    }
}

/// How a run ended.
pub(super) fn ended(outcome: Outcome, detail: Option<&str>) -> String {
    let text = match outcome {
        Outcome::Completed => "completed: every step is done",
        Outcome::Replied => "stopped: the contact replied",
        Outcome::Goal => "stopped: the goal was reached",
        Outcome::Resolved => "stopped: the conversation was resolved",
        Outcome::Unsubscribed => "stopped: the contact opted out",
        Outcome::Bounced => "stopped: the address bounced and no channel is left",
        Outcome::Removed => "stopped: removed",
        Outcome::Failed => "stopped: a step failed",
    };
    detail.map_or_else(|| text.to_owned(), |d| format!("{text} ({d})"))
}

impl StepReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Past => "past",
            Self::TooLate => "too_late",
            Self::OutsideWindowNoTemplate => "outside_window_no_template",
            Self::Suppressed => "suppressed",
            Self::NoAddress => "no_address",
            Self::RegionCap => "region_cap",
            Self::BlankVariable => "blank_variable",
            Self::RecipientUnreachable => "recipient_unreachable",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::TemplateRejected => "template_rejected",
            Self::MessageRejected => "message_rejected",
            Self::SkippedByUser => "skipped_by_user",
            Self::Discarded => "discarded",
        }
    }

    /// In words that a support agent understands.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Past => "its time was already past",
            Self::TooLate => "it could not go out in time",
            Self::OutsideWindowNoTemplate => "the 24 h window was closed and the step has no template",
            Self::Suppressed => "the contact opted out of this channel",
            Self::NoAddress => "the contact has no address on this channel",
            Self::RegionCap => "the cap of follow-ups for the contact's region is reached",
            Self::BlankVariable => "a variable would have been blank",
            Self::RecipientUnreachable => "the provider cannot reach this address",
            Self::ProviderUnavailable => "the provider was unavailable for too long",
            Self::TemplateRejected => "the provider rejected the template",
            Self::MessageRejected => "the message came out blank or too long, or the provider rejected it",
            Self::SkippedByUser => "skipped by hand",
            Self::Discarded => "the draft was discarded",
        }
    }
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Replied => "replied",
            Self::Goal => "goal",
            Self::Resolved => "resolved",
            Self::Unsubscribed => "unsubscribed",
            Self::Bounced => "bounced",
            Self::Removed => "removed",
            Self::Failed => "failed",
        }
    }
}

impl ParkReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModuleDisabled => "module_disabled",
            Self::SenderSuspended => "sender_suspended",
            Self::SenderMissing => "sender_missing",
            Self::TargetDateMissing => "target_date_missing",
            Self::NeverAllowed => "never_allowed",
        }
    }

    pub fn explain(self) -> &'static str {
        match self {
            Self::ModuleDisabled => "the module is switched off for this account",
            Self::SenderSuspended => "the sender is suspended: its provider refuses it",
            Self::SenderMissing => "no sender serves this step's channel",
            Self::TargetDateMissing => "the target's date that the step waits for is missing or unreadable",
            Self::NeverAllowed => "no instant in the next 400 days is allowed by the window and quiet hours",
        }
    }
}
