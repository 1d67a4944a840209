use crate::{Engine, Ports, Refused};
use domain::contact::TargetRef;
use domain::enrollment::{Enrollment, Source};
use domain::ids::{ContactId, SequenceId, TenantId};
use domain::time::Timestamp;
/// Who is to be enrolled in what.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrollRequest {
    pub sequence: SequenceId,
    pub contact: ContactId,
    pub conversation: Option<String>,
    pub target: Option<TargetRef>,
    pub start_at: Option<Timestamp>,
    pub source: Source,
    pub by: String,
    /// When the request was received, or the trigger occurred.
    pub since: Timestamp,
    pub trigger: Option<String>,
}
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolled {
    pub enrollment: Enrollment,
    pub duplicate: bool,
}
impl<P: Ports> Engine<P> {
    pub async fn enroll(&self, _tenant: TenantId, _request: &EnrollRequest) -> Result<Enrolled, Refused> {
        unimplemented!()
    }
}
