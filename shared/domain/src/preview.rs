//! What would happen, when and why (API.md, `POST /v1/preview`): a sequence walked step by step for
//! a person, each step taken as sent at its own instant.
//!
//! It calls the functions that the engine calls, on an enrollment that begins as a real one begins,
//! so a preview and the run that follows it cannot differ. It never looks at the present: what is
//! "now" for a step is the step before.

use chrono::SecondsFormat;
use sha2::{Digest as _, Sha256};

use crate::contact::{Person, TargetRef};
use crate::content::{self, limits, sms_segments, transliterate};
use crate::enrollment::choice::{Passed, candidates};
use crate::enrollment::compose::Not;
use crate::enrollment::enroll::{Decision, Wish};
use crate::enrollment::plan::Context;
use crate::enrollment::{Enrollment, ParkReason, Planning, Source, SourceType, StepReason};
use crate::ids::{EnrollmentId, SequenceId};
use crate::message::{Channel, Message};
use crate::region::most_steps;
use crate::sequence::{ContentType, Step, StepChannel};
use crate::time::{Adjustment, Due, Planned, Timestamp, Zone};

/// What a preview begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// A draft that is not stored yet has any id.
    pub sequence: SequenceId,
    pub at: Timestamp,
    pub target: Option<TargetRef>,
    /// Fixes the spread. An enrollment's id gives exactly that enrollment's; any other text, one of
    /// its own. Without, it is that of the enrollment which would begin now.
    pub seed: Option<String>,
}

/// A step as it would go.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewStep {
    pub index: u32,
    pub key: String,
    /// TIME.md section 1; `None` while a date of the target is missing.
    pub base: Option<Timestamp>,
    /// When it goes; `None` when it does not.
    pub at: Option<Timestamp>,
    /// `at` on the wall, with its offset.
    pub local: Option<String>,
    pub adjustments: Vec<Adjustment>,
    /// The channel that would be picked, or the one that the step asks for.
    pub channel: Option<Channel>,
    pub channel_reason: String,
    /// As it would be sent; `None` when nothing would.
    pub message: Option<Message>,
    /// Parts, where the channel is SMS.
    pub sms_segments: Option<usize>,
    /// Parts that `transliterate` spares.
    pub sms_segments_saved: Option<usize>,
    pub warnings: Vec<Warning>,
    /// Why the step is passed over, without a message.
    pub skipped: Option<StepReason>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

/// Nothing is allowed for this step within 400 days (TIME.md section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("step {step} finds no instant within 400 days in which it may go out")]
pub struct NeverAllowed {
    pub step: u32,
}

/// Walks the sequence of `context` for its person.
///
/// # Errors
/// The first step that finds no allowed instant.
pub fn preview(context: &Context<'_>, start: &Start) -> Result<Vec<PreviewStep>, NeverAllowed> {
    let calendar = context.settings.calendar(context.person.contact.profile.timezone.as_deref());
    let mut e = begin(context, start);
    let dates = context.target_dates(&e);
    let planning = Planning { sequence: context.sequence, calendar: &calendar, target_dates: &dates };
    let mut steps = Vec::with_capacity(context.sequence.steps.len());
    let most = most_steps(&context.sequence.caps, &context.person.contact);
    let mut gone_out = 0;
    for (index, step) in (0..).zip(&context.sequence.steps) {
        e.step = index;
        let mut shown = blank(context, &e, index, step);
        match planning.due(&e, step, e.previous) {
            // The run looks when the step's turn has come: the next wait counts from there.
            Due::At(planned) if most.is_some_and(|most| gone_out >= most) => {
                shown.base = Some(planned.base);
                shown.skipped = Some(StepReason::RegionCap);
                e.previous = planned.at;
            }
            Due::At(planned) => {
                let at = planned.at;
                shown.place(planned, calendar.zone);
                shown.fill(context, &e, step, at);
                gone_out += u32::from(shown.message.is_some());
                e.previous = at;
            }
            // A step that is passed over is decided when its turn comes: the next wait counts from
            // there, and there is the step before.
            Due::Past { base } => {
                shown.base = Some(base);
                shown.skipped = Some(StepReason::Past);
            }
            Due::TooLate { .. } => shown.skipped = Some(StepReason::TooLate),
            Due::TargetDateMissing => shown.warn_parked(ParkReason::TargetDateMissing),
            Due::NeverAllowed => return Err(NeverAllowed { step: index }),
        }
        steps.push(shown);
    }
    Ok(steps)
}

/// The enrollment as it would begin at `start`, before its first step is planned.
fn begin(context: &Context<'_>, start: &Start) -> Enrollment {
    let kind = context.sequence.target;
    let fitting = start.target.clone().filter(|t| t.kind == kind || !kind.is_object());
    let nameless = || kind.is_object().then(|| TargetRef { kind, id: String::new() });
    let wish = Wish {
        id: 0,
        sequence: start.sequence,
        version: 1,
        conversation: None,
        target: fitting.or_else(nameless),
        start_at: Some(start.at),
        by: "preview".into(),
        source: Source { type_: SourceType::Manual, name: None },
        since: start.at,
        trigger: None,
    };
    let calendar = context.settings.calendar(None);
    let dates = std::collections::BTreeMap::new();
    let planning = Planning { sequence: context.sequence, calendar: &calendar, target_dates: &dates };
    // Earlier runs and what ended them are no part of a preview, but they count in the run's number.
    let newcomer = Person { enrollments: Vec::new(), ..context.person.clone() };
    let Decision::New(mut e) = wish.decide(&newcomer, &planning, start.at) else {
        unreachable!("a person without runs and with a fitting target may begin")
    };
    let earlier = context.person.enrollments.iter().filter(|run| run.id.with_run(1) == e.id).map(|run| run.id.run);
    e.id = seeded(start.seed.as_deref(), e.id.with_run(earlier.max().unwrap_or(0) + 1));
    e.step = 0;
    e.previous = start.at;
    e.caught_up = false;
    e.records.clear();
    *e
}

fn seeded(seed: Option<&str>, id: EnrollmentId) -> EnrollmentId {
    let Some(seed) = seed else { return id };
    EnrollmentId::parse(seed).unwrap_or_else(|| {
        let mut scope = [0; 8];
        scope.copy_from_slice(&Sha256::digest(seed.as_bytes())[..8]);
        EnrollmentId { scope, ..id }
    })
}

fn blank(context: &Context<'_>, e: &Enrollment, index: u32, step: &Step) -> PreviewStep {
    let channel = context.wanted(e, step);
    PreviewStep {
        index,
        key: step.key.clone(),
        base: None,
        at: None,
        local: None,
        adjustments: Vec::new(),
        channel,
        channel_reason: asks_for(step, channel),
        message: None,
        sms_segments: None,
        sms_segments_saved: None,
        warnings: Vec::new(),
        skipped: None,
    }
}

impl PreviewStep {
    fn place(&mut self, planned: Planned, zone: Zone) {
        self.base = Some(planned.base);
        self.at = Some(planned.at);
        let local = planned.at.to_chrono().with_timezone(&zone);
        self.local = Some(local.to_rfc3339_opts(SecondsFormat::Secs, false));
        self.adjustments = planned.adjustments;
    }

    /// What would be said at `at`, or why nothing.
    fn fill(&mut self, context: &Context<'_>, e: &Enrollment, step: &Step, at: Timestamp) {
        let choice = context.choose(e, step, at);
        self.channel_reason = choice.why();
        match choice.picked {
            Ok(composed) => {
                self.channel = Some(composed.channel);
                self.warn_blank(&composed.blank);
                self.show(composed.channel, composed.message, composed.accented.as_deref());
            }
            Err(Not::Skip(StepReason::BlankVariable)) => self.warn_blank(&blanks(context, e, step)),
            Err(Not::Skip(reason) | Not::Fail(reason)) => self.warn(reason.as_str(), reason.explain()),
            Err(Not::Park(ParkReason::SenderMissing)) => {
                self.warn_parked(ParkReason::SenderMissing);
                self.say(context, e, step);
            }
            Err(Not::Park(reason)) => self.warn_parked(reason),
        }
    }

    /// An email or an SMS says the same whoever sends it: it is shown before there is a sender.
    fn say(&mut self, context: &Context<'_>, e: &Enrollment, step: &Step) {
        let Some(channel @ (Channel::Email | Channel::Sms)) = self.channel else { return };
        match context.say(step, channel, &context.variables(e, None)) {
            Ok(said) => {
                self.warn_blank(&said.blank);
                self.show(channel, said.message, said.accented.as_deref());
            }
            Err(Passed::BlankVariable) => self.warn_blank(&blanks(context, e, step)),
            Err(other) => self.warn(other.code(), other.explain()),
        }
    }

    fn show(&mut self, channel: Channel, message: Message, accented: Option<&str>) {
        if let (Channel::Sms, Message::Text { text }) = (channel, &message) {
            let parts = sms_segments(text);
            self.sms_segments = Some(parts.segments);
            self.sms_segments_saved = accented.map(|with| sms_segments(with).segments.saturating_sub(parts.segments));
            if parts.segments > limits::SMS_PARTS {
                self.warn("sms_long", format!("it goes out in {} parts, each of which is billed", parts.segments));
            }
            let plain = sms_segments(&transliterate(text)).segments;
            if parts.segments > plain {
                let detail = format!(
                    "its accents and signs make {} parts of what would be {plain}; `transliterate` writes it without",
                    parts.segments
                );
                self.warn("sms_accents", detail);
            }
        }
        self.message = Some(message);
    }

    fn warn(&mut self, code: &'static str, detail: impl Into<String>) {
        self.warnings.push(Warning { code, detail: detail.into() });
    }

    fn warn_blank(&mut self, names: &[String]) {
        for name in names {
            self.warn(StepReason::BlankVariable.as_str(), format!("`{name}` is blank for this contact"));
        }
    }

    fn warn_parked(&mut self, reason: ParkReason) {
        let (code, detail) = match reason {
            ParkReason::ModuleDisabled => ("module_disabled", "the account is not enabled: nothing is sent"),
            ParkReason::SenderSuspended => {
                ("sender_suspended", "the sender is suspended: the run waits until it is fixed")
            }
            ParkReason::SenderMissing => ("sender_missing", "there is no sender to go through, or no single one"),
            ParkReason::TargetDateMissing => (
                "target_date_missing",
                "the date that the step waits for is missing or unreadable: the run waits for it",
            ),
            ParkReason::NeverAllowed => ("never_allowed", "nothing is allowed within 400 days"),
        };
        self.warn(code, detail);
    }
}

/// The names that keep a step from going out.
fn blanks(context: &Context<'_>, e: &Enrollment, step: &Step) -> Vec<String> {
    let sender = candidates(step).iter().find_map(|asked| context.sender_by(e, step, *asked).ok()).map(|(s, _)| s);
    let variables = context.variables(e, sender);
    let template = match step.content.type_ {
        ContentType::WhatsappTemplate => step.content.whatsapp_template(),
        _ => step.fallback_template.clone(),
    };
    let in_template = template.and_then(|t| content::render_template(&t, &variables).ok()).map(|r| r.blank);
    in_template.filter(|names| !names.is_empty()).unwrap_or_else(|| {
        let channel = sender.map(|s| s.channel).or_else(|| context.wanted(e, step));
        let said = channel.and_then(|c| context.said(step, c, &variables).ok());
        said.map(|s| s.blank).unwrap_or_default()
    })
}

/// Before anything is known of when it goes.
fn asks_for(step: &Step, channel: Option<Channel>) -> String {
    match channel.map(Channel::as_str) {
        None => "the contact has not written yet: there is no conversation to continue".to_owned(),
        Some(channel) if step.channel == StepChannel::Automatic => format!("{channel} comes first in the step's order"),
        Some(channel) if step.channel == StepChannel::SameConversation => format!("the last exchange was by {channel}"),
        Some(channel) => format!("the step asks for {channel}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
