use crate::queue::InboundWork;
use crate::{Engine, PortError, Ports};
use domain::ids::SenderId;
use domain::message::InboundEvent;
impl<P: Ports> Engine<P> {
    /// Applies a provider's verified, normalised events: messages and opt-outs first. What a passing
    /// fault keeps from being applied is queued on the inbound queue *and* reported as an error.
    pub async fn apply(&self, _sender: SenderId, _events: Vec<InboundEvent>) -> Result<(), PortError> {
        unimplemented!()
    }
    /// The same from the inbound queue.
    pub async fn apply_queued(&self, _work: &InboundWork) -> Result<(), PortError> {
        unimplemented!()
    }
}
