//! Why has it not sent? Reads what the answer is made from.

use domain::enrollment::explain::{Blocking, channel, explain};
use domain::enrollment::plan::Context;
use domain::ids::{EnrollmentId, TenantId};
use domain::message::Channel;
use domain::time::Timestamp;

use crate::ports::Store as _;
use crate::{Engine, Ports, Refused};

#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub now: Timestamp,
    pub blocking: Vec<Blocking>,
    /// Index and key of the next step.
    pub next: Option<(u32, String)>,
    pub next_at: Option<Timestamp>,
    /// By which channel it would go out then, and why by that one.
    pub next_channel: Option<(Channel, String)>,
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
            links: &self.config.tokens.links(tenant, id.contact),
        };
        let next = version.sequence.steps.get(enrollment.step as usize).filter(|_| !enrollment.state.is_finished());
        Ok(Explanation {
            now,
            blocking: explain(enrollment, &context, now),
            next: next.map(|s| (enrollment.step, s.key.clone())),
            next_at: enrollment.due_at().filter(|_| next.is_some()),
            next_channel: channel(enrollment, &context, now),
        })
    }
}
