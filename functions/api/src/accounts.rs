//! The account's settings and its API keys.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::{ApiKey, Role, Settings, User};
use domain::ids::ApiKeyId;
use engine::accounts::Invalid;
use engine::ports::Store as _;
use engine::{Engine, Ports, Refused};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::auth::Access;
use crate::extract::{Asked, Body, By, Json, NewIds, Params};
use crate::problem::Problem;
use crate::routes::{Route, delete, get, patch, post, route};
use crate::shape::{collect, merge_patch, parse};
use crate::wire::{At, List, ListQuery, id};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyBody {
    name: String,
    role: Role,
    #[serde(default)]
    user: Option<User>,
}

/// An API key without its secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ApiKeyView {
    id: ApiKeyId,
    name: String,
    role: Role,
    user: Option<User>,
    created_at: At,
}

/// A new API key: the only time that its secret is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NewApiKeyView {
    #[serde(flatten)]
    key: ApiKeyView,
    #[schema(example = "rk_…")]
    secret: String,
}

/// Settings of the new account, all with their defaults, and the user of its first key.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct NewAccountBody {
    #[serde(flatten)]
    #[allow(dead_code, reason = "read by `settings_over`; here for the document")]
    settings: Settings,
    #[allow(dead_code, reason = "read beside the settings; here for the document")]
    user: Option<User>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NewAccountView {
    account: AccountView,
    /// The admin key's secret, shown this once.
    #[schema(example = "rk_…")]
    api_key: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AccountView {
    id: domain::ids::TenantId,
    #[serde(flatten)]
    settings: Settings,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        route(utoipa::openapi::path::HttpMethod::Post, "/v1/accounts", Access::Operator, create::<P>)
            .says("Make an account and its first key")
            .may_take::<NewAccountBody>()
            .gives::<NewAccountView>(201, "the account and an admin's key"),
        get("/v1/account", Role::Viewer, show::<P>).says("Read the settings").gives::<Settings>(200, "the settings"),
        patch("/v1/account", Role::Admin, change::<P>)
            .says("Change settings (JSON merge patch)")
            .takes::<Settings>()
            .gives::<Settings>(200, "the settings as they now are"),
        get("/v1/api-keys", Role::Viewer, keys::<P>).says("List keys").lists::<ApiKeyView>(),
        post("/v1/api-keys", Role::Admin, create_key::<P>)
            .says("Make a key")
            .takes::<ApiKeyBody>()
            .gives::<NewApiKeyView>(201, "the key with its secret"),
        delete("/v1/api-keys/{id}", Role::Admin, delete_key::<P>).says("Revoke a key").gives_nothing(),
    ]
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    NewIds(mut ids): NewIds,
    raw: crate::extract::Raw,
) -> Result<Response, Problem> {
    let mut said = if raw.0.is_empty() { Value::Object(Map::new()) } else { parse(&raw.0)? };
    let user = said.as_object_mut().and_then(|fields| fields.remove("user")).filter(|u| !u.is_null());
    let user: Option<User> = user.map(crate::shape::shape).transpose().map_err(|p: Problem| p.under("/user"))?;
    let settings = settings_over(&Settings::default(), said)?;
    let (account, key) = engine.create_account(settings, user, &mut ids).await?;
    let account = AccountView { id: account.id, settings: account.settings };
    Ok((StatusCode::CREATED, axum::Json(NewAccountView { account, api_key: key.secret })).into_response())
}

async fn show<P: Ports>(State(engine): State<Arc<Engine<P>>>, By(caller): By) -> Result<axum::Json<Settings>, Problem> {
    Ok(axum::Json(engine.account(caller.tenant).await?.settings.clone()))
}

async fn change<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Json(patch): Json,
) -> Result<axum::Json<Settings>, Problem> {
    if !patch.is_object() {
        return Err(Problem::field("", "invalid_type", "must be an object"));
    }
    // Shape first, on what is stored now: an error of shape does not depend on it.
    let before = engine.account(caller.tenant).await?;
    settings_over(&before.settings, patch.clone())?;
    let edit = |stored: &Settings| -> Result<Settings, Invalid> {
        settings_over(stored, patch.clone()).map_err(|_| Refused::Busy.into())
    };
    let account = engine.edit_settings(caller.tenant, &edit, &mut ids).await?;
    Ok(axum::Json(account.settings))
}

/// The settings with a merge patch over them. Everything wrong is named at once: shape and rules.
fn settings_over(stored: &Settings, patch: Value) -> Result<Settings, Problem> {
    let mut document = serde_json::to_value(stored).map_err(|_| Problem::internal())?;
    merge_patch(&mut document, patch);
    let (read, mut errors) = collect::<Settings>(document);
    if errors.is_empty()
        && let Some(settings) = read
    {
        return Ok(settings);
    }
    errors.extend(read.iter().flat_map(engine::accounts::check_settings).map(Into::into));
    Err(Problem::invalid(errors))
}

async fn keys<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<ApiKeyView>>, Problem> {
    let keys = engine.store.keys(caller.tenant).await?.into_iter().map(ApiKeyView::from).collect();
    Ok(axum::Json(List::cut(keys, &query, |k| format!("{} {}", k.created_at.0, k.id))?))
}

async fn create_key<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Body(body): Body<ApiKeyBody>,
) -> Result<Response, Problem> {
    let new = engine.create_key(caller.tenant, body.name, body.role, body.user, &mut ids).await?;
    let view = NewApiKeyView { key: new.key.into(), secret: new.secret };
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}

async fn delete_key<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(key): Params<String>,
) -> Result<StatusCode, Problem> {
    engine.delete_key(caller.tenant, id(&key)?).await.map_err(Problem::of_path)?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self { id: key.id, name: key.name, role: key.role, user: key.user, created_at: key.created_at.into() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_what_it_names() {
        let before = Settings { name: "Loja".into(), spread_minutes: 5, ..Settings::default() };
        let after = settings_over(&before, json!({"enabled": true, "spread_minutes": null, "default_country": "BR"}));
        let after = after.expect("is fine");
        assert!(after.enabled);
        assert_eq!((after.name.as_str(), after.spread_minutes), ("Loja", 0));
        assert_eq!(after.default_country.as_deref(), Some("BR"));
    }

    #[test]
    fn shape_and_rules_are_reported_together() {
        let problem = settings_over(&Settings::default(), json!({"timezone": "Mars", "colour": 1, "enabled": "no"}));
        let problem = problem.expect_err("is wrong");
        let mut found: Vec<_> = problem.errors.iter().map(|e| (e.pointer.as_str(), e.code.as_ref())).collect();
        found.sort();
        let expected = [("/colour", "unknown_field"), ("/enabled", "invalid_type"), ("/timezone", "invalid_timezone")];
        assert_eq!(found, expected);
        assert_eq!((problem.status.as_u16(), &*problem.code), (422, "invalid"));
    }
}
