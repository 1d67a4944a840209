//! Declared attributes: names with a type. Undeclared ones are accepted as text.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use engine::model::Attribute;
use engine::ports::Store as _;
use engine::{Engine, Ports};
use http::StatusCode;

use crate::extract::{Asked, Body, By};
use crate::problem::Problem;
use crate::routes::{Route, get, post};
use crate::wire::{List, ListQuery};

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        get("/v1/attributes", Role::Viewer, list::<P>).says("List declared attributes").lists::<Attribute>(),
        post("/v1/attributes", Role::Manager, create::<P>)
            .says("Declare an attribute")
            .takes::<Attribute>()
            .gives::<Attribute>(201, "declared"),
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
