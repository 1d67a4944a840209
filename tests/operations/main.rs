//! What operators see: logs, metrics, the template's alarms and dashboard, the runbook.
#![allow(clippy::unwrap_used)]

mod logs;
mod metrics;
mod nowhere;
mod template;
#[path = "../api/world.rs"]
#[allow(dead_code)]
mod world;
