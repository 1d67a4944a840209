//! Declared attributes: names with a type. Undeclared ones are accepted as text.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::content::{self, Attribute, VariableInfo, VariableType};
use domain::sequence::TargetKind;
use engine::ports::Store as _;
use engine::{Engine, Ports};
use http::StatusCode;
use serde::Deserialize;

use crate::extract::{Asked, Body, By};
use crate::problem::Problem;
use crate::routes::{Route, get, post};
use crate::wire::{List, ListQuery, MAX_LIMIT};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VariablesQuery {
    target: Option<TargetKind>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        get("/v1/attributes", Role::Viewer, list::<P>).says("List declared attributes").lists::<Attribute>(),
        post("/v1/attributes", Role::Manager, create::<P>)
            .says("Declare an attribute")
            .takes::<Attribute>()
            .gives::<Attribute>(201, "declared"),
        get("/v1/variables", Role::Viewer, variables::<P>)
            .says("List every name that content may use")
            .asks("target", "what the sequence is about: contact, conversation, deal, appointment or charge")
            .lists::<VariableInfo>(),
    ]
}

async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<Attribute>>, Problem> {
    let all = engine.store.attributes(caller.tenant).await?;
    Ok(axum::Json(List::cut(all, &query, |a| format!("{}.{}", a.of.as_str(), a.name))?))
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Body(attribute): Body<Attribute>,
) -> Result<Response, Problem> {
    if !is_name(&attribute.name) {
        let detail = "must be letters, digits and `_`, not led by a digit, at most 64: content names it in `{{ … }}`";
        return Err(Problem::field("/name", "invalid_name", detail));
    }
    engine.store.save_attribute(caller.tenant, &attribute).await?;
    Ok((StatusCode::CREATED, axum::Json(attribute)).into_response())
}

async fn variables<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<VariablesQuery>,
) -> Result<axum::Json<List<VariableInfo>>, Problem> {
    let target = query.target.unwrap_or(TargetKind::Contact);
    let mut all = content::variables(target);
    for attribute in engine.store.attributes(caller.tenant).await? {
        let Some(name) = content::attribute_name(target, attribute.of, &attribute.name) else { continue };
        let (type_, example) = (attribute.type_, example(attribute.type_));
        // A declaration says more of a usual name than we do.
        all.retain(|v| v.name != name);
        all.push(VariableInfo { name, type_, example: example.into() });
    }
    let query = ListQuery { limit: query.limit.or(Some(MAX_LIMIT)), cursor: query.cursor };
    Ok(axum::Json(List::cut(all, &query, |v| v.name.clone())?))
}

fn example(type_: VariableType) -> &'static str {
    match type_ {
        VariableType::Text => "abc",
        VariableType::Number => "129,90",
        VariableType::Date => "2026-12-01",
        VariableType::Datetime => "2026-12-01T13:00:00Z",
        VariableType::Boolean => "true",
        VariableType::Link => "https://example.com/abc",
    }
}

fn is_name(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|c| c.is_alphabetic() || c == '_')
        && text.chars().count() <= 64
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_stand_in_content() {
        for good in ["plan", "_x", "due_date2", "região"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "2nd", "a b", "a.b", "a-b", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
