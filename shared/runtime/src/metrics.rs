//! Metrics: what a batch came to, as one line of CloudWatch's Embedded Metric Format.
//!
//! A handler fills [`Metrics`] and hands them to whoever started it: on Lambda [`print`], from where
//! CloudWatch takes them out of the log; the local runner keeps them for `GET /_local/metrics`. The
//! only dimension is the function, which is also what tells two stacks apart: never a tenant, a
//! sender, a person.

use std::collections::BTreeMap;
use std::io::Write as _;

use domain::time::Timestamp;
use serde_json::{Map, Value, json};

/// CloudWatch's namespace.
pub const NAMESPACE: &str = "Ritmo";
/// The format's limit for the values of one metric in one line.
const MAX_VALUES: usize = 100;

/// What CloudWatch keeps as a metric, by function; each costs $0.30 a month. Whatever else is
/// counted only stands in the line, for Logs Insights.
pub const KEPT: [(&str, &[&str]); 5] = [
    ("enroll", &["RecordsFailed"]),
    ("step", &["SenderSuspended", "Unknown", "RecordsFailed"]),
    ("send", &["DueLag", "Accepted", "Retried", "Refused", "SenderSuspended", "Unknown", "QueueAge", "RecordsFailed"]),
    ("webhook", &["Forged", "RecordsFailed"]),
    ("sweep", &["Repaired", "OldestOverdue"]),
];

/// What one batch, request or sweep of a function came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    function: &'static str,
    at: Timestamp,
    counts: BTreeMap<&'static str, u64>,
    shares: BTreeMap<&'static str, Vec<u64>>,
    seconds: BTreeMap<&'static str, Vec<u64>>,
}

impl Metrics {
    /// `at`: when it began.
    pub fn new(function: &'static str, at: Timestamp) -> Self {
        Self { function, at, counts: BTreeMap::new(), shares: BTreeMap::new(), seconds: BTreeMap::new() }
    }

    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// Adds to a count. What stays at zero does not appear.
    pub fn add(&mut self, name: &'static str, count: u32) {
        if count > 0 {
            *self.counts.entry(name).or_default() += u64::from(count);
        }
    }

    /// Whether this one was such: 0 or 1, so that the sum is how many and the average their share.
    pub fn share(&mut self, name: &'static str, is_such: bool) {
        push(self.shares.entry(name).or_default(), u64::from(is_such));
    }

    /// One value of a distribution of seconds; clocks that differ make no negative ones.
    pub fn seconds(&mut self, name: &'static str, seconds: i64) {
        push(self.seconds.entry(name).or_default(), u64::try_from(seconds).unwrap_or(0));
    }

    /// The line, as of a function of this name (a deployment's, else the crate's own). `None` when
    /// nothing was counted.
    pub fn line(&self, function: Option<&str>) -> Option<Value> {
        let kept = KEPT.iter().find(|(name, _)| *name == self.function).map_or(&[][..], |(_, names)| *names);
        let mut root = Map::new();
        let mut definitions = Vec::new();
        let counts = self.counts.iter().map(|(name, count)| (*name, "Count", json!(count)));
        let seconds = self.seconds.iter().map(|(name, values)| (*name, "Seconds", json!(values)));
        let shares = self.shares.iter().map(|(name, values)| (*name, "Count", json!(values)));
        for (name, unit, value) in counts.chain(shares).chain(seconds) {
            if kept.contains(&name) {
                definitions.push(json!({"Name": name, "Unit": unit}));
            }
            root.insert(name.to_owned(), value);
        }
        if root.is_empty() {
            return None;
        }
        root.insert("Function".to_owned(), json!(function.unwrap_or(self.function)));
        if !definitions.is_empty() {
            let directive = json!({"Namespace": NAMESPACE, "Dimensions": [["Function"]], "Metrics": definitions});
            root.insert("_aws".to_owned(), json!({"Timestamp": self.at.0 * 1_000, "CloudWatchMetrics": [directive]}));
        }
        Some(Value::Object(root))
    }
}

/// Beyond the format's limit, which is far more than a batch of ours, the smallest gives way: the
/// large ones are what is looked for.
fn push(values: &mut Vec<u64>, value: u64) {
    values.push(value);
    if values.len() > MAX_VALUES {
        values.sort_unstable();
        values.remove(0);
    }
}

/// Writes the line to standard output, which is a Lambda function's log.
pub fn print(metrics: &Metrics) {
    let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").ok();
    if let Some(line) = metrics.line(function.as_deref()) {
        // A log that cannot be written must not fail what was done.
        let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const AT: Timestamp = Timestamp(1_773_059_400);

    #[test]
    fn one_line_with_what_was_counted() {
        let mut metrics = Metrics::new("send", AT);
        metrics.add("Accepted", 2);
        metrics.add("Accepted", 1);
        metrics.add("RecordsFailed", 0);
        metrics.share("Retried", false);
        metrics.share("Retried", true);
        metrics.add("Outdated", 1);
        metrics.seconds("DueLag", 3);
        metrics.seconds("DueLag", -1);
        assert_eq!(
            metrics.line(Some("ritmo-send")).unwrap(),
            json!({
                "_aws": {
                    "Timestamp": 1_773_059_400_000_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Ritmo",
                        "Dimensions": [["Function"]],
                        "Metrics": [
                            {"Name": "Accepted", "Unit": "Count"},
                            {"Name": "Retried", "Unit": "Count"},
                            {"Name": "DueLag", "Unit": "Seconds"},
                        ],
                    }],
                },
                "Function": "ritmo-send",
                "Accepted": 3,
                "Retried": [0, 1],
                "DueLag": [3, 0],
                "Outdated": 1,
            })
        );
        assert_eq!(metrics.line(None).unwrap()["Function"], "send");
    }

    #[test]
    fn what_is_no_metric_costs_none_and_nothing_is_no_line() {
        let mut metrics = Metrics::new("step", AT);
        assert_eq!(metrics.line(None), None);
        metrics.add("Early", 1);
        assert_eq!(metrics.line(None).unwrap(), json!({"Function": "step", "Early": 1}));
    }

    #[test]
    fn a_long_list_keeps_its_longest() {
        let mut metrics = Metrics::new("send", AT);
        (0..250).for_each(|seconds| metrics.seconds("DueLag", seconds));
        let line = metrics.line(None).unwrap();
        let values = line["DueLag"].as_array().unwrap();
        assert_eq!((values.len(), values[0].as_u64(), values[99].as_u64()), (100, Some(150), Some(249)));
    }
}
