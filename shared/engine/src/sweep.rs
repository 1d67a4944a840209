use crate::{Engine, PortError, Ports};
/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    pub found: u32,
    pub repaired: u32,
}
impl<P: Ports> Engine<P> {
    pub async fn sweep(&self) -> Result<Swept, PortError> {
        unimplemented!()
    }
}
