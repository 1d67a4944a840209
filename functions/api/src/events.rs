//! `POST /v1/events`: what happened to contacts elsewhere.
//!
//! Everything that comes is read before anything is written: a list with a wrong event in it
//! changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::contact::TargetRef;
use domain::ids::{ContactId, EnrollmentId, Ids, TenantId};
use domain::sequence::TargetKind;
use domain::signal::Signal;
use domain::time::Timestamp;
use engine::accounts::Invalid;
use engine::contacts::TargetChange;
use engine::{Engine, Ports, Refused};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};

use crate::contacts::{self, ContactBody};
use crate::extract::{By, Json, NewIds};
use crate::problem::{FieldError, Problem};
use crate::routes::{Route, post};
use crate::shape::shape;
use crate::wire::At;

const MAX_EVENTS: usize = 100;

/// A target that a body names, with attributes to put first.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetOfBody {
    /// `deal`, `appointment` or `charge`.
    pub(crate) kind: TargetKind,
    id: String,
    /// Over those that it has; null removes one.
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventBody {
    /// The same id never counts twice.
    #[serde(default)]
    id: Option<String>,
    #[serde(rename = "type")]
    #[schema(example = "charge.paid")]
    type_: String,
    #[serde(default)]
    contact_id: Option<ContactId>,
    #[serde(default)]
    #[schema(value_type = Option<ContactBody>)]
    contact: Option<Value>,
    #[serde(default)]
    conversation_id: Option<String>,
    #[serde(default)]
    target: Option<TargetOfBody>,
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    #[serde(default)]
    occurred_at: Option<At>,
}

#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct EventEffect {
    exited: Vec<EnrollmentId>,
    enrolled: Vec<EnrollmentId>,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        post("/v1/events", Role::Agent, create::<P>)
            .says("Tell what happened: ends what it ends, enrolls what it triggers")
            .needs_module()
            .takes_one_or_more::<EventBody>()
            .gives::<EventEffect>(202, "what it did"),
    ]
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Json(body): Json,
) -> Result<Response, Problem> {
    let now = engine.now();
    let events = read(body)?;
    for (pointer, event) in &events {
        let known = contacts::check(&engine, caller.tenant, event.contact_id, event.contact.as_ref()).await;
        known.map_err(|p| p.under(pointer))?;
    }
    let mut effect = EventEffect::default();
    for (pointer, event) in events {
        let done = apply(&engine, caller.tenant, event, now, &mut ids).await.map_err(|p| p.under(&pointer))?;
        effect.exited.extend(done.exited);
        effect.enrolled.extend(done.enrolled);
    }
    Ok((StatusCode::ACCEPTED, axum::Json(effect)).into_response())
}

/// One event, or a list of up to 100, each with where it stands in the body.
fn read(body: Value) -> Result<Vec<(String, EventBody)>, Problem> {
    let listed = match body {
        Value::Array(events) => {
            if events.is_empty() || events.len() > MAX_EVENTS {
                let detail = format!("must hold 1 to {MAX_EVENTS} events");
                return Err(Problem::field("", "invalid_value", detail));
            }
            events.into_iter().enumerate().map(|(i, e)| (format!("/{i}"), e)).collect()
        }
        one => vec![(String::new(), one)],
    };
    let mut events = Vec::new();
    let mut errors = Vec::new();
    for (pointer, event) in listed {
        match shape::<EventBody>(event) {
            Ok(event) => {
                errors.extend(wrong(&event).into_iter().map(|e| e.under(&pointer)));
                events.push((pointer, event));
            }
            Err(problem) => errors.extend(problem.errors.into_iter().map(|e| e.under(&pointer))),
        }
    }
    if errors.is_empty() { Ok(events) } else { Err(Problem::invalid(errors)) }
}

/// What an event says wrong by itself.
fn wrong(event: &EventBody) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut usable = |pointer: &str, text: &str, max: usize| {
        if text.trim().is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
            errors.push(FieldError::new(pointer, "invalid_value", format!("must be 1 to {max} characters")));
        }
    };
    usable("/type", &event.type_, 100);
    for (pointer, text) in [("/id", &event.id), ("/conversation_id", &event.conversation_id)] {
        if let Some(text) = text {
            usable(pointer, text, 255);
        }
    }
    if let Some(target) = &event.target {
        usable("/target/id", &target.id, 255);
        if !target.kind.is_object() {
            errors.push(FieldError::new("/target/kind", "invalid_value", "must be deal, appointment or charge"));
        }
    }
    match (&event.contact_id, &event.contact) {
        (Some(_), Some(_)) => {
            errors.push(FieldError::new("/contact", "invalid_value", "must not stand beside contact_id"));
        }
        (None, None) => errors.push(FieldError::new("/contact_id", "required", "is required, or `contact`")),
        _ => {}
    }
    errors
}

async fn apply<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    event: EventBody,
    now: Timestamp,
    ids: &mut Ids,
) -> Result<EventEffect, Problem> {
    // Drawn in any case: the ids that follow stay the same for a repeat.
    let made = format!("evt_{}", B64.encode(ids.bytes::<12>()));
    let contact = contacts::of_body(engine, tenant, event.contact_id, event.contact, ids).await?;
    let target = match event.target {
        Some(target) => Some(write_target(engine, tenant, contact, target).await?),
        None => None,
    };
    let signal = Signal {
        id: event.id.unwrap_or(made),
        kind: event.type_.trim().to_owned(),
        at: event.occurred_at.map_or(now, |at| at.0),
        target,
        conversation: event.conversation_id,
        data: event.data,
        decimal_mark: None,
    };
    let effect = engine.signal(tenant, contact, &signal).await?;
    Ok(EventEffect { exited: effect.exited, enrolled: effect.enrolled })
}

/// Puts a target that a body names, so that what follows finds it.
pub(crate) async fn write_target<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    contact: ContactId,
    target: TargetOfBody,
) -> Result<TargetRef, Problem> {
    let named = TargetRef { kind: target.kind, id: target.id };
    let change = TargetChange::Merge(target.attributes);
    match engine.put_target(tenant, contact, &named, &change).await {
        Ok(_) => Ok(named),
        Err(Invalid::Refused(Refused::Unknown { what, .. })) => Err(Problem::unknown_reference("/contact_id", what)),
        Err(other) => Err(Problem::from(other).under("/target")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contact() -> String {
        ContactId::from_bytes([1; 12]).to_string()
    }

    #[test]
    fn one_event_or_a_list() {
        let event = json!({"type": "charge.paid", "contact_id": contact()});
        assert_eq!(read(event.clone()).expect("is fine").len(), 1);
        let list = read(json!([event.clone(), event.clone()])).expect("is fine");
        assert_eq!(list.iter().map(|(p, _)| p.as_str()).collect::<Vec<_>>(), ["/0", "/1"]);
        assert!(read(Value::Array(vec![event.clone(); 101])).is_err());
        assert!(read(json!([])).is_err());
    }

    #[test]
    fn errors_point_into_the_list() {
        let check = |body: Value, expected: &[(&str, &str)]| {
            let problem = read(body).expect_err("is wrong");
            let found: Vec<_> = problem.errors.iter().map(|e| (e.pointer.as_str(), e.code.as_ref())).collect();
            assert_eq!(found, expected);
        };
        let good = json!({"type": "x", "contact_id": contact()});
        check(json!([good, {"type": "x"}]), &[("/1/contact_id", "required")]);
        check(json!({"contact_id": contact()}), &[("/type", "required")]);
        check(json!({"type": "x", "contact_id": "ctc_1"}), &[("/contact_id", "unknown_reference")]);
        check(json!({"type": "x", "contact_id": contact(), "contact": {}}), &[("/contact", "invalid_value")]);
        check(
            json!({"type": " ", "contact_id": contact(), "target": {"kind": "contact", "id": ""}}),
            &[("/type", "invalid_value"), ("/target/id", "invalid_value"), ("/target/kind", "invalid_value")],
        );
        check(
            json!({"type": "x", "contact_id": contact(), "occurred_at": "now"}),
            &[("/occurred_at", "invalid_value")],
        );
        check(json!("x"), &[("", "invalid_type")]);
    }
}
