//! Payment sources, what they told that matched nobody, and who has a target of some name.

use std::cmp::Reverse;

use domain::contact::{Conversation, TargetRef};
use domain::ids::{ContactId, SourceId, TenantId};
use domain::payment::PaymentSource;
use domain::time::Timestamp;
use engine::PortError;
use engine::model::{Page, Unmatched};
use engine::ports::{PortResult, Saved};

use super::tables::{Tables, page, save};

impl Tables {
    pub fn save_source(&mut self, tenant: TenantId, source: &PaymentSource) -> PortResult<Saved<PaymentSource>> {
        if source.id.tenant() != tenant {
            return Err(PortError::Poison("a payment source of another account".into()));
        }
        Ok(save(&mut self.sources, source.id, source, source.rev, |s| s.rev))
    }

    pub fn source(&mut self, id: SourceId) -> PortResult<Option<PaymentSource>> {
        Ok(self.sources.get(&id).cloned())
    }

    pub fn sources(&mut self, tenant: TenantId) -> PortResult<Vec<PaymentSource>> {
        Ok(self.sources.values().filter(|s| s.id.tenant() == tenant).cloned().collect())
    }

    pub fn delete_source(&mut self, id: SourceId) -> PortResult<bool> {
        Ok(self.sources.remove(&id).is_some())
    }

    pub fn put_unmatched(&mut self, entry: &Unmatched) -> PortResult<()> {
        self.unmatched.insert((entry.source, entry.at, entry.key.clone()), entry.clone());
        Ok(())
    }

    pub fn unmatched(
        &mut self,
        source: SourceId,
        now: Timestamp,
        cursor: Option<&str>,
        limit: u32,
    ) -> PortResult<Page<Unmatched>> {
        let of_source = self.unmatched.iter().filter(|((s, _, _), _)| *s == source);
        let newest_first = of_source.map(|((_, at, key), entry)| (Reverse((*at, key.clone())), entry)).collect();
        let mut found = page(format!("unmatched/{source}"), &newest_first, cursor, limit)?;
        found.data.retain(|entry| entry.expires_at() > now);
        Ok(found)
    }

    pub fn owners(&mut self, tenant: TenantId, target: &TargetRef) -> PortResult<Vec<ContactId>> {
        let named =
            self.targets.keys().filter(|(t, _, kind, id)| *t == tenant && *kind == target.kind && *id == target.id);
        let in_conversation = self.conversations.iter().filter(|((t, _, id), conversation)| {
            *t == tenant && conversation.sender_id.is_some_and(|sender| Conversation::named(sender, id) == *target)
        });
        let of_conversation = in_conversation.map(|((_, contact, _), _)| *contact);
        Ok(named.map(|(_, contact, _, _)| *contact).chain(of_conversation).collect())
    }
}
