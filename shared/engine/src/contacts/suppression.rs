//! Addresses that get nothing more: the list first, then the contact, then its running enrollments.
//!
//! If it dies:
//! - `suppress` after the list: new contacts with the address find it there; the contact that has it
//!   is marked by the repeat, which does every line again. After the contact: plans see the mark,
//!   only what was already planned could still go, and the repeat makes that stale.
//! - `unsuppress` after the contact: the list still holds the address, so the repeat finds it.

use domain::contact::Contact;
use domain::ids::{ContactId, SenderId, TenantId};
use domain::message::{Channel, Identity};
use domain::time::Timestamp;

use super::addresses;
use crate::model::{Suppression, suppression_id};
use crate::ports::{PortResult, Ports, Store as _};
use crate::{Engine, Refused};

/// Why an address is on the list: the person said so by that channel.
pub(crate) const OPT_OUT: &str = "opt_out";

/// Where an address gets nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuppressionScope {
    One(Channel),
    /// Every channel that the address serves.
    All,
}

impl SuppressionScope {
    /// `address` is canonical.
    fn channels(self, address: &str) -> Vec<Channel> {
        match self {
            Self::One(channel) => vec![channel],
            Self::All if address.contains('@') => vec![Channel::Email],
            Self::All if address.starts_with('+') => vec![Channel::Whatsapp, Channel::Sms],
            Self::All => vec![Channel::Whatsapp],
        }
    }
}

impl<P: Ports> Engine<P> {
    /// Puts a canonical address on the list. From the answer on nothing is sent to it: what was
    /// planned for its contact is planned again.
    pub async fn suppress(
        &self,
        tenant: TenantId,
        scope: SuppressionScope,
        address: &str,
        reason: &str,
    ) -> Result<Vec<Suppression>, Refused> {
        let mut entries = Vec::new();
        for channel in scope.channels(address) {
            entries.push(self.list(tenant, channel, address, reason, self.now()).await?);
        }
        for id in self.holders(tenant, address).await? {
            let marked = |contact: &mut Contact| contact.suppressed.extend(entries.iter().map(|e| e.channel));
            self.edit_contact(tenant, id, &marked).await?;
            self.replan(tenant, id).await?;
        }
        Ok(entries)
    }

    /// The entry of an address, which is written if there is none: the first reason and time stay.
    pub(crate) async fn list(
        &self,
        tenant: TenantId,
        channel: Channel,
        address: &str,
        reason: &str,
        at: Timestamp,
    ) -> PortResult<Suppression> {
        if let Some(entry) = self.store.suppression(tenant, channel, address).await? {
            return Ok(entry);
        }
        let entry = Suppression { channel, address: address.into(), reason: reason.into(), at };
        self.store.put_suppression(tenant, &entry).await?;
        Ok(entry)
    }

    /// A person takes back, by the same channel, an earlier opt-out of their own. What a bounce or somebody
    /// else has put on the list stays there.
    pub(crate) async fn opt_in(
        &self,
        tenant: TenantId,
        sender: SenderId,
        id: ContactId,
        at: Timestamp,
    ) -> Result<(), Refused> {
        let Some(sender) = self.store.sender(sender).await? else { return Ok(()) };
        let Some(contact) = self.store.contact(tenant, id).await? else { return Ok(()) };
        for (channel, address) in addresses(&contact).into_iter().filter(|(c, _)| *c == sender.channel) {
            let entry = self.store.suppression(tenant, channel, &address).await?;
            if entry.is_some_and(|entry| entry.reason == OPT_OUT && entry.at <= at) {
                self.unsuppress(tenant, &suppression_id(tenant, channel, &address)).await?;
            }
        }
        Ok(())
    }

    /// Takes an entry off the list; `None` when there is no such entry.
    pub async fn unsuppress(&self, tenant: TenantId, id: &str) -> Result<Option<Suppression>, Refused> {
        let all = self.store.suppressions(tenant).await?;
        let Some(entry) = all.iter().find(|e| suppression_id(tenant, e.channel, &e.address) == id) else {
            return Ok(None);
        };
        for holder in self.holders(tenant, &entry.address).await? {
            let Some(contact) = self.store.contact(tenant, holder).await? else { continue };
            // Another address of the same channel may still be on the list.
            let mut others =
                addresses(&contact).into_iter().filter(|(c, a)| *c == entry.channel && *a != entry.address);
            let still = others.any(|(c, a)| all.iter().any(|e| e.channel == c && e.address == a));
            if !still {
                let freed = |contact: &mut Contact| contact.suppressed.retain(|c| *c != entry.channel);
                self.edit_contact(tenant, holder, &freed).await?;
            }
        }
        self.store.delete_suppression(tenant, id).await?;
        Ok(Some(entry.clone()))
    }

    /// The contacts that have an address.
    async fn holders(&self, tenant: TenantId, address: &str) -> PortResult<Vec<ContactId>> {
        let mut found = Vec::new();
        for identity in identities_of(address) {
            found.extend(self.store.find_contact(tenant, &identity).await?);
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Makes what is planned for a contact's runs stale and arms them again.
    pub(crate) async fn replan(&self, tenant: TenantId, contact: ContactId) -> Result<(), Refused> {
        let Some(person) = self.store.person(tenant, contact).await? else { return Ok(()) };
        for run in person.enrollments {
            // A send in flight is under way, and its next step is planned with the mark in sight.
            self.update(tenant, run, |e| e.replanned(self.now())).await?;
        }
        Ok(())
    }
}

/// As what a contact with this canonical address can be found.
fn identities_of(address: &str) -> Vec<Identity> {
    if address.contains('@') {
        return vec![Identity::Email(address.into())];
    }
    let Some(digits) = address.strip_prefix('+') else { return vec![Identity::Bsuid(address.into())] };
    let mut all = vec![Identity::Phone(address.into()), Identity::WaId(digits.into())];
    // A Brazilian mobile's WhatsApp id may lack the ninth digit.
    if let Some(local) = digits.strip_prefix("55").filter(|l| l.len() == 11 && l.as_bytes()[2] == b'9') {
        all.push(Identity::WaId(format!("55{}{}", &local[..2], &local[3..])));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_means_every_channel_of_the_address() {
        assert_eq!(SuppressionScope::All.channels("a@b.co"), [Channel::Email]);
        assert_eq!(SuppressionScope::All.channels("+5511987654321"), [Channel::Whatsapp, Channel::Sms]);
        assert_eq!(SuppressionScope::All.channels("BR.1"), [Channel::Whatsapp]);
        assert_eq!(SuppressionScope::One(Channel::Sms).channels("+5511987654321"), [Channel::Sms]);
    }

    #[test]
    fn a_brazilian_mobile_is_found_with_and_without_its_ninth_digit() {
        let found = identities_of("+5516992318222");
        assert!(found.contains(&Identity::WaId("5516992318222".into())));
        assert!(found.contains(&Identity::WaId("551692318222".into())));
        assert_eq!(identities_of("BR.1"), [Identity::Bsuid("BR.1".into())]);
    }
}
