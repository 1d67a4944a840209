use crate::model::{Caller, Job};
use crate::queue::EnrollWork;
use crate::{Engine, PortError, Ports, Refused};
use domain::enrollment::Source;
use domain::ids::{ContactId, Ids, SequenceId, TenantId};
use serde_json::{Map, Value};
impl<P: Ports> Engine<P> {
    /// Works on one part of a job until it is done (from the enroll queue).
    pub async fn work(&self, _work: &EnrollWork) -> Result<(), PortError> {
        unimplemented!()
    }
    /// `POST /v1/enrollments/bulk`.
    pub async fn enroll_many(
        &self,
        _caller: &Caller,
        _sequence: SequenceId,
        _contacts: Vec<ContactId>,
        _source: Source,
        _ids: &mut Ids,
    ) -> Result<Job, Refused> {
        unimplemented!()
    }
    /// Rows of a CSV too many to answer at once: a job (a new one, or the one given), closed by `last`.
    pub async fn import_many(
        &self,
        _caller: &Caller,
        _job: Option<domain::ids::JobId>,
        _last: bool,
        _rows: Vec<Map<String, Value>>,
        _ids: &mut Ids,
    ) -> Result<Job, Refused> {
        unimplemented!()
    }
    pub async fn job(&self, _tenant: TenantId, _id: domain::ids::JobId) -> Result<Job, Refused> {
        unimplemented!()
    }
}
