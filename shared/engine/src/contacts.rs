//! stub
use crate::{Engine, PortError, Ports};
use domain::ids::{Ids, TenantId};
use serde_json::{Map, Value};
pub enum RowRefused {
    Row { field: Option<String>, code: String, detail: String },
    Port(PortError),
}
impl<P: Ports> Engine<P> {
    pub async fn import_row(
        &self,
        _t: TenantId,
        _c: Option<&str>,
        _r: &Map<String, Value>,
        _i: &mut Ids,
    ) -> Result<bool, RowRefused> {
        unimplemented!()
    }
}
