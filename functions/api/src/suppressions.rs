//! Addresses that get nothing more.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::Role;
use domain::contact::Profile;
use domain::ids::TenantId;
use domain::message::Channel;
use engine::contacts::{SuppressionScope, check_profile};
use engine::model::{Suppression, suppression_id};
use engine::ports::Store as _;
use engine::{Engine, Ports};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::extract::{Asked, Body, By, Params};
use crate::problem::Problem;
use crate::routes::{Route, delete, get, post};
use crate::wire::{At, List, ListQuery};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuppressionBody {
    channel: SuppressionChannel,
    /// An email, a phone, or a WhatsApp business-scoped id.
    address: String,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SuppressionChannel {
    Whatsapp,
    Email,
    Sms,
    /// Every channel that the address serves: one entry each.
    All,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SuppressionView {
    id: String,
    channel: Channel,
    /// In its one canonical form.
    address: String,
    reason: String,
    at: At,
    /// With `all`: the entries for the address's other channels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    also: Vec<SuppressionView>,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        get("/v1/suppressions", Role::Viewer, list::<P>).says("List suppressed addresses").lists::<SuppressionView>(),
        post("/v1/suppressions", Role::Manager, create::<P>)
            .says("Suppress an address; from the answer on nothing goes there")
            .takes::<SuppressionBody>()
            .gives::<SuppressionView>(201, "suppressed"),
        delete("/v1/suppressions/{id}", Role::Manager, remove::<P>).says("Lift a suppression").gives_nothing(),
    ]
}

async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<SuppressionView>>, Problem> {
    let all = engine.store.suppressions(caller.tenant).await?;
    let all = all.into_iter().map(|entry| SuppressionView::of(caller.tenant, entry)).collect();
    Ok(axum::Json(List::cut(all, &query, |s| format!("{} {}", s.at.0, s.id))?))
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Body(body): Body<SuppressionBody>,
) -> Result<Response, Problem> {
    let account = engine.account(caller.tenant).await?;
    let address = canonical(body.channel, &body.address, account.settings.default_country.as_deref())?;
    if body.reason.chars().count() > 255 {
        return Err(Problem::field("/reason", "too_long", "must have at most 255 characters"));
    }
    let scope = match body.channel {
        SuppressionChannel::Whatsapp => SuppressionScope::One(Channel::Whatsapp),
        SuppressionChannel::Email => SuppressionScope::One(Channel::Email),
        SuppressionChannel::Sms => SuppressionScope::One(Channel::Sms),
        SuppressionChannel::All => SuppressionScope::All,
    };
    let entries = engine.suppress(caller.tenant, scope, &address, body.reason.trim()).await?;
    let mut views = entries.into_iter().map(|entry| SuppressionView::of(caller.tenant, entry));
    let mut first = views.next().ok_or_else(Problem::internal)?;
    first.also = views.collect();
    Ok((StatusCode::CREATED, axum::Json(first)).into_response())
}

async fn remove<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(entry): Params<String>,
) -> Result<StatusCode, Problem> {
    let lifted = engine.unsuppress(caller.tenant, &entry).await?;
    lifted.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| Problem::not_found("suppression"))
}

/// The address as the list writes it, by the same rules as a contact's.
fn canonical(channel: SuppressionChannel, address: &str, default_country: Option<&str>) -> Result<String, Problem> {
    let address = address.trim().to_owned();
    let is_bsuid = address.contains('.') && !address.contains('@') && address.starts_with(char::is_alphabetic);
    let mut said = Profile::default();
    match channel {
        SuppressionChannel::Email => said.email = Some(address),
        SuppressionChannel::All if address.contains('@') => said.email = Some(address),
        SuppressionChannel::Whatsapp | SuppressionChannel::All if is_bsuid => said.whatsapp_id = Some(address),
        _ => said.phone = Some(address),
    }
    let checked = check_profile(said, default_country).map_err(|faults| {
        let (code, detail) = faults.first().map_or(("required", "is required".into()), |f| match f.pointer.as_str() {
            "" => ("required", "is required".to_owned()),
            _ => (f.code, f.detail.clone()),
        });
        Problem::field("/address", code, detail)
    })?;
    checked.email.or(checked.phone).or(checked.whatsapp_id).ok_or_else(Problem::internal)
}

impl SuppressionView {
    fn of(tenant: TenantId, s: Suppression) -> Self {
        Self {
            id: suppression_id(tenant, s.channel, &s.address),
            channel: s.channel,
            address: s.address,
            reason: s.reason,
            at: s.at.into(),
            also: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        let check = |channel, address: &str, expected: Result<&str, &str>| {
            let found = canonical(channel, address, Some("BR")).map_err(|p| p.code.into_owned());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{address}");
        };
        check(SuppressionChannel::Email, " Ana@B.co", Ok("ana@b.co"));
        check(SuppressionChannel::Sms, "(11) 98765-4321", Ok("+5511987654321"));
        check(SuppressionChannel::Whatsapp, "+551692318222", Ok("+5516992318222"));
        check(SuppressionChannel::Whatsapp, "BR.1234", Ok("BR.1234"));
        check(SuppressionChannel::All, "ana@b.co", Ok("ana@b.co"));
        check(SuppressionChannel::All, "+55 11 98765 4321", Ok("+5511987654321"));
        check(SuppressionChannel::Email, "+5511987654321", Err("invalid_email"));
        check(SuppressionChannel::Sms, "ana@b.co", Err("invalid_phone"));
        check(SuppressionChannel::Sms, " ", Err("required"));
    }
}
