//! What the stand-ins accepted, with the step that each message was for.

use std::collections::HashMap;

use domain::enrollment::Enrollment;
use domain::ids::{AttemptRef, EnrollmentId, SenderId, TenantId};
use engine::Engine;
use engine::ports::Store as _;
use testkit::local::AcceptedMessage;

use crate::ports::{Attempts, LocalPorts};

/// The step by what was planned in this process; of what was sent before, by the enrollment itself.
pub(crate) async fn with_steps(
    mut messages: Vec<AcceptedMessage>,
    attempts: &Attempts,
    engine: &Engine<LocalPorts>,
) -> Vec<AcceptedMessage> {
    let mut read: HashMap<EnrollmentId, Option<Enrollment>> = HashMap::new();
    for message in &mut messages {
        let Some(attempt) = message.attempt() else { continue };
        message.step = attempts.step(&attempt);
        let sender = SenderId::parse(&message.sender_id);
        let (None, Some(tenant)) = (message.step, sender.map(|sender| sender.tenant())) else { continue };
        let enrollment = match read.entry(attempt.enrollment) {
            std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(engine.store.enrollment(tenant, attempt.enrollment).await.ok().flatten())
            }
        };
        if let Some(enrollment) = enrollment {
            message.step = step(engine, tenant, enrollment, &attempt).await;
        }
    }
    messages
}

async fn step(
    engine: &Engine<LocalPorts>,
    tenant: TenantId,
    enrollment: &Enrollment,
    attempt: &AttemptRef,
) -> Option<u32> {
    if enrollment.lease.as_ref().is_some_and(|lease| lease.generation == attempt.generation) {
        return Some(enrollment.step);
    }
    let is_of = |r: &&domain::enrollment::StepRecord| r.attempts.iter().any(|a| a.generation == attempt.generation);
    let key = &enrollment.records.iter().find(is_of)?.key;
    let version = engine.version(tenant, attempt.enrollment.sequence, enrollment.version).await.ok()??;
    let index = version.sequence.steps.iter().position(|step| step.key.as_str() == key)?;
    u32::try_from(index).ok()
}
