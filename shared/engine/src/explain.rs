//! Why has it not sent? In words that a support agent understands.

use domain::enrollment::plan::{Context, why_not};
use domain::enrollment::{Enrollment, HappeningCode, State};
use domain::ids::{EnrollmentId, TenantId};
use domain::sequence::Sequence;
use domain::time::Timestamp;

use crate::ports::Store as _;
use crate::{Engine, Ports, Refused};

/// One thing that keeps the next step from going out.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocking {
    pub code: &'static str,
    pub detail: String,
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub now: Timestamp,
    pub blocking: Vec<Blocking>,
    /// Index and key of the next step.
    pub next: Option<(u32, String)>,
    pub next_at: Option<Timestamp>,
}

impl<P: Ports> Engine<P> {
    /// `GET /v1/enrollments/{id}/explain`. Reads only.
    pub async fn explain(&self, tenant: TenantId, id: EnrollmentId) -> Result<Explanation, Refused> {
        let unknown = Refused::Unknown { what: "enrollment", pointer: "" };
        let person = self.store.person(tenant, id.contact).await?.ok_or(unknown.clone())?;
        let enrollment = person.enrollments.iter().find(|e| e.id == id).ok_or(unknown)?;
        let version = self.version_of(tenant, enrollment).await?;
        let account = self.account(tenant).await?;
        let senders = self.senders(tenant).await?;
        let now = self.now();
        let context = Context {
            tenant,
            person: &person,
            sequence: &version.sequence,
            moves_to: None,
            settings: &account.settings,
            senders: &senders,
            templates: &version.templates,
        };
        let next = version.sequence.steps.get(enrollment.step as usize).filter(|_| !enrollment.state.is_finished());
        let mut blocking = state_blocks(enrollment, &version.sequence, now);
        if !enrollment.state.is_finished() {
            // What it is held for already is said once.
            let known: Vec<_> = blocking.iter().map(|b| b.code).collect();
            let others: Vec<_> =
                why_not(enrollment, &context, now).into_iter().filter(|o| !known.contains(&o.code)).collect();
            if !others.is_empty() {
                // Then no worker takes it.
                blocking.retain(|b| b.code != "due");
            }
            blocking.extend(others.into_iter().map(|o| Blocking { code: o.code, detail: o.detail, until: o.until }));
        }
        Ok(Explanation {
            now,
            blocking,
            next: next.map(|s| (enrollment.step, s.key.clone())),
            next_at: enrollment.due_at().filter(|_| next.is_some()),
        })
    }
}

fn state_blocks(e: &Enrollment, sequence: &Sequence, now: Timestamp) -> Vec<Blocking> {
    let block = |code, detail: String, until| vec![Blocking { code, detail, until }];
    match e.state {
        State::Finished(outcome) => block("finished", format!("it has ended: {}", outcome.as_str()), None),
        State::Paused => block("paused", "it is paused: resume it to go on".into(), None),
        State::Parked(reason) => block(reason.as_str(), format!("held: {}", reason.explain()), None),
        State::Sending => {
            let unknown = e.lease.as_ref().and_then(|l| l.resolve_at);
            match unknown {
                Some(at) => block(
                    "unknown",
                    "the provider did not answer: it is not sent twice, its report is awaited".into(),
                    Some(at),
                ),
                None => block("in_flight", "the message is being sent right now".into(), None),
            }
        }
        State::Waiting if let Some(to) = e.migrate_to => {
            block("migrating", format!("it moves to version {to}, then goes on"), None)
        }
        State::Waiting if let Some(at) = e.closes_at(sequence) => {
            block("closing", format!("every step is done: it waits for the last message's report until {at}"), Some(at))
        }
        State::Waiting if let (Some(limit), Some(due)) = (e.waits_for_limit(), e.due.filter(|due| *due > now)) => {
            let (code, detail) = match limit {
                HappeningCode::ContactLimited => (
                    "contact_limit",
                    format!("contact limit: the contact has had as many messages as allowed until {due}"),
                ),
                HappeningCode::DayLimited if e.day.is_some() => {
                    ("sender_limit", format!("its sender's limit for a day lets it go at {due}"))
                }
                HappeningCode::DayLimited => (
                    "sender_limit",
                    format!("its sender has no message left for the next days: it asks again at {due}"),
                ),
                _ => ("sender_limit", format!("its sender's limit lets it go at {due}")),
            };
            block(code, detail, Some(due))
        }
        State::Waiting => match e.due.filter(|due| *due > now) {
            Some(due) => {
                let moved = e.records.iter().rev().find(|r| r.planned_at == Some(due)).map(|r| {
                    let why: Vec<_> =
                        r.adjustments.iter().map(|a| domain::enrollment::view::adjustment(a.code)).collect();
                    why.join(", ")
                });
                let because = moved.filter(|m| !m.is_empty()).map_or_else(String::new, |m| format!(" (moved: {m})"));
                block("waiting", format!("the step waits until {due}{because}"), Some(due))
            }
            None => block("due", "it is due: it goes out as soon as a worker takes it".into(), None),
        },
    }
}
