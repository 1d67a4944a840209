//! What a contact has around them: conversations of the helpdesk, and deals, appointments, charges.
//!
//! If it dies:
//! - `put_target` after the write, before the runs that wait for its dates are planned again: the
//!   repeat plans them, since it does so whether or not anything changed.
//! - `put_conversation` with a resolution: the conversation is written first as it stood, then the
//!   signal ends its runs, then the status is written. Wherever it dies, the repeat finds the status
//!   not yet resolved and signals again; ending what has ended changes nothing.

use std::collections::BTreeMap;

use domain::account::User;
use domain::contact::{Conversation, ConversationStatus, Target, TargetRef};
use domain::ids::{ContactId, Ids, SenderId, TenantId};
use domain::message::Channel;
use domain::signal::{CONVERSATION_RESOLVED, Marks, Signal};
use serde_json::{Map, Value};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};

use super::{NO_CONTACT, check_attributes};
use crate::accounts::{Fault, Invalid, MAX_TEXT, all_right, check_length, check_user};
use crate::ports::{Ports, Saved, Store as _};
use crate::{Engine, MAX_RACES, Refused};

/// What is said of a target's attributes.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetChange {
    /// These and no others (`PUT …/targets/…`).
    Replace(BTreeMap<String, Value>),
    /// These over what is there; null removes one (a target named by an event or enrollment).
    Merge(BTreeMap<String, Value>),
}

impl TargetChange {
    fn said(&self) -> &BTreeMap<String, Value> {
        let (Self::Replace(said) | Self::Merge(said)) = self;
        said
    }

    fn apply(&self, to: &mut BTreeMap<String, Value>) {
        if let Self::Replace(_) = self {
            to.clear();
        }
        for (name, value) in self.said() {
            if value.is_null() {
                to.remove(name);
            } else {
                to.insert(name.clone(), value.clone());
            }
        }
    }
}

/// A conversation as the helpdesk describes it; what is left out takes its default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConversationChange {
    pub status: ConversationStatus,
    pub channel: Option<Channel>,
    pub sender_id: Option<SenderId>,
    pub assignee: Option<User>,
    pub attributes: BTreeMap<String, Value>,
}

impl<P: Ports> Engine<P> {
    /// Writes a target and plans the runs about it again: they may wait for its dates.
    pub async fn put_target(
        &self,
        tenant: TenantId,
        contact: ContactId,
        target: &TargetRef,
        change: &TargetChange,
    ) -> Result<Target, Invalid> {
        let mut faults = check_attributes(change.said());
        if !target.kind.is_object() {
            faults.push(Fault::new("/kind", "invalid_value", "must be deal, appointment or charge"));
        }
        check_id(&mut faults, "/id", &target.id);
        all_right(faults)?;
        for _ in 0..MAX_RACES {
            let person = self.store.person(tenant, contact).await?.ok_or(NO_CONTACT)?;
            let before = person.target(target);
            let mut after = before.cloned().unwrap_or_else(|| Target {
                kind: target.kind,
                id: target.id.clone(),
                rev: 0,
                attributes: BTreeMap::new(),
                changed_at: None,
                marks: Marks::default(),
            });
            change.apply(&mut after.attributes);
            if before != Some(&after) {
                after.rev += 1;
                after.changed_at = Some(self.now());
                if let Saved::No(_) = self.store.save_target(tenant, contact, &after).await? {
                    continue;
                }
            }
            self.target_changed(tenant, contact, target).await?;
            return Ok(after);
        }
        Err(Refused::Busy.into())
    }

    /// Writes a conversation; one that becomes resolved ends its runs.
    pub async fn put_conversation(
        &self,
        tenant: TenantId,
        contact: ContactId,
        id: &str,
        change: &ConversationChange,
        ids: &mut Ids,
    ) -> Result<Conversation, Invalid> {
        let mut faults = check_attributes(&change.attributes);
        check_id(&mut faults, "", id);
        faults.extend(change.assignee.iter().flat_map(|u| check_user(u, "/assignee")));
        if let Some(sender) = change.sender_id
            && (sender.tenant() != tenant || self.store.sender(sender).await?.is_none())
        {
            faults.push(Fault::new("/sender_id", "unknown_reference", format!("there is no sender {sender}")));
        }
        all_right(faults)?;
        let (now, signal_id) = (self.now(), format!("evt_{}", B64.encode(ids.bytes::<12>())));
        let resolves = change.status == ConversationStatus::Resolved;
        let described = self.save_described(tenant, contact, id, change, !resolves).await?;
        if !resolves || described.status == ConversationStatus::Resolved {
            return Ok(described);
        }
        let signal = Signal {
            id: signal_id,
            kind: CONVERSATION_RESOLVED.into(),
            at: now,
            target: None,
            conversation: Some(id.to_owned()),
            data: Map::new(),
            decimal_mark: None,
        };
        self.signal(tenant, contact, &signal).await?;
        Ok(self.save_described(tenant, contact, id, change, true).await?)
    }

    async fn save_described(
        &self,
        tenant: TenantId,
        contact: ContactId,
        id: &str,
        change: &ConversationChange,
        with_status: bool,
    ) -> Result<Conversation, Refused> {
        for _ in 0..MAX_RACES {
            let person = self.store.person(tenant, contact).await?.ok_or(NO_CONTACT)?;
            let before = person.conversation(id);
            let mut after = before.cloned().unwrap_or_else(|| Conversation::new(id));
            after.channel = change.channel;
            after.sender_id = change.sender_id;
            after.assignee.clone_from(&change.assignee);
            after.attributes.clone_from(&change.attributes);
            after.attributes.retain(|_, value| !value.is_null());
            if with_status && after.status != change.status {
                after.status = change.status;
                after.status_at = Some(self.now());
            }
            if before == Some(&after) {
                return Ok(after);
            }
            after.rev += 1;
            if self.store.save_conversation(tenant, contact, &after).await? == Saved::Yes {
                return Ok(after);
            }
        }
        Err(Refused::Busy)
    }
}

/// A foreign id stands in a key.
fn check_id(faults: &mut Vec<Fault>, pointer: &str, id: &str) {
    if id.is_empty() || id.chars().any(char::is_control) {
        faults.push(Fault::new(pointer, "invalid_value", "is not a usable id"));
    }
    check_length(faults, pointer, id, MAX_TEXT);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_put_replaces_and_an_event_adds() {
        let map = |value: Value| -> BTreeMap<String, Value> { serde_json::from_value(value).expect("an object") };
        let before = || map(json!({"amount": "10", "due_date": "2026-12-01"}));
        let mut replaced = before();
        TargetChange::Replace(map(json!({"amount": "20", "link": null}))).apply(&mut replaced);
        assert_eq!(replaced, map(json!({"amount": "20"})));
        let mut merged = before();
        TargetChange::Merge(map(json!({"amount": "20", "due_date": null}))).apply(&mut merged);
        assert_eq!(merged, map(json!({"amount": "20"})));
    }
}
