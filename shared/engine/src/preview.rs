//! `POST /v1/preview`: what a sequence would do for a person, dated, rendered and explained. It only
//! reads: whatever it invents (a contact, a target, other settings) exists in memory alone.

use std::collections::BTreeMap;

use domain::account::{Settings, User};
use domain::contact::{Contact, Person, Profile, Target, TargetRef};
use domain::content::{RenderedParameters, ReplyButton, Templates};
use domain::enrollment::StepReason;
use domain::enrollment::plan::Context;
use domain::ids::{ContactId, Ids, SequenceId, TenantId};
use domain::message::{Channel, Message};
use domain::preview::{NeverAllowed, PreviewStep, Start};
use domain::publish::{Facts, Problem, check, shape};
use domain::sequence::{EmailThread, List, Media, Sequence, TargetKind};
use domain::signal::Marks;
use domain::time::{AdjustmentCode, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

use crate::accounts::{Fault, check_settings};
use crate::contacts::{check_attributes, check_profile};
use crate::ports::Store as _;
use crate::sequences::SequenceRefused;
use crate::{Engine, Ports, Refused};

pub type PreviewRefused = SequenceRefused;

/// What is to be previewed: a stored sequence (its draft, or a version) or one that is given here,
/// for a stored contact or one that is given here.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    pub sequence_id: Option<SequenceId>,
    pub sequence: Option<Sequence>,
    /// Without it, the draft.
    pub version: Option<u32>,
    pub contact_id: Option<ContactId>,
    /// Left out like `contact_id`: somebody of whom nothing is known.
    pub contact: Option<PreviewContact>,
    pub target: Option<PreviewTarget>,
    /// RFC 3339, past ones too; left out, now.
    #[serde(default, deserialize_with = "instant")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_at: Option<Timestamp>,
    /// Settings over the account's own, as `PATCH /v1/account` takes them.
    #[schema(value_type = Option<Object>)]
    pub account: Option<Map<String, Value>>,
    /// An enrollment's id gives that enrollment's spread; any other text fixes one.
    pub enrollment_seed: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewContact {
    pub external_id: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub whatsapp_id: Option<String>,
    pub timezone: Option<String>,
    pub country: Option<String>,
    pub language: Option<String>,
    pub assignee: Option<User>,
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewTarget {
    pub kind: TargetKind,
    /// Of the contact's own targets; left out, one that does not exist yet.
    #[serde(default)]
    pub id: Option<String>,
    /// Over those that are stored.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
}

fn instant<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    text.map(|t| Timestamp::parse(&t).ok_or_else(|| D::Error::custom("is not an RFC 3339 time"))).transpose()
}

#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct PreviewResponse {
    pub steps: Vec<Step>,
    /// What publishing would refuse or warn of.
    pub warnings: Vec<Problem>,
}

/// A step as it would go. Instants are RFC 3339 with `Z`.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = PreviewStep)]
pub struct Step {
    pub index: u32,
    pub key: String,
    pub base: Option<String>,
    pub at: Option<String>,
    /// `at` on the wall, with its offset.
    pub local: Option<String>,
    pub adjustments: Vec<StepAdjustment>,
    pub channel: Option<Channel>,
    pub channel_reason: String,
    pub message: Option<StepMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_segments: Option<usize>,
    /// Parts that `transliterate` spares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_segments_saved: Option<usize>,
    pub warnings: Vec<StepWarning>,
    pub skipped: Option<StepReason>,
}

#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = PreviewAdjustment)]
pub struct StepAdjustment {
    pub code: AdjustmentCode,
    pub from: String,
    pub to: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = PreviewWarning)]
pub struct StepWarning {
    pub code: &'static str,
    pub detail: String,
}

/// A message as it would be sent.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = PreviewMessage)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StepMessage {
    Text {
        text: String,
    },
    Rich {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        media: Option<Media>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        buttons: Vec<ReplyButton>,
        #[serde(skip_serializing_if = "Option::is_none")]
        list: Option<List>,
        /// The same where only text is shown.
        plain: String,
    },
    Email {
        subject: String,
        text: String,
        html: Option<String>,
        cc: Vec<String>,
        thread: EmailThread,
    },
    WhatsappTemplate {
        name: String,
        language: String,
        /// A list, or an object where the parameters have names.
        #[schema(value_type = Object)]
        body: Value,
        #[schema(value_type = Option<Object>)]
        header: Value,
        #[schema(value_type = Vec<Object>)]
        buttons: Value,
    },
    Bot {
        bot_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

impl<P: Ports> Engine<P> {
    /// What would happen, without the present in it. Never writes.
    ///
    /// Refuses a sequence, contact or settings that are no such thing, and `never_allowed` with the
    /// step's pointer. What publishing would refuse are warnings here.
    pub async fn preview(&self, tenant: TenantId, request: PreviewRequest) -> Result<PreviewResponse, PreviewRefused> {
        let problems = conflicts(&request);
        if !problems.is_empty() {
            return Err(PreviewRefused::Problems(problems));
        }
        let start_at = request.start_at.unwrap_or_else(|| self.now());
        let account = self.account(tenant).await?;
        let settings = with_overrides(&account.settings, request.account.as_ref());
        let settings = settings.map_err(PreviewRefused::Problems)?;
        let inline = request.sequence.is_some();
        let (sequence_id, sequence, templates) =
            self.previewed(tenant, request.sequence_id, request.version, request.sequence).await?;
        let mut person =
            self.previewed_person(tenant, request.contact_id, request.contact, &settings, start_at).await?;
        let target = request.target.map(|t| place(&mut person, t)).transpose().map_err(PreviewRefused::Problems)?;
        let senders = self.senders(tenant).await?;
        let attributes = self.declared_attributes(tenant).await?;

        let facts = Facts {
            settings: &settings,
            senders: &senders,
            attributes: &attributes,
            templates: &templates,
            now: start_at,
        };
        let report = check(&sequence, &facts);
        let mut warnings: Vec<Problem> = report.problems.into_iter().chain(report.warnings).collect();
        warnings.extend(unfitting(&sequence, target.as_ref()));
        let context = Context {
            tenant,
            person: &person,
            sequence: &sequence,
            moves_to: None,
            settings: &settings,
            senders: &senders,
            templates: &templates,
            links: &self.config.tokens.links(tenant, person.contact.id),
        };
        let start = Start { sequence: sequence_id, at: start_at, target, seed: request.enrollment_seed };
        let prefix = if inline { "/sequence" } else { "" };
        let steps = domain::preview::preview(&context, &start).map_err(|refused| never_allowed(refused, prefix))?;
        Ok(PreviewResponse { steps: steps.into_iter().map(Step::from).collect(), warnings })
    }

    /// The sequence, with an id where it has none, and the message templates that it uses.
    async fn previewed(
        &self,
        tenant: TenantId,
        id: Option<SequenceId>,
        version: Option<u32>,
        given: Option<Sequence>,
    ) -> Result<(SequenceId, Sequence, Templates), PreviewRefused> {
        let Some(id) = id else {
            let sequence = given.ok_or_else(|| required("/sequence_id", "name a sequence, or give one in sequence"))?;
            let problems = shape(&sequence);
            if !problems.is_empty() {
                return Err(PreviewRefused::Problems(problems.into_iter().map(|p| p.under("/sequence")).collect()));
            }
            let templates = self.templates_of(tenant, &sequence).await?;
            return Ok((SequenceId::from_bytes([0; 8]), sequence, templates));
        };
        let unknown = Refused::Unknown { what: "sequence", pointer: "/sequence_id" };
        let stored = self.sequence(tenant, id).await?.ok_or(unknown)?;
        let Some(number) = version else {
            let templates = self.templates_of(tenant, &stored.draft).await?;
            return Ok((id, stored.draft, templates));
        };
        let unknown = Refused::Unknown { what: "version", pointer: "/version" };
        let version = self.published_version(tenant, id, number).await?.ok_or(unknown)?;
        Ok((id, version.sequence.clone(), version.templates.clone()))
    }

    /// The stored contact with all that it has, or one that only this preview knows.
    async fn previewed_person(
        &self,
        tenant: TenantId,
        id: Option<ContactId>,
        given: Option<PreviewContact>,
        settings: &Settings,
        start_at: Timestamp,
    ) -> Result<Person, PreviewRefused> {
        if let Some(id) = id {
            let unknown = Refused::Unknown { what: "contact", pointer: "/contact_id" };
            return Ok(self.store.person(tenant, id).await?.ok_or(unknown)?);
        }
        let profile = profile(given.unwrap_or_default(), settings.default_country.as_deref());
        let profile = profile.map_err(|faults| PreviewRefused::Problems(problems(faults, "/contact")))?;
        let id = ContactId::new(&mut Ids::from_seed([0; 32]));
        Ok(Person {
            contact: Contact::new(id, profile, start_at),
            conversations: Vec::new(),
            targets: Vec::new(),
            enrollments: Vec::new(),
        })
    }
}

/// Fields that say the same thing twice, or too little.
fn conflicts(request: &PreviewRequest) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut both = |pointer: &str, detail: &str| found.push(Problem::new(pointer, "mutually_exclusive", detail));
    if request.sequence_id.is_some() && request.sequence.is_some() {
        both("/sequence", "give either sequence_id or sequence");
    }
    if request.version.is_some() && request.sequence.is_some() {
        both("/version", "a sequence that is given here has no versions");
    }
    if request.contact_id.is_some() && request.contact.is_some() {
        both("/contact", "give either contact_id or contact");
    }
    found
}

fn required(pointer: &str, detail: &str) -> PreviewRefused {
    PreviewRefused::Problems(vec![Problem::new(pointer, "required", detail)])
}

fn never_allowed(refused: NeverAllowed, prefix: &str) -> PreviewRefused {
    let pointer = format!("{prefix}/steps/{}", refused.step);
    let detail = "nothing can be sent within 400 days: the window, quiet hours and holidays leave no time";
    PreviewRefused::Problems(vec![Problem::new(pointer, "never_allowed", detail)])
}

fn problems(faults: Vec<Fault>, prefix: &str) -> Vec<Problem> {
    faults.into_iter().map(|f| Problem::new(f.pointer, f.code, f.detail).under(prefix)).collect()
}

/// The account's settings with these over them. An object is merged, everything else replaced.
fn with_overrides(settings: &Settings, overrides: Option<&Map<String, Value>>) -> Result<Settings, Vec<Problem>> {
    let Some(overrides) = overrides else { return Ok(settings.clone()) };
    let mut merged = settings.clone();
    let mut found = Vec::new();
    // One by one, so that each wrong one is named.
    for (name, value) in overrides {
        let mut document = serde_json::to_value(&merged).unwrap_or_default();
        match (document.get_mut(name), value) {
            (Some(Value::Object(mine)), Value::Object(theirs)) => mine.extend(theirs.clone()),
            _ => document[name] = value.clone(),
        }
        match serde_json::from_value(document) {
            Ok(read) => merged = read,
            Err(error) => {
                let detail = error.to_string();
                let code = if detail.starts_with("unknown field") { "unknown_field" } else { "invalid_value" };
                let name = name.replace('~', "~0").replace('/', "~1");
                found.push(Problem::new(format!("/account/{name}"), code, detail));
            }
        }
    }
    found.extend(problems(check_settings(&merged), "/account"));
    if found.is_empty() { Ok(merged) } else { Err(found) }
}

/// A checked profile. Unlike a stored one it needs no identity.
fn profile(given: PreviewContact, default_country: Option<&str>) -> Result<Profile, Vec<Fault>> {
    let mut profile = Profile {
        external_id: given.external_id,
        first_name: given.first_name,
        last_name: given.last_name,
        email: given.email,
        phone: given.phone,
        whatsapp_id: given.whatsapp_id,
        timezone: given.timezone,
        country: given.country,
        language: given.language,
        assignee: given.assignee,
        attributes: given.attributes,
    };
    let blank = |text: &Option<String>| text.as_ref().is_none_or(|t| t.trim().is_empty());
    let nobody = [&profile.external_id, &profile.email, &profile.phone, &profile.whatsapp_id].into_iter().all(blank);
    if nobody {
        profile.external_id = Some("preview".into());
    }
    let mut checked = check_profile(profile, default_country)?;
    if nobody {
        checked.external_id = None;
    }
    Ok(checked)
}

/// Puts the target among the person's own; what is given stands over what is stored.
fn place(person: &mut Person, given: PreviewTarget) -> Result<TargetRef, Vec<Problem>> {
    let faults = check_attributes(&given.attributes);
    if !faults.is_empty() {
        return Err(problems(faults, "/target"));
    }
    let named = TargetRef { kind: given.kind, id: given.id.unwrap_or_else(|| "preview".to_owned()) };
    let at = person.targets.iter().position(|t| t.kind == named.kind && t.id == named.id);
    let at = at.unwrap_or_else(|| {
        let (kind, id) = (named.kind, named.id.clone());
        person.targets.push(Target {
            kind,
            id,
            rev: 0,
            attributes: BTreeMap::new(),
            changed_at: None,
            marks: Marks::default(),
        });
        person.targets.len() - 1
    });
    person.targets[at].attributes.extend(given.attributes);
    Ok(named)
}

/// What enrolling would refuse.
fn unfitting(sequence: &Sequence, target: Option<&TargetRef>) -> Option<Problem> {
    let kind = sequence.target;
    let fits = !kind.is_object() || target.is_some_and(|t| t.kind == kind);
    let detail = || format!("the sequence is about a {}: an enrollment names one as its target", kind.as_str());
    (!fits).then(|| Problem::new("/target", "target_required", detail()))
}

impl From<PreviewStep> for Step {
    fn from(step: PreviewStep) -> Self {
        let text = |at: Timestamp| at.to_string();
        let adjustments = step.adjustments.iter();
        let adjustments = adjustments.map(|a| StepAdjustment { code: a.code, from: text(a.from), to: text(a.to) });
        let warnings = step.warnings.into_iter().map(|w| StepWarning { code: w.code, detail: w.detail });
        Self {
            index: step.index,
            key: step.key,
            base: step.base.map(text),
            at: step.at.map(text),
            local: step.local,
            adjustments: adjustments.collect(),
            channel: step.channel,
            channel_reason: step.channel_reason,
            message: step.message.map(StepMessage::from),
            sms_segments: step.sms_segments,
            sms_segments_saved: step.sms_segments_saved,
            warnings: warnings.collect(),
            skipped: step.skipped,
        }
    }
}

impl From<Message> for StepMessage {
    fn from(message: Message) -> Self {
        match message {
            Message::Text { text } => Self::Text { text },
            Message::Bot { bot_id, text } => Self::Bot { bot_id, text },
            Message::Rich(rich) => {
                let plain = rich.plain();
                Self::Rich { text: rich.text, media: rich.media, buttons: rich.buttons, list: rich.list, plain }
            }
            Message::Email(email) => Self::Email {
                subject: email.subject,
                text: email.text,
                html: email.html,
                cc: email.cc,
                thread: email.thread,
            },
            Message::WhatsappTemplate(template) => Self::WhatsappTemplate {
                name: template.name,
                language: template.language,
                body: match template.body {
                    RenderedParameters::Positional(texts) => texts.into(),
                    RenderedParameters::Named(texts) => {
                        texts.into_iter().map(|(k, v)| (k, v.into())).collect::<Map<_, _>>().into()
                    }
                },
                header: serde_json::to_value(template.header).unwrap_or_default(),
                buttons: serde_json::to_value(template.buttons).unwrap_or_default(),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
