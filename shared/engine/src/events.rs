use crate::{Engine, Ports, Refused};
use domain::ids::{ContactId, EnrollmentId, TenantId};
use domain::signal::Signal;
/// What an event did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effect {
    pub exited: Vec<EnrollmentId>,
    pub enrolled: Vec<EnrollmentId>,
}
impl<P: Ports> Engine<P> {
    /// Leaves the mark, ends what it ends, enrolls what it triggers (`POST /v1/events`). The target
    /// must exist already (see `put_target`).
    pub async fn signal(&self, _tenant: TenantId, _contact: ContactId, _signal: &Signal) -> Result<Effect, Refused> {
        unimplemented!()
    }
}
