use crate::{Engine, Ports, Refused};
use domain::enrollment::Enrollment;
use domain::enrollment::control::ResumeMode;
use domain::ids::{EnrollmentId, TenantId};
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Pause,
    Resume(ResumeMode),
    Skip,
    SendNow,
    Exit { reason: Option<String> },
}
impl<P: Ports> Engine<P> {
    /// Applies an action; the enrollment as it stands afterwards. 409 `enrollment_finished`.
    pub async fn control(&self, _tenant: TenantId, _id: EnrollmentId, _action: &Action) -> Result<Enrollment, Refused> {
        unimplemented!()
    }
}
