use crate::{Engine, PortError, Ports};
use domain::enrollment::PlannedSend;
impl<P: Ports> Engine<P> {
    pub async fn send(&self, _planned: &PlannedSend) -> Result<(), PortError> {
        unimplemented!()
    }
}
