use crate::{Engine, Ports, Refused};
use domain::ids::{EnrollmentId, TenantId};
use domain::time::Timestamp;
#[derive(Debug, Clone, PartialEq)]
pub struct Blocking {
    pub code: &'static str,
    pub detail: String,
    pub until: Option<Timestamp>,
}
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub now: Timestamp,
    pub blocking: Vec<Blocking>,
    /** index and key of the next step */
    pub next: Option<(u32, String)>,
    pub next_at: Option<Timestamp>,
}
impl<P: Ports> Engine<P> {
    pub async fn explain(&self, _tenant: TenantId, _id: EnrollmentId) -> Result<Explanation, Refused> {
        unimplemented!()
    }
}
