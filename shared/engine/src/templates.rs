//! Message templates, and those that a sequence uses.
//!
//! Every write is one conditional put on the template's revision. A version keeps the templates that it
//! uses as they were, so that an edit changes nothing that runs, and deleting one takes nothing from
//! anybody. `delete_template` looks at the drafts first: one that is saved in between names a template
//! that is not there, which publishing refuses.

use domain::content::Templates;
use domain::ids::{Ids, TemplateId, TenantId};
use domain::publish::{Problem, message_template};
use domain::sequence::{MessageTemplate, Sequence};

use crate::model::StoredTemplate;
use crate::ports::{PortResult, Saved, Store as _};
use crate::{Engine, Ports, Refused};

use crate::sequences::SequenceRefused as TemplateRefused;

/// A template of the path.
const UNKNOWN: Refused = Refused::Unknown { what: "template", pointer: "" };

impl<P: Ports> Engine<P> {
    /// With the same `ids` it is the same template.
    pub async fn create_template(
        &self,
        tenant: TenantId,
        template: MessageTemplate,
        ids: &mut Ids,
    ) -> Result<StoredTemplate, TemplateRefused> {
        well_formed(&template)?;
        let now = self.now();
        let id = TemplateId::new(ids);
        let stored = StoredTemplate { id, revision: 1, created_at: now, updated_at: now, template };
        match self.store.save_template(tenant, &stored).await? {
            Saved::Yes => Ok(stored),
            // The id comes from this request: an earlier try of it made this.
            Saved::No(Some(made)) => Ok(made),
            Saved::No(None) => Err(Refused::Busy.into()),
        }
    }

    /// Replaces the template that stands at `revision`; versions keep it as it was. Refuses with
    /// `stale_revision`.
    pub async fn update_template(
        &self,
        tenant: TenantId,
        id: TemplateId,
        revision: u64,
        template: MessageTemplate,
    ) -> Result<StoredTemplate, TemplateRefused> {
        let stored = self.store.template(tenant, id).await?.ok_or(UNKNOWN)?;
        if stored.revision != revision {
            return Err(stale(stored.revision).into());
        }
        well_formed(&template)?;
        let next = StoredTemplate { revision: revision + 1, updated_at: self.now(), template, ..stored };
        match self.store.save_template(tenant, &next).await? {
            Saved::Yes => Ok(next),
            Saved::No(Some(faster)) => Err(stale(faster.revision).into()),
            Saved::No(None) => Err(UNKNOWN.into()),
        }
    }

    /// Refuses with `template_in_use` while a draft uses it.
    pub async fn delete_template(&self, tenant: TenantId, id: TemplateId) -> Result<(), Refused> {
        let named = id.to_string();
        let uses = |s: &Sequence| s.steps.iter().any(|step| step.content.template_id.as_ref() == Some(&named));
        let drafts = self.store.sequences(tenant).await?;
        if let Some(sequence) = drafts.iter().find(|s| uses(&s.draft)) {
            let detail = format!("the draft of `{}` uses the template", sequence.draft.name);
            return Err(Refused::rule("template_in_use", detail));
        }
        if self.store.delete_template(tenant, id).await? { Ok(()) } else { Err(UNKNOWN) }
    }

    /// The templates that a sequence uses, as they are now; without those that are not there. A read for
    /// each.
    pub(crate) async fn templates_of(&self, tenant: TenantId, sequence: &Sequence) -> PortResult<Templates> {
        let mut found = Templates::new();
        for named in sequence.steps.iter().filter_map(|step| step.content.template_id.as_ref()) {
            let Some(id) = TemplateId::parse(named).filter(|_| !found.contains_key(named)) else { continue };
            let stored = self.store.template(tenant, id).await?;
            found.extend(stored.map(|stored| (named.clone(), stored.template)));
        }
        Ok(found)
    }
}

fn well_formed(template: &MessageTemplate) -> Result<(), TemplateRefused> {
    let problems: Vec<Problem> = message_template(template);
    if problems.is_empty() { Ok(()) } else { Err(TemplateRefused::Problems(problems)) }
}

fn stale(revision: u64) -> Refused {
    Refused::rule("stale_revision", format!("the template has changed since: it is at revision {revision}"))
}
