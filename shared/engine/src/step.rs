use crate::queue::StepDue;
use crate::{Engine, PortError, Ports};
impl<P: Ports> Engine<P> {
    pub async fn step(&self, _due: &StepDue) -> Result<(), PortError> {
        unimplemented!()
    }
}
