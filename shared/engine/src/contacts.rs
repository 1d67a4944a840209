//! Contacts: found by any of their identities, made once, merged, never two for one address.
//!
//! If it dies:
//! - `upsert_contact` before the save: nothing happened. After it, before the second look at the
//!   suppression list: the first look has set what was on the list by then; only a suppression made
//!   in that very moment is missing, and its own writer finds the contact when it is repeated.
//! - `patch_contact`: the same; it is one transaction with the identities.
//!
//! `profile` checks what callers say, `identity` notes what providers do, `around` keeps conversations
//! and targets, `suppression` the opt-outs, `import` one row of a CSV.

mod around;
mod identity;
mod import;
mod profile;
mod suppression;

use std::collections::BTreeSet;

use domain::contact::{Contact, Profile, phone_of_wa_id};
use domain::ids::{ContactId, Ids, TenantId};
use domain::message::{Channel, Identity};

use crate::accounts::Invalid;
use crate::ports::{ContactSaved, PortResult, Ports, Store as _};
use crate::{Engine, MAX_RACES, Refused};

pub use around::{ConversationChange, TargetChange};
pub use import::RowRefused;
pub use profile::{check_attributes, check_profile};
pub(crate) use suppression::OPT_OUT;
pub use suppression::SuppressionScope;

/// As many may write one contact at the same moment and all come through: in each turn one of them
/// wins. An import that names a person again and again, or a burst of events, does that.
const RACES: usize = 5 * MAX_RACES;

/// An unknown contact, named in the path.
pub(crate) const NO_CONTACT: Refused = Refused::Unknown { what: "contact", pointer: "" };

impl<P: Ports> Engine<P> {
    /// The contact with any of these identities, made or merged; `true` when this request made it.
    /// The profile is a checked one ([`check_profile`]). 409 `identity_conflict` when its identities
    /// belong to two contacts.
    pub async fn upsert_contact(
        &self,
        tenant: TenantId,
        profile: Profile,
        ids: &mut Ids,
    ) -> Result<(Contact, bool), Refused> {
        // Drawn first, whatever is found: the ids that follow stay the same for a repeat, and a
        // contact with this id is one that an earlier try of this request made.
        let new = ContactId::new(ids);
        for _ in 0..RACES {
            let before = match self.owner_of(tenant, &profile.identities()).await? {
                Some(id) => match self.store.contact(tenant, id).await? {
                    Some(contact) => Some(contact),
                    // Gone between the two reads; what it was found by is gone with it.
                    None => continue,
                },
                None => None,
            };
            let created = before.as_ref().is_none_or(|c| c.id == new);
            let after = match &before {
                Some(contact) => {
                    let mut merged = contact.profile.clone();
                    merged.merge(&profile);
                    changed(contact, merged)
                }
                None => {
                    let mut fresh = profile.clone();
                    fresh.attributes.retain(|_, value| !value.is_null());
                    Contact::new(new, fresh, self.now())
                }
            };
            if let Some(saved) = self.save(tenant, before.as_ref(), after).await? {
                return Ok((saved, created));
            }
        }
        Err(Refused::Busy)
    }

    /// Changes a contact on the revision that was read, again when somebody was faster. `edit` sees
    /// the stored profile and gives the new, checked one.
    pub async fn patch_contact(
        &self,
        tenant: TenantId,
        id: ContactId,
        edit: &(impl Fn(&Profile) -> Result<Profile, Invalid> + Sync),
    ) -> Result<Contact, Invalid> {
        for _ in 0..RACES {
            let before = self.store.contact(tenant, id).await?.ok_or(NO_CONTACT)?;
            let after = changed(&before, edit(&before.profile)?);
            let gained = gained(Some(&before), &after);
            if self.owner_of(tenant, &gained).await?.is_some_and(|owner| owner != id) {
                return Err(identity_conflict().into());
            }
            if let Some(saved) = self.save(tenant, Some(&before), after).await? {
                return Ok(saved);
            }
        }
        Err(Refused::Busy.into())
    }

    /// The one contact that has any of these identities.
    async fn owner_of(&self, tenant: TenantId, identities: &[Identity]) -> Result<Option<ContactId>, Refused> {
        let mut owner = None;
        for identity in identities {
            match self.store.find_contact(tenant, identity).await? {
                Some(id) if owner.is_some_and(|o| o != id) => return Err(identity_conflict()),
                Some(id) => owner = Some(id),
                None => {}
            }
        }
        Ok(owner)
    }

    /// One try to write `after` over `before`; `None` when somebody was faster.
    async fn save(
        &self,
        tenant: TenantId,
        before: Option<&Contact>,
        mut after: Contact,
    ) -> PortResult<Option<Contact>> {
        if before == Some(&after) {
            return Ok(Some(after));
        }
        let gained = gained(before, &after);
        let lost: Vec<_> = before.map_or_else(Vec::new, |b| b.identities());
        let lost: Vec<_> = lost.into_iter().filter(|i| !after.identities().contains(i)).collect();
        if !gained.is_empty() || !lost.is_empty() {
            // The helpdesk's conversations have no address that would stand on the list.
            let unlisted = after.suppressed.contains(&Channel::Conversation).then_some(Channel::Conversation);
            after.suppressed = self.suppressed_channels(tenant, &after).await?;
            after.suppressed.extend(unlisted);
        }
        after.rev = before.map_or(1, |b| b.rev + 1);
        match self.store.save_contact(tenant, &after, &gained, &lost).await? {
            ContactSaved::Yes => {}
            ContactSaved::Stale | ContactSaved::Taken(_) => return Ok(None),
        }
        if gained.is_empty() {
            return Ok(Some(after));
        }
        // Whoever suppresses one of these addresses right now writes the list first and then looks
        // for the contact: one of the two sees the other.
        let late = self.suppressed_channels(tenant, &after).await?;
        if late.is_subset(&after.suppressed) {
            return Ok(Some(after));
        }
        self.edit_contact(tenant, after.id, &|c| c.suppressed.extend(&late)).await.map_err(|refused| match refused {
            Refused::Port(error) => error,
            other => crate::PortError::Transient(other.to_string()),
        })
    }

    /// Changes anything of a contact but its identities; `None` when there is no such contact.
    pub(crate) async fn edit_contact(
        &self,
        tenant: TenantId,
        id: ContactId,
        edit: &(impl Fn(&mut Contact) + Sync),
    ) -> Result<Option<Contact>, Refused> {
        for _ in 0..RACES {
            let Some(before) = self.store.contact(tenant, id).await? else { return Ok(None) };
            let mut after = before.clone();
            edit(&mut after);
            if after == before {
                return Ok(Some(after));
            }
            after.rev = before.rev + 1;
            if self.store.save_contact(tenant, &after, &[], &[]).await? == ContactSaved::Yes {
                return Ok(Some(after));
            }
        }
        Err(Refused::Busy)
    }

    /// The channels on which any address of this contact is on the suppression list.
    async fn suppressed_channels(&self, tenant: TenantId, contact: &Contact) -> PortResult<BTreeSet<Channel>> {
        let mut channels = BTreeSet::new();
        for (channel, address) in addresses(contact) {
            if !channels.contains(&channel) && self.store.suppression(tenant, channel, &address).await?.is_some() {
                channels.insert(channel);
            }
        }
        Ok(channels)
    }
}

fn identity_conflict() -> Refused {
    Refused::rule("identity_conflict", "these identities belong to two contacts")
}

fn gained(before: Option<&Contact>, after: &Contact) -> Vec<Identity> {
    let had = before.map_or_else(Vec::new, Contact::identities);
    after.identities().into_iter().filter(|i| !had.contains(i)).collect()
}

/// The contact with another profile. A WhatsApp id belongs to a number: it goes when the number
/// goes, or messages would still reach the old one.
fn changed(before: &Contact, profile: Profile) -> Contact {
    let mut after = before.clone();
    let old = &before.profile;
    let phone_left = old.phone.as_ref().filter(|_| old.phone != profile.phone);
    let id_left = old.whatsapp_id.as_ref().filter(|_| old.whatsapp_id != profile.whatsapp_id);
    after.wa_ids.retain(|id| phone_left != Some(&phone_of_wa_id(id)) && id_left != Some(id));
    after.bsuids.retain(|id| id_left != Some(id));
    after.profile = profile;
    let said = after.profile.identities();
    after.remember(&said);
    after
}

/// Every address of a contact with the channel that it serves, as the suppression list writes it.
pub(crate) fn addresses(contact: &Contact) -> Vec<(Channel, String)> {
    let mut all = Vec::new();
    let phones = contact.profile.phone.iter().cloned().chain(contact.wa_ids.iter().map(|id| phone_of_wa_id(id)));
    all.extend(phones.map(|phone| (Channel::Whatsapp, phone)));
    all.extend(contact.bsuids.iter().map(|id| (Channel::Whatsapp, id.clone())));
    all.extend(contact.profile.phone.iter().map(|phone| (Channel::Sms, phone.clone())));
    all.extend(contact.profile.email.iter().map(|email| (Channel::Email, email.clone())));
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    fn contact(profile: Profile) -> Contact {
        Contact::new(ContactId::from_bytes([1; 12]), profile, Timestamp(0))
    }

    #[test]
    fn a_number_that_goes_takes_its_whatsapp_id_along() {
        let mut before = contact(Profile { phone: Some("+5516992318222".into()), ..Profile::default() });
        before.wa_ids = vec!["551692318222".into()];
        before.bsuids = vec!["BR.1".into()];
        let after = changed(&before, Profile { phone: Some("+5511987654321".into()), ..Profile::default() });
        assert_eq!(after.wa_ids, Vec::<String>::new());
        assert_eq!(after.bsuids, ["BR.1"]);
        let same = changed(&before, Profile { first_name: Some("Ana".into()), ..before.profile.clone() });
        assert_eq!(same.wa_ids, before.wa_ids);
    }

    #[test]
    fn an_address_is_listed_once_for_each_channel() {
        let mut one = contact(Profile {
            phone: Some("+5516992318222".into()),
            email: Some("a@b.co".into()),
            ..Profile::default()
        });
        one.wa_ids = vec!["551692318222".into()];
        let phone = || "+5516992318222".to_owned();
        let expected = [(Channel::Whatsapp, phone()), (Channel::Email, "a@b.co".into()), (Channel::Sms, phone())];
        assert_eq!(addresses(&one), expected);
    }
}
