//! Logs: one JSON object a line, in the words of the code, without people's data.

use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The crates whose lines follow `RUST_LOG`. All others (the AWS SDK, hyper, the Lambda runtime)
/// write requests, headers and events on their lower levels: of theirs only warnings and errors are
/// logged, whatever is asked for.
const OURS: [&str; 13] = [
    "api", "aws", "channels", "domain", "engine", "enroll", "local", "runtime", "send", "step", "store", "sweep",
    "webhook",
];

/// Starts logging by `RUST_LOG` (default `info`). Panics are logged by their place alone: their
/// text may hold what was being worked on. Safe to call twice.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Already set (by a test, or by a second call): that one stays.
    let _ = tracing_subscriber::registry().with(layer(filter, std::io::stdout)).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// The lines that `filter` lets through, and the rule above.
pub fn layer<W>(filter: EnvFilter, writer: W) -> impl Layer<Registry>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let is_allowed = filter_fn(|metadata| {
        let of = metadata.target().split("::").next().unwrap_or_default();
        *metadata.level() <= tracing::Level::WARN || OURS.contains(&of)
    });
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        // CloudWatch stamps every line.
        .without_time()
        .with_writer(writer)
        .with_filter(filter.and(is_allowed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_crate_of_ours_may_speak() {
        for group in ["functions", "shared"] {
            let folder = format!("{}/../../{group}", env!("CARGO_MANIFEST_DIR"));
            for entry in std::fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(OURS.contains(&name.as_str()) || name == "testkit", "{group}/{name}");
            }
        }
    }
}
