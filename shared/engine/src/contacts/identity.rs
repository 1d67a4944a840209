//! What providers call a person: learned beside what is known already, or moved to another number.
//!
//! One WhatsApp user has a number and a business-scoped id, and the two may have made two contacts. What
//! a contact was only seen with goes to the one that the provider names beside it, unless runs of the
//! other are under way: then each keeps its own, and a reply is applied to both. What somebody said of a
//! contact (its profile) is never taken from it.
//!
//! If it dies: each write is one transaction of a contact and its identities. Between the other contact's
//! and ours an identity is nobody's, until the provider repeats what it told.

use domain::contact::{Contact, phone_of_wa_id};
use domain::ids::{ContactId, TenantId};
use domain::message::{Channel, Identity};

use super::{addresses, gained};
use crate::ports::{PortResult, Ports, Store as _};
use crate::{Engine, MAX_RACES, Refused};

impl<P: Ports> Engine<P> {
    /// Changes a contact, and notes what a provider calls it, in one write.
    pub(crate) async fn learn(
        &self,
        tenant: TenantId,
        id: ContactId,
        seen: &[Identity],
        edit: &(impl Fn(&mut Contact) + Sync),
    ) -> Result<(), Refused> {
        self.learn_without(tenant, id, &|contact, others| {
            edit(contact);
            let own: Vec<_> = seen.iter().filter(|i| !others.contains(i)).cloned().collect();
            contact.remember(&own);
        })
        .await
    }

    /// A person has moved: messages go to the new number, what was suppressed stays so, and whoever gets
    /// the old number is somebody else.
    pub(crate) async fn move_identity(
        &self,
        tenant: TenantId,
        id: ContactId,
        from: &[Identity],
        to: &Identity,
    ) -> Result<(), Refused> {
        let Some(before) = self.store.contact(tenant, id).await? else { return Ok(()) };
        if let Identity::WaId(new) = to {
            for (channel, address) in addresses(&before) {
                let moves = matches!(channel, Channel::Whatsapp | Channel::Sms);
                if moves && let Some(entry) = self.store.suppression(tenant, channel, &address).await? {
                    self.list(tenant, channel, &phone_of_wa_id(new), &entry.reason, entry.at).await?;
                }
            }
        }
        self.learn_without(tenant, id, &|contact, others| moved(contact, from, to, others)).await
    }

    /// `edit` gets the identities that stay with other contacts.
    async fn learn_without(
        &self,
        tenant: TenantId,
        id: ContactId,
        edit: &(impl Fn(&mut Contact, &[Identity]) + Sync),
    ) -> Result<(), Refused> {
        let mut others = Vec::new();
        for _ in 0..MAX_RACES {
            let Some(before) = self.store.contact(tenant, id).await? else { return Ok(()) };
            let mut after = before.clone();
            edit(&mut after, &others);
            let known = others.len();
            for identity in gained(Some(&before), &after) {
                let owner = self.store.find_contact(tenant, &identity).await?.filter(|owner| *owner != id);
                if let Some(owner) = owner
                    && !self.let_go(tenant, owner, &identity).await?
                {
                    tracing::warn!(contact = %id, other = %owner, "a provider's id of one contact stays with another");
                    others.push(identity);
                }
            }
            if others.len() == known && self.save(tenant, Some(&before), after).await?.is_some() {
                return Ok(());
            }
        }
        Err(Refused::Busy)
    }

    /// Takes an identity from a contact that was only seen with it; `false` when it stays.
    async fn let_go(&self, tenant: TenantId, owner: ContactId, identity: &Identity) -> PortResult<bool> {
        let Some(person) = self.store.person(tenant, owner).await? else { return Ok(true) };
        let under_way = person.enrollments.iter().any(|e| !e.state.is_finished());
        if under_way || person.contact.profile.identities().contains(identity) {
            return Ok(false);
        }
        let mut after = person.contact.clone();
        match identity {
            Identity::WaId(id) => after.wa_ids.retain(|other| other != id),
            Identity::Bsuid(id) => after.bsuids.retain(|other| other != id),
            _ => return Ok(false),
        }
        Ok(self.save(tenant, Some(&person.contact), after).await?.is_some())
    }
}

fn moved(contact: &mut Contact, from: &[Identity], to: &Identity, others: &[Identity]) {
    if others.contains(to) {
        return;
    }
    match to {
        Identity::WaId(new) => {
            let old = |phone: &str| {
                from.iter().any(|identity| match identity {
                    Identity::WaId(id) => phone_of_wa_id(id) == phone,
                    Identity::Phone(id) => id == phone,
                    _ => false,
                })
            };
            contact.wa_ids.retain(|id| id != new && !old(&phone_of_wa_id(id)));
            contact.wa_ids.insert(0, new.clone());
            let profile = &mut contact.profile;
            let phone = phone_of_wa_id(new);
            if profile.phone.as_deref().is_some_and(old) && !others.contains(&Identity::Phone(phone.clone())) {
                profile.phone = Some(phone);
            }
            if profile.whatsapp_id.as_ref().is_some_and(|id| old(&phone_of_wa_id(id))) {
                profile.whatsapp_id = Some(new.clone());
            }
        }
        Identity::Bsuid(new) => {
            let old = |id: &String| from.contains(&Identity::Bsuid(id.clone()));
            contact.bsuids.retain(|id| id != new && !old(id));
            contact.bsuids.insert(0, new.clone());
            if contact.profile.whatsapp_id.as_ref().is_some_and(old) {
                contact.profile.whatsapp_id = Some(new.clone());
            }
        }
        other => contact.remember(std::slice::from_ref(other)),
    }
}
