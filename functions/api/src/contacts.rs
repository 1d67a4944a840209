//! Contacts, their targets, conversations and messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::{Role, User};
use domain::contact::{
    Contact, Conversation, ConversationStatus, Profile, Target, TargetRef, canonical_phone, is_bsuid,
};
use domain::ids::{ContactId, EnrollmentId, Ids, MessageId, SenderId, TenantId};
use domain::message::{Channel, Identity, Message};
use domain::sequence::TargetKind;
use engine::accounts::Invalid;
use engine::contacts::{ConversationChange, TargetChange, check_profile};
use engine::model::{Direction, StoredMessage};
use engine::ports::Store as _;
use engine::{Engine, Ports, Refused};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::extract::{Asked, Body, By, Json, NewIds, Params};
use crate::problem::Problem;
use crate::routes::{Route, get, patch, post, put};
use crate::shape::{collect, merge_patch};
use crate::wire::{At, List, ListQuery, given, id, limit};

/// What a caller says of a person. One of `external_id`, `email`, `phone`, `whatsapp_id` is needed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ContactBody {
    external_id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    /// International, or as written in the account's `default_country`.
    phone: Option<String>,
    whatsapp_id: Option<String>,
    /// IANA name.
    timezone: Option<String>,
    /// ISO 3166.
    country: Option<String>,
    language: Option<String>,
    assignee: Option<User>,
    /// A null value removes that attribute.
    attributes: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ContactView {
    id: ContactId,
    external_id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    whatsapp_id: Option<String>,
    timezone: Option<String>,
    country: Option<String>,
    language: Option<String>,
    assignee: Option<User>,
    attributes: BTreeMap<String, Value>,
    /// Channels on which this person's address gets nothing.
    suppressed: Vec<Channel>,
    created_at: At,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactsQuery {
    query: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetBody {
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TargetView {
    kind: TargetKind,
    id: String,
    attributes: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct ConversationBody {
    status: ConversationStatus,
    channel: Option<Channel>,
    sender_id: Option<SenderId>,
    assignee: Option<User>,
    attributes: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ConversationView {
    id: String,
    status: ConversationStatus,
    channel: Option<Channel>,
    sender_id: Option<SenderId>,
    assignee: Option<User>,
    attributes: BTreeMap<String, Value>,
}

/// A message to or from a contact.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MessageView {
    id: MessageId,
    at: At,
    direction: Direction,
    channel: Channel,
    sender_id: SenderId,
    text: Option<String>,
    /// The approved template that went out, filled.
    #[schema(value_type = Option<Object>)]
    template: Option<Value>,
    /// Of an inbound message: `text`, `button`, `media` …
    #[schema(value_type = Option<String>)]
    kind: Option<Value>,
    provider_message_id: Option<String>,
    enrollment_id: Option<EnrollmentId>,
    step: Option<u32>,
}

pub(crate) fn routes<P: Ports>() -> Vec<Route<P>> {
    vec![
        post("/v1/contacts", Role::Agent, create::<P>)
            .says("Make or merge a contact")
            .takes::<ContactBody>()
            .gives::<ContactView>(201, "made")
            .gives::<ContactView>(200, "merged into the one with this identity"),
        get("/v1/contacts", Role::Viewer, list::<P>)
            .says("List contacts, or find one")
            .asks("query", "exactly an email, phone, WhatsApp id or external id")
            .lists::<ContactView>(),
        get("/v1/contacts/{id}", Role::Viewer, show::<P>).says("Read a contact").gives::<ContactView>(200, "it"),
        patch("/v1/contacts/{id}", Role::Agent, change::<P>)
            .says("Change a contact (JSON merge patch)")
            .takes::<ContactBody>()
            .gives::<ContactView>(200, "as it now is"),
        get("/v1/contacts/{id}/messages", Role::Viewer, messages::<P>)
            .says("List a contact's messages, in and out")
            .lists::<MessageView>(),
        put("/v1/contacts/{id}/targets/{kind}/{target_id}", Role::Agent, put_target::<P>)
            .says("Write a deal, appointment or charge of a contact")
            .takes::<TargetBody>()
            .gives::<TargetView>(200, "as it now is"),
        put("/v1/contacts/{id}/conversations/{conversation_id}", Role::Agent, put_conversation::<P>)
            .says("Write a helpdesk conversation of a contact; `resolved` ends its runs")
            .takes::<ConversationBody>()
            .gives::<ConversationView>(200, "as it now is"),
    ]
}

async fn create<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    NewIds(mut ids): NewIds,
    Json(body): Json,
) -> Result<Response, Problem> {
    let (contact, created) = upsert(&engine, caller.tenant, body, &mut ids).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(ContactView::from(contact))).into_response())
}

/// Makes or merges the contact that a body describes; everything wrong with it is named at once.
/// Also for the contact inside an enrollment or event: the caller sets the pointers right.
pub(crate) async fn upsert<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    body: Value,
    ids: &mut Ids,
) -> Result<(Contact, bool), Problem> {
    let account = engine.account(tenant).await?;
    let profile = read_profile(body, account.settings.default_country.as_deref())?;
    Ok(engine.upsert_contact(tenant, profile, ids).await?)
}

/// Whether a body's contact can be used, before anything is written.
pub(crate) async fn check<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    contact_id: Option<ContactId>,
    contact: Option<&Value>,
) -> Result<(), Problem> {
    if let Some(id) = contact_id
        && engine.store.contact(tenant, id).await?.is_none()
    {
        return Err(Problem::unknown_reference("/contact_id", "contact"));
    }
    if let Some(described) = contact {
        let account = engine.account(tenant).await?;
        let country = account.settings.default_country.as_deref();
        read_profile(described.clone(), country).map_err(|p| p.under("/contact"))?;
    }
    Ok(())
}

/// The contact that a body names by `contact_id` or describes as `contact`: exactly one of them.
pub(crate) async fn of_body<P: Ports>(
    engine: &Engine<P>,
    tenant: TenantId,
    contact_id: Option<ContactId>,
    contact: Option<Value>,
    ids: &mut Ids,
) -> Result<ContactId, Problem> {
    match (contact_id, contact) {
        (Some(id), None) => Ok(id),
        (None, Some(described)) => {
            let (contact, _) = upsert(engine, tenant, described, ids).await.map_err(|p| p.under("/contact"))?;
            Ok(contact.id)
        }
        (Some(_), Some(_)) => Err(Problem::field("/contact", "invalid_value", "must not stand beside contact_id")),
        (None, None) => Err(Problem::field("/contact_id", "required", "is required, or `contact`")),
    }
}

/// The checked profile of a body, or every error of its shape and its values.
fn read_profile(body: Value, default_country: Option<&str>) -> Result<Profile, Problem> {
    let (read, mut errors) = collect::<ContactBody>(body);
    let Some(read) = read else { return Err(Problem::invalid(errors)) };
    match check_profile(read.into(), default_country) {
        Ok(profile) if errors.is_empty() => Ok(profile),
        Ok(_) => Err(Problem::invalid(errors)),
        Err(faults) => {
            // An identity of the wrong type is there, if not as it should be.
            let news = faults.into_iter().filter(|f| errors.is_empty() || !f.pointer.is_empty());
            errors.extend(news.map(Into::into).collect::<Vec<_>>());
            Err(Problem::invalid(errors))
        }
    }
}

async fn show<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(contact): Params<String>,
) -> Result<axum::Json<ContactView>, Problem> {
    let contact = find(&engine, caller.tenant, &contact).await?;
    Ok(axum::Json(contact.into()))
}

/// The contact of a path, else 404.
pub(crate) async fn find<P: Ports>(engine: &Engine<P>, tenant: TenantId, text: &str) -> Result<Contact, Problem> {
    let contact = engine.store.contact(tenant, id(text)?).await?;
    contact.ok_or_else(|| Problem::not_found("contact"))
}

async fn list<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Asked(query): Asked<ContactsQuery>,
) -> Result<axum::Json<List<ContactView>>, Problem> {
    let limit = limit(query.limit)?;
    let Some(wanted) = given(&query.query) else {
        let page = engine.store.contacts(caller.tenant, given(&query.cursor), limit).await?;
        return Ok(axum::Json(List::of(page, ContactView::from)));
    };
    let account = engine.account(caller.tenant).await?;
    let mut found: Vec<ContactId> = Vec::new();
    for identity in may_mean(wanted, account.settings.default_country.as_deref()) {
        if let Some(id) = engine.store.find_contact(caller.tenant, &identity).await?
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    let mut data = Vec::new();
    for id in found {
        data.extend(engine.store.contact(caller.tenant, id).await?.map(ContactView::from));
    }
    Ok(axum::Json(List { data, next_cursor: None }))
}

/// Every identity that a text may be.
fn may_mean(text: &str, default_country: Option<&str>) -> Vec<Identity> {
    let mut all = vec![Identity::External(text.to_owned())];
    if text.contains('@') {
        all.push(Identity::Email(text.to_lowercase()));
    }
    // A `+` in a query string that was not escaped arrives as a blank, which is trimmed off.
    let phones = [canonical_phone(text, default_country), canonical_phone(&format!("+{text}"), None)];
    let mut phones: Vec<_> = phones.into_iter().flatten().collect();
    phones.dedup();
    all.extend(phones.into_iter().map(Identity::Phone));
    if is_bsuid(text) {
        all.push(Identity::Bsuid(text.to_owned()));
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        all.push(Identity::WaId(text.to_owned()));
    }
    all
}

async fn change<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(contact): Params<String>,
    Json(patch): Json,
) -> Result<axum::Json<ContactView>, Problem> {
    let before = find(&engine, caller.tenant, &contact).await?;
    let account = engine.account(caller.tenant).await?;
    let country = account.settings.default_country.as_deref();
    if !patch.is_object() {
        return Err(Problem::field("", "invalid_type", "must be an object"));
    }
    patched(&before.profile, patch.clone(), country)?;
    let edit = |stored: &Profile| -> Result<Profile, Invalid> {
        // The patch itself is fine; over what somebody else just wrote it can only lack an identity.
        let lacking = || Refused::at("required", "", "one of external_id, email, phone and whatsapp_id must remain");
        patched(stored, patch.clone(), country).map_err(|_| lacking().into())
    };
    let contact = engine.patch_contact(caller.tenant, before.id, &edit).await.map_err(Problem::of_path)?;
    Ok(axum::Json(contact.into()))
}

fn patched(stored: &Profile, patch: Value, default_country: Option<&str>) -> Result<Profile, Problem> {
    let mut document = serde_json::to_value(stored).map_err(|_| Problem::internal())?;
    merge_patch(&mut document, patch);
    read_profile(document, default_country)
}

async fn messages<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params(contact): Params<String>,
    Asked(query): Asked<ListQuery>,
) -> Result<axum::Json<List<MessageView>>, Problem> {
    let contact = find(&engine, caller.tenant, &contact).await?;
    let (cursor, limit) = (given(&query.cursor), limit(query.limit)?);
    let page = engine.store.messages(caller.tenant, contact.id, cursor, limit).await?;
    Ok(axum::Json(List::of(page, MessageView::from)))
}

async fn put_target<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params((contact, kind, target)): Params<(String, String, String)>,
    Body(body): Body<TargetBody>,
) -> Result<axum::Json<TargetView>, Problem> {
    let contact = id(&contact)?;
    let kind =
        TargetKind::parse(&kind).filter(|k| k.is_object()).ok_or_else(|| Problem::not_found("kind of target"))?;
    let target = TargetRef { kind, id: target };
    let change = TargetChange::Replace(body.attributes);
    let target = engine.put_target(caller.tenant, contact, &target, &change).await.map_err(Problem::of_path)?;
    Ok(axum::Json(target.into()))
}

async fn put_conversation<P: Ports>(
    State(engine): State<Arc<Engine<P>>>,
    By(caller): By,
    Params((contact, conversation)): Params<(String, String)>,
    NewIds(mut ids): NewIds,
    Body(body): Body<ConversationBody>,
) -> Result<axum::Json<ConversationView>, Problem> {
    let contact = id(&contact)?;
    let change = ConversationChange {
        status: body.status,
        channel: body.channel,
        sender_id: body.sender_id,
        assignee: body.assignee,
        attributes: body.attributes,
    };
    let written = engine.put_conversation(caller.tenant, contact, &conversation, &change, &mut ids).await;
    Ok(axum::Json(written.map_err(Problem::of_path)?.into()))
}

impl From<ContactBody> for Profile {
    fn from(b: ContactBody) -> Self {
        Self {
            external_id: b.external_id,
            first_name: b.first_name,
            last_name: b.last_name,
            email: b.email,
            phone: b.phone,
            whatsapp_id: b.whatsapp_id,
            timezone: b.timezone,
            country: b.country,
            language: b.language,
            assignee: b.assignee,
            attributes: b.attributes,
        }
    }
}

impl From<Contact> for ContactView {
    fn from(c: Contact) -> Self {
        let p = c.profile;
        let seen = c.wa_ids.into_iter().chain(c.bsuids).next();
        Self {
            id: c.id,
            external_id: p.external_id,
            first_name: p.first_name,
            last_name: p.last_name,
            email: p.email,
            phone: p.phone,
            whatsapp_id: p.whatsapp_id.or(seen),
            timezone: p.timezone,
            country: p.country,
            language: p.language,
            assignee: p.assignee,
            attributes: p.attributes,
            suppressed: c.suppressed.into_iter().collect(),
            created_at: c.created_at.into(),
        }
    }
}

impl From<Target> for TargetView {
    fn from(t: Target) -> Self {
        Self { kind: t.kind, id: t.id, attributes: t.attributes }
    }
}

impl From<Conversation> for ConversationView {
    fn from(c: Conversation) -> Self {
        Self {
            id: c.id,
            status: c.status,
            channel: c.channel,
            sender_id: c.sender_id,
            assignee: c.assignee,
            attributes: c.attributes,
        }
    }
}

impl From<StoredMessage> for MessageView {
    fn from(m: StoredMessage) -> Self {
        let (text, template) = match m.message {
            Some(Message::Text { text }) => (Some(text), None),
            Some(Message::Bot { text, .. }) => (text, None),
            Some(Message::Rich(rich)) => (Some(rich.plain()), None),
            Some(Message::Email(email)) => (Some(email.text), None),
            Some(Message::WhatsappTemplate(template)) => (m.text, serde_json::to_value(template).ok()),
            None => (m.text, None),
        };
        Self {
            id: m.id,
            at: m.at.into(),
            direction: m.direction,
            channel: m.channel,
            sender_id: m.sender,
            text,
            template,
            kind: m.kind.and_then(|k| serde_json::to_value(k).ok()),
            provider_message_id: m.provider_message_id,
            enrollment_id: m.enrollment,
            step: m.step,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(problem: Problem) -> Vec<(String, String)> {
        let mut found: Vec<_> = problem.errors.into_iter().map(|e| (e.pointer, e.code.into_owned())).collect();
        found.sort();
        found
    }

    #[test]
    fn all_that_is_wrong_with_a_contact_is_said_at_once() {
        let owned = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(p, c)| ((*p).into(), (*c).into())).collect()
        };
        let body = json!({"email": 5, "phone": "abc", "timezone": "Mars", "colour": "red", "assignee": {"name": "A"}});
        let expected = owned(&[
            ("/assignee/email", "required"),
            ("/colour", "unknown_field"),
            ("/email", "invalid_type"),
            ("/phone", "invalid_phone"),
            ("/timezone", "invalid_timezone"),
        ]);
        assert_eq!(found(read_profile(body, Some("BR")).expect_err("is wrong")), expected);
        assert_eq!(found(read_profile(json!({}), None).expect_err("is nobody")), owned(&[("", "required")]));
        assert_eq!(
            found(read_profile(json!({"email": 5}), None).expect_err("is wrong")),
            owned(&[("/email", "invalid_type")])
        );
    }

    #[test]
    fn a_patch_clears_with_null_and_leaves_the_rest() {
        let stored = Profile {
            first_name: Some("Ana".into()),
            email: Some("a@b.co".into()),
            phone: Some("+5511987654321".into()),
            attributes: BTreeMap::from([("plan".into(), json!("pro")), ("city".into(), json!("Recife"))]),
            ..Profile::default()
        };
        let patch = json!({"phone": null, "attributes": {"plan": null, "age": 30}});
        let after = patched(&stored, patch, None).expect("is fine");
        assert_eq!((after.phone, after.first_name.as_deref()), (None, Some("Ana")));
        assert_eq!(after.attributes.keys().collect::<Vec<_>>(), ["age", "city"]);
        let nobody = patched(&stored, json!({"phone": null, "email": null}), None).expect_err("nobody");
        assert_eq!(nobody.code, "required");
    }

    #[test]
    fn a_query_may_mean_several_identities() {
        let phone = Identity::Phone("+5511987654321".into());
        for text in ["+5511987654321", "5511987654321", "(11) 98765-4321"] {
            assert!(may_mean(text, Some("BR")).contains(&phone), "{text}");
        }
        assert!(may_mean("Ana@B.co", None).contains(&Identity::Email("ana@b.co".into())));
        assert!(may_mean("crm-7", None).contains(&Identity::External("crm-7".into())));
        assert!(may_mean("5511987654321", None).contains(&Identity::WaId("5511987654321".into())));
    }
}
