//! Sequences, senders, attributes, messages, suppressions.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use domain::content::Attribute;
use domain::enrollment::DaySlot;
use domain::enrollment::test_send::is_test_version;
use domain::ids::{ContactId, SenderId, SequenceId, TemplateId, TenantId};
use domain::message::Channel;
use domain::sender::Sender;
use domain::time::{NaiveDate, Timestamp};
use engine::PortError;
use engine::model::{Page, StoredMessage, StoredSequence, StoredTemplate, Suppression, Version, suppression_id};
use engine::ports::{Inserted, PortResult, Saved};

use super::tables::{Tables, follows, page, save};

impl Tables {
    pub fn save_sequence(&mut self, tenant: TenantId, new: &StoredSequence) -> PortResult<Saved<StoredSequence>> {
        Ok(save(&mut self.sequences, (tenant, new.id), new, new.revision, |s| s.revision))
    }

    pub fn publish(
        &mut self,
        tenant: TenantId,
        sequence: &StoredSequence,
        version: &Version,
    ) -> PortResult<Saved<StoredSequence>> {
        let key = (tenant, version.sequence_id, version.number);
        let old = self.sequences.get(&(tenant, sequence.id));
        // One transaction: the same sequence there means that its version is there too, and a version
        // that is there already keeps the sequence from being written.
        if old != Some(sequence)
            && (self.versions.contains_key(&key) || !follows(old.map(|s| s.revision), sequence.revision))
        {
            return Ok(Saved::No(old.cloned()));
        }
        self.sequences.insert((tenant, sequence.id), sequence.clone());
        self.versions.entry(key).or_insert_with(|| version.clone());
        Ok(Saved::Yes)
    }

    pub fn reserve(
        &mut self,
        sender: SenderId,
        spacing: i64,
        now: Timestamp,
        latest: Timestamp,
    ) -> PortResult<Option<i64>> {
        let free = self.rates.get(&sender).copied().filter(|_| !self.guards.reserve_ignores_others);
        let slot = free.unwrap_or(i64::MIN).max(now.0 * 1_000_000);
        if slot > latest.0 * 1_000_000 {
            return Ok(None);
        }
        self.rates.insert(sender, slot + spacing);
        if self.watched.is_some() {
            self.slots.push(slot);
        }
        Ok(Some(slot))
    }

    pub fn take_day(&mut self, slot: DaySlot, allowance: u32) -> PortResult<bool> {
        let taken = self.days.entry((slot.sender, slot.day)).or_default();
        if *taken >= allowance && !self.guards.take_day_ignores_others {
            return Ok(false);
        }
        *taken += 1;
        Ok(true)
    }

    /// One of a day's messages is free again.
    pub(super) fn give_back(&mut self, slot: DaySlot) {
        if let Some(taken) = self.days.get_mut(&(slot.sender, slot.day)) {
            *taken = taken.saturating_sub(1);
        }
    }

    pub fn first_day(&mut self, sender: SenderId, day: NaiveDate) -> PortResult<NaiveDate> {
        Ok(*self.first_days.entry(sender).or_insert(day))
    }

    /// The day from which on a sender's ramp-up counts, once it has one.
    pub fn first_day_of(&self, sender: SenderId) -> Option<NaiveDate> {
        self.first_days.get(&sender).copied()
    }

    /// How many messages of a sender's day are given away.
    pub fn taken(&self, sender: SenderId, day: NaiveDate) -> u32 {
        self.days.get(&(sender, day)).copied().unwrap_or(0)
    }

    /// How many messages of each day are given away.
    pub fn days_taken(&self) -> &BTreeMap<(SenderId, NaiveDate), u32> {
        &self.days
    }

    /// A sender's next free slot, in microseconds, if it has ever given one.
    pub fn free_slot(&self, sender: SenderId) -> Option<i64> {
        self.rates.get(&sender).copied()
    }

    pub fn sequence(&mut self, tenant: TenantId, id: SequenceId) -> PortResult<Option<StoredSequence>> {
        Ok(self.sequences.get(&(tenant, id)).cloned())
    }

    pub fn sequences(&mut self, tenant: TenantId) -> PortResult<Vec<StoredSequence>> {
        Ok(self.sequences.iter().filter(|((t, _), _)| *t == tenant).map(|(_, s)| s.clone()).collect())
    }

    pub fn delete_sequence(&mut self, tenant: TenantId, id: SequenceId) -> PortResult<bool> {
        Ok(self.sequences.remove(&(tenant, id)).is_some())
    }

    pub fn save_template(&mut self, tenant: TenantId, new: &StoredTemplate) -> PortResult<Saved<StoredTemplate>> {
        Ok(save(&mut self.templates, (tenant, new.id), new, new.revision, |t| t.revision))
    }

    pub fn template(&mut self, tenant: TenantId, id: TemplateId) -> PortResult<Option<StoredTemplate>> {
        Ok(self.templates.get(&(tenant, id)).cloned())
    }

    pub fn templates(&mut self, tenant: TenantId) -> PortResult<Vec<StoredTemplate>> {
        Ok(self.templates.iter().filter(|((t, _), _)| *t == tenant).map(|(_, t)| t.clone()).collect())
    }

    pub fn delete_template(&mut self, tenant: TenantId, id: TemplateId) -> PortResult<bool> {
        Ok(self.templates.remove(&(tenant, id)).is_some())
    }

    pub fn version(&mut self, tenant: TenantId, id: SequenceId, version: u32) -> PortResult<Option<Version>> {
        Ok(self.versions.get(&(tenant, id, version)).cloned())
    }

    pub fn put_test_version(&mut self, tenant: TenantId, version: &Version) -> PortResult<Inserted<Version>> {
        let there =
            self.versions.entry((tenant, version.sequence_id, version.number)).or_insert_with(|| version.clone());
        Ok(if there == version { Inserted::Yes } else { Inserted::Exists(there.clone()) })
    }

    pub fn versions(&mut self, tenant: TenantId, id: SequenceId) -> PortResult<Vec<Version>> {
        let listed = |t: &TenantId, s: &SequenceId, n: &u32| *t == tenant && *s == id && !is_test_version(*n);
        Ok(self.versions.iter().filter(|((t, s, n), _)| listed(t, s, n)).map(|(_, v)| v.clone()).collect())
    }

    pub fn save_sender(&mut self, tenant: TenantId, sender: &Sender) -> PortResult<Saved<Sender>> {
        if sender.id.tenant() != tenant {
            return Err(PortError::Poison("a sender of another account".into()));
        }
        Ok(save(&mut self.senders, sender.id, sender, sender.rev, |s| s.rev))
    }

    pub fn sender(&mut self, id: SenderId) -> PortResult<Option<Sender>> {
        Ok(self.senders.get(&id).cloned())
    }

    pub fn senders(&mut self, tenant: TenantId) -> PortResult<Vec<Sender>> {
        Ok(self.senders.values().filter(|s| s.id.tenant() == tenant).cloned().collect())
    }

    pub fn delete_sender(&mut self, id: SenderId) -> PortResult<bool> {
        Ok(self.senders.remove(&id).is_some())
    }

    pub fn save_attribute(&mut self, tenant: TenantId, attribute: &Attribute) -> PortResult<()> {
        self.attributes.insert((tenant, attribute.of, attribute.name.clone()), attribute.clone());
        Ok(())
    }

    pub fn declare_attribute(&mut self, tenant: TenantId, attribute: &Attribute) -> PortResult<Inserted<Attribute>> {
        let key = (tenant, attribute.of, attribute.name.clone());
        let standing = self.attributes.entry(key).or_insert_with(|| attribute.clone());
        Ok(if standing == attribute { Inserted::Yes } else { Inserted::Exists(standing.clone()) })
    }

    pub fn attributes(&mut self, tenant: TenantId) -> PortResult<Vec<Attribute>> {
        Ok(self.attributes.iter().filter(|((t, _, _), _)| *t == tenant).map(|(_, a)| a.clone()).collect())
    }

    pub fn put_message(&mut self, tenant: TenantId, message: &StoredMessage) -> PortResult<()> {
        self.messages.insert((tenant, message.contact, message.at, message.id), message.clone());
        Ok(())
    }

    /// Newest first.
    pub fn messages(
        &mut self,
        tenant: TenantId,
        contact: ContactId,
        cursor: Option<&str>,
        limit: u32,
    ) -> PortResult<Page<StoredMessage>> {
        let of_contact = self.messages.iter().filter(|((t, c, _, _), _)| *t == tenant && *c == contact);
        let newest_first = of_contact.map(|(_, m)| (Reverse((m.at, m.id)), m)).collect();
        page(format!("messages/{tenant}/{contact}"), &newest_first, cursor, limit)
    }

    pub fn put_suppression(&mut self, tenant: TenantId, new: &Suppression) -> PortResult<()> {
        self.suppressions.insert((tenant, suppression_id(tenant, new.channel, &new.address)), new.clone());
        Ok(())
    }

    pub fn suppression(
        &mut self,
        tenant: TenantId,
        channel: Channel,
        address: &str,
    ) -> PortResult<Option<Suppression>> {
        Ok(self.suppressions.get(&(tenant, suppression_id(tenant, channel, address))).cloned())
    }

    pub fn suppressions(&mut self, tenant: TenantId) -> PortResult<Vec<Suppression>> {
        let mut all: Vec<_> =
            self.suppressions.iter().filter(|((t, _), _)| *t == tenant).map(|(_, s)| s.clone()).collect();
        all.sort_by_key(|s| std::cmp::Reverse(s.at));
        Ok(all)
    }

    pub fn delete_suppression(&mut self, tenant: TenantId, id: &str) -> PortResult<Option<Suppression>> {
        Ok(self.suppressions.remove(&(tenant, id.to_owned())))
    }
}
