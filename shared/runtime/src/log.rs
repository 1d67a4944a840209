//! Logs: one JSON object a line, in the words of the code, without people's data.

use tracing_subscriber::EnvFilter;

/// Starts logging by `RUST_LOG` (default `info`). Panics are logged by their place alone: their
/// text may hold what was being worked on. Safe to call twice.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Already set (by a test, or by a second call): that one stays.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        // CloudWatch stamps every line.
        .without_time()
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
