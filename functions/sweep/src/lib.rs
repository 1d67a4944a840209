//! Every minute: find what is overdue and set it going again. Decisions are the engine's
//! (`engine::sweep`).

use std::sync::Arc;

use engine::sweep::Swept;
use engine::{Engine, PortError, Ports};

/// Handles one tick. The tick itself says nothing: what counts is the clock and the due index.
///
/// # Errors
/// What kept the sweep from reading; the next minute's tick tries again.
pub async fn handle<P: Ports>(engine: &Arc<Engine<P>>) -> Result<Swept, PortError> {
    let swept = engine.sweep().await?;
    if swept.found > 0 {
        tracing::info!(found = swept.found, repaired = swept.repaired, "swept");
    }
    Ok(swept)
}
