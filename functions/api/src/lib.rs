//! The API: REST under `/v1`, one file a subject.
//!
//! A request passes the [`guard`] (key and role, module, size, type, idempotency), a handler reads
//! its body into a type, calls one verb of the engine and shows what came of it. Bodies are types of
//! their own: neither stored documents nor queue messages.

use std::sync::Arc;

use axum::Router;
use engine::{Engine, Ports};

mod accounts;
mod attributes;
mod auth;
mod blueprints;
mod contacts;
mod enrollments;
mod events;
mod extract;
mod guard;
mod idempotency;
mod import;
mod openapi;
mod payment_sources;
mod problem;
mod routes;
mod senders;
mod sequences;
mod service;
mod shape;
mod suppressions;
mod templates;
mod view;
mod wire;

pub use problem::{FieldError, Problem};

/// Every route, behind its guard.
pub fn router<P: Ports>(engine: Arc<Engine<P>>) -> Router {
    routes::assemble(&engine, table())
        .fallback(guard::no_route)
        .method_not_allowed_fallback(guard::no_method)
        .with_state(engine)
}

fn table<P: Ports>() -> Vec<routes::Route<P>> {
    let mut all = service::routes();
    all.extend(accounts::routes());
    all.extend(attributes::routes());
    all.extend(contacts::routes());
    all.extend(import::routes());
    all.extend(senders::routes());
    all.extend(payment_sources::routes());
    all.extend(sequences::routes());
    all.extend(templates::routes());
    all.extend(blueprints::routes());
    all.extend(enrollments::routes());
    all.extend(events::routes());
    all.extend(suppressions::routes());
    all
}
