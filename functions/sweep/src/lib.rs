//! Every minute: find what is overdue and set it going again. Decisions are the engine's
//! (`engine::sweep`).

use std::sync::Arc;

use engine::sweep::Swept;
use engine::{Engine, PortError, Ports};
use runtime::Metrics;

/// Handles one tick. The tick itself says nothing: what counts is the clock and the due index.
///
/// # Errors
/// What kept the sweep from reading; the next minute's tick tries again.
pub async fn handle<P: Ports>(engine: &Arc<Engine<P>>, report: impl Fn(&Metrics)) -> Result<Swept, PortError> {
    let mut metrics = Metrics::new("sweep", engine.now());
    let swept = engine.sweep().await?;
    metrics.add("Overdue", swept.found);
    metrics.add("Repaired", swept.repaired);
    if swept.repaired > 0 {
        metrics.seconds("OldestOverdue", swept.oldest);
    }
    report(&metrics);
    Ok(swept)
}
