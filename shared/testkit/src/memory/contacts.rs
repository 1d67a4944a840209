//! Accounts, keys, contacts with their identities, conversations and targets.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use domain::account::{Account, ApiKey};
use domain::contact::{Contact, Conversation, Person, Target};
use domain::enrollment::Enrollment;
use domain::ids::{ApiKeyId, ContactId, EnrollmentId, SenderId, SequenceId, TenantId};
use domain::message::Identity;
use engine::PortError;
use engine::model::Page;
use engine::ports::{ContactSaved, Inserted, PortResult, Saved};

use super::tables::{Tables, follows, page, save};

/// What a transaction holds beside the contact itself.
const MAX_IDENTITIES: usize = 99;

impl Tables {
    pub fn create_account(&mut self, account: &Account) -> PortResult<Inserted<Account>> {
        match self.accounts.get(&account.id) {
            Some(old) if old != account => Ok(Inserted::Exists(old.clone())),
            _ => {
                self.accounts.insert(account.id, account.clone());
                Ok(Inserted::Yes)
            }
        }
    }

    pub fn account(&mut self, tenant: TenantId) -> PortResult<Option<Account>> {
        Ok(self.accounts.get(&tenant).cloned())
    }

    pub fn save_account(&mut self, account: &Account) -> PortResult<Saved<Account>> {
        // An account is made by `create_account` only.
        let Some(old) = self.accounts.get_mut(&account.id) else { return Ok(Saved::No(None)) };
        if old != account && old.rev != account.rev.saturating_sub(1) {
            return Ok(Saved::No(Some(old.clone())));
        }
        old.clone_from(account);
        Ok(Saved::Yes)
    }

    pub fn put_key(&mut self, key: &ApiKey, secret_hash: &str) -> PortResult<()> {
        self.keys.insert(secret_hash.to_owned(), key.clone());
        Ok(())
    }

    pub fn key_by_hash(&mut self, secret_hash: &str) -> PortResult<Option<ApiKey>> {
        Ok(self.keys.get(secret_hash).cloned())
    }

    pub fn keys(&mut self, tenant: TenantId) -> PortResult<Vec<ApiKey>> {
        let mut keys: Vec<_> = self.keys.values().filter(|k| k.tenant == tenant).cloned().collect();
        keys.sort_by_key(|k| k.id);
        Ok(keys)
    }

    pub fn delete_key(&mut self, tenant: TenantId, id: ApiKeyId) -> PortResult<bool> {
        let before = self.keys.len();
        self.keys.retain(|_, k| k.tenant != tenant || k.id != id);
        Ok(self.keys.len() < before)
    }

    pub fn contact(&mut self, tenant: TenantId, id: ContactId) -> PortResult<Option<Contact>> {
        Ok(self.contacts.get(&(tenant, id)).cloned())
    }

    pub fn person(&mut self, tenant: TenantId, id: ContactId) -> PortResult<Option<Person>> {
        let Some(contact) = self.contacts.get(&(tenant, id)).cloned() else { return Ok(None) };
        let conversations = self.conversations.iter().filter(|((t, c, _), _)| *t == tenant && *c == id);
        let targets = self.targets.iter().filter(|((t, c, _, _), _)| *t == tenant && *c == id);
        // As the real one's Query does, without a look at everybody else's.
        let first = EnrollmentId { contact: id, sequence: SequenceId::from_bytes([0; 8]), scope: [0; 8], run: 0 };
        let from_first = self.enrollments.range((tenant, first)..);
        let enrollments = from_first.take_while(|((t, e), _)| *t == tenant && e.contact == id);
        Ok(Some(Person {
            contact,
            conversations: conversations.map(|(_, c)| c.clone()).collect(),
            targets: targets.map(|(_, t)| t.clone()).collect(),
            enrollments: enrollments.map(|(_, e)| e.clone()).collect(),
        }))
    }

    pub fn find_contact(&mut self, tenant: TenantId, identity: &Identity) -> PortResult<Option<ContactId>> {
        Ok(self.identities.get(&(tenant, identity.clone())).copied())
    }

    /// One transaction: the contact first, since finding ourselves there means that all is done.
    pub fn save_contact(
        &mut self,
        tenant: TenantId,
        contact: &Contact,
        gained: &[Identity],
        lost: &[Identity],
    ) -> PortResult<ContactSaved> {
        let old = self.contacts.get(&(tenant, contact.id));
        if old == Some(contact) {
            return Ok(ContactSaved::Yes);
        }
        // One identity is one item, and a transaction may name an item once only.
        let gained: BTreeSet<&Identity> = gained.iter().collect();
        let lost: BTreeSet<&Identity> = lost.iter().filter(|i| !gained.contains(i)).collect();
        if gained.len() + lost.len() > MAX_IDENTITIES {
            return Err(PortError::Poison("a contact with too many identities".into()));
        }
        if !follows(old.map(|o| o.rev), contact.rev) {
            return Ok(ContactSaved::Stale);
        }
        let owner = |i: &Identity| self.identities.get(&(tenant, i.clone())).copied().filter(|c| *c != contact.id);
        let taken: Vec<_> = gained.iter().filter_map(|i| Some(((*i).clone(), owner(i)?))).collect();
        if !taken.is_empty() {
            return Ok(ContactSaved::Taken(taken));
        }
        for identity in lost {
            let key = (tenant, identity.clone());
            if self.identities.get(&key) == Some(&contact.id) {
                self.identities.remove(&key);
            }
        }
        self.identities.extend(gained.into_iter().map(|i| ((tenant, i.clone()), contact.id)));
        self.contacts.insert((tenant, contact.id), contact.clone());
        Ok(ContactSaved::Yes)
    }

    pub fn contacts(&mut self, tenant: TenantId, cursor: Option<&str>, limit: u32) -> PortResult<Page<Contact>> {
        let all = self.contacts.iter().filter(|((t, _), _)| *t == tenant);
        let newest_first = all.map(|(_, c)| ((Reverse(c.created_at), c.id), c)).collect();
        page(format!("contacts/{tenant}"), &newest_first, cursor, limit)
    }

    pub fn save_conversation(
        &mut self,
        tenant: TenantId,
        contact: ContactId,
        conversation: &Conversation,
    ) -> PortResult<Saved<Conversation>> {
        let key = (tenant, contact, conversation.id.clone());
        Ok(save(&mut self.conversations, key, conversation, conversation.rev, |c| c.rev))
    }

    pub fn save_target(&mut self, tenant: TenantId, contact: ContactId, target: &Target) -> PortResult<Saved<Target>> {
        let key = (tenant, contact, target.kind, target.id.clone());
        Ok(save(&mut self.targets, key, target, target.rev, |t| t.rev))
    }

    /// What an enrollment is about.
    pub fn target_of(&self, e: &Enrollment) -> Option<&Target> {
        let target = e.target.as_ref()?;
        let mut of_contact = self.targets.iter().filter(|((_, contact, _, _), _)| *contact == e.id.contact);
        of_contact.find(|(_, t)| t.kind == target.kind && t.id == target.id).map(|(_, t)| t)
    }

    pub fn is_enabled(&self, tenant: TenantId) -> bool {
        self.accounts.get(&tenant).is_some_and(|a| a.settings.enabled)
    }

    pub fn is_suspended(&self, sender: SenderId) -> bool {
        self.senders.get(&sender).is_some_and(|s| s.suspended.is_some())
    }
}
